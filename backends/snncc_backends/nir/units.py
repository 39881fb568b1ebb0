"""The unit in which a neuron's weights, bias and threshold are integers, exactly or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from snncc_ir.codes import Reset
from snncc_ir.neurons import per_channel
from snncc_ir.tensors import NEURON_BITS, Ints, Reals

MOST_HALVINGS = 48
"""Units down to 2^-48."""

NARROW, WIDE = 8, 24
"""Bits of synapses, and of the multipliers of skips and pools."""


class UnitError(ValueError):
    """Why there is no unit, as a sentence about the neurons."""


@dataclass(frozen=True)
class Weights:
    """Weights `values[C, ...]` that `bits` bits must hold."""

    values: Reals
    bits: int


@dataclass(frozen=True)
class Unit:
    """The real value `size[C]` of one integer, by channel."""

    size: Reals

    def integers(self, values: Reals) -> Ints:
        """Values `[C, ...]` in units, to the nearest."""
        return np.asarray(np.rint(values / per_channel(self.size, values.ndim)), dtype=np.int64)


def is_whole(weights: Weights) -> bool:
    """True where weights in units are integers of their bits."""
    values, reach = weights.values, 2.0 ** (weights.bits - 1)
    return bool(((values == np.rint(values)) & (values >= -reach) & (values < reach)).all())


def shared_unit(weights: Sequence[Weights], bias: Reals) -> Unit:
    """One unit for all channels."""
    rows = [Weights(each.values.reshape(1, -1), each.bits) for each in weights]
    size = _sizes(rows, bias[None, :])[0]
    return Unit(np.full(len(bias), size[0]))


def exact_unit(weights: Sequence[Weights], others: Reals) -> float | None:
    """The greatest unit in which weights fit and all is whole, or None."""
    rows = [Weights(each.values.reshape(1, -1), each.bits) for each in weights]
    try:
        return float(_sizes(rows, others[None, :])[-1][0])
    except UnitError:
        return None


def rough_unit(weights: Sequence[Weights], bias: Reals) -> Unit:
    """The unit in which the greatest weight has 8 bits and biases have 31; all is rounded."""
    sizes = [float(np.abs(each.values).max()) / (2 ** (NARROW - 1) - 1) for each in weights]
    least = (float(np.abs(bias).max()) / 2**30, float(np.finfo(np.float64).tiny))
    return Unit(np.full(len(bias), max(*sizes, *least)))


def neuron_units(
    weights: Sequence[Weights], bias: Reals, threshold: Reals, start: Reals | None, top: int, reset: Reset
) -> tuple[Unit, Ints]:
    """The unit and the thresholds `theta[C]` of neurons whose spikes are worth `top` levels.

    A neuron of NIR fires where v > threshold. With reset `zero` its potential is a whole number u of units,
    and u > t is u >= floor(t) + 1; with `subtract` it may lie
    between two whole numbers, and the threshold must be whole.
    """
    rows = [Weights(each.values.reshape(len(bias), -1), each.bits) for each in weights]
    whole = bias if reset is Reset.ZERO else np.stack([bias, threshold], axis=1)
    for size in _sizes(rows, whole.reshape(len(bias), -1)):
        spike = threshold / size
        theta = np.floor(spike) + 1 if reset is Reset.ZERO else spike
        if (theta >= 1).all() and (theta < 2.0 ** (NEURON_BITS - 1)).all() and not (theta % top).any():
            _check_start(start, size, theta, reset)
            return Unit(size), (theta // top).astype(np.int64)
    raise UnitError("has thresholds that are not positive, or no multiples of its level_top")


def _check_start(start: Reals | None, size: Reals, theta: Reals, reset: Reset) -> None:
    """Refuse potentials that do not start at half the threshold; NIR leaves the start open."""
    if start is None:
        return
    beyond = start / size - theta // 2
    if ((beyond != 0) if reset is Reset.ZERO else ((beyond <= 0) | (beyond > 1))).any():
        raise UnitError("has potentials that do not start at half the threshold, as rate neurons do")


def _sizes(weights: Sequence[Weights], others: Reals) -> list[Reals]:
    """The units by row in which all is whole and weights fit: a power of two, and the greatest."""
    rows = np.concatenate([*(each.values for each in weights), others], axis=1)
    fine = np.array([_power(row) for row in rows])
    whole = np.rint(rows / fine[:, None]).astype(np.int64)
    greatest = np.maximum(np.gcd.reduce(whole, axis=1), 1)
    found = [size for size in (fine, fine * greatest) if all(_fits(each, size) for each in weights)]
    if not found:
        raise UnitError("has weights that are not integers of 8 bits times one unit per channel")
    return found


def _power(values: Reals) -> float:
    """The greatest power of two up to 1 of which all values are multiples."""
    for halvings in range(MOST_HALVINGS):
        scaled = values * 2.0**halvings
        if (np.abs(scaled) >= 2.0 ** (NEURON_BITS - 1)).any():
            break
        if (scaled == np.rint(scaled)).all():
            return float(2.0**-halvings)
    raise UnitError("has weights, biases or thresholds that are no multiples of one unit")


def _fits(weights: Weights, size: Reals) -> bool:
    whole, reach = weights.values / size[:, None], 2.0 ** (weights.bits - 1)
    return bool(((whole >= -reach) & (whole < reach)).all())
