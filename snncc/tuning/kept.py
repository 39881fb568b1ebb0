"""The state of a tuning as one file, from which an interrupted one goes on to the same bits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc.folder import replace_file
from snncc.tuning.history import Epoch, State, as_plain
from snncc.tunings import Figures
from snncc_ir import store
from snncc_ir.errors import ArtefactError

Array = NDArray[Any]

VERSION = 1
TEXT = "state"
ARRAYS = ("vector", "first", "second", "kept", "best")
MOST_BYTES = 2**31
AGAIN = "remove it to start again"


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A file of the tuning that is called `name`: a digest of all that decides what it computes."""

    path: Path
    name: str
    size: int

    def write(self, state: State) -> None:
        """Keep the state; ArtefactError where the place cannot be written."""
        text = {
            "version": VERSION,
            "tuning": self.name,
            "count": state.count,
            "slower": state.slower,
            "history": as_plain(state.history),
        }
        arrays = {name: getattr(state, name) for name in ARRAYS}
        arrays[TEXT] = np.frombuffer(json.dumps(text).encode(), np.uint8)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(self.path, store.write_arrays(arrays))
        except OSError as error:
            raise ArtefactError(
                f"cannot be written ({error.strerror or error})", where=str(self.path), hint="give another -o"
            ) from error

    def read(self) -> State | None:
        """The state that is kept; None where there is none.

        Raises ArtefactError where the file is damaged, or is of another tuning.
        """
        where = str(self.path)
        try:
            if not self.path.exists():
                return None
            if self.path.stat().st_size > MOST_BYTES:
                raise ValueError("it is too large")
            arrays = store.read_arrays(self.path.read_bytes(), where)
            text = json.loads(arrays[TEXT].tobytes())
            if text["version"] != VERSION or text["tuning"] != self.name:
                raise ArtefactError(
                    "is of a tuning of another network, or with other data, options or version",
                    where=where,
                    hint=AGAIN,
                )
            return State(
                **{name: self._vector(arrays[name]) for name in ARRAYS},
                count=_count(text["count"]),
                slower=_count(text["slower"]),
                history=[_epoch(plain) for plain in text["history"]],
            )
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise ArtefactError(f"is no state of a tuning ({error})", where=where, hint=AGAIN) from error

    def remove(self) -> None:
        """The tuning is finished."""
        self.path.unlink(missing_ok=True)

    def _vector(self, found: Array) -> Array:
        if found.dtype != np.float64 or found.shape != (self.size,) or not np.isfinite(found).all():
            raise ValueError("its arrays are not those of this network")
        return found.copy()  # what is read from bytes cannot be written to, as Adam's moments are


def _epoch(plain: Mapping[str, Any]) -> Epoch:
    if plain.keys() != {field.name for field in fields(Epoch)}:
        raise ValueError("an epoch has other entries")
    held = plain["held_out"]
    return Epoch(
        loss=float(plain["loss"]),
        held_out=None if held is None else Figures(loss=float(held["loss"]), share=float(held["share"])),
        refused=None if plain["refused"] is None else str(plain["refused"]),
    )


def _count(value: object) -> int:
    if not isinstance(value, int) or value < 0:
        raise ValueError("a count is none")
    return value
