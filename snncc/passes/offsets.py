"""The exact real offset of a drive, per channel and border class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from snncc.passes.base import Array
from snncc.passes.parts import Part
from snncc_ir.errors import GraphError
from snncc_ir.linear import drive
from snncc_ir.neurons import Bias
from snncc_ir.tensors import Ints, Tensor
from snncc_ir.types import Shape


@dataclass(frozen=True, eq=False)
class Offsets:
    """Real offset of every channel and border class, `values[c][row class * columns + column class]`."""

    values: tuple[tuple[Fraction, ...], ...]
    shape: tuple[int, int]
    rows: tuple[int, ...] = ()
    columns: tuple[int, ...] = ()

    def bias(self, values: Ints) -> Bias:
        """Integers `[C, K]` as a bias."""
        if not self.rows:
            return Bias(values=Tensor.integer(values[:, 0]))
        return Bias(
            values=Tensor.integer(values.reshape(-1, *self.shape)), rows=self.rows, columns=self.columns
        )


def offsets(bias: Bias, parts: Sequence[Part], shape: Shape) -> Offsets:
    """The real bias less what the zero levels of the sources add, exactly."""
    real = np.asarray(bias.spread(shape), dtype=np.float64)
    layers: list[tuple[Sequence[Fraction], Array]] = [((Fraction(1),) * shape[0], real)]
    for part in parts:
        zero = np.broadcast_to(part.incoming.zero, part.incoming.levels.shape)
        for level in np.unique(zero[zero != 0]):
            mask = (zero == level).astype(np.int64)
            factors = tuple(-gain * Fraction(float(level)) for gain in part.gains)
            layers.append((factors, drive(part.linear, mask[None])[0]))
    rows, columns, picked = _border_classes([np.broadcast_to(values, shape) for _, values in layers], shape)
    found = tuple(
        tuple(
            sum((f[c] * _fraction(v) for (f, _), v in zip(layers, cell, strict=True)), Fraction(0))
            for cell in zip(*(part[c].reshape(-1) for part in picked), strict=True)
        )
        for c in range(shape[0])
    )
    if all(len(set(values)) == 1 for values in found):
        return Offsets(tuple(values[:1] for values in found), (1, 1))
    return Offsets(found, (picked[0].shape[1], picked[0].shape[2]), rows, columns)


def _fraction(value: float) -> Fraction:
    return Fraction(value.item() if isinstance(value, np.generic) else value)


def _border_classes(
    layers: list[Array], shape: Shape
) -> tuple[tuple[int, ...], tuple[int, ...], list[Array]]:
    """Classes of equal rows and columns, and the layers at one position of each; none where all are alike."""
    if all(
        bool((layer.reshape(len(layer), -1) == layer.reshape(len(layer), -1)[:, :1]).all())
        for layer in layers
    ):
        return (), (), [layer.reshape(len(layer), -1)[:, :1] for layer in layers]
    if len(shape) != 3:
        raise GraphError(f"a bias that varies by position needs an image, not a drive of {len(shape)} axes")
    stacked = np.concatenate([layer.astype(np.float64) for layer in layers])
    first_row, rows = _classes(stacked, 1)
    first_column, columns = _classes(stacked, 2)
    return rows, columns, [layer[:, first_row][:, :, first_column] for layer in layers]


def _classes(values: Array, axis: int) -> tuple[Array, tuple[int, ...]]:
    slices = np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1)
    _, first, inverse = np.unique(slices, axis=0, return_index=True, return_inverse=True)
    return first, tuple(map(int, np.asarray(inverse).ravel()))
