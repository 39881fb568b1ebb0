"""Neurons that leak: NIR's LIF and CubaLIF in time steps, and as the whole numbers of Loihi's neuron."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce

import numpy as np

from snncc_backends.nir.euler import Dynamics, dynamics_of
from snncc_backends.nir.fields import Entries
from snncc_backends.nir.maps import Drive, Term
from snncc_backends.nir.units import Unit, Weights, exact_unit, is_whole
from snncc_ir.certificates import Interval, leaky_membrane, weight_sums
from snncc_ir.lif import GREATEST_MANTISSA, GREATEST_SUM, GREATEST_VTH, SHIFT
from snncc_ir.neurons import Bias, Leaky, per_channel
from snncc_ir.tensors import NEURON_BITS, Reals, Tensor
from snncc_ir.types import Levels

GREATEST_WEIGHT = 127

CLOSER = "bring its weights, bias and threshold closer together, or take fewer --steps"


@dataclass(frozen=True, kw_only=True)
class Rounded:
    """A population in whole numbers: its terms in volts, their unit, and what was rounded, if anything."""

    drive: Drive
    unit: Unit
    neuron: Leaky
    note: str


def rounded(node: Entries, drive: Drive, dt: float, steps: int, levels: Mapping[str, Levels]) -> Rounded:
    """The neurons of a LIF or CubaLIF node that reads `drive`; `levels` are those of its sources.

    The unit is the finest in which weights have 8 bits, biases and the threshold fit, the threshold is whole
    and no register overflows within `steps`; where there is a unit in which nothing is rounded, it is that
    divided by a whole number.
    A unit that the metadata name is kept instead, if nothing is rounded in it.
    Raises ModelError where Loihi's neuron has no such parameters.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        dynamics = dynamics_of(node, drive, dt)
        terms = tuple(_in_volts(term, dynamics.gain) for term in drive.terms)
    if not all(np.isfinite(values).all() for values in (dynamics.bias, *(term.weight for term in terms))):
        raise node.refuse("has numbers so great that their products overflow", CLOSER)
    if node.metadata.optional("v_unit") is not None:
        return _kept(node, replace(drive, terms=terms, bias=dynamics.bias), dynamics)
    search = _Search(dynamics, terms, steps, levels)
    size = search.size()
    neuron = search.neuron(size)
    if neuron.vth < 1 or any(search.weights(term, size).any() < term.weight.any() for term in terms):
        raise node.refuse("in whole numbers of 8 bits its weights or its threshold become 0", CLOSER)
    notes = "; ".join((*search.notes(size), *dynamics.notes))
    return Rounded(
        drive=replace(drive, terms=terms, bias=dynamics.bias),
        unit=Unit(np.full(len(dynamics.bias), size)),
        neuron=neuron,
        note=f"{node.name}: {notes}" if notes else "",
    )


def _kept(node: Entries, drive: Drive, dynamics: Dynamics) -> Rounded:
    """The population in the unit that the file names; a threshold may lie between two values of v."""
    size = node.metadata.number("v_unit")
    if size <= 0:
        raise node.refuse("its v_unit must be positive")
    with np.errstate(over="ignore"):
        vth = np.floor(np.array([dynamics.threshold / size * 2**SHIFT])) / 2**SHIFT
        numbers = [Weights(term.levels.values / size, term.bits) for term in drive.terms]
        numbers += [Weights(dynamics.bias / size, NEURON_BITS), Weights(vth, NEURON_BITS)]
    if not all(map(is_whole, numbers)):
        raise node.refuse(
            f"its weights, biases or threshold are not whole in its v_unit of {size:g}, or do not fit",
            "leave the length of a step as the file says it",
        )
    bias = Bias(values=Tensor.integer(dynamics.bias / size))
    return Rounded(
        drive=drive,
        unit=Unit(np.full(len(dynamics.bias), size)),
        neuron=Leaky(vth=int(vth[0]), bias=bias, du=dynamics.du, dv=dynamics.dv),
        note=f"{node.name}: {'; '.join(dynamics.notes)}" if dynamics.notes else "",
    )


def _in_volts(term: Term, gain: Reals) -> Term:
    """The term with weights that say what a spike adds to u."""
    return replace(term, weight=term.levels.values * per_channel(gain, term.weight.ndim), gain=1)


@dataclass(frozen=True)
class _Search:
    """The choice of the real value of one integer, for a population whose terms are in volts."""

    dynamics: Dynamics
    terms: Sequence[Term]
    steps: int
    levels: Mapping[str, Levels]

    @cached_property
    def exact(self) -> float:
        """The greatest unit in which nothing is rounded; 0 where there is none."""
        values = [term.levels for term in self.terms]
        found = exact_unit(values, np.append(self.dynamics.bias, self.dynamics.threshold))
        return 0.0 if found is None else found

    def size(self) -> float:
        """The finest unit that fits."""
        least = self._least()
        while True:
            whole = self.exact if self.exact >= least else self.dynamics.threshold
            size = whole / (whole // least) if whole >= least else least
            beyond = self._reach(size) / GREATEST_SUM
            if beyond <= 1:
                return size
            least *= max(beyond, 1.01)

    def _least(self) -> float:
        """The unit in which weights, biases and the threshold fit their mantissas."""
        weight = max(float(np.abs(term.weight).max()) for term in self.terms)
        bias = float(np.abs(self.dynamics.bias).max())
        threshold = self.dynamics.threshold
        least = max(weight / GREATEST_WEIGHT, bias / GREATEST_MANTISSA, threshold / GREATEST_VTH)
        return max(least, float(np.finfo(np.float64).tiny))

    def weights(self, term: Term, size: float) -> Reals:
        """The weights of a term in units."""
        return np.rint(term.weight / size)

    def neuron(self, size: float) -> Leaky:
        """The neuron in units."""
        bias = np.rint(self.dynamics.bias / size).astype(np.int64)
        vth = round(self.dynamics.threshold / size)
        values = Bias(values=Tensor.integer(bias))
        return Leaky(vth=vth, bias=values, du=self.dynamics.du, dv=self.dynamics.dv)

    def _reach(self, size: float) -> int:
        """The greatest magnitude of u and v in units."""
        drive = reduce(Interval.__add__, (self._interval(term, size) for term in self.terms))
        bound = leaky_membrane(self.neuron(size), drive, self.steps)
        return int(max(-bound.low.min(), bound.high.max())) >> SHIFT

    def _interval(self, term: Term, size: float) -> Interval:
        levels = self.levels[term.source]
        weight = Tensor.integer(self.weights(term, size))
        probe = term.make(name="probe", source=term.source, weight=weight)
        positive, negative = weight_sums(probe, levels)
        low, high = levels.lo, levels.hi
        return Interval(positive * low + negative * high, positive * high + negative * low)

    def notes(self, size: float) -> Iterator[str]:
        """What the unit rounds, by how much of the greatest value at most."""
        if size <= self.exact:
            return
        weights = np.concatenate([term.weight.ravel() for term in self.terms])
        threshold = np.array([self.dynamics.threshold])
        for what, values in (("weights", weights), ("biases", self.dynamics.bias), ("threshold", threshold)):
            error = np.abs(np.rint(values / size) * size - values).max()
            if error:
                yield f"{what} rounded by up to {error / np.abs(values).max():.2g} of the greatest"
