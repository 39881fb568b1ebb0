"""`snncc export --to nir`: another interpreter of the file sends the same spikes; else the reason why not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from snncc_backends.nir.write import nir_file
from snncc_ir.codes import Code
from snncc_ir.errors import TargetError
from snncc_ir.graph import Graph
from snncc_ir.neurons import Bias, Staircase
from snncc_ir.nodes import Conv, Dense, Input, MaxPool, Population, Readout, Transpose
from snncc_ir.tensors import Tensor
from snncc_ir.timing import Phased, Rate
from snncc_ir.types import Levels
from support.graphs import Case
from support.nir_cases import nir_cases
from support.nir_machine import check_same_spikes


@settings(suppress_health_check=list(HealthCheck), max_examples=30)
@given(case=nir_cases())
def test_another_interpreter_sends_the_same_spikes(
    case: Case, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("nir") / "net.nir"
    file.write_bytes(nir_file(case.graph, {})[0])
    check_same_spikes(case.graph, case.batch, file)


def one_population(weight: Tensor, *, source: tuple[int, ...] = (2, 6, 5), lo: int = 0, **conv: Any) -> Graph:
    """One convolution into one population."""
    theta = Tensor.integer(np.full(weight.shape[0], 9))
    bias = Bias(values=Tensor.integer(np.arange(weight.shape[0])))
    return Graph(
        name="one",
        nodes=(
            Input(name="x", type=Levels(source, 0, 15)),
            Conv(name="c", source="x", weight=weight, **conv),
            Population(
                name="p", drives=("c",), neuron=Staircase(theta=theta, bias=bias, lo=lo, hi=3), code=Code.RATE
            ),
        ),
        outputs=("p",),
        timing=Rate(5),
    )


KERNELS = {
    "odd": {"weight": (2, 2, 3, 3), "padding": ((1, 1), (1, 1))},
    "wide": {"weight": (2, 2, 1, 3)},
    "same padding at stride 2": {"weight": (2, 2, 3, 3), "stride": (2, 2), "padding": ((0, 1), (1, 1))},
    "uneven": {"weight": (2, 2, 3, 3), "padding": ((2, 0), (0, 2))},
    "depthwise": {"weight": (4, 1, 3, 3), "groups": 2},
    "dilated": {"weight": (3, 2, 2, 2), "dilation": (2, 1), "padding": ((2, 0), (0, 1))},
}


@pytest.mark.parametrize("options", KERNELS.values(), ids=KERNELS)
def test_kernels_that_nir_reads_only_square_and_whole(options: dict[str, Any], tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    weight = Tensor.integer(rng.integers(-8, 8, options["weight"]), 8)
    graph = one_population(weight, **{key: value for key, value in options.items() if key != "weight"})
    (tmp_path / "net.nir").write_bytes(nir_file(graph, {})[0])
    check_same_spikes(graph, {"x": rng.integers(0, 16, (2, 2, 6, 5))}, tmp_path / "net.nir")


def test_the_same_graph_gives_the_same_bytes() -> None:
    graph = one_population(Tensor.integer(np.ones((2, 2, 3, 3)), 8))
    assert nir_file(graph, {"source": "m.onnx"}) == nir_file(graph, {"source": "m.onnx"})


def refused(graph: Graph) -> str:
    with pytest.raises(TargetError) as caught:
        nir_file(graph, {})
    return str(caught.value)


def test_refuses_spikes_of_minus_one() -> None:
    assert refused(one_population(Tensor.integer(np.ones((1, 2, 1, 1)), 8), lo=-3)) == (
        "one: NIR cannot express this network: p: its levels -3..3 need spikes of -1, which an IF neuron "
        "does not send; put a Relu behind that layer"
    )


def test_refuses_padding_that_no_kernel_makes_even() -> None:
    weight = Tensor.integer(np.ones((1, 2, 6, 5)), 8)
    graph = one_population(weight, dilation=(1, 2), padding=((0, 0), (3, 4)))
    assert refused(graph) == (
        "one: NIR cannot express this network: c: its kernel and padding have no square, symmetric form; NIR "
        "pads both sides alike"
    )


def test_refuses_a_bias_that_differs_at_the_border() -> None:
    graph = one_population(Tensor.integer(np.ones((1, 2, 1, 1)), 8))
    (node,) = graph.populations
    assert isinstance(node.neuron, Staircase)
    bias = Bias(values=Tensor.integer([[[1], [2]]]), rows=(0, 1, 1, 1, 1, 0), columns=(0,) * 5)
    changed = graph.with_nodes([replace(node, neuron=replace(node.neuron, bias=bias))])
    assert refused(changed) == (
        "one: NIR cannot express this network: p: its bias differs at the border, and NIR has one per "
        "channel; a mean of the input other than 0 does that"
    )


def test_lists_every_reason() -> None:
    source = Input(name="x", type=Levels((1, 4, 4), 0, 3))
    pool = MaxPool(name="m", source="x", kernel=(2, 2), stride=(2, 2))
    turned = Transpose(name="t", source="m", axes=(0, 2, 1))
    conv = Conv(name="c", source="t", weight=Tensor.integer(np.ones((1, 1, 2, 2)), 8))
    readout = Readout(name="y", drives=("c",), bias=Bias(values=Tensor.integer([0])))
    graph = Graph(name="two", nodes=(source, pool, turned, conv, readout), outputs=("y",), timing=Rate(4))
    assert refused(graph) == (
        "two: NIR cannot express this network: m: NIR has no max-pool; train with average pools or strided "
        "convolutions in its place; t: NIR has no transpose; its only wiring is flattening"
    )


def test_refuses_phased_codes() -> None:
    weight = Tensor.integer([[1]], 8)
    nodes = (
        Input(name="x", type=Levels((1,), 0, 3)),
        Dense(name="d", source="x", weight=weight),
        Readout(name="y", drives=("d",), bias=Bias(values=Tensor.integer([0]))),
    )
    assert refused(Graph(name="phased", nodes=nodes, outputs=("y",), timing=Phased())) == (
        "phased: NIR cannot express this network: phased: phased timing, and a neuron of NIR only integrates "
        "and fires in every step; compile with --code rate"
    )
