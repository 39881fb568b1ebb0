"""The backend object: devices, refusals, emitted files and the engines."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from snncc_backends.chips import load_machine
from snncc_backends.fpga.build import FpgaBuilder
from snncc_backends.fpga.chain.balance import FpgaBalancer
from snncc_backends.fpga.chain.emit import chain_figures, emit_chain_files
from snncc_backends.fpga.chain.refusals import find_chain_refusals
from snncc_backends.fpga.emit import FOLDER, emit_files
from snncc_backends.fpga.engines import CsimEngine, CyclesEngine, RtlEngine
from snncc_backends.fpga.events.emit import emit_event_files
from snncc_backends.fpga.events.refusals import find_event_refusals
from snncc_backends.fpga.refusals import find_refusals
from snncc_ir.backend import Array, Engine
from snncc_ir.errors import TargetError
from snncc_ir.graph import Graph
from snncc_ir.machine import Machine
from snncc_ir.timing import Phased

DEVICES = ("ecp5-85k", "ecp5-45k", "ecp5-25k", "xczu7ev")
"""Machine descriptions that this backend emits for; the first is the default."""


@dataclass(frozen=True)
class FpgaBackend:
    """Tables for the level core, of streaming codes for the event core."""

    name: str = "fpga"

    @cached_property
    def machines(self) -> Mapping[str, Machine]:
        """The devices by name."""
        return {name: load_machine(name) for name in DEVICES}

    @property
    def engines(self) -> tuple[Engine, ...]:
        """The cycle simulator, the HLS kernel, and the Verilog in Verilator."""
        return (CyclesEngine(), CsimEngine(), RtlEngine())

    @property
    def builder(self) -> FpgaBuilder:
        """Yosys, nextpnr and ecppack."""
        return FpgaBuilder()

    @property
    def balancer(self) -> FpgaBalancer:
        """Chains of level cores."""
        return FpgaBalancer()

    def refusals(self, graph: Graph, machine: Machine) -> tuple[str, ...]:
        """Why the graph's core or the device cannot express the graph; empty where they can."""
        if machine.chain:
            return find_chain_refusals(graph, machine)
        streams = not isinstance(graph.timing, Phased)
        return find_event_refusals(graph, machine) if streams else find_refusals(graph, machine)

    def emit(self, graph: Graph, machine: Machine, golden: Mapping[str, Array]) -> dict[str, bytes]:
        """Tables, core and manifest; raises TargetError where the graph cannot be expressed."""
        refusals = self.refusals(graph, machine)
        if refusals:
            raise TargetError("; ".join(refusals))
        levels = {name: np.asarray(values, dtype=np.int64) for name, values in golden.items()}
        if machine.chain:
            return emit_chain_files(graph, machine, levels)
        streams = not isinstance(graph.timing, Phased)
        return emit_event_files(graph, machine, levels) if streams else emit_files(graph, machine, levels)

    def figures(self, files: Mapping[str, bytes]) -> dict[str, Any]:
        """Cycles of an image, mean over the golden ones, and what the network takes by estimate."""
        manifest = json.loads(files[f"{FOLDER}/manifest.json"])
        if manifest["core"] == "chain":
            return chain_figures(manifest)
        return {
            "lanes": manifest["parameters"]["P"],
            "shift_add": bool(manifest["parameters"].get("SHIFTS", 0)),
            "cycles": round(float(np.mean(manifest["expected"]["cycles"])), 1),
            **manifest["estimate"],
        }
