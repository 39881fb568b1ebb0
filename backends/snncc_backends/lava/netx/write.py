"""The bytes of a netx file (`.net`, HDF5), as lava-dl 0.6.0 reads them (lava/lib/dl/netx/hdf5.py)."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from snncc_backends.lava.netx.layers import Layer, layers_of
from snncc_backends.lava.netx.refusals import find_refusals
from snncc_ir.errors import TargetError
from snncc_ir.graph import Graph
from snncc_ir.lif import DECAY_BITS, GREATEST_VTH
from snncc_ir.neurons import Bias, Leaky, Staircase
from snncc_ir.nodes import Conv, Dense, Population, Readout
from snncc_ir.timing import Rate

Array = NDArray[Any]
Entries = dict[str, Any]

FORMAT = 2
"""Version of what the group `snncc` holds (docs/lava.md)."""

FORGET = 1 << DECAY_BITS
"""The decay with which nothing is left of a step before."""


def net_file(graph: Graph, notes: Mapping[str, str]) -> tuple[bytes, int, int]:
    """The netx file of a network of stock LIF neurons, its number of layers, and that of neurons that fire.

    Raises TargetError with every reason why there is none.
    """
    refusals = find_refusals(graph)
    if refusals or not isinstance(graph.timing, Rate):
        raise TargetError(
            f"a netx file cannot express this network: {'; '.join(refusals)}",
            where=graph.name,
            hint="compile a network without branches with --target lava --chip loihi1",
        )
    layers, buffer = layers_of(graph), io.BytesIO()
    rows = [row for layer in layers for row in _rows(layer)]
    with h5py.File(buffer, "w") as file:
        _fill(file, {"layer": {str(index): row for index, row in enumerate(rows)}})
        _fill(file, {"simulation": {"Ts": 1, "tSample": graph.timing.steps}})
        file.create_group("snncc").attrs.update(_notes(graph, layers, notes))
    neurons = sum(math.prod(layer.shape) for layer in layers if isinstance(layer.neurons, Population))
    return buffer.getvalue(), len(layers), neurons


def _notes(graph: Graph, layers: Sequence[Layer], notes: Mapping[str, str]) -> Entries:
    """What netx does not say: where potentials start, and what input and output stand for."""
    last = layers[-1].neurons
    scale = {} if isinstance(last, Population) else {"scale": last.scale}
    (node,) = graph.inputs
    levels = graph.levels(node.name)
    start = np.array([_start(layer) for layer in layers])
    return {**notes, "format": FORMAT, "lo": levels.lo, "hi": levels.hi, "start": start, **scale}


def _start(layer: Layer) -> int:
    """The potential before an image's first step, in units of a drive: half a threshold; 0 of a leaky one."""
    match layer.neurons:
        case Population(neuron=Staircase(theta=theta)):
            return theta.range[0] // 2
        case _:
            return 0


def _fill(group: h5py.Group, entries: Entries) -> None:
    """Nested entries as groups and arrays."""
    for name, entry in entries.items():
        if isinstance(entry, dict):
            _fill(group.create_group(name), entry)
        else:
            group.create_dataset(name, data=entry)


def _rows(layer: Layer) -> tuple[Entries, ...]:
    """A layer's row of the file, with one that flattens before it where it needs that."""
    row = {"shape": np.array(layer.shape), "neuron": _neuron(layer), **_synapses(layer)}
    return ({"type": _text("flatten")}, row) if layer.flattened else (row,)


def _synapses(layer: Layer) -> Entries:
    match layer.synapses:
        case Conv() as conv:
            outputs, inputs, *kernel = conv.weight.shape
            return {
                "type": _text("conv"),
                "weight": conv.weight.data.astype(np.int16),
                "inChannels": inputs * conv.groups,
                "outChannels": outputs,
                "kernelSize": np.array(kernel),
                "stride": np.array(conv.stride),
                "padding": np.array([before for before, _ in conv.padding]),
                "dilation": np.array(conv.dilation),
                "groups": conv.groups,
                "bias": _bias(layer),
            }
        case Dense() as dense:
            outputs, inputs = dense.weight.shape
            return {
                "type": _text("dense"),
                "weight": dense.weight.data.astype(np.int16),
                "inFeatures": inputs,
                "outFeatures": outputs,
                "bias": _bias(layer),
            }
        case pixels:
            weight, bias = pixels.weight.range[0], int(_own_bias(layer).values.data.flat[0])
            return {"type": _text("input"), "weight": weight, "bias": bias}


def _own_bias(layer: Layer) -> Bias:
    match layer.neurons:
        case Population(neuron=Staircase(bias=bias) | Leaky(bias=bias)) | Readout(bias=bias):
            return bias
        case Population(name=name):
            raise TypeError(f"{name} is no LIF neuron")


def _bias(layer: Layer) -> Array:
    """One bias per channel; where they vary by position one per neuron, in netx's order of axes (W, H, C)."""
    bias = _own_bias(layer)
    values = bias.spread(layer.shape).transpose() if bias.rows else bias.values.data
    return np.asarray(values.astype(np.int16))


def _neuron(layer: Layer) -> Entries:
    """Threshold and decays; a readout forgets, so that its potential is the drive of a step."""
    fall = FORGET
    match layer.neurons:
        case Population(neuron=Staircase(theta=theta)):
            threshold, leak = theta.range[0] - 1, 0
        case Population(neuron=Leaky() as neuron):
            threshold, leak, fall = neuron.vth, neuron.dv, neuron.du + 1
        case _:
            threshold, leak = GREATEST_VTH, FORGET
    return {
        "type": _text("CUBA"),
        "iDecay": fall,
        "vDecay": leak,
        "vThMant": threshold,
        "refDelay": 1,
        "gradedSpike": False,
    }


def _text(value: str) -> Array:
    return np.array([value.encode("ascii")], "S10")
