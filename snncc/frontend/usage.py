"""Who reads what in an ONNX graph: live nodes, the tail behind the class scores, numbers of readers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from snncc.frontend.load import Model
from snncc.frontend.onnx_nodes import OnnxNode, words

_TAIL: frozenset[str] = words(
    """
    ArgMax Cast DequantizeLinear Dropout Flatten Hardmax Identity LogSoftmax QuantizeLinear Reshape Sigmoid
    Softmax Squeeze Transpose Unsqueeze
    """
)
"""Operators that change no choice of a class when nothing else follows."""

ML_DOMAIN = "ai.onnx.ml"

LABELS = words("ArrayFeatureExtractor LabelEncoder ZipMap")
"""Operators of ONNX-ML that name the classes (skl2onnx puts them at the end)."""

SHAPE_OPERATORS = ("Shape", "Size")
"""Operators that read the shape of a value and not the value."""


@dataclass(frozen=True)
class Usage:
    """Indices of nodes, and numbers of reads per tensor."""

    live: frozenset[int]
    """Nodes that the outputs need."""
    tail: frozenset[int]
    """Nodes that only tail nodes and the network's outputs read."""
    computed: Mapping[str, int]
    """Reads by nodes that compute with the value: neither the tail nor Shape."""
    all_reads: Mapping[str, int]
    """Reads by nodes other than Shape, and as an output of the network."""
    read: frozenset[str]
    """Every tensor that is read."""
    twins: Mapping[int, str]
    """Quantisers that repeat an earlier one, with that one's output: exporters write one per reader."""


def usage_of(model: Model) -> Usage:
    """Count the readers of every tensor."""
    live, tail = _live(model), _tail(model)
    twins = _twins(model)
    nodes = [node for node in model.nodes if node.index in live and node.index not in twins]
    alias = {model.nodes[index].outputs[0]: name for index, name in twins.items()}
    counted = [node for node in nodes if node.op not in SHAPE_OPERATORS]
    reads = Counter(alias.get(name, name) for node in counted for name in node.inputs)
    return Usage(
        live=live,
        tail=tail,
        computed=Counter(
            alias.get(name, name) for node in counted if node.index not in tail for name in node.inputs
        ),
        all_reads=reads + Counter(model.outputs),
        read=frozenset(name for node in nodes for name in node.inputs).union(model.outputs) - {""},
        twins=twins,
    )


_QUANTISERS = ("QuantizeLinear", "DequantizeLinear", "Quant", "IntQuant", "BipolarQuant")


def _twins(model: Model) -> dict[int, str]:
    """Quantisers that have the same first input, parameters and attributes as one before them."""
    first: dict[tuple[object, ...], str] = {}
    twins: dict[int, str] = {}
    alias: dict[str, str] = {}
    for node in model.nodes:
        if node.op not in _QUANTISERS or len(node.outputs) != 1 or len(node.inputs) < 2:
            continue
        arrays = [model.constants[name] for name in node.inputs[1:] if name in model.constants]
        if len(arrays) < len(node.inputs) - 1:
            continue
        shown = [(array.dtype.str, array.shape, array.tobytes()) for array in arrays]
        attributes = tuple(sorted(a.SerializeToString() for a in node.attributes.protos.values()))
        source = alias.get(node.inputs[0], node.inputs[0])
        key = (node.domain, node.op, source, *shown, attributes)
        if key in first:
            twins[node.index] = alias[node.outputs[0]] = first[key]
        else:
            first[key] = node.outputs[0]
    return twins


def _live(model: Model) -> frozenset[int]:
    needed = set(model.outputs)
    live = set()
    for node in reversed(model.nodes):
        if needed.intersection(node.outputs) or node.attributes.has_graph:
            live.add(node.index)
            needed.update(node.inputs)
    return frozenset(live)


def _tail(model: Model) -> frozenset[int]:
    """Tail operators whose values nobody but the tail reads."""
    heads = _complements(model)
    blocked: set[str] = set()
    tail = set()
    for node in reversed(model.nodes):
        if (_is_tail(node) or node.index in heads) and not blocked.intersection(node.outputs):
            tail.add(node.index)
            blocked.update(_constants_of(node, heads))
        else:
            blocked.update(node.inputs)
    return frozenset(tail)


def _is_tail(node: OnnxNode) -> bool:
    return node.op in LABELS if node.domain == ML_DOMAIN else node.is_standard and node.op in _TAIL


def _constants_of(node: OnnxNode, heads: frozenset[int]) -> tuple[str, ...]:
    """Inputs beside the class scores: shapes, lists of classes."""
    if node.index in heads:
        return ()
    return node.inputs[:1] if node.op == "ArrayFeatureExtractor" else node.inputs[1:]


def _complements(model: Model) -> frozenset[int]:
    """Both nodes of every `Concat(1 - p, p)`, p = Sigmoid: two classes as skl2onnx writes them."""
    givers = {name: node for node in model.nodes for name in node.outputs}
    found: set[int] = set()
    for node in model.nodes:
        makers = [givers.get(name) for name in node.inputs]
        match (node.op, *makers):
            case ("Concat", OnnxNode(op="Sub") as rest, OnnxNode(op="Sigmoid")):
                if rest.inputs[1] == node.inputs[1]:
                    found.update((rest.index, node.index))
            case _:
                continue
    return frozenset(found)
