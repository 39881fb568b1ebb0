"""Images and labels from a file or a folder, brought to the layout of a network's input."""

from __future__ import annotations

import math
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from snncc_ir.encoding import PIXEL_TOP, InputFormat
from snncc_ir.errors import DataError
from snncc_ir.types import Levels, Shape, shape_text

Array = NDArray[Any]

IMAGE_RANK = 3
ARRAYS = ("images", "labels", "calibration", "calibration_labels")
"""Arrays of an `.npz` that are read."""

NAMED = "save the images under that name: numpy.savez(FILE, images=...)"

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
DEEP_MODES = ("I", "F")
"""Pillow's modes of 16 or more bits, without their byte order: I;16, I;16B, I and F."""

MAYBE_GREY = ("P", "PA", "LA", "RGBA", "RGBa")
"""Modes that programs write grey pictures in as well: only the pixels tell."""

LABEL_DIGITS = 18
"""Longest folder name that is read as a label: all such numbers fit int64."""

LAYOUT_CHANGES = ((2, 0, 1), (1, 2, 0))
"""H,W,C to C,H,W, and back. No other order of axes: swapping H and W would turn the picture."""

SHOWN = 8
"""Arrays that an archive is said to hold instead of images."""

ON_GRID = 1e-2
"""How far, in steps, a stored float may lie from its grid point."""

GRID_VALUES = 512
"""Most values that an exact input grid may have: 9-bit levels."""


@dataclass(frozen=True)
class Data:
    """Images `[N, ...]` as they were stored, labels `[N]` where there are any, and calibration images."""

    path: Path
    images: Array | None
    labels: Array | None = None
    calibration: Array | None = None
    calibration_labels: Array | None = None


def of_arrays(images: Array, labels: Array | None = None) -> Data:
    """Images `[N, ...]` and labels `[N]` that are in memory; DataError where they are none."""
    name = Path("images")
    checked = _checked(images, name)
    if labels is not None:
        _check_labels(labels, len(checked), name)
    return Data(name, checked, labels)


def load(path: Path | Data) -> Data:
    """Read an `.npz`, an `.npy` or a folder of images in class folders; data in memory is taken as it is."""
    if isinstance(path, Data):
        return path
    if path.is_dir():
        return _load_folder(path)
    if not path.exists():
        raise DataError("no such file or folder", where=str(path), hint="check the path")
    try:
        if path.suffix == ".npy":
            return Data(path, _checked(np.load(path, mmap_mode="r", allow_pickle=False), path))
        if path.suffix == ".npz":
            return _load_npz(path)
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        why = "it is none, or holds Python objects" if "pickle" in str(error) else error
        raise DataError(
            f"cannot be read as numpy arrays ({why})",
            where=str(path),
            hint="save numbers alone, by numpy.save or numpy.savez",
        ) from error
    raise DataError(
        "is not .npz, .npy or a folder of class folders", where=str(path), hint="give one of those"
    )


def _load_npz(path: Path) -> Data:
    # A zip file that is none, or a member that is a pickle, raises what `load` catches.
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        if not hasattr(archive, "files"):
            raise DataError("is no .npz archive", where=str(path), hint="write it by numpy.savez")
        arrays = {key: archive[key] for key in ARRAYS if key in archive.files}
        held = ", ".join(archive.files[:SHOWN]) or "nothing"
    if "images" not in arrays and "calibration" not in arrays:
        raise DataError(f"has no array called 'images', it holds {held}", where=str(path), hint=NAMED)
    for key in ("images", "calibration"):
        if key in arrays:
            _checked(arrays[key], path)
    for key, of in (("labels", "images"), ("calibration_labels", "calibration")):
        if key in arrays and of in arrays:
            _check_labels(arrays[key], len(arrays[of]), path)
    return Data(path, arrays.get("images"), **{key: arrays[key] for key in ARRAYS[1:] if key in arrays})


def _checked(images: Array, path: Path) -> Array:
    if images.ndim < 2 or images.dtype.kind not in "fiu":
        raise DataError(
            f"images of shape {images.shape} and type {images.dtype} are no images",
            where=str(path),
            hint="give numbers of shape N,H,W, N,H,W,C or N,C,H,W",
        )
    if not len(images):
        raise DataError("holds no images", where=str(path), hint="give at least one")
    return images


def _check_labels(labels: Array, count: int, path: Path) -> None:
    if labels.shape != (count,) or labels.dtype.kind not in "iu":
        raise DataError(
            f"labels of shape {labels.shape} and type {labels.dtype} do not fit {count} images",
            where=str(path),
            hint="give one whole number per image",
        )


def _load_folder(path: Path) -> Data:
    folders = [entry for entry in _visible(path) if entry.is_dir()]
    if not folders:
        raise DataError(
            "holds no class folders", where=str(path), hint="put the images into one folder per class"
        )
    pictures: list[Array] = []
    labels: list[int] = []
    for label, folder in _labelled(folders):
        for file in _visible(folder):
            if file.suffix.lower() in PICTURES:
                pictures.append(_picture(file))
                labels.append(label)
    if not pictures:
        kinds = ", ".join(PICTURES)
        raise DataError("its class folders hold no images", where=str(path), hint=f"put some there: {kinds}")
    pictures = _same_channels(pictures)
    shapes = {picture.shape for picture in pictures}
    if len(shapes) > 1:
        raise DataError(
            f"images differ in size: {sorted(shapes)[:3]}", where=str(path), hint="resize them first"
        )
    return Data(path, np.stack(pictures), np.array(labels, dtype=np.int64))


def _visible(folder: Path) -> list[Path]:
    """What a user sees in a folder: not .git, .ipynb_checkpoints or the ._0.png that macOS adds."""
    return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))


def _labelled(folders: list[Path]) -> list[tuple[int, Path]]:
    """Folders with their labels: their own numbers if all are numbers, else their places in sorted order."""
    if all(_is_label(folder.name) for folder in folders):
        return sorted((int(folder.name), folder) for folder in folders)
    return list(enumerate(folders))


def _is_label(name: str) -> bool:
    return name.isascii() and name.isdecimal() and len(name) <= LABEL_DIGITS


def _picture(file: Path) -> Array:
    """The 8-bit pixels of a picture: H,W if it is grey, else H,W,3."""
    try:
        with Image.open(file) as image:
            _check_depth(image, file)
            if image.mode in MAYBE_GREY:
                # By way of RGBA: Pillow warns if a palette that holds transparency goes straight to RGB.
                return _grey_if_equal(np.asarray(image.convert("RGBA").convert("RGB")))
            return np.asarray(image.convert("L" if image.mode in ("1", "L") else "RGB"))
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise DataError(
            f"cannot be read as an image ({error})", where=str(file), hint="take it out, or save it again"
        ) from error


def _check_depth(image: Image.Image, file: Path) -> None:
    """Pillow would clip such pixels at 255, which leaves an almost white picture."""
    if image.mode.partition(";")[0] in DEEP_MODES:
        raise DataError(
            f"has more than 8 bits per pixel (mode {image.mode})",
            where=str(file),
            hint="convert it to 8 bits",
        )


def _grey_if_equal(pixels: Array) -> Array:
    grey = pixels[..., 0]
    return grey if (pixels == grey[..., None]).all() else pixels


def _same_channels(pictures: list[Array]) -> list[Array]:
    """All grey, or all RGB if one of them has colours."""
    if all(picture.ndim < IMAGE_RANK for picture in pictures):
        return pictures
    return [
        picture if picture.ndim == IMAGE_RANK else np.repeat(picture[..., None], 3, axis=2)
        for picture in pictures
    ]


def fit(images: Array, shape: Shape, path: Path) -> Array:
    """Images as `[N, *shape]`; N,H,W, N,H,W,C and N,C,H,W pixels are moved to the network's layout."""
    own = images.shape[1:]
    if own == shape:
        return images
    if images.dtype == np.uint8:
        for axes in LAYOUT_CHANGES:
            if len(own) == IMAGE_RANK and tuple(own[axis] for axis in axes) == shape:
                return images.transpose(0, *(axis + 1 for axis in axes))
        if _differ_by_one_channel(own, shape) or _is_flattened(own, shape):
            return images.reshape(len(images), *shape)
    raise DataError(
        f"images of {shape_text(own)} do not fit the network's input of {shape_text(shape)}",
        where=str(path),
        hint="give images of that size",
    )


def _differ_by_one_channel(own: Shape, shape: Shape) -> bool:
    """H,W on one side; 1,H,W or H,W,1 with the same H and W on the other."""
    plane, image = sorted((own, shape), key=len)
    return len(plane) == IMAGE_RANK - 1 and image in ((1, *plane), (*plane, 1))


def _is_flattened(own: Shape, shape: Shape) -> bool:
    """The network takes a vector, which any pixels of that number fill in row-major order."""
    return sum(size > 1 for size in shape) <= 1 and math.prod(own) == math.prod(shape)


def pixel_format(
    shape: Shape, bits: int, scale: float, mean: tuple[float, ...], std: tuple[float, ...]
) -> InputFormat:
    """Pixels p of `bits` bits that stand for (p' / scale - mean) / std, p' the 8-bit pixel."""
    hi = 2**bits - 1
    per_level = PIXEL_TOP / hi
    deviation, offset = _per_channel(std, shape, "--std"), _per_channel(mean, shape, "--mean")
    return InputFormat(
        levels=Levels(shape, 0, hi),
        scale=per_level / (scale * deviation),
        zero=offset * scale / per_level,
        exact=bits == 8,
        verdict=f"pixels enter as levels 0..{hi}",
    )


def int8_format(shape: Shape) -> InputFormat:
    """Signed bytes that the network takes as the numbers they are."""
    ones = (1,) * len(shape)
    return InputFormat(
        levels=Levels(shape, -128, 127),
        scale=np.ones(ones),
        zero=np.zeros(ones),
        exact=True,
        verdict="signed bytes enter as levels -128..127",
    )


def _per_channel(values: tuple[float, ...], shape: Shape, option: str) -> NDArray[np.float64]:
    rank = len(shape)
    if len(values) == 1:
        return np.full((1,) * rank, values[0])
    for axis in dict.fromkeys((0, rank - 1)):
        if shape[axis] == len(values):
            return np.array(values).reshape(*(-1 if i == axis else 1 for i in range(rank)))
    raise DataError(
        f"{len(values)} values do not fit the input's channels {shape_text(shape)}",
        where=option,
        hint="give one number, or one for each channel",
    )


def real_format(images: Array, bits: int | None, where: str = "") -> InputFormat:
    """Levels for real images `[N, *shape]`: their own grid where they lie on one, else a signed scale.

    `where` is the file that an error names.
    """
    if not np.isfinite(images).all():
        raise DataError("calibration images hold NaN or infinity", where=where, hint="take those images out")
    shape = images.shape[1:]
    grid = None if bits else _exact_grid(images, shape)
    return grid if grid else _signed_format(images, shape, bits or 8)


def _signed_format(images: Array, shape: Shape, bits: int) -> InputFormat:
    top = float(np.abs(images).max()) or 1.0
    # One signed bit would leave level 0 alone, which carries nothing: -1..1 is the least that does.
    signed = bool(images.min() < 0)
    hi = max(2 ** (bits - 1) - 1, 1) if signed else 2**bits - 1
    lo = -hi if signed else 0
    ones = (1,) * len(shape)
    return InputFormat(
        levels=Levels(shape, lo, hi),
        scale=np.full(ones, top / hi),
        zero=np.zeros(ones),
        exact=False,
        verdict=f"approximated: inputs are rounded to {hi - lo + 1} levels",
    )


def _exact_grid(images: Array, shape: Shape) -> InputFormat | None:
    """The affine grid of at most 512 values that all images of each channel lie on, if there is one."""
    axis = _channel_axis(shape)
    channels = (
        np.moveaxis(images, axis + 1, 0).reshape(shape[axis], -1)
        if axis is not None
        else images.reshape(1, -1)
    )
    grids = [_line(np.unique(channel)) for channel in channels]
    if any(grid is None for grid in grids):
        return None
    steps, zeros, spans = (np.array(column) for column in zip(*(g for g in grids if g), strict=True))
    lo, hi = 0, int(spans.max())
    if np.abs(zeros - np.rint(zeros)).max() < ON_GRID:
        # The grid passes through the real 0: count from there, so that level 0 is the real 0.
        whole = np.rint(zeros).astype(np.int64)
        lo, hi, zeros = min(0, int(-whole.max())), max(1, int((spans - whole).max())), np.zeros(len(zeros))
    if lo == 0 and PIXEL_TOP // 2 < hi < PIXEL_TOP:
        hi = PIXEL_TOP
    if hi - lo >= GRID_VALUES:
        return None
    place = [-1 if index == axis else 1 for index in range(len(shape))]
    return InputFormat(
        levels=Levels(shape, lo, hi),
        scale=steps.reshape(place),
        zero=zeros.reshape(place),
        exact=True,
        verdict=f"inputs lie on a grid of {hi - lo + 1} levels",
    )


def _channel_axis(shape: Shape) -> int | None:
    if len(shape) != IMAGE_RANK:
        return None
    return 0 if shape[0] <= shape[-1] else len(shape) - 1


def _line(values: Array) -> tuple[float, float, int] | None:
    """(step, zero, span) with values = step * (n - zero) for whole n in 0..span, or None."""
    values = values.astype(np.float64)
    if not 2 <= len(values) <= GRID_VALUES:
        return None
    span = round((values[-1] - values[0]) / float(np.diff(values).min()))
    if not 1 <= span < GRID_VALUES:
        return None
    step = (values[-1] - values[0]) / span
    positions = (values - values[0]) / step
    if np.abs(positions - np.rint(positions)).max() > ON_GRID:
        return None
    return step, -values[0] / step, span
