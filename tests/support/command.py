"""Running the command in a test: what it printed, and a compilation to start from."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass

import jsonschema

from snncc.schemas.schema import schema_of


@dataclass(frozen=True)
class Result:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict:
        """Standard output, which must be one object."""
        return json.loads(self.out)


@functools.cache
def validator(command: str) -> jsonschema.Draft202012Validator:
    """What checks an answer of a command."""
    return jsonschema.Draft202012Validator(schema_of(command))


Snncc = Callable[..., Result]


def compiled(snncc: Snncc, *extra: str) -> Result:
    """Compile the model for Lava."""
    return snncc(
        "compile", "model.onnx", "--target", "lava", "--calibrate", "data.npz", "--scale", "255", *extra
    )
