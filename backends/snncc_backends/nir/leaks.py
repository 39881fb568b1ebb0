"""Leaky neurons in numbers that NIR's equations and floating point hold exactly.

In a step of D seconds d(x, k) loses k / 4096 = D / tau of x, so tau = 4096 D / k. D is a power of two times
an odd number that the odd parts of all decays k divide: then D, every tau and all D / tau are exact.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from snncc_ir.graph import Graph
from snncc_ir.lif import DECAY_BITS, NO_MEMORY, SHIFT
from snncc_ir.neurons import Leaky, Staircase
from snncc_ir.nodes import Input, Population, Scale
from snncc_ir.tensors import Ints, Reals

PARTS = 2**DECAY_BITS
DIGITS = 53
"""Bits of a whole number that double precision holds exactly."""

SHORTEST = 2.0**-10
"""Seconds: a step lasts that or up to twice as long."""

HALF = Fraction(1, 2 << SHIFT)
"""Half of a 64th: with it v > vth and v >= vth are the same."""


def decays(neuron: Leaky) -> tuple[int, ...]:
    """The parts that leak from v, and from u where it lasts."""
    return (neuron.dv,) if neuron.du == NO_MEMORY else (neuron.dv, neuron.du + 1)


def leaky_neurons(graph: Graph) -> tuple[Leaky, ...]:
    """The neurons that leak."""
    return tuple(node.neuron for node in graph.populations if isinstance(node.neuron, Leaky))


@dataclass(frozen=True, kw_only=True)
class Step:
    """A time step of `odd` times a power of two."""

    odd: int

    @property
    def seconds(self) -> float:
        """Its length, SHORTEST or up to twice as long."""
        return math.ldexp(self.odd, 1 - self.odd.bit_length()) * SHORTEST

    def tau(self, parts: int) -> float:
        """The time constant of what loses so many parts in a step."""
        return float(Fraction(self.seconds) * PARTS / parts)


def step_of(graph: Graph) -> Step:
    """The step in which all decays are exact; `step_refusals` are empty."""
    known = {parts for neuron in leaky_neurons(graph) for parts in decays(neuron) if parts}
    return Step(odd=math.lcm(*(parts // (parts & -parts) for parts in known)))


@dataclass(frozen=True, kw_only=True)
class Volts:
    """A population's numbers in the file: `unit` is the real value of one integer of u and v."""

    unit: float
    threshold: float
    bias: Reals

    @property
    def is_exact(self) -> bool:
        """True where none of them had to be rounded."""
        return not math.isnan(self.threshold) and not np.isnan(self.bias).any()


def volts_of(neuron: Leaky, bias: Ints) -> Volts:
    """With r = w_in = 1 a spike adds weight * dt / tau_syn * dt / tau_mem to v, so that product is the unit.

    v_leak counts dt / tau_mem of itself. NaN stands for what floating point does not hold.
    """
    leak, fall = Fraction(neuron.dv, PARTS), Fraction(neuron.du + 1, PARTS)
    unit = leak * fall
    added = np.array([_exactly(value * unit) for value in bias.ravel().tolist()])
    return Volts(
        unit=float(unit),
        threshold=_exactly((neuron.vth + HALF) * unit),
        bias=added.reshape(bias.shape) / float(leak),
    )


def _exactly(value: Fraction) -> float:
    return float(value) if Fraction(float(value)) == value else math.nan


def is_relay(graph: Graph, node: Population) -> bool:
    """True for neurons that pass the spikes of an input on: compile puts them behind an input of spikes."""
    neuron, projections = node.neuron, graph.projections(node)
    if not isinstance(neuron, Staircase) or len(projections) != 1 or not isinstance(projections[0], Scale):
        return False
    (pixels,) = projections
    levels, numbers = graph.levels(pixels.source), (neuron.theta, pixels.weight)
    return (
        isinstance(graph.by_name[pixels.source], Input)
        and (levels.lo, levels.hi) == (neuron.lo, neuron.hi) == (0, 1)
        and all(tensor.range == (1, 1) for tensor in numbers)
        and neuron.bias.values.range == (0, 0)
    )


def step_refusals(graph: Graph) -> Iterator[str]:
    """Why there is no time step in which all decays are exact."""
    if step_of(graph).odd.bit_length() > DIGITS:
        yield (
            f"{graph.name}: its neurons leak at so many rates that in floating point no time step is a whole "
            "multiple of all"
        )


def leak_refusals(node: Population, neuron: Leaky) -> Iterator[str]:
    """Why a population's neurons are no LIF or CubaLIF."""
    if not neuron.dv:
        yield f"{node.name}: its potential does not leak (dv 0), so its time constant would be infinite"
    elif not volts_of(neuron, neuron.bias.values.data).is_exact:
        yield (
            f"{node.name}: its threshold or a bias, times its decays, takes more than the {DIGITS} bits of "
            "floating point"
        )
