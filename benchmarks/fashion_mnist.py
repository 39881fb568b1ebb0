"""Fashion-MNIST as its authors' files: 60,000 training and 10,000 test images."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc_ir.errors import DataError

Array = NDArray[Any]

HINT = (
    "give the folder of the four idx files of Fashion-MNIST; Debian has them: apt-get download "
    "dataset-fashion-mnist; dpkg -x dataset-fashion-mnist_*.deb fashion; then "
    "fashion/usr/share/datasets/fashion-mnist"
)

PARTS = {"train": 60000, "t10k": 10000}


def load(folder: Path, part: str) -> tuple[Array, Array]:
    """Images `[N, 28, 28]` uint8 and labels of `train` or `t10k`; DataError says how to get them."""
    count = PARTS[part]
    images = _read(folder / f"{part}-images-idx3-ubyte.gz", 16, count * 28 * 28)
    labels = _read(folder / f"{part}-labels-idx1-ubyte.gz", 8, count)
    return images.reshape(count, 28, 28), labels


def _read(path: Path, header: int, size: int) -> Array:
    try:
        with gzip.open(path) as file:
            data = file.read(header + size + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"cannot be read ({error})", where=str(path), hint=HINT) from error
    if len(data) != header + size:
        raise DataError("has another size than Fashion-MNIST's", where=str(path), hint=HINT)
    return np.frombuffer(data, np.uint8, offset=header)
