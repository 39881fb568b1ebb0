"""The JSON Schema of a graph's plain form, from the dataclasses; `python -m snncc_ir.schema` prints it."""

from __future__ import annotations

import json
from dataclasses import MISSING, Field, fields
from enum import Enum
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from snncc_ir.graph import NAME
from snncc_ir.nodes import NODE_TYPES
from snncc_ir.plain import FORMAT, KIND_NAMES, KINDS
from snncc_ir.tensors import Tensor
from snncc_ir.timing import TIMINGS
from snncc_ir.types import MAX_LEVEL

Schema = dict[str, Any]

NAME_SCHEMA: Schema = {"type": "string", "pattern": f"^{NAME.pattern}$"}

TENSOR_SCHEMA: Schema = {
    "type": "object",
    "description": "Integers of `bits` bits, reals if `bits` is null; `digest` names their values. "
    "`scale`: what the integers of a real network stand for.",
    "properties": {
        "kind": {"const": "tensor"},
        "bits": {"anyOf": [{"type": "integer", "minimum": 1, "maximum": 63}, {"type": "null"}]},
        "shape": {"type": "array", "items": {"type": "integer", "minimum": 1}},
        "digest": {"type": "string", "pattern": "^[0-9a-f]{16}$"},
        "scale": {"$ref": "#/$defs/tensor"},
    },
    "required": ["kind", "bits", "shape", "digest"],
    "additionalProperties": False,
}

SCALARS: dict[object, Schema] = {
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"anyOf": [{"type": "number"}, {"enum": ["inf", "-inf"]}]},
    str: {"type": "string"},
    type(None): {"type": "null"},
}

SPECIAL: dict[str, Schema] = {
    "name": NAME_SCHEMA,
    "source": NAME_SCHEMA,
    "lo": {"type": "integer", "minimum": -MAX_LEVEL, "maximum": 0},
    "hi": {"type": "integer", "minimum": 0, "maximum": MAX_LEVEL},
}
"""Fields of which more is known than their type."""


def graph_schema() -> Schema:
    """The schema of `graph.json`."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "snncc spiking graph",
        "description": "ir/SPEC.md says what it means; a reader checks more than this schema.",
        "type": "object",
        "properties": {
            "format": {"const": FORMAT},
            "name": NAME_SCHEMA,
            "timing": {"oneOf": [_record(kind, {"kind": name}) for name, kind in TIMINGS.items()]},
            "outputs": {"type": "array", "items": NAME_SCHEMA, "minItems": 1, "uniqueItems": True},
            "nodes": {"type": "array", "items": {"oneOf": [_reference(name) for name in NODE_TYPES]}},
        },
        "required": ["format", "name", "timing", "outputs", "nodes"],
        "additionalProperties": False,
        "$defs": {
            "tensor": TENSOR_SCHEMA,
            **{name: _record(kind, {"kind": name}) for name, kind in KINDS.items()},
            **{name: _record(kind, {"op": name}) for name, kind in NODE_TYPES.items()},
        },
    }


def _reference(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _record(kind: type, tag: dict[str, str]) -> Schema:
    """A dataclass as an object that `tag` names."""
    hints = get_type_hints(kind)
    known: tuple[Field[Any], ...] = fields(kind)
    required = [f.name for f in known if f.default is MISSING and f.default_factory is MISSING]
    return {
        "type": "object",
        "description": " ".join((kind.__doc__ or "").split()),
        "properties": {
            **{key: {"const": value} for key, value in tag.items()},
            **{field.name: SPECIAL.get(field.name) or _schema(hints[field.name]) for field in known},
        },
        "required": [*tag, *required],
        "additionalProperties": False,
    }


def _schema(hint: object) -> Schema:
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        return {"anyOf": [_schema(option) for option in get_args(hint)]}
    if origin is tuple:
        return _tuple(get_args(hint))
    if hint is Tensor:
        return _reference("tensor")
    if isinstance(hint, type) and issubclass(hint, Enum):
        return {"enum": [member.value for member in hint]}
    if isinstance(hint, type) and hint in KIND_NAMES:
        return _reference(KIND_NAMES[hint])
    return SCALARS[hint]


def _tuple(items: tuple[Any, ...]) -> Schema:
    if items[-1] is Ellipsis:
        return {"type": "array", "items": _schema(items[0])}
    count = {"minItems": len(items), "maxItems": len(items)}
    if len(set(items)) == 1:
        return {"type": "array", "items": _schema(items[0]), **count}
    return {"type": "array", "prefixItems": [_schema(item) for item in items], **count}


def schema_text() -> str:
    """The text of `ir/graph.schema.json`."""
    return json.dumps(graph_schema(), indent=1) + "\n"


if __name__ == "__main__":
    print(schema_text(), end="")
