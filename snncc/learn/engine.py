"""A learning network in the native engine: scores, loss and gradients of a batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc.learn.network import Conv, Network, Neuron, Readout, Reset, Score, Stage
from snncc.learn.trains import Trains
from snncc.sim.native.learner import Learner, Neurons, Shape
from snncc_ir.errors import DataError

Array = NDArray[Any]
Floats = NDArray[np.float32]
Weights = tuple[Floats, ...]
"""Of every layer, the readout last, as `Stage.weight_shape` says."""

READOUTS = {Score.MAXIMUM: 1, Score.SUM: 2}


@dataclass(frozen=True, kw_only=True)
class Found:
    """Of a batch: scores `[batch, classes]`, cross-entropies `[batch]`, and sums over the batch by layer."""

    scores: Floats
    losses: NDArray[np.float64]
    spikes: NDArray[np.int64]
    active: NDArray[np.int64]

    @property
    def loss(self) -> float:
        """Mean over the batch."""
        return float(self.losses.mean())


class Engine:
    """Runs a network and its gradients, with the same bits for any number of threads and on any kernels."""

    def __init__(self, network: Network, *, threads: int = 1) -> None:
        """Declare the network to the library; NativeError where there is none or the network is too large."""
        self.network = network
        self._threads = threads
        height, width, channels = network.inputs
        self._learner = Learner(network.steps, height * width * channels)
        for stage in network.stages:
            self._learner.add(_shape(stage), self._neurons(stage), _readout(stage))

    def scores(self, weights: Weights, trains: Trains, chosen: Array | None = None) -> Found:
        """What the images `chosen` (all by default) give; losses are 0 and no neuron is active."""
        index = np.arange(len(trains)) if chosen is None else chosen
        return self._run(weights, None, trains, index, None)

    def gradients(
        self, weights: Weights, trains: Trains, chosen: Array, labels: Array
    ) -> tuple[Found, Weights]:
        """The mean cross-entropy of the images `chosen`, and its gradients by the weights."""
        if labels.shape != (len(trains),):
            raise DataError(f"labels must be {len(trains)}, one for each image", where="labels")
        wanted = check_labels(labels[chosen], len(chosen), self.network.readout.classes)
        found = tuple(np.empty(stage.weight_shape, np.float32) for stage in self.network.stages)
        return self._run(weights, found, trains, chosen, wanted), found

    def _run(
        self, weights: Weights, gradients: Weights | None, trains: Trains, chosen: Array, labels: Array | None
    ) -> Found:
        self._check(weights, trains, chosen)
        index = np.ascontiguousarray(chosen, np.int64)
        scores = np.zeros((len(index), self.network.readout.classes), np.float32)
        losses, counts = self._learner.run(
            weights, gradients, (trains.starts, trains.places), index, labels, scores, self._threads
        )
        spiking = counts[: len(self.network.layers)]
        return Found(scores=scores, losses=losses, spikes=spiking[:, 0], active=spiking[:, 1])

    def _check(self, weights: Weights, trains: Trains, chosen: Array) -> None:
        shapes = [stage.weight_shape for stage in self.network.stages]
        if [w.shape for w in weights] != shapes:
            raise DataError(f"weights must have the shapes {shapes}", where="network")
        if any(w.dtype != np.float32 or not w.flags.c_contiguous for w in weights):
            raise DataError("weights must be contiguous and float32", where="network")
        check_trains(self.network, trains)
        if chosen.ndim != 1 or not len(chosen) or chosen.min() < 0 or chosen.max() >= len(trains):
            raise DataError(f"the images chosen must be 0 to {len(trains) - 1}, one at least", where="batch")

    def _neurons(self, stage: Stage) -> Neurons:
        surrogate = self.network.surrogate
        match stage.layer:
            case Readout() as readout:
                return Neurons(readout.decay, readout.gain, 1.0, 1.0, 0.0, 0)
            case layer:
                return _neurons(layer.neuron, surrogate.band, surrogate.slope)


def check_trains(network: Network, trains: Trains) -> None:
    """Raise DataError unless the trains are those of the network's inputs and steps."""
    inputs = int(np.prod(network.inputs))
    if (trains.inputs, trains.steps) != (inputs, network.steps):
        raise DataError(
            f"spike trains of {trains.inputs} inputs and {trains.steps} steps, "
            f"for a network of {inputs} inputs and {network.steps} steps",
            where="data",
        )


def check_labels(labels: Array, images: int, classes: int) -> NDArray[np.int32]:
    """The labels as the library takes them; DataError unless there is one of a class for each image."""
    if labels.shape != (images,) or labels.dtype.kind not in "iu":
        raise DataError(f"labels must be {images} integers, one for each image", where="labels")
    if len(labels) and (labels.min() < 0 or labels.max() >= classes):
        wrong = labels.min() if labels.min() < 0 else labels.max()
        raise DataError(f"label {wrong} is outside 0 to {classes - 1}", where="labels")
    return np.ascontiguousarray(labels, np.int32)


def _neurons(neuron: Neuron, band: float, slope: float) -> Neurons:
    to_zero = int(neuron.reset is Reset.ZERO)
    return Neurons(neuron.decay, neuron.gain, neuron.threshold, band, slope, to_zero)


def _shape(stage: Stage) -> Shape:
    height, width, channels = stage.reads
    gives = (stage.gives[2], *stage.gives[:2])
    if isinstance(stage.layer, Conv):
        window = (*stage.layer.kernel, *stage.layer.stride, *stage.layer.padding[:2])
    else:
        window = (height, width, 1, 1, 0, 0)
    return Shape(channels, height, width, *gives, *window)


def _readout(stage: Stage) -> int:
    return READOUTS[stage.layer.score] if isinstance(stage.layer, Readout) else 0
