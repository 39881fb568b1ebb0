"""When a pass does what: the cycles around its tiles (docs/fpga.md, section 1)."""

from __future__ import annotations

from snncc_backends.fpga.planning.maps import WORD
from snncc_backends.fpga.tables.tables import Widths

START = 1
"""Cycles before the first pass begins."""

FILL = 29
"""Cycles of a pass before the first step of its first tile."""


COUNTING = 3
"""Cycles by which a binary lane is later than a multiplier."""


def fire_cycles(widths: Widths) -> int:
    """Cycles from a potential to its level, the clip left out: a stage that looks up a breakpoint takes 3."""
    return widths.fire_steps * (3 if widths.table_rows else 1)


def lane_cycles(widths: Widths, *, binary: bool) -> int:
    """Cycles that a pass's lanes take beyond a multiplication: unpacking a weight, or counting bits."""
    return COUNTING if binary else widths.mixed_weights


def to_write(widths: Widths, *, binary: bool) -> int:
    """Cycles from the last step of a window to its first written word."""
    return 21 + fire_cycles(widths) + lane_cycles(widths, binary=binary)


def to_result(widths: Widths, *, binary: bool) -> int:
    """Cycles from a readout's last step of a tile to its first result."""
    return 8 + lane_cycles(widths, binary=binary)


def tail(widths: Widths, *, is_readout: bool, binary: bool) -> int:
    """Cycles from the last step of a pass to the next pass."""
    if is_readout:
        return to_result(widths, binary=binary) + WORD
    return to_write(widths, binary=binary) + widths.groups


def overhead(widths: Widths, *, is_readout: bool, binary: bool) -> int:
    """Cycles of a pass beside those of its tiles."""
    return FILL - 1 + tail(widths, is_readout=is_readout, binary=binary)
