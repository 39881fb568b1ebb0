"""What the original network does on sample images, seen in ONNX Runtime batch by batch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc.frontend.load import Model
from snncc.frontend.lower import Lowered
from snncc.frontend.network import Network
from snncc.frontend.tapped import TappedModel, positions_of, tapped, with_outputs
from snncc.frontend.taps import Tap
from snncc_ir.errors import DataError
from snncc_ir.progress import Progress, silent
from snncc_ir.statistics import Calibration, Statistics

Array = NDArray[Any]

ROWS = 16384
SEED = 0


def calibrate(
    model: Model,
    lowered: Lowered,
    batches: Iterable[Array],
    *,
    total: int,
    progress: Progress = silent,
    rows: int = ROWS,
    synthetic: bool = False,
) -> Calibration:
    """Statistics of every population and readout over `batches` of images in the network's own units.

    A batch is `[N, *input shape]`; `total` is the number of images in all of them. Samples hold at most
    `rows` rows, drawn evenly over the images, so memory does not grow with their number.
    """
    if total < 1:
        raise DataError("there are no images to calibrate on", hint="give one image or more")
    if not lowered.taps:  # wiring alone
        return Calibration(populations={}, images=total, synthetic=synthetic)
    probe = tapped(model, lowered.taps, max(rows // total, 1))
    network = Network(model, probe.proto)
    collector = _Collector(probe, min(rows, total))
    done = 0
    for batch in batches:
        collector.take(network, batch, total)
        done += len(batch)
        progress(done, total)
    if not done:
        raise DataError("there are no images to calibrate on", hint="give one image or more")
    return Calibration(populations=collector.statistics(), images=done, synthetic=synthetic)


class _Collector:
    """Running statistics of all taps: extremes and means with their channels side by side, and samples."""

    def __init__(self, probe: TappedModel, images: int) -> None:
        channels = sum(tap.shape[0] for tap in probe.taps.values())
        self.probe = probe
        self.random = np.random.default_rng(SEED)
        self.low = np.full(channels, np.inf)
        self.high = np.full(channels, -np.inf)
        self.total = np.zeros(channels)
        self.seen = 0
        self.sampled = images
        self.samples = [_Sample(tap, images * probe.picked(positions_of(tap))) for tap in probe.taps.values()]

    def take(self, network: Network, images: Array, total: int) -> None:
        """Run some images and add what they give."""
        choice = self.probe.choose(self.random)
        low, high, mean, *picked = network.run(images, self.probe.outputs, choice)
        self.low = np.minimum(self.low, low.min(axis=0))
        self.high = np.maximum(self.high, high.max(axis=0))
        self.total += mean.sum(axis=0, dtype=np.float64)
        chosen = self._chosen_images(len(images), total)
        for sample, values in zip(self.samples, picked, strict=True):
            sample.add(values[chosen])

    def _chosen_images(self, count: int, total: int) -> slice | NDArray[np.intp]:
        """The images of this run that give samples: all, or an even share where there are too many."""
        before = self.seen
        self.seen += count
        if self.sampled >= total:
            return slice(None)
        quota = self.seen * self.sampled // total - before * self.sampled // total
        return np.sort(self.random.choice(count, min(quota, count), replace=False))

    def statistics(self) -> dict[str, Statistics]:
        """Statistics of every tap's activations."""
        found, start = {}, 0
        for (name, tap), sample in zip(self.probe.taps.items(), self.samples, strict=True):
            part = slice(start, start + tap.shape[0])
            ends = np.stack([self.low[part], self.high[part]]) * tap.gain + tap.offset
            _check_finite(name, ends)
            reached = tap.activation(ends)
            found[name] = Statistics(
                low=reached.min(axis=0),
                high=reached.max(axis=0),
                drive_mean=self.total[part] / self.seen * tap.gain + tap.offset,
                sample=sample.values[:, : sample.filled].T,
            )
            start = part.stop
        return found


def _check_finite(name: str, ends: Array) -> None:
    if not np.isfinite(ends).all():
        raise DataError(
            "activations are NaN or infinite",
            where=name,
            hint="give the images in the network's own input units",
        )


class _Sample:
    """Activations `[C, room]` of one tap."""

    def __init__(self, tap: Tap, room: int) -> None:
        self.tap = tap
        self.values = np.empty((tap.shape[0], room), dtype=np.float32)
        self.filled = 0

    def add(self, picked: Array) -> None:
        """Add picked positions `[N, C, B, K]`, as far as there is room."""
        channels, positions = picked.shape[1], picked.shape[2] * picked.shape[3]
        picked = picked.reshape(len(picked), channels, positions)
        images = min(len(picked), (self.values.shape[1] - self.filled) // positions)
        until = self.filled + images * positions
        room = self.values[:, self.filled : until].reshape(channels, images, positions)
        _activate(self.tap, picked[:images].transpose(1, 0, 2), room)
        self.filled = until


def _activate(tap: Tap, values: NDArray[np.float32], result: NDArray[np.float32]) -> None:
    """Write the activations for the tensor's values `[C, N, K]` into `result`, in few passes."""
    if not tap.is_plain:
        gain, offset = (array.astype(np.float32)[:, None, None] for array in (tap.gain, tap.offset))
        values = values * gain + offset
    if tap.slope is not None:
        values = np.where(values < 0, values * tap.slope.astype(np.float32)[:, None, None], values)
    np.maximum(values, np.float32(tap.low), out=result)
    if tap.high < np.inf:
        np.minimum(result, np.float32(tap.high), out=result)


def float_outputs(model: Model, batches: Iterable[Array]) -> tuple[Array, ...]:
    """The original network's own outputs for all images, one array per output."""
    network = Network(model, model.proto)
    runs = [network.run(batch, model.outputs) for batch in batches]
    if not runs:
        raise DataError("there are no images to run", hint="give one image or more")
    return tuple(np.concatenate(parts) for parts in zip(*runs, strict=True))


def float_drives(
    model: Model, lowered: Lowered, batches: Iterable[Array], names: Iterable[str]
) -> dict[str, Array]:
    """Drives of the named populations and readouts in the original network, `[N, *shape]`, as float64."""
    taps = {name: lowered.taps[name] for name in names}
    tensors = tuple(dict.fromkeys(tap.tensor for tap in taps.values()))
    network = Network(model, with_outputs(model, tensors))
    runs = [network.run(batch, tensors) for batch in batches]
    if not runs:
        raise DataError("there are no images to run", hint="give one image or more")
    joined = dict(zip(tensors, map(np.concatenate, zip(*runs, strict=True)), strict=True))
    return {name: tap.drive(joined[tap.tensor]) for name, tap in taps.items()}
