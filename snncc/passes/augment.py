"""More images out of few: flips, shifts and mixtures, for passes that learn from calibration images."""

from __future__ import annotations

from enum import Enum

import numpy as np

from snncc.passes.base import Array

MARGIN = 8
"""A shift moves an image by at most this part of its height and width."""


class Change(Enum):
    """One kind of change; it assumes that what the change gives could be an image of the data too."""

    FLIP = "flip"
    CROP = "crop"
    MIXUP = "mixup"


def augmented(images: Array, changes: tuple[Change, ...], rng: np.random.Generator) -> Array:
    """`images[N, ...]` changed at random, each change independent of the others, in the order given.

    `flip` mirrors half of the images left to right, `crop` shifts each by up to an eighth of its size and
    fills by reflection, `mixup` replaces half of them by a random mean of the image and another (Zhang et
    al. 2018).
    """
    for change in changes:
        match change:
            case Change.FLIP:
                images = np.where(_coin(images, rng), images[..., ::-1], images)
            case Change.CROP:
                images = _shifted(images, rng)
            case Change.MIXUP:
                share = np.where(_coin(images, rng), rng.random(_column(images)), 1.0)
                images = share * images + (1.0 - share) * images[rng.permutation(len(images))]
    return images


def _column(images: Array) -> tuple[int, ...]:
    return (len(images), *(1,) * (images.ndim - 1))


def _coin(images: Array, rng: np.random.Generator) -> Array:
    return rng.random(_column(images)) < 0.5


def _shifted(images: Array, rng: np.random.Generator) -> Array:
    height, width = images.shape[2:]
    down, right = height // MARGIN, width // MARGIN
    padded = np.pad(images, ((0, 0), (0, 0), (down, down), (right, right)), mode="reflect")
    tops = rng.integers(0, 2 * down + 1, len(images))
    lefts = rng.integers(0, 2 * right + 1, len(images))
    return np.stack(
        [
            image[:, top : top + height, left : left + width]
            for image, top, left in zip(padded, tops, lefts, strict=True)
        ]
    )
