"""A rate network as a graph of NIR: its neurons' nodes with linear nodes between them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import singledispatchmethod
from typing import Any

import nir
import numpy as np
from numpy.typing import NDArray

from snncc_backends.nir.kernels import square_kernel
from snncc_backends.nir.leaks import decays, is_relay, leaky_neurons, step_of, volts_of
from snncc_backends.nir.refusals import find_refusals
from snncc_ir.codes import Code, Reset
from snncc_ir.errors import GraphError, TargetError
from snncc_ir.graph import Graph
from snncc_ir.linear import pool_factors
from snncc_ir.neurons import Bias, Leaky, Staircase, per_channel
from snncc_ir.nodes import AnyNode, Conv, Dense, Input, Linear, Population, Readout, Reshape, Scale, SumPool
from snncc_ir.tensors import Tensor
from snncc_ir.timing import Rate
from snncc_ir.types import Levels, Shape

Array = NDArray[Any]
Metadata = dict[str, Any]

FORMAT = 1
"""Version of the metadata (docs/nir.md)."""


def translate(graph: Graph, notes: Mapping[str, str]) -> nir.NIRGraph:
    """The NIR graph of a `rate` graph; `notes` go into its metadata.

    Raises TargetError with every reason why there is none.
    """
    refusals = find_refusals(graph)
    if refusals:
        raise TargetError(f"NIR cannot express this network: {'; '.join(refusals)}", where=graph.name)
    return _Translation(graph).run(notes)


class _Translation:
    """The NIR nodes and edges that have been made; `values` names what gives each value of the graph."""

    def __init__(self, graph: Graph) -> None:
        if not isinstance(graph.timing, Rate):
            raise GraphError("only a rate graph is translated", where=graph.name)
        self.graph, self.rate = graph, graph.timing
        self.nodes: dict[str, nir.NIRNode] = {}
        self.edges: list[tuple[str, str]] = []
        self.values: dict[str, str] = {}
        self.reserved = set(graph.by_name)
        self.leaks = bool(leaky_neurons(graph))

    def run(self, notes: Mapping[str, str]) -> nir.NIRGraph:
        """Translate every node; the outputs come last."""
        for node in self.graph.nodes:
            self._node(node)
        for name in self.graph.outputs:
            if isinstance(self.graph.types[name], Levels):
                output = self._add(f"{name}_output", nir.Output(output_type=self._shape(name)))
                self.edges.append((self.values[name], output))
        metadata = {
            **notes,
            "snncc_format": FORMAT,
            "steps": self.rate.steps,
            "reset": self.rate.reset.value,
            **({"dt": step_of(self.graph).seconds} if self.leaks else {}),
        }
        return nir.NIRGraph(self.nodes, self.edges, metadata=metadata)

    def _shape(self, name: str) -> Array:
        return np.array(self.graph.types[name].shape)

    def _add(self, name: str, node: nir.NIRNode) -> str:
        """Add a node under `name`, or under the next free name if that is another node's."""
        free, number = name, 1
        while free in self.nodes or (free in self.reserved and number > 1):
            number += 1
            free = f"{name}_{number}"
        self.nodes[free] = node
        return free

    @singledispatchmethod
    def _node(self, node: AnyNode) -> None:
        raise TypeError(f"{type(node).__name__} has no NIR form")

    @_node.register
    def _(self, node: Linear) -> None:
        """Made for each reader, since it carries that reader's bias."""

    @_node.register
    def _(self, node: Input) -> None:
        levels = self.graph.levels(node.name)
        metadata = {
            "lo": levels.lo,
            "hi": levels.hi,
            **_array("scale", node.scale),
            **_array("zero", node.zero),
        }
        made = nir.Input(input_type=self._shape(node.name), metadata=metadata)
        self.values[node.name] = self._add(node.name, made)

    @_node.register
    def _(self, node: Reshape) -> None:
        source = self.values[node.source]
        shape = self.graph.types[node.source].shape
        if node.shape == shape:
            self.values[node.name] = source
            return
        made = nir.Flatten(input_type={"input": np.array(shape)}, start_dim=0, end_dim=-1)
        self.values[node.name] = self._add(node.name, made)
        self.edges.append((source, node.name))

    @_node.register
    def _(self, node: Population) -> None:
        match node.neuron:
            case Leaky() as neuron:
                self._leaky(node, neuron)
            case Staircase() if self.leaks and is_relay(self.graph, node):
                (relayed,) = self.graph.projections(node)
                self.values[node.name] = self.values[relayed.source]
            case Staircase() as neuron:
                self._integrating(node, neuron)
            case _:
                raise TypeError("a neuron without a threshold")

    def _integrating(self, node: Population, neuron: Staircase) -> None:
        """An `IF` node, and the linear nodes before it."""
        shape = self.graph.types[node.name].shape
        theta = np.broadcast_to(per_channel(neuron.theta.data * neuron.hi, len(shape)), shape)
        half = 1 / 2  # potentials are integers: with it ">" and ">=" are the same
        hard = self.rate.reset is Reset.ZERO
        metadata = {
            "reset": self.rate.reset.value,
            "v_initial": _floats(theta // 2 + (0 if hard else half)),
            "level_top": neuron.hi,
            **_array("level_scale", node.scale),
        }
        threshold = _floats(theta - (half if hard else 0))
        ones = np.ones_like(threshold)
        made = nir.IF(r=ones, v_threshold=threshold, v_reset=0 * ones, metadata=metadata)
        self.values[node.name] = self._add(node.name, made)
        self._connect(node, self._constant(neuron.bias))

    def _leaky(self, node: Population, neuron: Leaky) -> None:
        """A `CubaLIF` node, or a `LIF` one where a current lasts one step alone; its bias is v_leak."""
        shape, step = self.graph.types[node.name].shape, step_of(self.graph)
        volts = volts_of(neuron, self._constant(neuron.bias))
        ones = np.ones(shape)
        known: Metadata = {
            "r": _floats(ones),
            "v_leak": _floats(ones * per_channel(volts.bias, len(shape))),
            "v_threshold": _floats(ones * volts.threshold),
            "v_reset": _floats(0 * ones),
            "metadata": {
                "reset": self.rate.reset.value,
                "v_unit": volts.unit,
                **_array("level_scale", node.scale),
            },
        }
        tau, *current = (ones * step.tau(parts) for parts in decays(neuron))  # double, for dt / tau is exact
        if current:
            made: nir.NIRNode = nir.CubaLIF(tau_syn=current[0], tau_mem=tau, w_in=_floats(ones), **known)
        else:
            made = nir.LIF(tau=tau, **known)
        self.values[node.name] = self._add(node.name, made)
        self._connect(node, 0 * self._constant(neuron.bias))

    @_node.register
    def _(self, node: Readout) -> None:
        made = nir.Output(output_type=self._shape(node.name), metadata={"scale": node.scale})
        self._add(node.name, made)
        self._connect(node, self._constant(node.bias))

    def _constant(self, bias: Bias) -> Array:
        """The bias of each channel, which is the same at all positions."""
        return bias.values.data.reshape(len(bias.values.data), -1)[:, 0]

    def _connect(self, reader: Population | Readout, constant: Array) -> None:
        """The linear nodes of a reader, one of which adds its bias in every step."""
        projections = self.graph.projections(reader)
        carrier = next((i for i, each in enumerate(projections) if isinstance(each, Conv | Dense)), None)
        zero = np.zeros_like(constant)
        for index, projection in enumerate(projections):
            end = self._linear(projection, constant if index == carrier else zero)
            if carrier is None and index == 0 and constant.any():
                end = self._chain(end, f"{reader.name}_bias", self._identity(reader.name, constant))
            self.edges.append((end, reader.name))

    def _chain(self, before: str, name: str, node: nir.NIRNode) -> str:
        added = self._add(name, node)
        self.edges.append((before, added))
        return added

    def _identity(self, reader: str, bias: Array) -> nir.NIRNode:
        """What adds a bias per channel and nothing else."""
        shape = self.graph.types[reader].shape
        if len(shape) == 1:
            return nir.Affine(weight=_floats(np.eye(len(bias))), bias=_floats(bias))
        weight = np.eye(len(bias))[:, :, None, None]
        return _convolution(shape, weight, bias, (1, 1), (0, 0), (1, 1))

    def _linear(self, node: Linear, bias: Array) -> str:
        """The NIR nodes of a linear node; its weights are worth the levels of a source's spike."""
        strand = self.graph.strands[node.source][0]
        gain = strand.top if strand.code is Code.RATE else 1
        source, shape = self.values[node.source], self.graph.types[node.source].shape
        match node:
            case Conv():
                kernel = square_kernel(node, shape)
                if kernel is None:
                    raise TypeError("a convolution without symmetric padding")
                weight = kernel.weight * gain
                made = _convolution(shape, weight, bias, node.stride, kernel.padding, node.dilation)
                return self._chain(source, node.name, made)
            case Dense():
                weight = _floats(node.weight.data * gain)
                return self._chain(source, node.name, nir.Affine(weight=weight, bias=_floats(bias)))
            case SumPool():
                pool = nir.SumPool2d(
                    kernel_size=np.array(node.kernel),
                    stride=np.array(node.stride),
                    padding=np.array([before for before, _ in node.padding]),
                )
                pooled = self._chain(source, f"{node.name}_sum", pool)
                factors = pool_factors(node, shape) * per_channel(node.weight.data, 3) * gain
                return self._chain(pooled, node.name, nir.Scale(scale=_floats(factors)))
            case Scale():
                factors = np.broadcast_to(per_channel(node.weight.data * gain, len(shape)), shape)
                return self._chain(source, node.name, nir.Scale(scale=_floats(factors)))
            case _:
                raise TypeError(f"{type(node).__name__} has no NIR form")


def _convolution(
    source: Shape,
    weight: Array,
    bias: Array,
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
) -> nir.Conv2d:
    return nir.Conv2d(
        input_shape=source[1:],
        weight=_floats(weight),
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=1,
        bias=_floats(bias),
    )


def _array(name: str, tensor: Tensor | None) -> Metadata:
    return {} if tensor is None else {name: tensor.data}


def _floats(values: Array) -> Array:
    """Single precision, which simulators work in, where it holds the values exactly; else double."""
    single = values.astype(np.float32)
    return single if (single == values).all() else values.astype(np.float64)
