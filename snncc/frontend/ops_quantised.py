"""Lowering of quantisers: ONNX's QuantizeLinear, DequantizeLinear and QLinear..., QONNX's, and Sign."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from snncc.frontend.calls import Call, Result, as_drive, folded, lowered
from snncc.frontend.lifting import on_images
from snncc.frontend.onnx_nodes import Attributes
from snncc.frontend.ops_arithmetic import affine
from snncc.frontend.ops_linear import conv, matmul
from snncc.frontend.quantised import Quantised, dequantised
from snncc.frontend.values import Array, Const, DriveValue, Operand, Signal, Stored
from snncc.frontend.verdicts import Reject
from snncc.frontend.wiring import channel_values, fitted
from snncc_ir.rounding import Rounding
from snncc_ir.tensors import Reals

ROUNDINGS = {
    "ROUND": Rounding.HALF_EVEN,
    "HALF_EVEN": Rounding.HALF_EVEN,
    "CEIL": Rounding.CEIL,
    "FLOOR": Rounding.FLOOR,
    "UP": Rounding.UP,
    "DOWN": Rounding.DOWN,
    "ROUND_TO_ZERO": Rounding.DOWN,
    "HALF_UP": Rounding.HALF_UP,
    "HALF_DOWN": Rounding.HALF_DOWN,
}
"""QONNX's names."""

_conv = on_images("convolution", conv)

SHIFTABLE = (Rounding.HALF_EVEN, Rounding.CEIL, Rounding.FLOOR)
"""Roundings of x + z that are roundings of x, plus z, for an integer z."""


@dataclass(frozen=True)
class _Codes:
    """How integers q stand for real values: scale * (q - zero), lowest <= q <= highest."""

    scale: Reals
    zero: int
    lowest: int
    highest: int

    def form(self) -> Quantised:
        """QuantizeLinear: halves to even, then the zero point, then saturation."""
        return Quantised(
            step=self.scale,
            lo=self.lowest - self.zero,
            hi=self.highest - self.zero,
            rounding=Rounding.HALF_EVEN,
        )


def quantize_linear(call: Call) -> Result:
    """QuantizeLinear: a population on the given grid, or nothing where its input lies on that grid."""
    codes = _codes(call, 1, 2)
    if call.attributes.integer("block_size", 0):
        raise Reject("block_size is not supported; use one scale per tensor or channel")
    result = quantised(call, call.operand(), codes.form())
    if isinstance(result.values[0], Signal):
        return replace(result, values=(replace(result.values[0], zero=codes.zero),))
    return result


def dequantize_linear(call: Call) -> Result:
    """DequantizeLinear of what QuantizeLinear gave with the same numbers, or of an input of integers."""
    value = call.codes()
    codes = _codes(call, 1, 2)
    if value.zero is None:
        raise Reject("dequantises real values; only quantised ones are expected here")
    if value.grid is None:
        return _as_reals(call, value, codes)
    return folded(_dequantised(call, value, codes), "its scale is the signal's own")


def qlinear_conv(call: Call) -> Result:
    """QLinearConv: DequantizeLinear, Conv and QuantizeLinear in one."""
    x, bias_scale = _operand(call, 0)
    weight = _stored(call, 3, axis=0)
    values: tuple[Operand | Const, ...] = (x, weight)
    if call.has(8):
        scale = bias_scale * np.asarray(call.constant(4, "its weight scale is"), dtype=np.float64)
        bias = np.asarray(call.constant(8, "its bias is"), dtype=np.float64)
        values = (*values, Const(bias * scale))
    return _requantised(call, _conv(replace(call, values=values)), 6)


def qlinear_matmul(call: Call) -> Result:
    """QLinearMatMul: DequantizeLinear, MatMul and QuantizeLinear in one."""
    x, _ = _operand(call, 0)
    weight = _stored(call, 3, axis=-1)
    return _requantised(call, matmul(replace(call, values=(x, weight))), 6)


def _operand(call: Call, index: int) -> tuple[Operand, float]:
    value, codes = call.codes(index), _codes(call, index + 1, index + 2)
    if value.grid is None:
        (operand,) = _as_reals(call, value, codes).values
    else:
        operand = _dequantised(call, value, codes)
    if not isinstance(operand, Signal | DriveValue):
        raise Reject("its input is not computed from the image")
    return operand, float(codes.scale[0])


def _stored(call: Call, index: int, axis: int) -> Const:
    arrays = [call.constant(index + k, what) for k, what in enumerate(("its weights are", "its scale is"))]
    zero = call.optional(index + 2, "its zero point is")
    return Const(*dequantised(arrays[0], arrays[1], np.zeros(1) if zero is None else zero, axis))


def _requantised(call: Call, result: Result, index: int) -> Result:
    (value,) = result.values
    if not isinstance(value, Signal | DriveValue):
        raise Reject("its product is not computed from the image")
    codes = _codes(call, index, index + 1)
    made = quantised(call, value, codes.form()).values[0]
    if not isinstance(made, Signal):
        raise Reject("its result is no signal")
    return lowered(replace(made, zero=codes.zero))


def _codes(call: Call, scale_index: int, zero_index: int) -> _Codes:
    scale = np.asarray(call.constant(scale_index, "its scale is"), dtype=np.float64).reshape(-1)
    if scale.size != 1:
        raise Reject("scales that differ by channel are supported for weights alone; use one per tensor")
    zero = call.optional(zero_index, "its zero point is")
    dtype = np.dtype(np.uint8) if zero is None else zero.dtype
    if dtype.kind not in "iu":
        raise Reject("only integers are supported as quantised type")
    zeros = np.zeros(1, dtype=np.int64) if zero is None else zero.astype(np.int64).reshape(-1)
    if zeros.size != 1:
        raise Reject("zero points that differ by channel are supported for weights alone")
    limits = np.iinfo(dtype)
    return _Codes(scale, int(zeros[0]), int(limits.min), int(limits.max))


def _dequantised(call: Call, value: Signal, codes: _Codes) -> Signal:
    grid = value.grid
    if grid is None or value.zero != codes.zero or bool((codes.scale != grid.step).any()):
        raise Reject("dequantises with another scale or zero point than its input was quantised with")
    return replace(value, zero=None)


def _as_reals(call: Call, value: Signal, codes: _Codes) -> Result:
    """scale * (q - zero) of the network's input, whose integers are the real values that users send."""
    ones = np.ones((1,) * len(value.shape))
    scale = float(codes.scale[0])
    return lowered(affine(call, replace(value, zero=None), ones * scale, ones * (-scale * codes.zero)))


def quant(call: Call) -> Result:
    """QONNX Quant (IntQuant): scale * (clip(round(x / scale + zero), least, greatest) - zero)."""
    value = call.values[0]
    if isinstance(value, Const):
        raise Reject("its constant input was not folded")
    bits, signed, narrow = _quant_range(call)
    zero = _whole(call, 2, "its zero point")
    scale = _channel_scale(call, 1)
    if bits == 1 and signed:
        if zero:
            raise Reject("a zero point of one signed bit is not supported")
        return quantised(call, call.operand(), _two_valued(scale, Rounding.BIPOLAR))
    lowest, highest = integer_range(bits, signed=signed, narrow=narrow)
    form = Quantised(
        step=scale, lo=lowest - zero, hi=highest - zero, rounding=_rounding(call.attributes, zero)
    )
    return quantised(call, call.operand(), form)


def bipolar_quant(call: Call) -> Result:
    """QONNX BipolarQuant: scale where x >= 0, else -scale."""
    return quantised(call, call.operand(), _two_valued(_channel_scale(call, 1), Rounding.BIPOLAR))


def trunc(call: Call) -> Result:
    """QONNX Trunc: the lowest bits of x / scale are rounded away."""
    if len(call.values) > 5:
        raise Reject("this form of Trunc (with an output scale) is not supported yet; use Quant")
    scale, zero = _channel_scale(call, 1), _whole(call, 2, "its zero point")
    dropped = _whole(call, 3, "its input width") - _whole(call, 4, "its output width")
    bits = _whole(call, 4, "its output width")
    if zero or not 0 <= dropped < 32 or not 1 <= bits <= 8:
        raise Reject("its widths or zero point are not supported; use 1 to 8 bits and zero point 0")
    value = call.operand()
    ones = np.ones((1,) * len(value.shape))
    drive = affine(call, value, ones * 2.0**-dropped, 0.0 * ones)
    rounding = _rounding(call.attributes, 0, "FLOOR")
    form = Quantised(step=scale, lo=-(2 ** (bits - 1)), hi=2**bits - 1, rounding=rounding)
    return quantised(call, drive, form)


def sign(call: Call) -> Result:
    """Sign: -1, 0 or +1; the compiler then proves 0 unreachable where it can."""
    return quantised(call, call.operand(), _two_valued(np.ones(1), Rounding.SIGN))


def _two_valued(step: Reals, rounding: Rounding) -> Quantised:
    return Quantised(step=step, lo=-1, hi=1, rounding=rounding)


def quantised(call: Call, value: Operand, form: Quantised) -> Result:
    """The value on the grid: by its own population where it can, else by one that reads it."""
    if isinstance(value, DriveValue):
        return lowered(call.builder.quantise(value, form, call.origin))
    if _lies_on(value, form):
        return folded(value, "its input lies on this grid already")
    placed = call.builder.requantise(value, form)
    if placed is not None:
        return folded(placed, "becomes the grid of the population before it")
    drive = as_drive(call.builder, value, call.node.inputs[0], call.origin)
    return lowered(call.builder.quantise(drive, form, call.origin))


def _lies_on(value: Signal, form: Quantised) -> bool:
    grid = value.grid
    if grid is None or form.rounding.levels is not None:
        return False
    inside = form.lo <= grid.lo and grid.hi <= form.hi
    return inside and bool((form.step == grid.step).all())


def constant_quant(node_attributes: Attributes, arrays: list[Array]) -> Const:
    """QONNX Quant of weights; ties are exact in float64 where the numbers are float32."""
    x, scale, zero, bits = (np.asarray(array, dtype=np.float64) for array in arrays)
    signed = bool(node_attributes.integer("signed", 1))
    width = int(bits.flat[0])
    if scale.min() <= 0 or zero.size != 1 or zero.flat[0] != np.rint(zero.flat[0]) or not 1 <= width <= 32:
        raise Reject("its scale, zero point or width is not supported")
    if width == 1 and signed:
        return constant_bipolar([x, scale])
    lowest, highest = integer_range(width, signed=signed, narrow=bool(node_attributes.integer("narrow", 0)))
    rounding = ROUNDINGS.get(node_attributes.text("rounding_mode", "ROUND").upper())
    if rounding is None:
        raise Reject("its rounding mode is unknown")
    offset = float(zero.flat[0])
    integers = rounding.apply(np.clip(x / scale + offset, lowest, highest)) - offset
    full = np.broadcast_to(scale, integers.shape)
    return Const(integers * full, Stored(integers.astype(np.int64), full))


def constant_bipolar(arrays: list[Array]) -> Const:
    """QONNX BipolarQuant of weights."""
    x, scale = (np.asarray(array, dtype=np.float64) for array in arrays)
    if scale.min() <= 0:
        raise Reject("its scale is not positive")
    integers = np.where(x >= 0, 1, -1)
    full = np.broadcast_to(scale, integers.shape)
    return Const(integers * full, Stored(integers, full))


def _quant_range(call: Call) -> tuple[int, bool, bool]:
    bits = _whole(call, 3, "its width")
    if not 1 <= bits <= 32:
        raise Reject(f"its width of {bits} bits is not supported")
    attributes = call.attributes
    return bits, bool(attributes.integer("signed", 1)), bool(attributes.integer("narrow", 0))


def integer_range(bits: int, *, signed: bool, narrow: bool) -> tuple[int, int]:
    """Least and greatest integer of QONNX's Quant."""
    if signed:
        return -(2 ** (bits - 1)) + narrow, 2 ** (bits - 1) - 1
    return 0, 2**bits - 1 - narrow


def _rounding(attributes: Attributes, zero: int, default: str = "ROUND") -> Rounding:
    name = attributes.text("rounding_mode", default).upper()
    rounding = ROUNDINGS.get(name)
    if rounding is None:
        raise Reject(f"rounding mode {name!r} is unknown; use ROUND, FLOOR or CEIL")
    if zero and rounding not in SHIFTABLE:
        raise Reject(f"rounding mode {name} with a zero point is not supported; use ROUND")
    if zero % 2 and rounding is Rounding.HALF_EVEN:
        return Rounding.HALF_ODD
    return rounding


def _whole(call: Call, index: int, what: str) -> int:
    values = np.asarray(call.constant(index, f"{what} is"), dtype=np.float64).reshape(-1)
    if values.size < 1 or bool((values != values[0]).any()) or values[0] != np.rint(values[0]):
        raise Reject(f"{what} is not one whole number")
    return int(values[0])


def _channel_scale(call: Call, index: int) -> Reals:
    """One scale, or one per channel of the first input."""
    value = call.operand()
    scale = fitted(call.constant(index, "its scale is"), value.shape, call.batch)
    if scale.size == 1:
        return scale.reshape(1)
    drive = value if isinstance(value, DriveValue) else as_drive(call.builder, value, "", call.origin)
    found = channel_values(drive, scale, None)
    if found is None:
        raise Reject("its scale varies within a channel; use one per tensor or channel")
    return found
