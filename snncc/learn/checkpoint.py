"""A training's state as one file: arrays and a JSON text in an npz, written at once, checked when read."""

from __future__ import annotations

import hashlib
import io
import json
import math
import zipfile
import zlib
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc.folder import replace_file
from snncc.learn.data import Labelled
from snncc.learn.engine import Floats, Weights
from snncc.learn.network import Network
from snncc.learn.recipe import Recipe
from snncc.learn.state import Epoch, State, Sums
from snncc_ir.errors import ArtefactError

VERSION = 1
TEXT = "state"
KINDS = ("weights", "first", "second")
MOST_TEXT = 2**24
"""Bytes of the JSON text."""


def name_of(
    network: Network, recipe: Recipe, data: Labelled, held_out: Labelled | None, weights: Weights
) -> str:
    """A digest of everything that decides what a training computes; `weights` are the first."""
    digests = (data.digest, None if held_out is None else held_out.digest)
    found = hashlib.sha256(repr((network, recipe, digests)).encode())
    for array in weights:
        found.update(array.tobytes())
    return found.hexdigest()


def write(path: Path, state: State, name: str) -> None:
    """Write the state of the training `name`; ArtefactError where the place cannot be written."""
    text = json.dumps(
        {
            "version": VERSION,
            "training": name,
            "updates": state.updates,
            "history": [asdict(epoch) for epoch in state.history],
            "sums": asdict(state.sums),
        }
    )
    arrays = {f"{kind}{i}": x for kind in KINDS for i, x in enumerate(getattr(state, kind))}
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **{TEXT: np.frombuffer(text.encode(), np.uint8)}, **arrays)
    try:
        replace_file(path, buffer.getvalue())
    except OSError as error:
        raise ArtefactError(f"cannot be written ({error.strerror or error})", where=str(path)) from error


def read(path: Path, like: State, name: str) -> State:
    """The state of the training `name`, whose arrays have the shapes of `like`.

    Raises ArtefactError where the file is damaged, or is of another training.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            text = bytes(_array(archive, TEXT, np.uint8, None))
            plain = json.loads(text)
            if plain["version"] != VERSION or plain["training"] != name:
                raise ArtefactError(
                    "is of a training with another network, recipe, data, first weights or version",
                    where=str(path),
                    hint="name another file, or remove this one to start again",
                )
            return State(
                **{kind: _arrays(archive, kind, getattr(like, kind)) for kind in KINDS},
                updates=_count(plain["updates"]),
                history=[Epoch(**_tuples(_known(epoch, Epoch))) for epoch in plain["history"]],
                sums=Sums(**_known(plain["sums"], Sums)),
            )
    except (OSError, EOFError, KeyError, TypeError, ValueError, zlib.error, zipfile.BadZipFile) as error:
        raise ArtefactError(
            f"is no checkpoint, or a damaged one ({error})", where=str(path), hint="remove it to start again"
        ) from error


def _arrays(archive: zipfile.ZipFile, kind: str, like: tuple[Floats, ...]) -> tuple[Floats, ...]:
    found = tuple(_array(archive, f"{kind}{i}", np.float32, x.shape) for i, x in enumerate(like))
    if not all(np.isfinite(array).all() for array in found):
        raise ValueError(f"{kind} are not finite")
    return found


def _array(
    archive: zipfile.ZipFile, name: str, kind: type[np.generic], shape: tuple[int, ...] | None
) -> NDArray[Any]:
    """One array, whose header is compared before anything is allocated; `shape` None: a text."""
    with archive.open(f"{name}.npy") as file:
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError(f"{name} has an unknown format")
        found, fortran, dtype = np.lib.format.read_array_header_1_0(file)
        fits = found == shape if shape is not None else len(found) == 1 and found[0] <= MOST_TEXT
        if not fits or fortran or dtype != kind:
            raise ValueError(f"{name} has another shape or type")
        size = math.prod(found) * dtype.itemsize
        data = file.read(size)
    if len(data) != size:
        raise ValueError(f"{name} ends too early")
    return np.frombuffer(data, dtype).reshape(found).copy()


def _count(value: object) -> int:
    if not isinstance(value, int) or value < 0:
        raise ValueError("updates is no count")
    return value


def _known(plain: object, kind: type[Epoch] | type[Sums]) -> dict[str, Any]:
    if not isinstance(plain, dict) or plain.keys() != {field.name for field in fields(kind)}:
        raise ValueError(f"{kind.__name__.lower()} has other entries")
    return plain


def _tuples(plain: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in plain.items()}
