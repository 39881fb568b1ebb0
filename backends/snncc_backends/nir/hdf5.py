"""An HDF5 file as nested mappings, without trust: sizes are checked before anything is allocated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Union

import h5py
import numpy as np
from numpy.typing import NDArray

from snncc_ir.errors import ModelError

Array = NDArray[Any]
Tree = Mapping[str, Union["Tree", Array, str, tuple[str, ...]]]

MAX_BYTES = 2**30
"""Of the file, and of all its arrays in double precision."""

REAL = 8
"""Bytes of a number as it is worked with."""

MAX_ITEMS = 2**16
"""Groups, arrays and texts of a file."""

MAX_DEPTH = 8
MAX_TEXTS = 2**15
"""Texts of one array: names of edges."""

MAX_TEXT = 4096

FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32, h5py.h5z.FILTER_LZF}
"""Those that NIR's own writer offers; others would load libraries."""

UNREADABLE = (OSError, KeyError, RuntimeError, TypeError, ValueError)
"""What h5py raises for damaged files."""


def read_tree(path: Path) -> Tree:
    """Everything in the file; raises ModelError where it is no HDF5 file, damaged or too large."""
    if not path.is_file():
        raise ModelError("no such file", where=str(path), hint="check the path")
    if path.stat().st_size > MAX_BYTES:
        raise ModelError(f"is larger than {MAX_BYTES} bytes", where=str(path))
    try:
        with h5py.File(path, "r") as file:
            return _Reader(str(path)).group(file, 0)
    except UNREADABLE as error:
        raise ModelError(f"is no readable HDF5 file ({error})", where=str(path)) from error


@dataclass
class _Reader:
    """What has been read so far."""

    where: str
    size: int = 0
    items: int = 0

    def _refuse(self, what: str) -> ModelError:
        return ModelError(what, where=self.where, hint="write it with nir.write of NIR 1.0.8")

    def group(self, group: h5py.Group, depth: int) -> Tree:
        if depth > MAX_DEPTH:
            raise self._refuse(f"nests groups more than {MAX_DEPTH} deep")
        return dict(self._members(group, depth))

    def _members(self, group: h5py.Group, depth: int) -> Iterator[tuple[str, Any]]:
        for name in group:
            self.items += 1
            if self.items > MAX_ITEMS:
                raise self._refuse(f"holds more than {MAX_ITEMS} items")
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise self._refuse(f"holds the link {name!r:.60} to another place")
            item = group[name]
            yield (
                name,
                self.group(item, depth + 1) if isinstance(item, h5py.Group) else self._data(name, item),
            )

    def _data(self, name: str, item: h5py.Dataset) -> Array | str | tuple[str, ...]:
        if not isinstance(item, h5py.Dataset) or item.shape is None:
            raise self._refuse(f"{name!r:.60} is no array")
        self._check_stored(name, item)
        if h5py.check_string_dtype(item.dtype) is not None:
            return self._texts(name, item)
        if item.dtype.kind not in "biuf":
            raise self._refuse(f"{name!r:.60} holds {item.dtype}, not numbers")
        self.size += item.size * max(item.dtype.itemsize, REAL)
        if self.size > MAX_BYTES:
            raise self._refuse(f"holds arrays of more than {MAX_BYTES} bytes")
        return np.asarray(item[()])

    def _check_stored(self, name: str, item: h5py.Dataset) -> None:
        """Refuse values in other files, unknown filters, and chunks that do not fit."""
        stored = item.id.get_create_plist()
        filters = {stored.get_filter(index)[0] for index in range(stored.get_nfilters())}
        chunk = item.dtype.itemsize * int(np.prod([float(size) for size in item.chunks or ()]))
        if item.external or item.is_virtual or not filters <= FILTERS or chunk > MAX_BYTES:
            raise self._refuse(f"{name!r:.60} is not stored plainly in the file")

    def _texts(self, name: str, item: h5py.Dataset) -> str | tuple[str, ...]:
        """One text, or all texts of an array in order, read one by one: they may share their bytes."""
        if item.size > MAX_TEXTS or item.dtype.itemsize > MAX_TEXT:
            raise self._refuse(f"{name!r:.60} holds more than {MAX_TEXTS} texts or {MAX_TEXT} letters")
        if item.shape == ():
            return self._text(name, item[()])
        return tuple(self._text(name, item[index]) for index in np.ndindex(item.shape))

    def _text(self, name: str, value: object) -> str:
        if not isinstance(value, bytes) or len(value) > MAX_TEXT:
            raise self._refuse(f"{name!r:.60} holds a text of more than {MAX_TEXT} letters")
        return value.decode()
