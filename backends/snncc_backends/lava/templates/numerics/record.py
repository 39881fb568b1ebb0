"""Writing down what a process sends or sums."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from numpy.lib.format import open_memmap

from numerics.strand import Ints

Box = tuple[tuple[int, int], ...]


class Recorder:
    """Writes one .npy file, image by image and step by step.

    Lava's own `Var.get` moves one number per message; a file is thousands of times faster.
    """

    def __init__(
        self, path: Path, shape: tuple[int, ...], slot: int, dtype: str, box: Box | None = None
    ) -> None:
        """Record rows of `shape[2:]` for `shape[0]` images of `shape[1]` steps, from window `slot` on.

        With a box of the three axes of a row (channels, all others but the last, the last) only that part is
        written, into a file that others write into as well.
        """
        self._path, self._shape, self._slot, self._dtype = path, shape, slot, dtype
        self._box = box and tuple(slice(*interval) for interval in box)
        self._rows: Any = None
        if box is not None and not path.exists():
            open_memmap(path, mode="w+", dtype=dtype, shape=shape).flush()

    def write(self, window: int, step: int, values: Ints) -> None:
        """Keep the values if they belong to an image."""
        image = window - self._slot
        if not (0 <= image < self._shape[0] and step < self._shape[1]):
            return
        if self._rows is None:  # opened where it is written: in the operating system process of the model
            self._rows = self._open()
        row = self._rows[image, step]
        if self._box is None:
            row[...] = values
        else:
            part = row.reshape(self._axes)[self._box]
            part[...] = values.reshape(part.shape)

    def _open(self) -> Any:
        if self._box is None:
            return open_memmap(self._path, mode="w+", dtype=self._dtype, shape=self._shape)
        return open_memmap(self._path, mode="r+")

    @property
    def _axes(self) -> tuple[int, int, int]:
        """A row's shape as three axes."""
        channels, *rest = self._shape[2:]
        return channels, math.prod(rest[:-1]), rest[-1] if rest else 1
