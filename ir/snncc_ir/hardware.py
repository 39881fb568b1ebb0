"""Hardware that tools make of an emitted network: how far they go, and what it takes of a device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Stage(Enum):
    """How far hardware is built: a netlist, a placed and routed one, a file that configures the device."""

    SYNTHESIS = "synthesis"
    ROUTED = "routed"
    BITSTREAM = "bitstream"


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What a design takes of a device; None where it is not known (yet)."""

    luts: int | None
    flip_flops: int | None
    brams: int | None
    multipliers: int | None
    fmax_mhz: float | None


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """What tools made of a network: `files` by name, to keep, and `report`, which is JSON.

    `luts` of a design that is not placed are those that its gates and carries need at least.
    """

    files: Mapping[str, bytes]
    report: Mapping[str, Any]
    estimate: Resources
    result: Resources
    cycles: float
