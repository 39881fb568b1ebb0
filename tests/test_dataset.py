"""Reading images and bringing them to levels."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from snncc import dataset
from snncc_ir.encoding import InputFormat
from snncc_ir.errors import DataError
from snncc_ir.types import Levels, shape_text

HERE = Path("data.npz")


def fitted(images: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Images in the layout of an input."""
    return dataset.fit(images, shape, HERE)


def test_pixels_move_to_the_networks_layout() -> None:
    hwc = np.arange(2 * 4 * 5 * 3, dtype=np.uint8).reshape(2, 4, 5, 3)
    np.testing.assert_array_equal(fitted(hwc, (3, 4, 5)), hwc.transpose(0, 3, 1, 2))
    np.testing.assert_array_equal(fitted(hwc.transpose(0, 3, 1, 2), (4, 5, 3)), hwc)
    np.testing.assert_array_equal(fitted(hwc[..., 0], (1, 4, 5))[:, 0], hwc[..., 0])
    np.testing.assert_array_equal(fitted(hwc[..., 0], (4, 5, 1))[..., 0], hwc[..., 0])


@pytest.mark.parametrize(
    ("own", "shape"),
    [
        ((4, 5), (1, 4, 5)),
        ((4, 5), (4, 5, 1)),
        ((4, 5, 1), (1, 4, 5)),
        ((1, 4, 5), (4, 5, 1)),
        ((4, 5, 1), (4, 5)),
        ((1, 4, 5), (4, 5)),
        ((4, 5), (20,)),
        ((4, 5), (1, 1, 20)),
        ((1, 4, 5), (20, 1, 1)),
        ((4, 5, 3), (60,)),
        ((20,), (1, 20)),
        ((1, 1), (1,)),
    ],
)
def test_pixels_keep_their_order_if_only_axes_of_size_1_differ_or_the_input_is_flat(
    own: tuple[int, ...], shape: tuple[int, ...]
) -> None:
    images = np.arange(2 * math.prod(own), dtype=np.uint8).reshape(2, *own)
    np.testing.assert_array_equal(fitted(images, shape), images.reshape(2, *shape))


@pytest.mark.parametrize(
    ("own", "shape"),
    [
        ((4, 5), (5, 4)),
        ((3, 4, 5), (3, 5, 4)),
        ((4, 5, 3), (1, 4, 5)),
        ((4, 5, 3), (3, 5, 4)),
        ((30, 20, 1), (1, 20, 30)),
        ((1, 30, 20), (20, 30, 1)),
        ((30, 20), (1, 20, 30)),
        ((30, 20), (30, 1, 20)),
        ((30, 20, 1), (20, 30)),
        ((1, 30, 20, 1), (1, 30, 20)),
        ((20,), (1, 4, 5)),
        ((4, 5), (21,)),
    ],
)
def test_other_shapes_are_refused(own: tuple[int, ...], shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError) as caught:
        fitted(np.zeros((2, *own), np.uint8), shape)
    assert str(caught.value) == (
        f"data.npz: images of {shape_text(own)} do not fit the network's input of {shape_text(shape)}; "
        "give images of that size"
    )


def test_floats_are_taken_in_the_networks_own_layout_alone() -> None:
    with pytest.raises(DataError, match="do not fit"):
        fitted(np.zeros((2, 4, 5, 3), np.float32), (3, 4, 5))


def test_a_folder_of_class_folders(tmp_path: Path) -> None:
    for label, name in enumerate(("ant", "bee")):
        (tmp_path / name).mkdir()
        for index in range(2):
            picture = Image.fromarray(np.full((4, 5, 3), 10 * label + index, np.uint8))
            picture.save(tmp_path / name / f"{index}.png")
        (tmp_path / name / "notes.txt").write_text("no picture")
    data = dataset.load(tmp_path)
    assert data.images is not None
    assert data.labels is not None
    assert data.images.shape == (4, 4, 5, 3)
    assert data.images[:, 0, 0, 0].tolist() == [0, 1, 10, 11]
    assert data.labels.tolist() == [0, 0, 1, 1]


def save(file: Path, pixels: np.ndarray, mode: str) -> None:
    """Write a picture in one of Pillow's modes, with its folder."""
    file.parent.mkdir(exist_ok=True)
    Image.fromarray(pixels).convert(mode).save(file)


GREY = np.arange(0, 200, 10, dtype=np.uint8).reshape(4, 5)
COLOURED = np.stack([GREY, GREY, GREY + 1], axis=2)


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (("3", "7"), [3, 7]),
        (("2", "10"), [2, 10]),
        (("10", "2", "ant"), [0, 1, 2]),
        (("-1", "5"), [0, 1]),
        (("5", "²"), [0, 1]),
        (("1", "9" * 19), [0, 1]),
    ],
)
def test_folders_called_by_whole_numbers_are_their_labels(
    tmp_path: Path, names: tuple[str, ...], labels: list[int]
) -> None:
    for place, name in enumerate(names):
        save(tmp_path / name / "0.png", np.full((4, 5), place, np.uint8), "L")
    data = dataset.load(tmp_path)
    assert data.images is not None
    assert data.labels is not None
    assert data.labels.tolist() == labels
    assert data.images[:, 0, 0].tolist() == list(range(len(names)))


def test_hidden_folders_and_files_are_no_data(tmp_path: Path) -> None:
    for folder in (".git", "3", "7"):
        save(tmp_path / folder / "0.png", GREY, "L")
    (tmp_path / "3" / "._0.png").write_bytes(b"what macOS keeps beside a file")
    data = dataset.load(tmp_path)
    assert data.labels is not None
    assert data.labels.tolist() == [3, 7]


def test_a_folder_of_hidden_folders_alone(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    with pytest.raises(DataError) as caught:
        dataset.load(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: holds no class folders; put the images into one folder per class"
    )


@pytest.mark.parametrize("mode", ["L", "P", "LA", "RGBA"])
def test_grey_pictures_are_grey_in_any_mode(tmp_path: Path, mode: str) -> None:
    save(tmp_path / "ant" / "0.png", GREY, mode)
    images = dataset.load(tmp_path).images
    assert images is not None
    np.testing.assert_array_equal(images, GREY[None])


@pytest.mark.parametrize("suffix", ["gif", "png"])
def test_a_palette_with_a_transparent_entry_is_grey_without_a_warning(
    tmp_path: Path, recwarn: pytest.WarningsRecorder, suffix: str
) -> None:
    picture = Image.fromarray(GREY).convert("P")
    (tmp_path / "ant").mkdir()
    picture.save(tmp_path / "ant" / f"0.{suffix}", transparency=bytes([0, 128]) if suffix == "png" else 0)
    images = dataset.load(tmp_path).images
    assert images is not None
    np.testing.assert_array_equal(images, GREY[None])
    assert not recwarn.list


@pytest.mark.parametrize("mode", ["RGB", "P", "RGBA"])
def test_one_coloured_picture_makes_all_of_a_folder_rgb(tmp_path: Path, mode: str) -> None:
    save(tmp_path / "ant" / "0.png", GREY, "L")
    (tmp_path / "bee").mkdir()
    picture = Image.fromarray(COLOURED)
    coloured = picture.quantize(256) if mode == "P" else picture.convert(mode)
    coloured.save(tmp_path / "bee" / "0.png")
    images = dataset.load(tmp_path).images
    assert images is not None
    assert images.shape == (2, 4, 5, 3)
    np.testing.assert_array_equal(images[0], np.stack([GREY] * 3, axis=2))
    np.testing.assert_array_equal(images[1], np.asarray(coloured.convert("RGB")))


@pytest.mark.parametrize(
    ("name", "kind", "mode"),
    [
        ("0.png", np.uint16, "I;16"),
        ("0.tif", np.uint16, "I;16"),
        ("0.tif", np.int32, "I"),
        ("0.tif", np.float32, "F"),
    ],
)
def test_pictures_of_more_than_8_bits_are_refused(tmp_path: Path, name: str, kind: type, mode: str) -> None:
    file = tmp_path / "ant" / name
    file.parent.mkdir()
    Image.fromarray(np.full((4, 5), 1000, kind)).save(file)
    with pytest.raises(DataError) as caught:
        dataset.load(tmp_path)
    assert str(caught.value) == f"{file}: has more than 8 bits per pixel (mode {mode}); convert it to 8 bits"


def test_pictures_of_different_sizes(tmp_path: Path) -> None:
    (tmp_path / "ant").mkdir()
    for size in (4, 5):
        Image.fromarray(np.zeros((size, size), np.uint8)).save(tmp_path / "ant" / f"{size}.png")
    with pytest.raises(DataError, match=r"images differ in size: .*; resize them first"):
        dataset.load(tmp_path)


def test_a_damaged_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "ant").mkdir()
    (tmp_path / "ant" / "0.png").write_bytes(b"\x89PNG")
    with pytest.raises(DataError, match=r"0\.png: cannot be read as an image"):
        dataset.load(tmp_path)


def exact(form: InputFormat, images: np.ndarray) -> None:
    """The format is exact on these images and its levels stay in range."""
    assert form.exact
    levels = form.to_levels(images)
    assert form.levels.lo <= levels.min()
    assert levels.max() <= form.levels.hi
    np.testing.assert_allclose(form.to_reals(levels), images, atol=2e-6 * np.abs(images).max())


@given(st.integers(0, 2**31), st.sampled_from([1.0, 1 / 255, 2.5]))
def test_a_grid_through_zero_keeps_zero(seed: int, step: float) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (4, 3, 6, 6))
    pixels[0, 0, 0, :3] = 0, 255, 1
    images = (pixels * step).astype(np.float32)
    form = dataset.real_format(images, None)
    exact(form, images)
    assert form.levels == Levels((3, 6, 6), 0, 255)
    assert not form.zero.any()
    np.testing.assert_array_equal(form.to_levels(images), pixels)


def test_a_normalised_grid_has_a_zero_of_its_own_per_channel() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 3, 16, 16))
    mean, std = (
        np.array([0.485, 0.456, 0.406]).reshape(3, 1, 1),
        np.array([0.229, 0.224, 0.225]).reshape(3, 1, 1),
    )
    images = ((pixels / 255 - mean) / std).astype(np.float32)
    form = dataset.real_format(images, None)
    exact(form, images)
    np.testing.assert_array_equal(form.to_levels(images), pixels)
    np.testing.assert_allclose(form.zero, 255 * mean, atol=1e-2)
    same = dataset.pixel_format((3, 16, 16), 8, 255.0, tuple(mean.ravel()), tuple(std.ravel()))
    np.testing.assert_allclose(form.scale, same.scale, rtol=1e-4)
    np.testing.assert_allclose(same.zero, 255 * mean)


def test_a_signed_grid_has_signed_levels() -> None:
    images = (np.arange(-128, 129).reshape(1, 1, 257, 1) / 128).astype(np.float32)
    form = dataset.real_format(images, None)
    exact(form, images)
    assert (form.levels.lo, form.levels.hi) == (-128, 128)


def test_images_on_no_grid_are_rounded_and_the_verdict_says_so() -> None:
    images = np.random.default_rng(0).normal(0, 1, (4, 3, 8, 8)).astype(np.float32)
    form = dataset.real_format(images, None)
    assert not form.exact
    assert (form.levels.lo, form.levels.hi) == (-127, 127)
    assert form.verdict == "approximated: inputs are rounded to 255 levels"
    error = np.abs(form.to_reals(form.to_levels(images)) - images).max()
    assert error <= form.scale.max() / 2 * 1.001


@pytest.mark.parametrize(
    ("least", "bits", "lo", "hi", "count"), [(-2.0, 1, -1, 1, 3), (-2.0, 2, -1, 1, 3), (0.0, 1, 0, 1, 2)]
)
def test_the_fewest_input_bits(least: float, bits: int, lo: int, hi: int, count: int) -> None:
    images = np.array([[[[least, 0.1, 0.3, 2.0]]]], np.float32)
    form = dataset.real_format(images, bits)
    assert (form.levels.lo, form.levels.hi) == (lo, hi)
    assert form.verdict == f"approximated: inputs are rounded to {count} levels"
    assert form.to_levels(images).ravel().tolist() == [lo, 0, 0, hi]
    assert form.to_reals(form.to_levels(images)).ravel().tolist() == [least, 0.0, 0.0, 2.0]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_calibration_images_that_are_not_finite(bad: float) -> None:
    images = np.array([[[[0.0, bad]]]], np.float32)
    with pytest.raises(DataError) as caught:
        dataset.real_format(images, None)
    assert str(caught.value) == "calibration images hold NaN or infinity; take those images out"
    with pytest.raises(DataError) as caught:
        dataset.real_format(images, None, where="data.npz")
    assert str(caught.value) == "data.npz: calibration images hold NaN or infinity; take those images out"


def test_fewer_input_bits_round_pixels() -> None:
    form = dataset.pixel_format((1, 1, 4), 2, 255.0, (0.0,), (1.0,))
    pixels = np.array([0, 42, 43, 255], np.uint8).reshape(1, 1, 1, 4)
    assert form.levels == Levels((1, 1, 4), 0, 3)
    assert form.to_levels(pixels).ravel().tolist() == [0, 0, 1, 3]
    np.testing.assert_allclose(form.to_reals(form.to_levels(pixels)).ravel(), [0, 0, 1 / 3, 1], rtol=1e-6)


def test_pixels_do_not_fit_signed_levels() -> None:
    form = dataset.real_format(np.array([[[[-1.0, 0.5, 1.0, 0.25]]]], np.float32), None)
    with pytest.raises(DataError, match=r"pixels \(uint8\) do not fit the input's levels"):
        form.to_levels(np.zeros((1, 1, 1, 4), np.uint8))
