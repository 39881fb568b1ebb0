"""Read the training images of Fashion-MNIST."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Bytes: TypeAlias = npt.NDArray[np.uint8]

IMAGES = 60_000
HELD_OUT = 5_000
SIZE = 28
CLASSES = 10


class DataError(Exception):
    """The images cannot be read; the message says why in one line."""


@dataclass(frozen=True, kw_only=True)
class Split:
    """Images (count, 28, 28) and their labels (count,)."""

    images: Bytes
    labels: Bytes


def read(folder: Path) -> tuple[Split, Split]:
    """The 55,000 images to learn from, and the last 5,000, on which choices are made."""
    images = _bytes(folder / "train-images-idx3-ubyte.gz", 16, IMAGES * SIZE * SIZE).reshape(-1, SIZE, SIZE)
    labels = _bytes(folder / "train-labels-idx1-ubyte.gz", 8, IMAGES)
    if labels.max() >= CLASSES:
        raise DataError(f"{folder}: a label is {labels.max()}, expected 0 to {CLASSES - 1}")
    return (
        Split(images=images[:-HELD_OUT], labels=labels[:-HELD_OUT]),
        Split(images=images[-HELD_OUT:], labels=labels[-HELD_OUT:]),
    )


def _bytes(path: Path, header: int, count: int) -> Bytes:
    """What follows the header of an IDX file."""
    try:
        with gzip.open(path) as file:
            found = file.read(header + count + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"cannot read {path}: {error}") from error
    if len(found) != header + count:
        raise DataError(f"{path} is not the file of Fashion-MNIST's {IMAGES} training images")
    return np.frombuffer(found, np.uint8, offset=header)
