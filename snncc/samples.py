"""Images that a network is calibrated on, and what the float network does on them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc import dataset
from snncc.artefact import Artefact
from snncc.dataset import Data
from snncc.frontend.calibrate import calibrate
from snncc.frontend.load import Model
from snncc.frontend.lower import Lowered
from snncc.frontend.onnx_nodes import QONNX_DOMAINS
from snncc.options import CompileOptions, PixelScaling
from snncc_ir.encoding import InputFormat, format_of
from snncc_ir.errors import DataError, SnnccError
from snncc_ir.neurons import Analog, Quantiser
from snncc_ir.progress import Progress, Watch
from snncc_ir.statistics import Calibration
from snncc_ir.types import Shape

Array = NDArray[Any]

CALIBRATION_BATCH = 32

CORRECTION_IMAGES = 512
"""Calibration images that bias correction looks at."""

SYNTHETIC_IMAGES = 64


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Images as they were stored, their labels if there are any, and how they become levels.

    `calibrates` is true where thresholds come from them: not for a network that came quantised.
    """

    images: Array
    form: InputFormat
    synthetic: bool
    calibrates: bool
    labels: Array | None = None

    @property
    def kind(self) -> str:
        """What the thresholds come from, as the manifest says it."""
        if not self.calibrates:
            return "none"
        return "synthetic" if self.synthetic else "images"

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know of thresholds that come from them."""
        if self.kind != "synthetic":
            return ()
        return (
            "calibrated on random noise: thresholds are guesses and accuracy will suffer; "
            "give real images with --calibrate",
        )

    def chosen(self, index: Array) -> Samples:
        """The images at these places."""
        labels = None if self.labels is None else self.labels[index]
        return replace(self, images=self.images[index], labels=labels)

    def batches(self, images: Array) -> Iterator[NDArray[np.float32]]:
        """Some of the images in the network's own units, a few at a time."""
        for first in range(0, len(images), CALIBRATION_BATCH):
            levels = self.form.to_levels(np.asarray(images[first : first + CALIBRATION_BATCH]))
            yield self.form.to_reals(levels)


def read_samples(model: Model, lowered: Lowered, options: CompileOptions) -> Samples:
    """The calibration images that the options name, else random ones."""
    shape = lowered.graph.inputs[0].type.shape
    calibrates = any(isinstance(node.neuron, Analog) for node in lowered.graph.populations)
    if options.calibrate is None:
        return _random_samples(model, shape, options, calibrates=calibrates)
    data = dataset.load(options.calibrate)
    stored, labels = data.images, data.labels
    if data.calibration is not None:
        stored, labels = data.calibration, data.calibration_labels
    if stored is None:
        raise DataError(
            "has no array called 'images' to calibrate on", where=str(data.path), hint=dataset.NAMED
        )
    images = dataset.fit(stored, shape, data.path)
    if images.dtype == np.uint8:
        form = _pixel_format(shape, options)
    elif options.pixels != PixelScaling():
        raise DataError(
            f"holds {images.dtype}, but --scale, --mean and --std speak of pixels (uint8)",
            where=str(data.path),
            hint="leave them out: such images are in the network's own units",
        )
    else:
        form = dataset.real_format(np.asarray(images), options.input_bits, str(data.path))
    return Samples(images=images, form=form, synthetic=False, calibrates=calibrates, labels=labels)


def _random_samples(model: Model, shape: Shape, options: CompileOptions, *, calibrates: bool) -> Samples:
    images = np.random.default_rng(0).integers(0, 256, (SYNTHETIC_IMAGES, *shape), dtype=np.uint8)
    if model.input.dtype == np.int8 and options.pixels == PixelScaling():
        signed, form = images.view(np.int8), dataset.int8_format(shape)
        return Samples(images=signed, form=form, synthetic=True, calibrates=calibrates)
    return Samples(images=images, form=_pixel_format(shape, options), synthetic=True, calibrates=calibrates)


def _pixel_format(shape: Shape, options: CompileOptions) -> InputFormat:
    pixels = options.pixels
    return dataset.pixel_format(shape, options.input_bits or 8, pixels.scale, pixels.mean, pixels.std)


def calibration_of(model: Model, lowered: Lowered, samples: Samples, watch: Watch) -> Calibration:
    """Statistics of all calibration images, with the drive means of those that bias correction sees.

    None of what came quantised: that is taken as it is.
    """
    if not samples.calibrates:
        return Calibration(populations={}, images=0, synthetic=False)
    lowered = _calibrated_part(model, lowered)
    whole = _calibrated(model, lowered, samples, samples.images, watch("calibrate"))
    if len(samples.images) <= CORRECTION_IMAGES:
        return whole
    part = _calibrated(model, lowered, samples, samples.images[:CORRECTION_IMAGES], watch("drive means"))
    merged = {
        name: replace(statistics, drive_mean=part.populations[name].drive_mean)
        for name, statistics in whole.populations.items()
    }
    return replace(whole, populations=merged)


def _calibrated_part(model: Model, lowered: Lowered) -> Lowered:
    """The network with the taps of what has no thresholds yet."""
    foreign = [node.name for node in model.nodes if node.domain in QONNX_DOMAINS]
    if foreign:
        raise SnnccError(
            "is an operator of QONNX, but other layers are not quantised; ONNX Runtime cannot calibrate them",
            where=foreign[0],
            hint="quantise every activation, or export with QuantizeLinear and DequantizeLinear",
        )
    given = {node.name for node in lowered.graph.populations if isinstance(node.neuron, Quantiser)}
    taps = {name: tap for name, tap in lowered.taps.items() if name not in given}
    return replace(lowered, taps=taps)


def _calibrated(
    model: Model, lowered: Lowered, samples: Samples, images: Array, progress: Progress
) -> Calibration:
    return calibrate(
        model,
        lowered,
        samples.batches(images),
        total=len(images),
        progress=progress,
        synthetic=samples.synthetic,
    )


def image_digests(form: InputFormat, images: Array) -> list[str]:
    """Twelve hexadecimal digits per image that name its levels."""
    found = []
    for first in range(0, len(images), CALIBRATION_BATCH):
        levels = form.to_levels(np.asarray(images[first : first + CALIBRATION_BATCH])).astype("<i2")
        found += [hashlib.sha256(image.tobytes()).hexdigest()[:12] for image in levels]
    return found


def overlap(form: InputFormat, images: Array, known: Set[str]) -> tuple[str, ...]:
    """A warning where images are among those whose digests are `known`, which were calibrated or tuned on."""
    shared = sum(digest in known for digest in image_digests(form, images)) if known else 0
    if not shared:
        return ()
    return (f"{shared} of {len(images)} images were calibrated or tuned on; accuracy on them says little",)


def load_images(found: Artefact, source: Path | Data, limit: int | None) -> tuple[Array, Array | None]:
    """The first images of a data set in the layout of the artefact's input, and their labels, if any."""
    form = format_of(found.graph.inputs[0])
    images, labels = images_for(form, source, limit, pixels=bool(found.manifest.get("pixels")))
    if labels is not None:
        classes = math.prod(found.graph.types[found.graph.outputs[0]].shape)
        _check_labels(labels, classes, source if isinstance(source, Path) else source.path)
    return images, labels


def images_for(
    form: InputFormat, source: Path | Data, limit: int | None, *, pixels: bool
) -> tuple[Array, Array | None]:
    """The first images of a data set in the layout of an input, and their labels, if any.

    `pixels` says whether the network was compiled on pixels.
    """
    data = dataset.load(source)
    if data.images is None:
        raise DataError("has no array called 'images'", where=str(data.path), hint=dataset.NAMED)
    images = dataset.fit(data.images[:limit], form.levels.shape, data.path)
    if images.dtype == np.uint8 and not pixels:
        raise DataError(
            "holds pixels (uint8), but the network was compiled on real numbers",
            where=str(data.path),
            hint="give floating-point images as at compile time, or compile on pixels",
        )
    if images.dtype.kind == "f" and not np.isfinite([images.min(), images.max()]).all():
        raise DataError("images hold NaN or infinity", where=str(data.path), hint="take those images out")
    return images, None if data.labels is None else data.labels[:limit]


def _check_labels(labels: Array, classes: int, path: Path) -> None:
    """Raise DataError for labels that no answer can equal; a single output is no choice between classes."""
    least, greatest = int(labels.min()), int(labels.max())
    if classes > 1 and not 0 <= least <= greatest < classes:
        raise DataError(
            f"labels {least}..{greatest} do not fit the network's {classes} classes",
            where=str(path),
            hint="number them from 0, in the order of its outputs",
        )
