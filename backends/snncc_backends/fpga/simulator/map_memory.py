"""The map memory of the cycle simulator, for many images at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc_backends.fpga.planning.maps import WORD
from snncc_backends.fpga.tables.program import Bytes
from snncc_backends.fpga.tables.tables import Tables
from snncc_ir.tensors import Ints


def level_kind(tables: Tables) -> type[np.signedinteger[Any]] | type[np.unsignedinteger[Any]]:
    """The type of a level in memory."""
    small = np.int8 if tables.widths.signed_levels else np.uint8
    return small if tables.widths.level <= 8 else np.int16


class MapMemory:
    """The map memory of N images: `levels[N, G * depth + 1, 8]`, the last word 0.

    `used[word, N]` has a bit for each level that is not 0.
    """

    def __init__(self, tables: Tables, images: int) -> None:
        size = tables.widths.groups * tables.widths.map_words + 1
        self.levels = np.zeros((images, size, WORD), dtype=level_kind(tables))
        self.used = np.zeros((size, images), dtype=np.uint8)

    def write(self, places: Ints, levels: Ints) -> None:
        """Store `levels[N, ..., 8]` in the words `places[...]`."""
        self.levels[:, places] = levels
        used = np.packbits(levels != 0, axis=-1, bitorder="little")[..., 0]
        self.used[places] = np.moveaxis(used, 0, -1)

    def words(self, places: NDArray[np.int32], images: slice) -> NDArray[np.float32]:
        """`[images, ..., 8]` levels of words, as real numbers."""
        whole = np.uint64 if self.levels.itemsize == 1 else np.complex128
        found = np.take(self.levels[images].view(whole)[..., 0], places, axis=1)
        return found.view(self.levels.dtype).reshape(*found.shape, WORD).astype(np.float32)

    def write_bytes(self, places: Ints, byte: Ints, levels: Ints) -> None:
        """Store `levels[N, ..., 8]` of one bit each as one byte of packed words."""
        whole = np.packbits(levels != 0, axis=-1, bitorder="little")[..., 0]
        self.levels[:, places, byte] = whole

    def bits(
        self, places: NDArray[np.int32], masks: Bytes, planes: int, images: slice
    ) -> NDArray[np.float32]:
        """`[images, ..., 8 * planes]`: the low bits of every level, 0 for those outside their mask."""
        taken = np.unpackbits(masks[..., None], axis=-1, bitorder="little")
        kept = self.levels[images][:, places] * taken[:, None, :, :].astype(self.levels.dtype)
        low = np.unpackbits(kept.astype(np.uint8)[..., None], axis=-1, bitorder="little")
        parts = [low] + [(kept >> plane & 1).astype(np.uint8)[..., None] for plane in range(8, planes)]
        return np.concatenate(parts, axis=-1).astype(np.float32).reshape(*kept.shape[:-1], -1)
