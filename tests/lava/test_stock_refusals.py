"""What stock LIF neurons cannot express, word for word."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from lava_networks import small
from stock_networks import everything

from snncc_backends.lava import backend
from snncc_backends.lava.stock import refusals
from snncc_ir.codes import Code, Reset
from snncc_ir.errors import TargetError
from snncc_ir.graph import Graph
from snncc_ir.neurons import Bias, Staircase
from snncc_ir.nodes import MaxPool, Population
from snncc_ir.progress import silent
from snncc_ir.tensors import Tensor
from snncc_ir.timing import Rate

LOIHI1 = backend.machines["loihi1"]
LAVA, LIF = backend.engines


def changed(name: str, **neuron: object) -> Graph:
    """The network with something else about the neurons of one population."""
    graph = everything()
    node = graph.by_name[name]
    assert isinstance(node, Population)
    assert isinstance(node.neuron, Staircase)
    return graph.with_nodes([replace(node, neuron=replace(node.neuron, **neuron))])


def with_weights(name: str, weights: list[int]) -> Graph:
    graph = everything()
    return graph.with_nodes([replace(graph.by_name[name], weight=Tensor.integer(weights))])


def pooled() -> Graph:
    """Max-pooling in place of the average."""
    graph = everything()
    pool = MaxPool(name="mean", source="second", kernel=(2, 2), stride=(2, 2))
    nodes = []
    for node in graph.nodes:
        nodes.append(pool if node.name == "mean" else node)
        if node.name == "mean":
            nodes.append(replace(graph.by_name["skip"], name="after", source="mean"))
    third = replace(graph.by_name["third"], drives=("after",))
    return replace(graph, nodes=tuple(third if node.name == "third" else node for node in nodes))


def graded() -> Graph:
    """The first convolution reads the pixels themselves."""
    graph = everything()
    return graph.with_nodes([replace(graph.by_name["conv1"], source="x")])


CASES = {
    "phased": (
        small(Code.RADIX),
        "small: phased timing; loihi1 has rate neurons alone, choose --code rate",
    ),
    "soft reset": (
        replace(everything(), timing=Rate(4, Reset.SUBTRACT)),
        "everything: neurons that subtract; the stock LIF neuron resets to zero, choose --reset zero "
        "(two compartments that subtract are no Lava process)",
    ),
    "max-pool": (pooled(), "mean: pools by the maximum, which no LIF neuron does; use strided convolutions"),
    "graded input": (
        graded(),
        "x: is read by conv1; a pixel is the bias of a neuron of its own, add the pass spike_input",
    ),
    "levels": (changed("second", hi=3), "second: levels 0..3; use level_bits=1"),
    "thresholds": (
        changed("second", theta=Tensor.integer([90, 91, 90, 90])),
        "second: thresholds 90..91, a LIF population has one; use quantize_lif",
    ),
    "threshold": (
        changed("second", theta=Tensor.integer([2**17 + 1] * 4)),
        "second: threshold 131073, the most is 131072; use fewer weight bits",
    ),
    "bias": (
        changed("second", bias=Bias(values=Tensor.integer([0, 0, -4097, 0]))),
        "second: bias -4097, no mantissa of 13 bits with an exponent up to 7; use quantize_lif",
    ),
    "multipliers": (
        with_weights("skip", [100, 40, -30, 200]),
        "skip: multipliers of 9 bits, loihi1 has 8; use fewer multiplier bits",
    ),
    "clipped": (
        replace(everything(), timing=Rate(2000, Reset.ZERO)),
        "first: its potential reaches -",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_refusals(case: str) -> None:
    graph, message = CASES[case]
    found = backend.refusals(graph, LOIHI1)
    assert found[0] == message or (case == "clipped" and found[0].startswith(message))
    for engine in (LAVA, LIF):
        with pytest.raises(TargetError):
            engine.run(
                graph,
                LOIHI1,
                {node.name: np.zeros((1, *graph.types[node.name].shape), int) for node in graph.inputs},
                silent,
            )
    with pytest.raises(TargetError):
        backend.emit(graph, LOIHI1, {})


def test_a_potential_that_would_be_clipped() -> None:
    graph = changed("fourth", bias=Bias(values=Tensor.integer([-4000] * 3)))
    graph = replace(graph, timing=Rate(34, Reset.ZERO))
    (message,) = backend.refusals(graph, LOIHI1)
    assert message.startswith("fourth: its potential reaches -")
    assert message.endswith(", a LIF neuron's +-131071; use fewer steps or weight bits")


def test_too_many_synapses(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = everything()
    total = sum(refusals.synapses_of(graph, node) for node in graph.linears)
    monkeypatch.setattr(refusals, "MOST_SYNAPSES", total)
    assert backend.refusals(graph, LOIHI1) == ()
    monkeypatch.setattr(refusals, "MOST_SYNAPSES", total - 1)
    assert backend.refusals(graph, LOIHI1) == (
        f"everything: {total} synapses, {total - 1} at most; use a smaller network",
    )


def test_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "LONGEST_DELAY", 2)
    assert backend.refusals(everything(), LOIHI1) == (
        "scores: a spike would wait 4 steps for others, 2 at most; use a phased code",
    )
