"""What a sweep reads from its files, once in each process."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc import __version__
from snncc.driver import Prepared, settle
from snncc.frontend.calibrate import float_outputs
from snncc.frontend.load import Model, load
from snncc.frontend.lower import Lowered, lower
from snncc.loss import predictions_of
from snncc.options import check_options
from snncc.samples import Samples, image_digests, images_for, overlap, read_samples
from snncc.shards import digest_of
from snncc.sweep.chips import check_unchanged
from snncc.sweep.grid import ANY, Setting, Study
from snncc_ir.errors import SnnccError
from snncc_ir.progress import Progress, Watch, no_watch

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Material:
    """A model, its calibration images, and images `[N, *input shape]` with labels to measure on."""

    study: Study
    model: Model
    lowered: Lowered
    samples: Samples
    images: Array
    labels: Array | None

    @functools.cached_property
    def digest(self) -> str:
        """What all results depend on beside the options of a point."""
        labels = "" if self.labels is None else digest_of(self.labels)
        external: Mapping[str, str] = self.model.external
        parts = (
            __version__,
            self.model.sha256,
            sorted(external.items()),
            digest_of(np.asarray(self.samples.images)),
            self.samples.synthetic,
            digest_of(np.asarray(self.images)),
            labels,
            astuple(self.study.pixels),
            self.study.input_bits,
        )
        return hashlib.sha256(repr(parts).encode()).hexdigest()

    def prepared(self, setting: Setting, watch: Watch = no_watch) -> Prepared:
        """The compilation of a point before its first pass.

        Raises SnnccError where its options do not go together, or its chip's description has changed.
        """
        if setting.chip_sha256 is not None:
            check_unchanged(self.study.folder / setting.chip, setting.chip_sha256)
        settled = settle(replace(self.study.options(setting), watch=watch))
        return settled.prepared(self.model, self.lowered, self.samples)

    def float_predictions(self, progress: Progress) -> Array:
        """The answers `[N]` of the float network."""
        return predictions_of(float_outputs(self.model, self._batches(progress))[0])

    def _batches(self, progress: Progress) -> Iterator[Array]:
        done = 0
        for batch in self.samples.batches(self.images):
            yield batch
            done += len(batch)
            progress(done, len(self.images))

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know of the images."""
        if self.samples.kind != "images":
            return self.samples.warnings
        known = set(image_digests(self.samples.form, self.samples.images))
        return overlap(self.samples.form, self.images, known)


@functools.lru_cache(maxsize=1)
def read_material(study: Study) -> Material:
    """What the files of a study hold; raises SnnccError where they do not go together."""
    options = study.options(ANY)
    check_options(options)
    model = load(study.model)
    lowered = lower(model)
    samples = read_samples(model, lowered, options)
    pixels = samples.images.dtype == np.uint8
    images, labels = images_for(samples.form, study.data, study.limit, pixels=pixels)
    return Material(study=study, model=model, lowered=lowered, samples=samples, images=images, labels=labels)


def agreed(study: Study, digest: str) -> Material:
    """The files that who asked has read; raises SnnccError where these are others."""
    for _ in range(2):
        found = read_material(study)
        if found.digest == digest:
            return found
        read_material.cache_clear()
    raise SnnccError(
        f"finds something else under {study.model} or its images than who asked",
        hint="give all workers the same files and the same snncc, and leave the files alone",
    )
