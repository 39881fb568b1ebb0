"""From tables to hardware: synthesis, place and route, a bitstream, beside what was estimated."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from snncc_backends.fpga.chain.board import board_design
from snncc_backends.fpga.chain.estimate import chain_estimate
from snncc_backends.fpga.chain.refusals import checked_chain
from snncc_backends.fpga.chain.run import run_chain
from snncc_backends.fpga.emit import board_files, core, table_files
from snncc_backends.fpga.engines import tables_for
from snncc_backends.fpga.estimate import estimate
from snncc_backends.fpga.events.board import event_board_design, sends_spikes
from snncc_backends.fpga.events.engine import event_tables_for
from snncc_backends.fpga.events.estimate import event_estimate
from snncc_backends.fpga.events.simulator import EventSimulator
from snncc_backends.fpga.inputs import checked_inputs
from snncc_backends.fpga.simulator.cycles import Simulator
from snncc_backends.fpga.tables.tables import Tables
from snncc_backends.tools.design import Design
from snncc_backends.tools.device import DEVICES, Device, find_device
from snncc_backends.tools.flow import REPORT, Report, missing_for, run_flow
from snncc_backends.tools.nextpnr import BITSTREAM
from snncc_ir.backend import Array
from snncc_ir.graph import Graph
from snncc_ir.hardware import Hardware, Resources, Stage
from snncc_ir.machine import Machine
from snncc_ir.progress import Progress
from snncc_ir.tensors import Ints
from snncc_ir.timing import Phased

TOP = "snncc_board"
KEPT = ("yosys.log", "nextpnr.log", "ecppack.log", BITSTREAM)
"""Files of a flow that are worth keeping beside the report."""

BLOCKS, MULTIPLIERS = ("DP16KD", "ICESTORM_RAM"), ("MULT18X18D", "ICESTORM_DSP")
LUTS, FLIP_FLOPS = ("TRELLIS_COMB", "ICESTORM_LC"), ("TRELLIS_FF", "ICESTORM_LC")
"""What nextpnr calls the cells; a logic cell of iCE40 is a LUT with a flip-flop."""


@dataclass(frozen=True)
class FpgaBuilder:
    """Yosys, nextpnr and ecppack on a core with its pins."""

    @property
    def devices(self) -> tuple[str, ...]:
        """Parts, and families that are synthesised alone."""
        return tuple(DEVICES)

    def missing(self, stage: Stage, device: str) -> str | None:
        """What must be installed; raises TargetError where there is no such device."""
        return missing_for(stage, find_device(device).family)

    def build(
        self,
        graph: Graph,
        machine: Machine,
        golden: Mapping[str, Array],
        device: str,
        stage: Stage,
        progress: Progress,
    ) -> Hardware:
        """Run the tools on tables that are made afresh."""
        part = find_device(device)
        made = _made(graph, machine, checked_inputs(graph, golden), part)
        with tempfile.TemporaryDirectory(prefix="snncc-build-") as name:
            folder = Path(name)
            report = run_flow(made.design, part, folder, stage, progress=progress)
            kept = {file: (folder / file).read_bytes() for file in KEPT if (folder / file).exists()}
            tools = json.loads((folder / REPORT).read_bytes())
        result = resources_of(report)
        plain = _plain(graph.name, machine, stage, made, result) | {"tools": tools}
        kept[REPORT] = json.dumps(plain, indent=1, allow_nan=False).encode() + b"\n"
        return Hardware(files=kept, report=plain, estimate=made.estimate, result=result, cycles=made.cycles)


@dataclass(frozen=True, kw_only=True)
class _Made:
    """A design with its pins, what it should take, and its cycles from one image to the next."""

    design: Design
    estimate: Resources
    cycles: float


def _made(graph: Graph, machine: Machine, images: Mapping[str, Ints], part: Device) -> _Made:
    if machine.chain:
        chain = checked_chain(graph, machine)
        cycles = float(np.mean(run_chain(chain, images).times.intervals))
        return _Made(design=board_design(chain), estimate=chain_estimate(chain), cycles=cycles)
    if not isinstance(graph.timing, Phased):
        events = event_tables_for(graph, machine)
        return _Made(
            design=event_board_design(events, spikes=sends_spikes(graph)),
            estimate=event_estimate(events),
            cycles=float(np.mean(EventSimulator(events).run(images).cycles)),
        )
    tables = _fitted(tables_for(graph, machine), part)
    cycles = float(np.mean(Simulator(tables).run(images).cycles))
    return _Made(design=design_of(tables), estimate=estimate(tables), cycles=cycles)


def _fitted(tables: Tables, part: Device) -> Tables:
    """The same on shift-add lanes where the part (not always the machine) has too few multipliers."""
    widths = tables.widths
    if part.multipliers >= widths.lanes:
        return tables
    return replace(tables, widths=replace(widths, shift_add=widths.multipliers))


def design_of(tables: Tables) -> Design:
    """The core with its pins, as synthesis takes it."""
    return Design(top=TOP, files={**core(), **table_files(tables), **board_files(tables)})


def resources_of(report: Report) -> Resources:
    """What a flow found; LUTs of a design that is not placed are those that its cells need at least."""
    cells, routed = report.synthesis.resources, report.routed
    if routed is None:
        return Resources(
            luts=cells.luts + 2 * cells.carries + 4 * cells.lut_rams,
            flip_flops=cells.flip_flops,
            brams=cells.rams,
            multipliers=cells.multipliers,
            fmax_mhz=None,
        )

    def used(names: tuple[str, ...]) -> int:
        return sum(routed.usage[name].used for name in names if name in routed.usage)

    return Resources(
        luts=used(LUTS),
        flip_flops=used(FLIP_FLOPS),
        brams=used(BLOCKS),
        multipliers=used(MULTIPLIERS),
        fmax_mhz=round(routed.fmax_mhz, 2),
    )


def _plain(name: str, machine: Machine, stage: Stage, made: _Made, result: Resources) -> dict[str, Any]:
    clock, cycles = result.fmax_mhz, made.cycles
    return {
        "kind": "snncc build",
        "network": name,
        "chip": machine.name,
        "lanes": machine.lanes,
        **({"chain": [asdict(part) for part in machine.chain]} if machine.chain else {}),
        "stage": stage.value,
        "estimate": asdict(made.estimate),
        "result": asdict(result),
        "cycles": cycles,
        "images_per_second": None if clock is None else round(clock * 1e6 / cycles, 1),
    }
