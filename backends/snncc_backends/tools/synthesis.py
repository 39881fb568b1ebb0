"""Synthesis with Yosys: what a design takes of a family of devices, and its netlist of gates."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from snncc_backends.tools.design import Design
from snncc_backends.tools.device import Device, Family
from snncc_backends.tools.found import Tool, version_of
from snncc_backends.tools.yosys import run_yosys
from snncc_ir.errors import TargetError, ToolError

COUNTS, NETLIST, GATES = "cells.json", "netlist.json", "gates.v"

FLOWS = {
    Family.ECP5: "synth_ecp5",
    Family.XILINX: "synth_xilinx -family xcup -flatten",
    Family.ICE40: "synth_ice40",
}


@dataclass(frozen=True, kw_only=True)
class Resources:
    """Cells of a netlist by what they are; `lut_rams` are memories made of LUTs, `rams` block memories."""

    luts: int
    carries: int
    flip_flops: int
    lut_rams: int
    rams: int
    multipliers: int


@dataclass(frozen=True, kw_only=True)
class Synthesis:
    """What Yosys made of a design: every cell type with its number, and the sums."""

    family: Family
    cells: Mapping[str, int]
    resources: Resources
    yosys: str
    seconds: float


CELLS: dict[Family, dict[str, tuple[str, ...]]] = {
    Family.ECP5: {
        "luts": ("LUT4",),
        "carries": ("CCU2C",),
        "flip_flops": ("TRELLIS_FF",),
        "lut_rams": ("TRELLIS_DPR16X4",),
        "rams": ("DP16KD", "PDPW16KD"),
        "multipliers": ("MULT18X18D", "MULT9X9D"),
    },
}
