"""What rounding costs the outputs, channel by channel and top by top."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc.passes.base import Adjoint, Context
from snncc.passes.tops import on_levels
from snncc_ir.graph import Graph
from snncc_ir.tensors import Reals
from snncc_ir.types import Shape

Array = NDArray[Any]

PROBED = 256
"""Images on which errors are measured."""

DIRECTIONS = 16
"""Of an output's error at most; of outputs with more values random sums stand for them."""

NOISE = 1e-10
"""Share of a mean square below which a variance is the rounding of its own sums."""


@dataclass(frozen=True)
class RoundingErrors:
    """Of the channels of a population for what was tried, `[F, C]`.

    `outputs` is the squared error that rounding the channel alone makes in the outputs, relative to their
    variance; `channel` is the mean square of what rounding adds to the channel's own activations.
    """

    outputs: Reals
    channel: Reals


@dataclass(frozen=True)
class Tries:
    """F tops each, `[F, C]`, that the channels of a population may get for the levels lo..hi."""

    tops: Reals
    lo: int
    hi: int

    @property
    def scales(self) -> Reals:
        """Real values of one level `[F, C]`."""
        return np.asarray(self.tops / max(self.hi, -self.lo))


def channel_errors(
    graph: Graph, context: Context, tries: Mapping[str, Mapping[int, Tries]]
) -> dict[str, dict[int, RoundingErrors]]:
    """What every channel of a real graph costs for what is tried by population and level bits.

    Float weights, calibration images, no label. Each channel is rounded alone while all others stay real,
    and the outputs follow to first order: the gradient of an output by an activation, times the rounding
    error of the activation, summed over the positions of the channel. The mean of such a sum over the images
    is no loss, since `correct_bias` takes it away; its variance is.
    """
    adjoint = context.adjoints(graph)
    images = context.input_format.to_reals(context.samples[:PROBED])
    batches = [images[first : first + adjoint.batch] for first in range(0, len(images), adjoint.batch)]
    directions = _directions(adjoint, batches, graph.outputs)
    progress = context.watch("errors of channels")
    sums: dict[tuple[str, int], _Sums] = {}
    for number, batch in enumerate(batches):
        values = {name: _by_position(value) for name, value in adjoint.values(batch).items()}
        for name, gradients in _gradients(adjoint, batch, directions).items():
            for bits, tried in tries[name].items():
                sums.setdefault((name, bits), _Sums()).add(_rounding(values[name], tried), gradients)
        progress(number + 1, len(batches))
    return {
        name: {bits: sums[name, bits].errors(len(images)) for bits in by_bits}
        for name, by_bits in tries.items()
    }


Directions = list[tuple[str, Array]]
"""Factors `[*shape]` of the values of one output."""


def _directions(adjoint: Adjoint, batches: list[Array], outputs: Sequence[str]) -> Directions:
    """The squares of an error along all of them add up to its mean square over the variance of the outputs.

    Each value of a small output is one direction. For random signs r the mean of the square of sum(r e) is
    the sum of the squares of e (Hutchinson 1990).
    """
    moments: dict[str, list[Reals]] = {name: [] for name in outputs}
    shapes: dict[str, Shape] = {}
    for batch in batches:
        values = adjoint.values(batch)
        for name in outputs:
            output = values[name].astype(np.float64)
            moments[name].append(np.array([output.size, output.sum(), np.square(output).sum()]))
            shapes[name] = output.shape[1:]
    random, found = np.random.default_rng(0), []
    for name, shape in shapes.items():
        size = math.prod(shape)
        count = min(size, DIRECTIONS)
        signs = np.eye(size) if size == count else random.choice([-1.0, 1.0], (count, size)) / np.sqrt(count)
        total, first, second = np.sum(moments[name], axis=0)
        unit = np.sqrt(size * max(second / total - (first / total) ** 2, 1e-12))
        found += [(name, sign.reshape(shape) / unit) for sign in signs]
    return found


def _gradients(adjoint: Adjoint, images: Array, directions: Directions) -> dict[str, Array]:
    """By the activations of every population of P positions, `[N, C, K, P]` for K directions."""
    none = {name: np.zeros((len(images), *direction.shape)) for name, direction in directions}
    found: dict[str, Array] = {}
    for number, (output, direction) in enumerate(directions):
        each = adjoint.gradients(images, none | {output: none[output] + direction})
        for name, gradient in each.items():
            flat = _by_position(gradient)
            if not number:
                found[name] = np.empty((*flat.shape[:2], len(directions), flat.shape[2]), np.float32)
            found[name][:, :, number] = flat
    return found


def _by_position(values: Array) -> Array:
    return values.reshape(*values.shape[:2], -1)


def _rounding(values: Array, tried: Tries) -> Array:
    """What rounding adds to the activations, `[N, C, P, F]`."""
    scales = tried.scales.T.astype(np.float32)[:, None]
    return on_levels(values[..., None], scales, tried.lo, tried.hi) - values[..., None]


class _Sums:
    """Over the images, for every top and channel."""

    def __init__(self) -> None:
        self._first: Array = np.zeros(1)
        self._second: Array = np.zeros(1)
        self._channel: Array = np.zeros(1)

    def add(self, rounded: Array, gradients: Array) -> None:
        """One more batch of rounding errors `[N, C, P, F]`."""
        errors = (gradients @ rounded).astype(np.float64)
        self._first = self._first + errors.sum(axis=0)
        self._second = self._second + np.square(errors).sum(axis=(0, 2))
        self._channel = self._channel + np.square(rounded).mean(axis=2).sum(axis=0)

    def errors(self, images: int) -> RoundingErrors:
        """Means over so many images; one alone does not tell a mean from what varies."""
        square = self._second / images
        variance = square - (np.square(self._first / images).sum(axis=1) if images > 1 else 0.0)
        outputs = np.where(variance > NOISE * square, variance, 0.0)
        return RoundingErrors(outputs=outputs.T, channel=self._channel.T / images)
