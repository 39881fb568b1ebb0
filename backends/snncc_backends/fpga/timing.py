"""When a pass does what: the cycles around its tiles (docs/fpga.md, section 1)."""

from __future__ import annotations

from snncc_backends.fpga.maps import WORD
from snncc_backends.fpga.tables import Widths

START = 1
"""Cycles before the first pass begins."""

FILL = 29
"""Cycles of a pass before the first step of its first tile."""


def fire_cycles(widths: Widths) -> int:
    """Cycles from a potential to its level, the clip left out: a stage that looks up a breakpoint takes 3."""
    return widths.fire_steps * (3 if widths.table_rows else 1)


def to_write(widths: Widths) -> int:
    """Cycles from the last step of a window to its first written word."""
    return 21 + fire_cycles(widths) + widths.mixed_weights


def to_result(widths: Widths) -> int:
    """Cycles from a readout's last step of a tile to its first result."""
    return 8 + widths.mixed_weights


def tail(widths: Widths, *, is_readout: bool) -> int:
    """Cycles from the last step of a pass to the next pass."""
    return to_result(widths) + WORD if is_readout else to_write(widths) + widths.groups


def overhead(widths: Widths, *, is_readout: bool) -> int:
    """Cycles of a pass beside those of its tiles."""
    return FILL - 1 + tail(widths, is_readout=is_readout)
