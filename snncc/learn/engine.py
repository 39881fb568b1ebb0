"""A learning network in the native engine: scores, loss and gradients of a batch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc.learn.network import Conv, Form, Layer, Network, Penalty, Readout, Reset, Score, Stage
from snncc.learn.trains import Constant, Sent
from snncc.sim.native import learner as native
from snncc.sim.native.learner import Batch, Learner, Neurons, Parameters, Potentials, Shape
from snncc_ir.errors import DataError

Array = NDArray[Any]
Floats = NDArray[np.float32]
Weights = tuple[Floats, ...]
"""Of every layer, the readout last, as `Network.parameter_shapes` says."""

READOUTS = {Score.MAXIMUM: 1, Score.SUM: 2, Score.DRIVE: 3}


@dataclass(frozen=True, kw_only=True)
class Found:
    """Of a batch: scores `[batch, classes]`, cross-entropies `[batch]`, and sums over the batch by layer.

    In form RATE `rounded` counts the potentials, the readout's included, that left the range in which sums of
    integers are exact in float32; where it is 0, integer weights have given the integers of the IR.
    """

    scores: Floats
    losses: NDArray[np.float64]
    spikes: NDArray[np.int64]
    active: NDArray[np.int64]
    rounded: int = 0

    @property
    def loss(self) -> float:
        """Mean over the batch."""
        return float(self.losses.mean())


class Engine:
    """Runs a network and its gradients, with the same bits for any number of threads and on any kernels."""

    def __init__(self, network: Network, *, threads: int = 1, penalty: Penalty | None = None) -> None:
        """Declare the network to the library; NativeError where there is none or the network is too large.

        A `penalty` adds to the gradients, not to the losses.
        """
        self.network = network
        self._penalty = None if penalty is None else native.Penalty(*astuple(penalty))
        self._threads = threads
        self._rates = network.form is Form.RATE
        self._learner = Learner(network.steps, math.prod(network.inputs), rates=self._rates)
        for stage in network.stages:
            self._learner.add(_shape(stage), self._neurons(stage), _readout(stage))

    def scores(self, weights: Weights, trains: Sent, chosen: Array | None = None) -> Found:
        """What the images `chosen` (all by default) give; losses are 0 and no neuron is active."""
        index = np.arange(len(trains)) if chosen is None else chosen
        self._check(weights)
        return self.run(self._parameters(weights, learns=False), trains, index, None)

    def gradients(
        self, weights: Weights, trains: Sent, chosen: Array, labels: Array
    ) -> tuple[Found, Weights]:
        """The mean cross-entropy of the images `chosen`, and its gradients by the weights."""
        if labels.shape != (len(trains),):
            raise DataError(f"labels must be {len(trains)}, one for each image", where="labels")
        self._check(weights)
        parameters = self._parameters(weights, learns=True)
        found = self.run(parameters, trains, chosen, labels[chosen])
        return found, tuple(_gathered(parameters))

    def run(self, parameters: Parameters, trains: Sent, chosen: Array, labels: Array | None) -> Found:
        """What the images `chosen` give at parameters of the library's own form; gradients are written.

        `labels[chosen]` are those of the images chosen; without any, losses are 0.
        """
        check_trains(self.network, trains)
        if chosen.ndim != 1 or not len(chosen) or chosen.min() < 0 or chosen.max() >= len(trains):
            raise DataError(f"the images chosen must be 0 to {len(trains) - 1}, one at least", where="batch")
        classes = self.network.readout.classes
        wanted = None if labels is None else check_labels(labels, len(chosen), classes)
        scores = np.zeros((len(chosen), classes), np.float32)
        losses, counts = self._learner.run(
            parameters, self._batch(trains, chosen, wanted), scores, self._threads
        )
        spiking = counts[: len(self.network.layers)]
        return Found(
            scores=scores,
            losses=losses,
            spikes=spiking[:, 0],
            active=spiking[:, 1],
            rounded=int(counts[:, 2].sum()),
        )

    def _batch(self, sent: Sent, chosen: Array, labels: NDArray[np.int32] | None) -> Batch:
        index, trains, levels = np.ascontiguousarray(chosen, np.int64), None, None
        if isinstance(sent, Constant):
            index = np.arange(len(chosen), dtype=np.int64)
            if sent.pixels.spiking:
                sent = sent.spikes(chosen, self.network.steps, _reset(self.network.layers))
            else:
                levels = sent.payloads(chosen)
        if not isinstance(sent, Constant):
            trains = (sent.starts, sent.places)
        return Batch(chosen=index, labels=labels, trains=trains, levels=levels, penalty=self._penalty)

    def _check(self, weights: Weights) -> None:
        shapes = list(self.network.parameter_shapes)
        if [w.shape for w in weights] != shapes:
            raise DataError(f"weights must have the shapes {shapes}", where="network")
        if any(w.dtype != np.float32 or not w.flags.c_contiguous for w in weights):
            raise DataError("weights must be contiguous and float32", where="network")

    def _parameters(self, weights: Weights, *, learns: bool) -> Parameters:
        if not self._rates:
            return Parameters(weights=weights, gradients=_like(weights) if learns else None)
        matrices = weights[::2]
        potentials = tuple(map(_potentials, self.network.stages, weights[1::2]))
        return Parameters(
            weights=matrices,
            gradients=_like(matrices) if learns else None,
            potentials=potentials,
            bias_gradients=_like([x.biases for x in potentials]) if learns else None,
        )

    def _neurons(self, stage: Stage) -> Neurons:
        surrogate = self.network.surrogate
        match stage.layer:
            case Readout(score=Score.DRIVE) as readout:
                return Neurons(1.0, 1.0, 1.0, 1.0, 0.0, readout.gain / self.network.steps, 0)
            case Readout() as readout:
                return Neurons(readout.decay, readout.gain, 1.0, 1.0, 0.0, 1.0, 0)
            case layer:
                neuron, to_zero = layer.neuron, int(layer.neuron.reset is Reset.ZERO)
                band, slope = surrogate.band, surrogate.slope
                return Neurons(neuron.decay, neuron.gain, neuron.threshold, band, slope, 1.0, to_zero)


def check_trains(network: Network, trains: Sent) -> None:
    """Raise DataError unless what is sent is for the network's form, inputs and steps."""
    inputs = math.prod(network.inputs)
    if isinstance(trains, Constant):
        if network.form is not Form.RATE:
            raise DataError("constant levels are for networks of form RATE", where="data")
        if trains.inputs != inputs:
            raise DataError(
                f"levels of {trains.inputs} inputs, for a network of {inputs} inputs", where="data"
            )
    elif (trains.inputs, trains.steps) != (inputs, network.steps):
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


def _reset(layers: tuple[Layer, ...]) -> Reset:
    """What pixels that spike do as well."""
    return layers[0].neuron.reset if layers else Reset.SUBTRACT


def _like(arrays: Sequence[Floats]) -> Weights:
    return tuple(np.empty(array.shape, np.float32) for array in arrays)


def _potentials(stage: Stage, biases: Floats) -> Potentials:
    spread = np.ascontiguousarray(np.broadcast_to(biases, (stage.positions, *biases.shape)))
    if isinstance(stage.layer, Readout):
        return Potentials(biases=spread, thresholds=None, starts=None)
    neuron = stage.layer.neuron
    thresholds = np.full(biases.shape, neuron.threshold, np.float32)
    starts = thresholds * np.float32(0.5 if neuron.decay == 1 else 0)
    return Potentials(biases=spread, thresholds=thresholds, starts=starts)


def _gathered(parameters: Parameters) -> Iterator[Floats]:
    """Gradients in the order of the weights; a bias serves all positions."""
    for i, gradient in enumerate(parameters.gradients or ()):
        yield gradient
        if parameters.bias_gradients is not None:
            yield parameters.bias_gradients[i].sum(axis=0, dtype=np.float64).astype(np.float32)


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
