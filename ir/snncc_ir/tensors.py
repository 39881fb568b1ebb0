"""Arrays that know their width: a value outside its bits cannot be built."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from snncc_ir.errors import GraphError

Ints = NDArray[np.int64]
Reals = NDArray[np.float64]

WEIGHT_BITS = (1, 2, 3, 4, 5, 6, 8)
"""Widths of synaptic weights; 1 bit stands for -1 and +1."""

NEURON_BITS = 46
"""Thresholds, biases and breakpoints fit in this many bits, so that their product with a level fits in 64."""

MULTIPLIER_BITS = 24
"""Widest integer multiplier of an identity projection (`scale`, `sum_pool`)."""


@dataclass(frozen=True, eq=False)
class Tensor:
    """An immutable array of `bits`-bit signed integers, or of real numbers where `bits` is None.

    Integers are held as int64, reals as float64. One bit means the two values -1 and +1. Integers of
    real networks may have a `scale[O]`: index o along axis 0 stands for the real values data[o] * scale[o].
    """

    data: NDArray[Any]
    bits: int | None
    scale: Tensor | None = None

    def __post_init__(self) -> None:
        kind = np.float64 if self.bits is None else np.int64
        if self.data.dtype != kind:
            raise GraphError(f"tensor of {self.bits} bits must hold {kind.__name__}, not {self.data.dtype}")
        if self.data.size == 0:
            raise GraphError("tensor has no elements")
        if self.bits is None:
            if not np.isfinite(self.data).all():
                raise GraphError("tensor holds NaN or infinity")
        elif not 1 <= self.bits <= 63:
            raise GraphError(f"tensor width of {self.bits} bits is outside 1..63")
        elif not fits(self.data, self.bits):
            low, high = self.range
            raise GraphError(f"values {low}..{high} do not fit {self.bits} bits")
        if self.scale is not None:
            self._check_scale(self.scale)
        self.data.flags.writeable = False

    def _check_scale(self, scale: Tensor) -> None:
        if self.bits is None or scale.is_integer:
            raise GraphError("only integers are scaled, by real numbers")
        if scale.shape != self.data.shape[:1] or scale.data.min() <= 0:
            raise GraphError("a tensor's scale must be one positive number per index of its first axis")

    @staticmethod
    def real(values: ArrayLike) -> Tensor:
        """A tensor of real numbers; copies `values`."""
        return Tensor(np.array(values, dtype=np.float64, order="C"), None)

    @staticmethod
    def integer(values: ArrayLike, bits: int | None = None) -> Tensor:
        """A tensor of integers, by default as narrow as they allow; copies `values`."""
        given = np.array(values, order="C")
        if given.dtype.kind not in "biuf" or (given.size and not _are_int64(given)):
            raise GraphError("tensor holds numbers that are no integers of 64 bits")
        data = given.astype(np.int64)
        if bits is None and data.size == 0:
            raise GraphError("tensor has no elements")
        return Tensor(data, signed_bits(data) if bits is None else bits)

    @staticmethod
    def scaled(values: Ints, scale: Reals) -> Tensor:
        """Integers `values[O, ...]` as narrow as a synapse can hold them, with their `scale[O]`."""
        return Tensor(np.array(values, dtype=np.int64, order="C"), synapse_bits(values), Tensor.real(scale))

    @property
    def values(self) -> NDArray[Any]:
        """What the numbers stand for: the data itself, or integers times their scale."""
        if self.scale is None:
            return self.data
        return np.asarray(self.data * self.scale.data.reshape(-1, *(1,) * (self.data.ndim - 1)))

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return self.data.shape

    def taken(self, index: Ints, axis: int = 0) -> Tensor:
        """The numbers at `index` along an axis, in that order; a scale follows along the first."""
        scale = self.scale if self.scale is None or axis else self.scale.taken(index)
        return Tensor(np.take(self.data, index, axis), self.bits, scale)

    def reaches(self, bits: int) -> bool:
        """True where an integer's magnitude is 2^(bits - 1) or more."""
        return self.is_integer and max(-self.range[0], self.range[1]) >= 1 << (bits - 1)

    @property
    def is_integer(self) -> bool:
        """True where the values are integers of a stated width."""
        return self.bits is not None

    @cached_property
    def range(self) -> tuple[int, int]:
        """Least and greatest value of an integer tensor."""
        return int(self.data.min()), int(self.data.max())

    @cached_property
    def digest(self) -> str:
        """Sixteen hexadecimal digits that name width, shape and values."""
        state = hashlib.sha256(f"{self.bits} {self.shape} ".encode())
        state.update(self.data.astype(self.data.dtype.newbyteorder("<"), copy=False).tobytes())
        return state.hexdigest()[:16]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tensor) and self.digest == other.digest and self.scale == other.scale

    def __hash__(self) -> int:
        return hash(self.digest)

    def __str__(self) -> str:
        kind = "f64" if self.bits is None else f"i{self.bits}"
        text = f"{kind}[{'x'.join(map(str, self.shape))}]#{self.digest}"
        return text if self.scale is None else f"{text}*{self.scale}"


def _are_int64(values: NDArray[Any]) -> bool:
    """True where every number is an integer that int64 holds."""
    if values.dtype.kind == "f":
        return bool((np.isfinite(values) & (values == np.rint(values)) & (np.abs(values) < 2.0**63)).all())
    return values.dtype.kind != "u" or int(values.max()) < 2**63


def fits(values: Ints, bits: int) -> bool:
    """True where every value can be held in `bits` bits (one bit: only -1 and +1)."""
    if bits == 1:
        return bool((np.abs(values) == 1).all())
    bound = 1 << (bits - 1)
    return bool((values >= -bound).all() and (values < bound).all())


def signed_bits(values: Ints) -> int:
    """Narrowest two's complement width, at least 2, that holds all values."""
    return max(interval_bits(int(values.min()), int(values.max())), 2)


def synapse_bits(values: Ints) -> int:
    """Narrowest width of a synapse that holds all values: 1 where all are -1 or +1."""
    if fits(values, 1):
        return 1
    bits = signed_bits(values)
    return next((width for width in WEIGHT_BITS[1:] if width >= bits), bits)


def interval_bits(low: int, high: int) -> int:
    """Narrowest two's complement width that holds every integer of [low, high]."""
    return (
        max((-low - 1 if low < 0 else low).bit_length(), (-high - 1 if high < 0 else high).bit_length()) + 1
    )
