"""JSON Schemas of the answers; `python -m snncc.schemas.schema DIR` writes one file for each command."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

from snncc.schemas import answers, explain, schema_name, sweep, tune

Schema = dict[str, Any]

ANSWERS: dict[str, object] = {
    "check": answers.Check,
    "compile": answers.Compile,
    "simulate": answers.Simulate,
    "verify": answers.Verify,
    "build": answers.Build,
    "explain": explain.Explain,
    "sweep": sweep.Sweep,
    "tune": tune.Tune,
    "report": answers.Report,
    "export": answers.Export,
    "show": answers.Show,
    "targets": answers.Targets,
    "doctor": answers.Doctor,
}
"""The type of every command's answer."""

SCALARS: dict[object, str] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    NoneType: "null",
}


def schema_of(command: str) -> Schema:
    """The schema of what `snncc COMMAND --json` prints."""
    defined: dict[str, Schema] = {}
    body = _schema(ANSWERS[command], defined)
    for name in _top(body):
        defined[name]["properties"] = {
            "schema": {"const": schema_name(command)},
            **defined[name]["properties"],
        }
        defined[name]["required"] = ["schema", *defined[name]["required"]]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"snncc {command} --json",
        **body,
        "$defs": dict(sorted(defined.items())),
    }


def _top(body: Schema) -> list[str]:
    """The definitions that the whole answer may be."""
    return [option["$ref"].rpartition("/")[2] for option in body.get("anyOf", [body])]


def _schema(hint: object, defined: dict[str, Schema]) -> Schema:
    if isinstance(hint, type) and is_typeddict(hint):
        return _record(hint, defined)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return {"description": arguments[1], **_schema(arguments[0], defined)}
    if origin in (Union, UnionType):
        return {"anyOf": [_schema(option, defined) for option in arguments]}
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin is list:
        return {"type": "array", "items": _schema(arguments[0], defined)}
    if origin is dict:
        keys, values = arguments
        names = {} if keys is str else {"propertyNames": _schema(keys, defined)}
        return {"type": "object", **names, "additionalProperties": _schema(values, defined)}
    return {"type": SCALARS[hint]}


def _record(kind: type, defined: dict[str, Schema]) -> Schema:
    name = kind.__name__
    if name not in defined:
        defined[name] = {}  # a type may be used again below
        hints = get_type_hints(kind, include_extras=True)
        optional: frozenset[str] = getattr(kind, "__optional_keys__")  # noqa: B009 - no attribute of `type`
        defined[name] = {
            "type": "object",
            "description": " ".join((kind.__doc__ or "").split()),
            "properties": {key: _schema(value, defined) for key, value in hints.items()},
            "required": [key for key in hints if key not in optional],
            "additionalProperties": False,
        }
    return {"$ref": f"#/$defs/{name}"}


def schema_text(command: str) -> str:
    """The text of a schema's file."""
    return json.dumps(schema_of(command), indent=1) + "\n"


def write(folder: Path) -> None:
    """Write all schemas into a folder."""
    for command in ANSWERS:
        (folder / f"{command}.json").write_text(schema_text(command), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
