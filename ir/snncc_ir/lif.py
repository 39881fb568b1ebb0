"""The fixed-point LIF neuron of Loihi as Lava's process `LIF` has it, bit for bit.

    u = sgn(u) (|u| (4096 - (du + 1)) >> 12) + 64 a            wrapped once into (-2^23, 2^23]
    v = sgn(v) (|v| (4096 - dv) >> 12) + u + bias              clipped to +-(2^23 - 1)
    s = v > 64 vth,  and v = 0 where it fired

with bias = bias_mant << bias_exp. Source: lava-nc 0.10.0, lava/proc/lif/models.py, PyLifModelBitAcc.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

SHIFT = 6
"""A synaptic sum and a threshold count 2^6 in units of u and v."""

DECAY_BITS = 12
NO_MEMORY = 2**DECAY_BITS - 1
"""The `du` with which u is this step's input alone."""

TOP = 2**23
"""u wraps beyond it, v is clipped one short of it."""

GREATEST_SUM = (TOP - 1) >> SHIFT
"""No sum of integers up to this size wraps u or is clipped in v."""

GREATEST_VTH = 2**17 - 1
LEAST_MANTISSA, GREATEST_MANTISSA = -(2**12), 2**12 - 1
GREATEST_EXPONENT = 7

GREATEST_BIAS = GREATEST_MANTISSA << (GREATEST_EXPONENT - SHIFT)
"""In units of a synaptic sum; beyond `GREATEST_MANTISSA` a bias is even."""


@dataclass(frozen=True, kw_only=True)
class Lif:
    """The parameters of a population; `bias_mant` and `bias_exp` have its shape or broadcast to it."""

    vth: int
    bias_mant: Array
    bias_exp: Array
    du: int = NO_MEMORY
    dv: int = 0

    @property
    def bias(self) -> Array:
        """What is added to v in every step."""
        return np.asarray(self.bias_mant.astype(np.int64) << self.bias_exp)

    def step(self, u: Array, v: Array, drive: Array) -> tuple[Array, Array, Array]:
        """u, v and the spikes (0 or 1) after a step with the synaptic sums `drive`; all int64."""
        u = wrapped(decayed(u, self.du + 1) + (drive << SHIFT))
        v = np.clip(decayed(v, self.dv) + u + self.bias, 1 - TOP, TOP - 1)
        fired = v > self.vth << SHIFT
        return u, np.where(fired, 0, v), fired.astype(np.int64)


def wrapped(u: Array) -> Array:
    """One turn of a 24-bit register that holds 2^23 but not -2^23."""
    return np.where(u > TOP, u - 2 * TOP, np.where(u <= -TOP, u + 2 * TOP, u))


def decayed(value: Array, decay: int) -> Array:
    """Toward zero by the share decay / 2^12, the rest rounded toward zero."""
    return np.sign(value) * ((np.abs(value) * (2**DECAY_BITS - decay)) >> DECAY_BITS)


def bias_parts(bias: Array) -> tuple[Array, Array]:
    """Mantissa and exponent of biases in units of a synaptic sum; ValueError where one has none."""
    if not is_bias(bias).all():
        raise ValueError("a bias has no mantissa and exponent")
    exponent = np.where(is_mantissa(bias), SHIFT, GREATEST_EXPONENT)
    return bias >> (exponent - SHIFT), exponent


def is_mantissa(bias: Array) -> NDArray[np.bool_]:
    """Where a bias is a mantissa of exponent 6."""
    return np.asarray((bias >= LEAST_MANTISSA) & (bias <= GREATEST_MANTISSA))


def is_bias(bias: Array) -> NDArray[np.bool_]:
    """Where a bias in units of a synaptic sum is a mantissa of exponent 6, or twice one."""
    return is_mantissa(bias) | ((bias % 2 == 0) & is_mantissa(bias // 2))
