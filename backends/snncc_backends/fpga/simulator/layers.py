"""Where the cycles of every layer go, and how many of its lanes have work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from snncc_backends.fpga.planning.maps import PACKED_WORD, WORD
from snncc_backends.fpga.simulator.count import CycleCounter
from snncc_backends.fpga.tables.tables import PassTable, Tables
from snncc_ir.backend import LayerRun
from snncc_ir.costs import fan_out
from snncc_ir.graph import Graph
from snncc_ir.linear import wire
from snncc_ir.nodes import Linear, Population, Readout, Wiring
from snncc_ir.tensors import Ints


def layer_runs(graph: Graph, tables: Tables, levels: Mapping[str, Ints]) -> tuple[LayerRun, ...]:
    """Every pass of a level core; `levels[name][I, *shape]` are those of all inputs and passes."""
    values = _wired(graph, levels)
    stalls = CycleCounter(tables).stalls(levels)
    return tuple(
        LayerRun(
            computes=item.split.task.name,
            most=tables.widths.lanes * _levels_at_once(item),
            cycles=found.cycles,
            zeros=found.zeros,
            waits=found.waits,
            overhead=found.overhead,
            products=_products(graph, item.split.task.computes, values, found.cycles),
        )
        for item, found in zip(tables.passes, stalls, strict=True)
    )


def joined(parts: Sequence[tuple[LayerRun, ...]]) -> tuple[LayerRun, ...]:
    """The layers of several runs of the same tables as those of one."""
    return tuple(_joined(layers) for layers in zip(*parts, strict=True))


def _joined(layers: Sequence[LayerRun]) -> LayerRun:
    return LayerRun(
        computes=layers[0].computes,
        most=layers[0].most,
        cycles=np.concatenate([layer.cycles for layer in layers]),
        zeros=np.concatenate([layer.zeros for layer in layers]),
        waits=np.concatenate([layer.waits for layer in layers]),
        overhead=np.concatenate([layer.overhead for layer in layers]),
        products=np.concatenate([layer.products for layer in layers]),
    )


def _levels_at_once(item: PassTable) -> int:
    """Levels that a lane takes in a cycle: binary lanes a whole word."""
    if not item.split.binary:
        return 1
    return WORD if item.split.planes else PACKED_WORD


def _wired(graph: Graph, levels: Mapping[str, Ints]) -> dict[str, Ints]:
    """What the wiring makes of the levels, as far as they go: a pool that fires stands for its source."""
    values = {name: found.reshape(len(found), *graph.types[name].shape) for name, found in levels.items()}
    for node in graph.nodes:
        if isinstance(node, Wiring) and node.name not in values and set(node.sources) <= values.keys():
            values[node.name] = wire(node, *(values[source] for source in node.sources))
    return values


def _products(graph: Graph, name: str, values: Mapping[str, Ints], cycles: Ints) -> Ints:
    """`[I]`: levels that are not 0 times the synapses that each of them has; 0 for a max-pool."""
    node, total = graph.by_name[name], np.zeros(len(cycles), dtype=np.int64)
    if isinstance(node, Population | Readout):
        for drive in dict.fromkeys(node.drives):  # a drive that is added twice is computed once
            linear = graph.by_name[drive]
            if isinstance(linear, Linear):
                source = values[linear.source] != 0
                fans = fan_out(linear, source.shape[1:])
                total = total + (source * fans).reshape(len(source), -1).sum(axis=1)
    return np.broadcast_to(total, cycles.shape)
