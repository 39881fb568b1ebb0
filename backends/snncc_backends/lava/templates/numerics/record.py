"""Writing down what a process sends or sums."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.lib.format import open_memmap

from numerics.strand import Ints


class Recorder:
    """Writes one .npy file, image by image and step by step.

    Lava's own `Var.get` moves one number per message; a file is thousands of times faster.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], slot: int, dtype: str) -> None:
        """Record rows of `shape[2:]` for `shape[0]` images of `shape[1]` steps, from window `slot` on."""
        self._path, self._shape, self._slot, self._dtype = path, shape, slot, dtype
        self._rows: Any = None

    def write(self, window: int, step: int, values: Ints) -> None:
        """Keep the values if they belong to an image."""
        image = window - self._slot
        if not (0 <= image < self._shape[0] and step < self._shape[1]):
            return
        if self._rows is None:  # opened where it is written: in the operating system process of the model
            self._rows = open_memmap(self._path, mode="w+", dtype=self._dtype, shape=self._shape)
        self._rows[image, step] = values
