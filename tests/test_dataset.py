"""Reading images and bringing them to levels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from snncc import dataset
from snncc_ir.encoding import InputFormat
from snncc_ir.errors import DataError
from snncc_ir.types import Levels

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
    np.testing.assert_array_equal(fitted(hwc[..., 0], (20,)), hwc[..., 0].reshape(2, 20))


@pytest.mark.parametrize(("own", "shape"), [((4, 5), (5, 4)), ((3, 4, 5), (3, 5, 4)), ((4, 5, 3), (1, 4, 5))])
def test_other_shapes_are_refused(own: tuple[int, ...], shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match=r"^data\.npz: images of .* do not fit the network's input of"):
        fitted(np.zeros((2, *own), np.uint8), shape)


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
