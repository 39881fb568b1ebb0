"""LeakyRelu and PRelu against ONNX Runtime, and quantised."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx_models import Net, assert_agrees, populations, verdict_of

from snncc.driver import compile_model
from snncc.frontend.check import check
from snncc.frontend.load import load
from snncc.frontend.lower import lower
from snncc.options import CompileOptions
from snncc.verify import verify
from snncc_ir.errors import SnnccError
from snncc_ir.neurons import Analog, Table
from snncc_ir.nodes import Population
from support.bounds import differences
from support.quantised import compiled


def slopes(net: Net, folder: Path, last: str) -> list[list[float] | None]:
    """The slope of every population."""
    neurons = [node.neuron for node in assert_agrees(net, folder, last).graph.of_type(Population)]
    assert all(isinstance(neuron, Analog) for neuron in neurons)
    found = (neuron.slope for neuron in neurons if isinstance(neuron, Analog))
    return [None if slope is None else [round(float(s), 6) for s in slope.data] for slope in found]


def test_leaky_relu(tmp_path: Path) -> None:
    net = Net(3, 5, 5)
    first = net.node("LeakyRelu", net.conv("x", 3, 2), alpha=0.25)
    last = net.node("LeakyRelu", net.conv(first, 2, 2))
    assert slopes(net, tmp_path, last) == [[0.25, 0.25], [0.01, 0.01]]


@pytest.mark.parametrize("shape", [(4,), (4, 1, 1), (1,), (1, 1, 1)])
def test_prelu(tmp_path: Path, shape: tuple[int, ...]) -> None:
    net = Net(3, 5, 4)
    slope = (
        np.linspace(0, 0.75, int(np.prod(shape))).reshape(shape) if max(shape) > 1 else np.full(shape, 0.5)
    )
    last = net.node("PRelu", net.conv("x", 3, 4, pads=[1, 1, 1, 1]), slope)
    if shape == (4,):  # along the width
        slope = slope.reshape(1, 1, 4)
        assert verdict_of(assert_agrees(net, tmp_path, last), "prelu1")[0] == "lowered"
    else:
        assert len(slopes(net, tmp_path, last)[0] or []) == 4


def test_channels_last(tmp_path: Path) -> None:
    net = Net(5, 5, 3)
    turned = net.conv(net.node("Transpose", "x", perm=[0, 3, 1, 2]), 3, 4)
    back = net.node("Transpose", turned, perm=[0, 2, 3, 1])
    last = net.node("PRelu", back, np.array([0.1, 0.2, 0.3, 0.4]).reshape(1, 1, 4))
    assert slopes(net, tmp_path, last) == [[0.1, 0.2, 0.3, 0.4]]


def test_slopes_of_zero_are_relu(tmp_path: Path) -> None:
    net = Net(4)
    last = net.node("PRelu", net.dense("x", 4, 3), np.zeros(3))
    assert slopes(net, tmp_path, last) == [None]


def test_of_what_has_no_negative_values(tmp_path: Path) -> None:
    net = Net(4)
    last = net.dense(net.node("LeakyRelu", net.node("Relu", "x"), name="leaky"), 4, 2)
    lowered = assert_agrees(net, tmp_path, last)
    assert verdict_of(lowered, "leaky")[0] == "folded"
    assert len(populations(lowered)) == 1


def test_pooling_and_clipping_behind_it(tmp_path: Path) -> None:
    net = Net(2, 6, 6)
    signal = net.node("MaxPool", net.conv("x", 2, 3), kernel_shape=[2, 2], strides=[2, 2])
    signal = net.node("Clip", net.node("LeakyRelu", signal, alpha=0.5), np.float32(-0.4), np.float32(1))
    assert_agrees(net, tmp_path, net.conv(signal, 3, 2, 2))


def test_a_falling_slope(tmp_path: Path) -> None:
    net = Net(4)
    last = net.node("PRelu", net.dense("x", 4, 3), np.array([0.1, -0.2, 0.3]), name="odd")
    assert [v.reason for v in check(net.load(tmp_path, last)).verdicts if v.is_rejected] == [
        "slope -0.2 falls where its input rises, which no staircase does; use slopes of at least 0"
    ]


def network(folder: Path) -> Path:
    """Convolutions with LeakyRelu, PRelu of which one slope is 0, and uneven bounds."""
    net = Net(2, 8, 8, seed=1)
    signal = net.node("LeakyRelu", net.conv("x", 2, 4), alpha=0.2)
    slope = np.array([0.0, 0.1, 0.5, 1.5]).reshape(4, 1, 1)
    signal = net.node("PRelu", net.conv(signal, 4, 4), slope)
    signal = net.node("Clip", net.conv(signal, 4, 3), np.float32(-0.3), np.float32(0.9))
    return net.save(folder, net.dense(net.node("Flatten", signal), 12, 3))


@pytest.mark.parametrize("passes", ["", "correct_bias;"])
def test_quantised_networks_stay_within_the_bound(tmp_path: Path, passes: str) -> None:
    path = network(tmp_path)
    images = np.random.default_rng(0).normal(0, 1, (40, 2, 8, 8)).astype(np.float32)
    graph, form = compiled(path, images, tmp_path, f"choose_code{{code=count}};{passes}")
    tables = [node for node in graph.of_type(Population) if isinstance(node.neuron, Table)]
    assert len(tables) == 3
    assert all(node.unit is not None for node in tables)
    if not passes:
        found = differences(lower(load(path)).graph, graph, form, images.astype(np.float64))
        assert max(difference.excess for difference in found.values()) <= 0
    report = verify(tmp_path / "out.snncc")
    assert report.equal


def test_rate_has_no_tables_and_stbif_has(tmp_path: Path) -> None:
    path = network(tmp_path)
    compile_model(path, CompileOptions(output=tmp_path / "stbif", target="sim", code="stbif"))
    assert verify(tmp_path / "stbif").equal
    with pytest.raises(SnnccError) as caught:
        compile_model(path, CompileOptions(output=tmp_path / "out", target="sim", code="rate"))
    assert str(caught.value) == (
        "leakyrelu1: breakpoint tables need a phased code or stbif; "
        "use a phased code such as radix; LeakyRelu, PRelu and uneven bounds become tables"
    )
