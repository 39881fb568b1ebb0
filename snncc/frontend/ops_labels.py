"""Lowering of what skl2onnx puts around a neural network: a scaler before it, names of classes behind it."""

from __future__ import annotations

import numpy as np

from snncc.frontend.calls import Call, Result, folded
from snncc.frontend.ops_arithmetic import by_channel
from snncc.frontend.verdicts import Reject
from snncc_ir.tensors import Reals

_CHOICE = "names a class that nothing has chosen before; put it behind ArgMax at the end"


def scaler(call: Call) -> Result:
    """Scaler: (x - offset) * scale, per feature."""
    value = call.operand()
    features = value.shape[-1]
    offset, scale = (_numbers(call, name, features) for name in ("offset", "scale"))
    place = (1,) * (len(value.shape) - 1) + (-1,)
    return by_channel(call, value, scale.reshape(place), (-offset * scale).reshape(place))


def _numbers(call: Call, name: str, features: int) -> Reals:
    values = np.array(call.attributes.reals(name, (0.0,) if name == "offset" else (1.0,)))
    if values.size not in (1, features) or not np.isfinite(values).all():
        raise Reject(f"{name} must be {features} finite numbers, or one")
    return np.broadcast_to(values, features).copy()


def zip_map(call: Call) -> Result:
    """ZipMap: scores by class name, at the end."""
    if not call.is_tail:
        raise Reject("only supported at the end; export with the option zipmap=False")
    return folded(call.operand(), "the scores keep the order of the classes")


def array_feature_extractor(call: Call) -> Result:
    """ArrayFeatureExtractor that is not behind the choice of a class."""
    raise Reject(_CHOICE)


def label_encoder(call: Call) -> Result:
    """LabelEncoder that is not behind the choice of a class."""
    raise Reject(_CHOICE)
