"""A trained network of form RATE as an integer graph of the IR: `rate` neurons, or leaky ones."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from snncc.learn.engine import Floats, Weights
from snncc.learn.network import Conv, Form, Layer, Network, Neuron, Readout, Reset, Stage
from snncc.learn.trains import Pixels
from snncc.learn.whole import Whole, whole
from snncc_ir import nodes
from snncc_ir.codes import Code
from snncc_ir.codes import Reset as RateReset
from snncc_ir.errors import SnnccError
from snncc_ir.graph import Graph
from snncc_ir.lif import DECAY_BITS, NO_MEMORY
from snncc_ir.neurons import DECAY_TOP, Bias, Leaky, Staircase
from snncc_ir.tensors import Tensor
from snncc_ir.timing import Rate
from snncc_ir.types import Levels, Shape

OUTPUT = "scores"


def to_graph(
    network: Network, weights: Weights, pixels: Pixels, *, shared: bool = False, name: str = "trained"
) -> Graph:
    """The integer graph of a network of form RATE and what it has learnt, for images of `pixels`.

    Integrate-and-fire neurons become neurons of the code `rate` (ir/SPEC.md, section 7), whose thresholds and
    biases are rounded to units of 1/127 of a channel's greatest weight; if `shared`, of its layer's, so that
    all channels have one threshold, as stock neurons of chips need. Leaky neurons, with reset ZERO, become
    `leaky` ones, with decays in 4096ths and one threshold for the layer.

    Raises SnnccError for what the IR does not have, and where weights of 8 bits leave nothing of a threshold.
    """
    _check(network, weights)
    neuron = network.layers[0].neuron
    making = _Making(pixels=pixels, shared=shared or neuron.decay < 1)
    making.add_input(network)
    for number, stage in enumerate(network.stages):
        making.add(number, stage, weights[2 * number], weights[2 * number + 1])
    timing = Rate(network.steps, RateReset(neuron.reset.value))
    return Graph(name=name, nodes=tuple(making.made), outputs=(OUTPUT,), timing=timing)


def _check(network: Network, weights: Weights) -> None:
    if network.form is not Form.RATE:
        raise SnnccError(
            "spikes that say something by their times have no place in a graph, whose input are levels",
            where="network",
            hint="train a network of form RATE on constant levels",
        )
    if not network.layers:
        raise SnnccError("has no neurons", where="network", hint="give it a layer")
    shapes = list(network.parameter_shapes)
    if [array.shape for array in weights] != shapes:
        raise SnnccError(f"weights must have the shapes {shapes}", where="network")
    if not all(np.isfinite(array).all() for array in weights):
        raise SnnccError("weights hold NaN or infinity", where="network", hint="train with a lower rate")
    _check_neurons(network.layers)


def _check_neurons(layers: tuple[Layer, ...]) -> None:
    if len({layer.neuron.reset for layer in layers}) > 1:
        raise SnnccError("layers differ in their reset", where="network", hint="use one for all")
    if len({layer.neuron.decay < 1 for layer in layers}) > 1:
        raise SnnccError(
            "some layers leak, others do not", where="network", hint="use one kind of neuron for all"
        )
    if layers[0].neuron.decay < 1 and layers[0].neuron.reset is not Reset.ZERO:
        raise SnnccError(
            "its neurons leak, and reset by subtract", where="network", hint="train with Reset.ZERO"
        )


@dataclass(kw_only=True)
class _Making:
    """The nodes so far; `source` is what the next layer reads, of `shape`, a level of which is `level`."""

    pixels: Pixels
    shared: bool
    made: list[nodes.AnyNode] = field(default_factory=list)
    source: str = "input"
    shape: Shape = ()
    level: float = 1.0

    def add_input(self, network: Network) -> None:
        """The pixels, and their neurons if they have some."""
        height, width, channels = network.inputs
        flat = (height, width) == (1, 1) and not isinstance(network.layers[0], Conv)
        self.shape = (channels,) if flat else (channels, height, width)
        ones = (1,) * len(self.shape)
        self.made.append(
            nodes.Input(
                name=self.source,
                type=Levels(self.shape, self.pixels.least, self.pixels.top),
                scale=Tensor.real(np.full(ones, self.pixels.scale)),
                zero=Tensor.real(np.zeros(ones)),
            )
        )
        self.level = self.pixels.scale
        if self.pixels.spiking:
            self._add_pixel_neurons(channels)

    def _add_pixel_neurons(self, channels: int) -> None:
        weight = Tensor.integer(np.ones(channels))
        self.made.append(nodes.Scale(name="pixels_bias", source=self.source, weight=weight))
        theta = Tensor.integer(np.full(channels, self.pixels.top))
        zero = Bias(values=Tensor.integer(np.zeros(channels)))
        self._add_population("pixels", "pixels_bias", Staircase(theta=theta, bias=zero, lo=0, hi=1))

    def _add_population(self, name: str, drive: str, neuron: Staircase | Leaky) -> None:
        channels = neuron.bias.values.shape[0]
        self.made.append(
            nodes.Population(
                name=name,
                drives=(drive,),
                neuron=neuron,
                code=Code.RATE,
                scale=Tensor.real(np.ones(channels)),
            )
        )
        self.source, self.level = name, 1.0

    def add(self, number: int, stage: Stage, weights: Floats, biases: Floats) -> None:
        """A layer or the readout."""
        name = f"layer{number}"
        match stage.layer:
            case Readout(gain=gain):
                made = whole(stage, weights, biases, self.level, 0.0, shared=True)
                drive = self._add_linear(OUTPUT, stage, made.weight)
                scale = float(made.unit[0]) * gain
                readout = nodes.Readout(name=OUTPUT, drives=(drive,), bias=made.bias, scale=scale)
                self.made.append(readout)
            case layer:
                threshold = layer.neuron.threshold
                made = whole(stage, weights, biases, self.level, threshold, shared=self.shared)
                drive = self._add_linear(name, stage, made.weight)
                self._add_population(name, drive, _neuron(layer.neuron, made, name))
                height, width, channels = stage.gives
                self.shape = (channels, height, width) if isinstance(layer, Conv) else (channels,)

    def _add_linear(self, name: str, stage: Stage, weight: Tensor) -> str:
        drive = f"{name}_weights"
        if isinstance(stage.layer, Conv):
            top, left, bottom, right = stage.layer.padding
            made = nodes.Conv(
                name=drive,
                source=self.source,
                weight=weight,
                stride=stage.layer.stride,
                padding=((top, bottom), (left, right)),
            )
            self.made.append(made)
            return drive
        source = self.source
        if len(self.shape) > 1:
            source = f"{name}_inputs"
            self.made.append(nodes.Reshape(name=source, source=self.source, shape=(weight.shape[1],)))
        self.made.append(nodes.Dense(name=drive, source=source, weight=weight))
        return drive


def _neuron(neuron: Neuron, made: Whole, where: str) -> Staircase | Leaky:
    theta = made.threshold(neuron.threshold, where)
    if neuron.decay == 1:
        return Staircase(theta=Tensor.integer(theta), bias=made.bias, lo=0, hi=1)
    parts = min(round((1 - neuron.decay) * 2**DECAY_BITS), DECAY_TOP)
    if not parts:
        raise SnnccError(
            f"a decay of {neuron.decay:.6g} is 1 in 4096ths",
            where=where,
            hint="train with decay 1, or with a shorter time constant",
        )
    return Leaky(vth=int(theta[0]), bias=made.bias, du=NO_MEMORY, dv=parts)
