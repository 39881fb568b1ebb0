"""What is finished stays: one file for each point, written in one step and read with its digest."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from snncc.folder import replace_file
from snncc.sweep.grid import Setting
from snncc.sweep.points import Figures, Row
from snncc_ir.errors import ArtefactError, SnnccError

NAME_DIGITS = 24
MOST_BYTES = 1 << 28
"""Bytes of the largest file that is read."""


@dataclass(frozen=True)
class Kept:
    """The folder of a sweep's results; `digest` is that of the files that they were made of."""

    folder: Path
    digest: str

    def path(self, setting: Setting) -> Path:
        """The file of a point: other images, another network or another version have another one."""
        return self.folder / f"{self._key(astuple(setting))}.point"

    @property
    def _reference(self) -> Path:
        return self.folder / f"{self._key(('float',))}.answers"

    def _key(self, about: tuple[Any, ...]) -> str:
        return hashlib.sha256(repr((self.digest, about)).encode()).hexdigest()[:NAME_DIGITS]

    def row(self, setting: Setting) -> Row | None:
        """A finished point, None if it is not there; raises ArtefactError for a file that was changed."""
        found = _read(self.path(setting))
        return None if found is None else _row(found, setting, self.path(setting))

    def keep(self, row: Row) -> None:
        """Write a finished point."""
        figures = None if row.figures is None else asdict(row.figures)
        self._write(
            self.path(row.setting),
            {"setting": asdict(row.setting), "figures": figures, "reason": row.reason},
        )

    def reference(self) -> tuple[int, ...] | None:
        """The answers of the float network, None if they are not there."""
        found = _read(self._reference)
        if found is None:
            return None
        answers = found.get("answers")
        if not isinstance(answers, list) or not all(type(answer) is int for answer in answers):
            raise _damaged(self._reference)
        return tuple(answers)

    def keep_reference(self, answers: np.ndarray[Any, np.dtype[Any]]) -> None:
        """Write the answers of the float network."""
        self._write(self._reference, {"answers": answers.tolist()})

    def _write(self, file: Path, content: dict[str, Any]) -> None:
        text = json.dumps(content, allow_nan=False).encode()
        data = hashlib.sha256(text).hexdigest().encode() + b"\n" + text + b"\n"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            replace_file(file, data)
        except OSError as error:
            raise SnnccError(
                f"cannot be written ({error.strerror or error})", where=str(file), hint="see --folder"
            ) from error


def _read(file: Path) -> dict[str, Any] | None:
    if not file.is_file():
        return None
    if file.stat().st_size > MOST_BYTES:
        raise _damaged(file)
    digest, _, text = file.read_bytes().partition(b"\n")
    if hashlib.sha256(text.removesuffix(b"\n")).hexdigest().encode() != digest:
        raise _damaged(file)
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise _damaged(file) from None
    if not isinstance(found, dict):
        raise _damaged(file)
    return found


def _damaged(file: Path) -> ArtefactError:
    return ArtefactError("is damaged", where=str(file), hint="delete it, and it is computed again")


def _row(found: dict[str, Any], setting: Setting, file: Path) -> Row:
    figures, reason = found.get("figures"), found.get("reason")
    if found.get("setting") != asdict(setting) or not isinstance(reason, str):
        raise _damaged(file)
    if figures is None and reason:
        return Row(setting=setting, figures=None, reason=reason)
    names = {item.name for item in fields(Figures)}
    if not isinstance(figures, dict) or figures.keys() != names or not all(map(_is_figure, figures.values())):
        raise _damaged(file)
    return Row(setting=setting, figures=Figures(**figures))


def _is_figure(value: object) -> bool:
    return value is None or type(value) in (int, float)  # JSON's true would pass for a number
