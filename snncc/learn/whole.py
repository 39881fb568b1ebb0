"""What a layer has learnt in whole numbers: weights of 8 bits, laid out as in the IR, biases, a threshold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from snncc.learn.engine import Floats
from snncc.learn.network import Conv, Readout, Stage
from snncc_ir.errors import SnnccError
from snncc_ir.lif import GREATEST_MANTISSA
from snncc_ir.neurons import Bias
from snncc_ir.tensors import Ints, Reals, Tensor

WEIGHT_BITS = 8
GREATEST_WEIGHT = 2 ** (WEIGHT_BITS - 1) - 1

GREATEST_THRESHOLD = 2**16
"""In units of a weight, so that weights near 0 do not make registers wide."""


@dataclass(frozen=True, kw_only=True)
class Whole:
    """A layer in whole numbers; `unit[C]` is the real value of one."""

    weight: Tensor
    bias: Bias
    unit: Reals

    def threshold(self, real: float, where: str) -> Ints:
        """A threshold in units, `[C]`; SnnccError where a channel's is rounded to 0."""
        found = np.rint(real / self.unit).astype(np.int64)
        if found.min() < 1:
            raise SnnccError(
                f"a weight of channel {int(found.argmin())} is more than {2 * GREATEST_WEIGHT} times the "
                "threshold, which would be 0 beside weights of 8 bits",
                where=where,
                hint="train with a lower rate, or begin with smaller weights",
            )
        return found


def whole(
    stage: Stage, weights: Floats, biases: Floats, level: float, threshold: float, *, shared: bool
) -> Whole:
    """The layer's numbers where a level that it reads stands for `level`.

    A unit is 1/127 of a channel's greatest weight; if `shared`, or of a readout, of the layer's, and biases
    then fit the mantissa of a chip.
    """
    gain = 1.0 if isinstance(stage.layer, Readout) else stage.layer.neuron.gain
    weight = level * gain * _in_channels(stage, weights.astype(np.float64))
    bias = biases.astype(np.float64)
    unit = np.abs(weight).reshape(len(weight), -1).max(axis=1) / GREATEST_WEIGHT
    unit = np.maximum(unit, threshold / GREATEST_THRESHOLD)
    if shared:
        unit = np.full_like(unit, max(unit.max(), np.abs(bias).max() / GREATEST_MANTISSA))
    unit = np.where(unit > 0, unit, 1.0)
    rounded = np.rint(weight / unit.reshape(-1, *(1,) * (weight.ndim - 1)))
    return Whole(
        weight=Tensor.integer(rounded, WEIGHT_BITS),
        bias=Bias(values=Tensor.integer(np.rint(bias / unit))),
        unit=unit,
    )


def _in_channels(stage: Stage, weights: Reals) -> Reals:
    """Weights `[O, C, KH, KW]` of a convolution; else `[O, I]` with the inputs channel by channel."""
    if isinstance(stage.layer, Conv):
        return weights.transpose(3, 2, 0, 1)
    outputs = weights.shape[-1]
    return weights.reshape(*stage.reads, outputs).transpose(3, 2, 0, 1).reshape(outputs, -1)
