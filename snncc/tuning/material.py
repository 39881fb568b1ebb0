"""The images to learn from, and those that are held out to judge by."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc.passes.augment import Change, augmented
from snncc_ir.encoding import InputFormat
from snncc_ir.errors import DataError

Array = NDArray[Any]

HELD_SHARE = 10
MOST_HELD = 5000
LEAST_IMAGES = 20
MOST_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class Material:
    """Images as they were stored `[N, *shape]`, how they become levels, and their classes `[N]`, if any."""

    images: Array
    labels: Array | None
    form: InputFormat

    def __len__(self) -> int:
        return len(self.images)

    @property
    def digest(self) -> str:
        """Of everything in it."""
        found = hashlib.sha256(f"{self.images.dtype} {self.images.shape}".encode())
        for first in range(0, len(self), 1024):
            found.update(np.ascontiguousarray(self.images[first : first + 1024]).tobytes())
        if self.labels is not None:
            found.update(self.labels.astype(np.int64).tobytes())
        return found.hexdigest()

    def chosen(self, index: Array) -> Material:
        """The images at these places."""
        labels = None if self.labels is None else self.labels[index]
        return Material(images=np.asarray(self.images[index]), labels=labels, form=self.form)

    def levels(self, index: Array, changes: tuple[Change, ...], rng: np.random.Generator) -> Array:
        """Input levels of the images at these places, changed at random."""
        found = self.form.to_levels(np.asarray(self.images[index]))
        if not changes:
            return found
        axis = _channel_axis(found.shape[1:])
        return np.moveaxis(augmented(np.moveaxis(found, axis, 1), changes, rng), 1, axis)


def divided(whole: Material, seed: int, where: str) -> tuple[Material, Material]:
    """What to learn from, and a tenth of the images, at most 5,000, that is held out; chosen by `seed`."""
    if len(whole) < LEAST_IMAGES:
        raise DataError(
            f"holds {len(whole)} images, and a tenth is held out",
            where=where,
            hint=f"give {LEAST_IMAGES} or more",
        )
    order = np.random.default_rng(seed).permutation(len(whole))
    held = min(math.ceil(len(whole) / HELD_SHARE), MOST_HELD)
    return whole.chosen(np.sort(order[held:])), whole.chosen(np.sort(order[:held]))


def check_classes(material: Material, classes: int, where: str) -> None:
    """Raise DataError where a class has no image to learn it from."""
    if material.labels is None:
        return
    empty = np.flatnonzero(np.bincount(material.labels, minlength=classes) == 0)
    if len(empty):
        names = ", ".join(map(str, empty[:MOST_NAMED])) + (", ..." if len(empty) > MOST_NAMED else "")
        raise DataError(
            f"has no image of class {names} to learn from",
            where=where,
            hint=f"give images of all {classes} classes, or learn the float network's answers: --aim float",
        )


def check_changes(changes: tuple[Change, ...], form: InputFormat) -> None:
    """Raise DataError where images are to be changed that are none."""
    shape = form.levels.shape
    if changes and len(shape) != 3:
        raise DataError(
            "needs images of height and width", where="--augment", hint="leave it out for other data"
        )


def _channel_axis(shape: tuple[int, ...]) -> int:
    """1 for images as most exporters have them, else the last."""
    return 1 if shape[0] <= shape[-1] else len(shape)
