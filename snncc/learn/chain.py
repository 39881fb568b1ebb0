"""A `rate` graph that is a chain of layers, as a network of form RATE."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from snncc.learn import network as learning
from snncc.learn.engine import Floats
from snncc.learn.network import Form, Map, Network, Score, Stage, Surrogate
from snncc.learn.trains import Constant, Pixels, Sent, from_spikes
from snncc.sim.native.learner import Potentials
from snncc_ir.codes import Reset
from snncc_ir.errors import DataError, GraphError
from snncc_ir.graph import Graph
from snncc_ir.neurons import Bias, Staircase, per_channel
from snncc_ir.nodes import AnyNode, Conv, Dense, Population, Readout, Reshape, Scale
from snncc_ir.pixels import is_pixels
from snncc_ir.tensors import Ints, Reals
from snncc_ir.timing import Rate
from snncc_ir.types import Shape

Array = NDArray[Any]

HINT = "convolutions in one group, dense layers and flattening behind each other learn in the code rate"

IMAGE_RANK = 3


@dataclass(frozen=True, kw_only=True)
class Link:
    """A linear node and its one reader, as a stage; a spike that the node reads counts `top`."""

    linear: Conv | Dense
    reader: Population | Readout
    stage: Stage
    top: int

    @property
    def neuron(self) -> Staircase | None:
        """The reader's, if it fires."""
        return None if isinstance(self.reader, Readout) else staircase(self.reader)

    @property
    def bias(self) -> Bias:
        """The reader's."""
        return self.reader.bias if isinstance(self.reader, Readout) else staircase(self.reader).bias

    def to_stage(self, weight: Ints) -> Floats:
        """Weights of the node in the stage's layout, times `top`."""
        moved = weight.reshape(self._kernel).transpose(2, 3, 1, 0)
        return np.ascontiguousarray(self.top * moved, np.float32).reshape(self.stage.weight_shape)

    def from_stage(self, gradient: Floats) -> Reals:
        """The gradient by the node's weights for one by the stage's."""
        outputs, channels, height, width = self._kernel
        whole = self.top * gradient.astype(np.float64).reshape(height, width, channels, outputs)
        return whole.transpose(3, 2, 0, 1).reshape(self.linear.weight.shape)

    @property
    def _kernel(self) -> tuple[int, int, int, int]:
        """The shape of the weights as those of a convolution."""
        outputs = self.linear.weight.shape[0]
        height, width, channels = self.stage.reads
        if isinstance(self.linear, Conv):
            height, width = self.linear.weight.shape[2:]
        return outputs, channels, height, width

    def potentials(self, bias: Bias, theta: Ints | None) -> Potentials:
        """What a neuron adds in every step, when it fires and where it begins; a readout has no `theta`."""
        height, width, channels = self.stage.gives
        shape = (channels, height, width) if isinstance(self.linear, Conv) else (channels,)
        spread = np.broadcast_to(bias.spread(shape), shape).reshape(channels, -1)
        biases = np.ascontiguousarray(spread.T, np.float32)
        if theta is None or self.neuron is None:
            return Potentials(biases=biases, thresholds=None, starts=None)
        reached = theta * self.neuron.hi
        return Potentials(
            biases=biases,
            thresholds=reached.astype(np.float32),
            starts=(reached // 2).astype(np.float32),
        )


@dataclass(frozen=True, kw_only=True)
class Chain:
    """The links from a graph's input to its readout; `pixels` are neurons of its pixels, if any."""

    graph: Graph
    network: Network
    links: tuple[Link, ...]
    pixels: Population | None

    def sent(self, levels: Array) -> Sent:
        """What images `levels[N, *shape]` send; DataError where they are none of the graph's."""
        (node,) = self.graph.inputs
        kind = self.graph.levels(node.name)
        if levels.shape[1:] != kind.shape or levels.dtype.kind not in "iu":
            size = ", ".join(map(str, kind.shape))
            raise DataError(f"levels must be integers [images, {size}]", where=node.name)
        pixels = Pixels(top=kind.hi, least=kind.lo, scale=1.0)
        given = Constant(levels=_channels_last(levels, 1), pixels=pixels)
        if self.pixels is None:
            return given
        spikes = _channels_last(self._spikes(self.pixels, levels.astype(np.int64)), 2)
        return from_spikes(spikes.reshape(len(levels), self.network.steps, given.inputs))

    def _spikes(self, pixels: Population, levels: Ints) -> NDArray[np.bool_]:
        """Those of the pixels' neurons, `[N, steps, *shape]`."""
        neuron, shape = staircase(pixels), levels.shape[1:]
        (projection,) = self.graph.projections(pixels)
        theta = per_channel(neuron.theta.data, len(shape)) * neuron.hi
        current = levels * per_channel(projection.weight.data, len(shape)) + neuron.bias.spread(shape)
        v = np.zeros_like(current) + theta // 2
        found = np.empty((len(levels), self.network.steps, *shape), np.bool_)
        to_zero = isinstance(self.graph.timing, Rate) and self.graph.timing.reset is Reset.ZERO
        for t in range(self.network.steps):
            v = v + current
            fired = found[:, t] = v >= theta
            v = np.where(fired, 0 if to_zero else v - theta, v)
        return found


def staircase(node: Population) -> Staircase:
    """The neuron of a population, which must fire 0 or 1; GraphError where it is another."""
    if not isinstance(node.neuron, Staircase) or node.neuron.lo < 0:
        raise GraphError("its neurons leak, or send spikes of both signs", where=node.name, hint=HINT)
    return node.neuron


def chain_of(graph: Graph, surrogate: Surrogate) -> Chain:
    """The chain that a `rate` graph is; GraphError with the reason where it is none."""
    if not isinstance(graph.timing, Rate) or not graph.is_integer:
        raise GraphError("is no integer graph of the code rate", where=graph.name, hint=HINT)
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise GraphError("has several inputs or outputs", where=graph.name, hint=HINT)
    walk = _Walk(graph, graph.timing)
    walk.run()
    return Chain(graph=graph, network=walk.network(surrogate), links=tuple(walk.links), pixels=walk.pixels)


@dataclass
class _Walk:
    """On the way to the readout, at what `node` gives; `map` is its height, width, channels."""

    graph: Graph
    timing: Rate
    links: list[Link] = field(default_factory=list)
    layers: list[learning.Layer] = field(default_factory=list)
    pixels: Population | None = None
    readout: learning.Readout | None = None
    top: int = 1

    def __post_init__(self) -> None:
        self.node: AnyNode = self.graph.inputs[0]
        self.map = self.first = _map(self.graph.types[self.node.name].shape)

    def run(self) -> None:
        """Go on to the readout."""
        while self.readout is None:
            reader = self._reader(self.node)
            match reader:
                case Reshape(shape=(_,)):
                    self.node = reader
                case Conv(groups=1, dilation=(1, 1)) | Dense():
                    self._link(reader)
                case Scale() if is_pixels(self.graph, reader):
                    self._pixels(reader)
                case _:
                    self._refuse(reader, f"is a {type(reader).__name__.lower()} that has no part in a chain")

    def network(self, surrogate: Surrogate) -> Network:
        """The network of all that was passed."""
        if self.readout is None:
            raise TypeError("a chain without a readout")
        return Network(
            inputs=self.first,
            steps=self.timing.steps,
            layers=tuple(self.layers),
            readout=self.readout,
            surrogate=surrogate,
            form=Form.RATE,
        )

    def _refuse(self, node: AnyNode, what: str) -> NoReturn:
        raise GraphError(what, where=node.name, hint=HINT)

    def _reader(self, node: AnyNode) -> AnyNode:
        readers = self.graph.readers[node.name]
        if len(readers) != 1 or node.name in self.graph.outputs:
            self._refuse(node, "is not read by one node alone")
        return readers[0]

    def _population(self, node: AnyNode, drive: str) -> Population:
        if not isinstance(node, Population) or node.drives != (drive,):
            self._refuse(node, "adds several drives")
        return node

    def _pixels(self, projection: Scale) -> None:
        self.pixels = self._population(self._reader(projection), projection.name)
        self.top = staircase(self.pixels).hi
        self.node = self.pixels

    def _link(self, linear: Conv | Dense) -> None:
        reader = self._reader(linear)
        gives = _map(self.graph.types[linear.name].shape)
        if isinstance(reader, Readout) and reader.drives == (linear.name,) and isinstance(linear, Dense):
            layer = self.readout = learning.Readout(
                classes=gives[2], decay=1, gain=reader.scale, score=Score.DRIVE
            )
            stage = Stage(layer=layer, reads=self.map, gives=gives)
            self.links.append(Link(linear=linear, reader=reader, stage=stage, top=self.top))
            return
        population = self._population(reader, linear.name)
        made = _layer(linear, learning.Neuron(decay=1, reset=learning.Reset(self.timing.reset.value)))
        self.layers.append(made)
        stage = Stage(layer=made, reads=self.map, gives=gives)
        self.links.append(Link(linear=linear, reader=population, stage=stage, top=self.top))
        self.map, self.node, self.top = gives, population, staircase(population).hi


def _layer(linear: Conv | Dense, neuron: learning.Neuron) -> learning.Layer:
    outputs, *rest = linear.weight.shape
    if isinstance(linear, Dense):
        return learning.Dense(outputs=outputs, neuron=neuron)
    (top, bottom), (left, right) = linear.padding
    return learning.Conv(
        outputs=outputs,
        kernel=(rest[1], rest[2]),
        neuron=neuron,
        stride=linear.stride,
        padding=(top, left, bottom, right),
    )


def _map(shape: Shape) -> Map:
    """Height, width, channels of a value."""
    if len(shape) == IMAGE_RANK:
        return (shape[1], shape[2], shape[0])
    return (1, 1, math.prod(shape))


def _channels_last(values: Array, axis: int) -> Array:
    """Values whose channels are along `axis`, with these at the end."""
    return np.moveaxis(values, axis, -1)
