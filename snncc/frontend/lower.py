"""From a checked ONNX model to the IR graph of its real units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from snncc.frontend.builder import sanitised, unused
from snncc.frontend.calls import signed
from snncc.frontend.load import Model
from snncc.frontend.taps import Layout, Tap
from snncc.frontend.values import Const, DriveValue, Signal
from snncc.frontend.verdicts import Kind, Reject, Verdict
from snncc.frontend.walk import Walk, walk
from snncc.frontend.wiring import undone
from snncc_ir.errors import ModelError
from snncc_ir.graph import Graph
from snncc_ir.neurons import Analog, Quantiser
from snncc_ir.nodes import AnyNode, Population, Readout, Repeat, Reshape

MOST_LISTED = 20
"""Rejected nodes that one message lists."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Lowered:
    """The graph of a network, and where the original network shows each population's drive.

    `taps` has every population and readout by its IR name; `outputs` gives the IR name of every ONNX
    output (two outputs that differ by a Softmax alone share one).
    """

    graph: Graph
    taps: Mapping[str, Tap]
    outputs: Mapping[str, str]
    labels: frozenset[str]
    """ONNX outputs that hold the chosen class; what they stand for in the IR are the scores."""
    verdicts: tuple[Verdict, ...]

    @property
    def named_outputs(self) -> dict[str, str]:
        """IR name of every ONNX output but labels (these where there is no other), by its name made safe."""
        scores = {name: node for name, node in self.outputs.items() if name not in self.labels}
        named: dict[str, str] = {}
        for name, node in (scores or self.outputs).items():
            named[unused(sanitised(name), named)] = node
        return named


@dataclass(frozen=True, eq=False)
class Examined:
    """The outcome of looking at a whole model: `lowered` is None where something is rejected."""

    verdicts: tuple[Verdict, ...]
    lowered: Lowered | None


def lower(model: Model) -> Lowered:
    """The model as a graph; raises one ModelError that lists all rejected nodes."""
    examined = examine(model)
    if examined.lowered is None:
        raise _rejection(model, examined.verdicts)
    return examined.lowered


def examine(model: Model) -> Examined:
    """Verdicts of all nodes, and the graph where none is rejected."""
    found = walk(model)
    verdicts = found.verdicts
    outputs: dict[str, str] = {}
    if not any(verdict.is_rejected for verdict in verdicts):
        verdicts = _place_outputs(model, found, outputs)
    if any(verdict.is_rejected for verdict in verdicts):
        return Examined(verdicts, None)
    graph = found.builder.finish(model.name, tuple(dict.fromkeys(outputs.values())))
    taps = {node.name: _tap(found, node) for node in graph.nodes if isinstance(node, Population | Readout)}
    labels = found.chosen.intersection(outputs)
    return Examined(
        verdicts, Lowered(graph=graph, taps=taps, outputs=outputs, labels=labels, verdicts=verdicts)
    )


def _rejection(model: Model, verdicts: tuple[Verdict, ...]) -> ModelError:
    rejected = [verdict for verdict in verdicts if verdict.is_rejected]
    lines = [f"  {verdict.name} ({verdict.op}): {verdict.reason}" for verdict in rejected[:MOST_LISTED]]
    if len(rejected) > MOST_LISTED:
        lines.append(f"  and {len(rejected) - MOST_LISTED} more")
    head = f"{len(rejected)} of {len(verdicts)} nodes cannot be compiled:"
    return ModelError("\n".join([head, *lines]), where=str(model.path))


def _place_outputs(model: Model, found: Walk, outputs: dict[str, str]) -> tuple[Verdict, ...]:
    """Place a readout for each output that is a drive; a problem changes the verdict of its node."""
    changed: dict[int, Verdict] = {}
    placed: dict[int, str] = {}
    givers = {name: node for node in model.nodes for name in node.outputs}
    for output in sorted(model.outputs, key=lambda name: name in found.chosen):  # scores give the names
        node = givers.get(output)
        if node is None:
            raise ModelError("an output is the input itself or a constant", where=output)
        value = found.values[output]
        try:
            known = placed.get(id(value))
            outputs[output] = known if known is not None else _output(found, output, value)
            placed[id(value)] = outputs[output]
        except Reject as reject:
            changed[node.index] = Verdict(node.name, node.op, Kind.REJECTED, reject.reason)
            continue
        if isinstance(value, DriveValue) and not _keeps_order(value):
            changed[node.index] = Verdict(node.name, node.op, Kind.APPROXIMATED, _REQUANTISED)
    for output in model.outputs:  # in the model's own order
        if output in outputs:
            outputs[output] = outputs.pop(output)
    return tuple(changed.get(index, verdict) for index, verdict in enumerate(found.verdicts))


_REQUANTISED = "the output becomes levels of its own, because a readout can be neither pooled nor transposed"


def _output(found: Walk, output: str, value: object) -> str:
    builder = found.builder
    match value:
        case DriveValue() if _keeps_order(value):
            return builder.read_out(value, output)
        case DriveValue():
            return builder.solid(signed(builder, value)).name
        case Signal(name=name) if not builder.is_input(name):
            return builder.solid(value).name
        case Const():
            raise Reject("an output is constant; remove it")
        case _:
            raise Reject("an output passes the input on; remove it")


def _keeps_order(drive: DriveValue) -> bool:
    """True where the pending wiring leaves the values in their row-major order."""
    return all(isinstance(step.wiring, Reshape) for step in drive.steps)


def _tap(found: Walk, node: AnyNode) -> Tap:
    probe, shape = found.builder.probes[node.name], found.builder.shape(node.name)
    low, high, slope = -np.inf, np.inf, None
    neuron = node.neuron if isinstance(node, Population) else None
    if isinstance(neuron, Analog | Quantiser):
        low, high = neuron.low, neuron.high
    if isinstance(neuron, Analog) and neuron.slope is not None:
        slope = neuron.slope.data
    undoing: Layout = undone((shape[0] // probe.copies, *shape[1:]), probe.layout)
    if probe.copies > 1:
        undoing = (*undoing, Repeat(name="", source="", factors=(probe.copies, *(1,) * (len(shape) - 1))))
    return Tap(
        tensor=probe.tensor,
        undoing=undoing,
        shape=shape,
        gain=probe.gain,
        offset=probe.offset,
        low=low,
        high=high,
        slope=slope,
    )
