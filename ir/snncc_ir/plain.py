"""Nodes as plain data (dicts, lists, numbers, strings) and back, driven by the dataclass fields.

The JSON form is this plain data; the text form parses to it. Reading checks everything: a field that
is missing, unknown or of the wrong type raises GraphError, a tensor that differs from its digest too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from snncc_ir.errors import GraphError
from snncc_ir.fields import written_fields
from snncc_ir.graph import Graph
from snncc_ir.neurons import Analog, Bias, Grid, Leaky, Quantiser, Staircase, Table
from snncc_ir.nodes import NODE_NAMES, NODE_TYPES, AnyNode, Part
from snncc_ir.tensors import Tensor
from snncc_ir.timing import TIMINGS, Timing
from snncc_ir.types import Levels, Real

FORMAT = 1
"""Version of the plain form; a reader refuses any other."""

Arrays = Mapping[str, NDArray[Any]]
Plain = dict[str, Any]

KINDS: dict[str, type] = {
    "real": Real,
    "levels": Levels,
    "analog": Analog,
    "grid": Grid,
    "quantiser": Quantiser,
    "staircase": Staircase,
    "table": Table,
    "leaky": Leaky,
    "bias": Bias,
    "part": Part,
}
"""Name of every dataclass that stands inside a node."""

KIND_NAMES = {kind: name for name, kind in KINDS.items()}
TIMING_NAMES = {kind: name for name, kind in TIMINGS.items()}


def graph_to_plain(graph: Graph) -> Plain:
    """The graph without its arrays, which `tensors_of` gives by digest."""
    return {
        "format": FORMAT,
        "name": graph.name,
        "timing": {"kind": TIMING_NAMES[type(graph.timing)], **_fields_to_plain(graph.timing)},
        "outputs": list(graph.outputs),
        "nodes": [{"op": NODE_NAMES[type(node)], **_fields_to_plain(node)} for node in graph.nodes],
    }


def graph_from_plain(plain: object, arrays: Arrays) -> Graph:
    """Rebuild and so verify a graph; `arrays` holds the tensors' values by digest."""
    data = _record(plain, "graph", {"format", "name", "timing", "outputs", "nodes"})
    if data["format"] != FORMAT:
        raise GraphError(f"format {data['format']!r} is not {FORMAT}, the one this version reads")
    if not isinstance(data["nodes"], list):
        raise GraphError("'nodes' must be a list")
    return Graph(
        name=_decode(str, data["name"], arrays),
        nodes=tuple(_node(node, arrays) for node in data["nodes"]),
        outputs=_decode(tuple[str, ...], data["outputs"], arrays),
        timing=_timing(data["timing"], arrays),
    )


def tensors_of(graph: Graph) -> dict[str, NDArray[Any]]:
    """Values of all tensors by digest, integers in the narrowest numpy type of their width."""
    found: dict[str, NDArray[Any]] = {}
    for node in graph.nodes:
        for tensor in _tensors(node):
            found[tensor.digest] = _narrow(tensor)
    return dict(sorted(found.items()))


def _tensors(value: object) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value, *_tensors(value.scale)]
    if is_dataclass(value):
        return [tensor for field in fields(value) for tensor in _tensors(getattr(value, field.name))]
    return []


def _narrow(tensor: Tensor) -> NDArray[Any]:
    if tensor.bits is None:
        return tensor.data
    width = next(width for width in (8, 16, 32, 64) if tensor.bits <= width)
    return tensor.data.astype(f"<i{width // 8}")


def _fields_to_plain(value: Any) -> Plain:
    return {field.name: _to_plain(getattr(value, field.name)) for field in written_fields(value)}


def _to_plain(value: Any) -> Any:
    match value:
        case Tensor():
            return _tensor_to_plain(value)
        case Enum():
            return value.value
        case tuple():
            return [_to_plain(item) for item in value]
        case float() if math.isinf(value):
            return "inf" if value > 0 else "-inf"
        case None | bool() | int() | float() | str():
            return value
        case _:
            return {"kind": KIND_NAMES[type(value)], **_fields_to_plain(value)}


def _tensor_to_plain(tensor: Tensor) -> Plain:
    plain: Plain = {
        "kind": "tensor",
        "bits": tensor.bits,
        "shape": list(tensor.shape),
        "digest": tensor.digest,
    }
    return plain if tensor.scale is None else {**plain, "scale": _tensor_to_plain(tensor.scale)}


def _node(plain: object, arrays: Arrays) -> AnyNode:
    if not isinstance(plain, dict) or not _names(plain.get("op"), NODE_TYPES):
        raise GraphError(f"a node must name one of the operations {', '.join(NODE_TYPES)}")
    rest = {key: value for key, value in plain.items() if key != "op"}
    try:
        node: AnyNode = _build(NODE_TYPES[plain["op"]], rest, arrays)
    except GraphError as error:
        raise GraphError(error.what, where=str(plain.get("name"))[:64], hint=error.hint) from None
    return node


def _timing(plain: object, arrays: Arrays) -> Timing:
    if not isinstance(plain, dict) or not _names(plain.get("kind"), TIMINGS):
        raise GraphError(f"timing must be one of {', '.join(TIMINGS)}")
    rest = {key: value for key, value in plain.items() if key != "kind"}
    timing: Timing = _build(TIMINGS[plain["kind"]], rest, arrays)
    return timing


def _names(value: object, table: Mapping[str, type]) -> bool:
    return isinstance(value, str) and value in table


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _build(kind: type, plain: Mapping[str, Any], arrays: Arrays) -> Any:
    known = {field.name: field for field in fields(kind)}
    required = {
        name for name, field in known.items() if field.default is MISSING and field.default_factory is MISSING
    }
    _record(dict(plain), kind.__name__.lower(), required, set(known))
    hints = _hints(kind)
    values = {}
    for name, value in plain.items():
        try:
            values[name] = _decode(hints[name], value, arrays)
        except GraphError as error:
            raise GraphError(f"{name}: {error.what}", hint=error.hint) from None
    return kind(**values)


def _record(plain: object, what: str, required: set[str], allowed: set[str] | None = None) -> Plain:
    if not isinstance(plain, dict):
        raise GraphError(f"{what} must be a record")
    missing = required - plain.keys()
    unknown = plain.keys() - (allowed if allowed is not None else required)
    if missing:
        raise GraphError(f"{what} lacks {', '.join(sorted(missing))}")
    if unknown:
        raise GraphError(f"{what} has unknown fields {', '.join(sorted(map(str, unknown)))}")
    return plain


def _decode(hint: Any, value: Any, arrays: Arrays) -> Any:
    """`value` as the type `hint`, or GraphError."""
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        return _decode_union(get_args(hint), value, arrays)
    if origin is tuple:
        return _decode_tuple(get_args(hint), value, arrays)
    if hint is Tensor:
        return _decode_tensor(value, arrays)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _decode_enum(hint, value)
    if is_dataclass(hint):
        return _decode_kind((hint,), value, arrays)
    return _decode_scalar(hint, value)


def _decode_scalar(hint: Any, value: Any) -> Any:
    if hint is float and value in ("inf", "-inf"):
        return float(value)
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        if not abs(value) < 1e308:  # NaN, or an integer that no float can hold
            raise GraphError(f"{value!r:.60} is no finite number")
        return float(value)
    if isinstance(value, hint) and (hint is bool or not isinstance(value, bool)):
        return value
    raise GraphError(f"{value!r:.60} is no {hint.__name__}")


def _decode_enum(hint: type[Enum], value: Any) -> Enum:
    if value not in [member.value for member in hint]:
        raise GraphError(f"{value!r:.60} is none of {', '.join(str(member.value) for member in hint)}")
    return hint(value)


def _decode_union(options: tuple[Any, ...], value: Any, arrays: Arrays) -> Any:
    if value is None and type(None) in options:
        return None
    rest = tuple(option for option in options if option is not type(None))
    return _decode(rest[0], value, arrays) if len(rest) == 1 else _decode_kind(rest, value, arrays)


def _decode_kind(options: tuple[Any, ...], value: Any, arrays: Arrays) -> Any:
    names = {KIND_NAMES[option]: option for option in options}
    if not isinstance(value, dict) or not _names(value.get("kind"), names):
        raise GraphError(f"must be {' or '.join(names)}")
    return _build(names[value["kind"]], {k: v for k, v in value.items() if k != "kind"}, arrays)


def _decode_tuple(items: tuple[Any, ...], value: Any, arrays: Arrays) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise GraphError("must be a list")
    if items[-1] is Ellipsis:
        return tuple(_decode(items[0], item, arrays) for item in value)
    if len(value) != len(items):
        raise GraphError(f"must have {len(items)} items, not {len(value)}")
    return tuple(_decode(hint, item, arrays) for hint, item in zip(items, value, strict=True))


def _decode_tensor(value: Any, arrays: Arrays) -> Tensor:
    required = {"kind", "bits", "shape", "digest"}
    data = _record(value, "tensor", required, required | {"scale"})
    array = arrays.get(data["digest"]) if isinstance(data["digest"], str) else None
    if array is None:
        raise GraphError(f"tensor {data['digest']!r:.40} is not among the arrays")
    bits = data["bits"]
    if bits is not None and (not isinstance(bits, int) or array.dtype.kind not in "iu"):
        raise GraphError(f"tensor {data['digest']} does not hold integers")
    kind = np.float64 if bits is None else np.int64
    scale = _decode_tensor(data["scale"], arrays) if "scale" in data else None
    tensor = Tensor(np.array(array, dtype=kind, order="C"), bits, scale)
    if list(tensor.shape) != data["shape"] or tensor.digest != data["digest"]:
        raise GraphError(f"tensor {data['digest']} has other values than its digest says")
    return tensor
