"""Synthesis with Yosys: what a design takes of a family of devices, and its netlist of gates."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from snncc_backends.tools.design import Design
from snncc_backends.tools.device import Device, Family
from snncc_backends.tools.found import Tool, version_of
from snncc_backends.tools.yosys import run_yosys
from snncc_ir.errors import TargetError, ToolError

COUNTS, NETLIST, MAPPED, GATES = "cells.json", "netlist.json", "mapped.v", "gates.v"

FLOWS = {
    Family.ECP5: "synth_ecp5",
    Family.XILINX: "synth_xilinx -family xcup -flatten",
    Family.ICE40: "synth_ice40",
}


@dataclass(frozen=True, kw_only=True)
class Resources:
    """Cells of a netlist by what they are.

    `lut_rams` are memories made of LUTs; `rams` block memories, those of Xilinx in halves of 18 kbit.
    """

    luts: int
    carries: int
    flip_flops: int
    lut_rams: int
    rams: int
    multipliers: int


@dataclass(frozen=True, kw_only=True)
class Synthesis:
    """What Yosys made of a design: the number of cells of every type, and their sums."""

    family: Family
    resources: Resources
    cells: Mapping[str, int]
    yosys: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class CellTypes:
    """The cell types of a family, as regular expressions."""

    luts: str
    carries: str
    flip_flops: str
    lut_rams: str
    rams: str
    multipliers: str
    double_rams: str = ""
    """Block memories that count twice."""

    def sums(self, cells: Mapping[str, int]) -> Resources:
        """The number of cells of each kind."""

        def count(pattern: str) -> int:
            return sum(number for name, number in cells.items() if re.fullmatch(pattern, name))

        return Resources(
            luts=count(self.luts),
            carries=count(self.carries),
            flip_flops=count(self.flip_flops),
            lut_rams=count(self.lut_rams),
            rams=count(self.rams) + 2 * count(self.double_rams),
            multipliers=count(self.multipliers),
        )


CELL_TYPES = {
    Family.ECP5: CellTypes(
        luts="LUT4",
        carries="CCU2C",
        flip_flops="TRELLIS_FF",
        lut_rams="TRELLIS_DPR16X4",
        rams="DP16KD|PDPW16KD",
        multipliers="MULT(18X18|9X9)D",
    ),
    Family.XILINX: CellTypes(
        luts="LUT[1-6]",
        carries="CARRY[48]",
        flip_flops="FD[RSCP]E(_1)?",
        lut_rams=r"RAM\d+\w+|SRL\w+",
        rams="RAMB18E[12]",
        multipliers="DSP48E[12]",
        double_rams="RAMB36E[12]",
    ),
    Family.ICE40: CellTypes(
        luts="SB_LUT4",
        carries="SB_CARRY",
        flip_flops=r"SB_DFF\w*",
        lut_rams="",
        rams=r"SB_RAM40_4K\w*",
        multipliers="SB_MAC16",
    ),
}


def synthesise(yosys: Tool, design: Design, family: Family, folder: Path) -> Synthesis:
    """Synthesise a design; the netlist for nextpnr is NETLIST in `folder`."""
    started = time.monotonic()
    passes = (
        f"{FLOWS[family]} -top {design.top}",
        f"tee -q -o {COUNTS} stat -json -top {design.top}",
        f"write_json {NETLIST}",
    )
    run_yosys(yosys, design, folder, passes)
    cells = _read_counts(folder / COUNTS)
    return Synthesis(
        family=family,
        resources=CELL_TYPES[family].sums(cells),
        cells=cells,
        yosys=version_of(yosys),
        seconds=time.monotonic() - started,
    )


def _read_counts(file: Path) -> dict[str, int]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))["design"]["num_cells_by_type"]
        cells = {str(name): int(number) for name, number in found.items()}
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise ToolError(f"Yosys wrote no counts of cells ({error!r})") from error
    return {name: number for name, number in sorted(cells.items()) if not name.startswith("$scopeinfo")}


def check_fit(synthesis: Synthesis, device: Device) -> None:
    """Raise TargetError where a netlist needs more of something than the device has, before it is placed."""
    used = synthesis.resources
    # a carry cell takes the place of two LUTs
    needs = (
        ("LUTs", used.luts + 2 * used.carries, device.luts),
        ("flip-flops", used.flip_flops, device.luts),
        ("block memories", used.rams, device.rams),
        ("multipliers", used.multipliers, device.multipliers),
    )
    excess = [f"{used} {what} of {there}" for what, used, there in needs if used > there]
    if excess:
        raise TargetError(
            f"the design needs {', '.join(excess)}",
            where=device.name,
            hint="choose a larger device, fewer lanes or narrower weights",
        )


def gate_netlist(yosys: Tool, design: Design, folder: Path) -> Design:
    """The design as ECP5 LUTs, carries and flip-flops, each replaced by its model, for a simulator.

    Memories stay memories, with their contents: the block memories of ECP5 have no open model. Products are
    made of LUTs for the same reason.
    """
    mapping = f"synth_ecp5 -nodsp -top {design.top} -run"
    passes = (
        f"{mapping} begin:map_ram",
        f"{mapping} map_gates:check",
        f"write_verilog -noattr {MAPPED}",
        "design -reset",
        f"read_verilog -sv {MAPPED}",
        "read_verilog -sv -DNO_INCLUDES +/ecp5/cells_sim.v",
        f"hierarchy -check -top {design.top}",
        "proc",
        "flatten",
        "opt_clean -purge",
        f"write_verilog -noattr {GATES}",
    )
    run_yosys(yosys, design, folder, passes)
    return Design(top=design.top, files={GATES: (folder / GATES).read_bytes()})
