"""The fire unit of a group bit for bit, wrapping where its registers do: what any table makes of a sum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from snncc_backends.fpga.tables.tables import Widths
from snncc_ir.tensors import Ints

TABLE_ROOM = 3
"""Bits by which the unit of breakpoints is wider than a potential or a correction."""


@dataclass(frozen=True, kw_only=True)
class Neuron:
    """One lane's words of `neurons.mem`, and its row of corrections `[2**STEPS]`, if there are tables."""

    theta: int
    bias: int
    corrections: tuple[int, ...] = ()


def fired(neuron: Neuron, sums: Ints, widths: Widths, top: int) -> Ints:
    """q for every U, before the least level is added (`snncc_group.v`)."""
    v = _wrapped(sums + neuron.bias, widths.potential)
    found = _tabled(neuron, v, widths) if neuron.corrections else _even(neuron.theta, v, widths)
    return np.minimum(found, top)


def _even(theta: int, v: Ints, widths: Widths) -> Ints:
    rest, found = v, np.zeros_like(v)
    for stage in range(widths.fire_steps - 1, -1, -1):
        less = _wrapped(rest - (theta << stage), widths.potential)
        reached = (v >= 0) & (less >= 0)
        rest, found = np.where(reached, less, rest), 2 * found + reached
    return found


def _tabled(neuron: Neuron, v: Ints, widths: Widths) -> Ints:
    corrections = np.array(neuron.corrections)
    bits = max(widths.potential, widths.correction) + TABLE_ROOM
    rest, found = v, np.zeros_like(v)
    for stage in range(widths.fire_steps - 1, -1, -1):
        less = _wrapped(rest - (neuron.theta << stage), bits)
        reached = _wrapped(less - corrections[2 * found + 1 << stage], bits) >= 0
        rest, found = np.where(reached, less, rest), 2 * found + reached
    return found


def _wrapped(values: Ints, bits: int) -> Ints:
    """The values as two's complement of so many bits."""
    half = 1 << (bits - 1)
    return ((values + half) & (2 * half - 1)) - half
