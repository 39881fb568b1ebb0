"""netx files: what lava-dl's own reader makes of them in Lava sends our spikes, step by step."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from numpy.typing import NDArray
from row_networks import Case, rows
from stock_networks import Maker, everything

import snncc
from snncc import artefact
from snncc.export import export
from snncc.golden import golden_inputs
from snncc_backends.lava import backend
from snncc_backends.lava.netx.refusals import find_refusals
from snncc_backends.lava.netx.write import net_file
from snncc_ir.codes import Exchange, Reset
from snncc_ir.errors import TargetError
from snncc_ir.graph import Graph
from snncc_ir.neurons import Bias
from snncc_ir.nodes import AnyNode, Conv, Dense, Readout, Reshape
from snncc_ir.progress import silent
from snncc_ir.streaming import run_streaming
from snncc_ir.tensors import Tensor
from snncc_ir.timing import Rate
from support.driver import Drive, served
from support.tools import skip_or_fail

LOIHI1 = backend.machines["loihi1"]
LIF = backend.engines[1]
DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits"
PROBE = "import importlib.metadata as m; m.version('lava-dl'), m.version('h5py')"


@pytest.fixture(scope="module")
def drive(lava_python: str) -> Iterator[Drive]:
    """Hands a folder to `drive_netx.py`, which runs as long as the tests of this module."""
    probe = subprocess.run([lava_python, "-I", "-c", PROBE], capture_output=True, timeout=60, check=False)
    if probe.returncode:
        skip_or_fail(f"{lava_python} has no lava-dl and h5py; run `make setup`")
    yield from served(lava_python, Path(__file__).parent / "drive_netx.py")


def check(drive: Drive, graph: Graph, images: NDArray[Any], file: bytes | None = None) -> None:
    """Every spike of every layer, and the last layer's sums, are those of the reference and of our model."""
    (node,) = graph.inputs
    with TemporaryDirectory(prefix="snncc-test-") as name:
        folder = Path(name)
        (folder / "network.net").write_bytes(file or net_file(graph, {})[0])
        np.save(folder / "images.npy", images)
        drive(folder)
        with np.load(folder / "found.npz") as archive:
            found = {key: archive[key] for key in archive.files}
    compare(graph, {node.name: images}, found)


def compare(graph: Graph, inputs: Mapping[str, NDArray[Any]], found: Mapping[str, NDArray[Any]]) -> None:
    reference, model = run_streaming(graph, inputs), LIF.run(graph, LOIHI1, inputs, silent)
    for number, node in enumerate(graph.populations):
        expected = np.moveaxis(reference.trains[node.name], 0, 1)
        np.testing.assert_array_equal(found[f"trains{number}"], expected, err_msg=node.name)
        np.testing.assert_array_equal(model.trains[node.name], expected, err_msg=node.name)
    for node in graph.of_type(Readout):
        expected = reference.outputs[node.name][-1]
        np.testing.assert_array_equal(found["drives"], expected, err_msg=node.name)
        np.testing.assert_array_equal(model.outputs[node.name], expected, err_msg=node.name)
        assert not found[f"trains{len(graph.populations)}"].any()


@settings(max_examples=5, suppress_health_check=list(HealthCheck))
@given(case=rows())
def test_random_networks_in_lava(drive: Drive, case: Case) -> None:
    graph, inputs = case
    assume(not find_refusals(graph))
    check(drive, graph, inputs["x"])


@pytest.mark.slow
@settings(max_examples=80, suppress_health_check=list(HealthCheck))
@given(case=rows())
def test_many_random_networks_in_lava(drive: Drive, case: Case) -> None:
    graph, inputs = case
    assume(not find_refusals(graph))
    check(drive, graph, inputs["x"])


def row(steps: int = 12) -> Graph:
    """Every kind of layer, where some neurons fire and others do not."""
    m = Maker(3)
    nodes: tuple[AnyNode, ...] = (
        *m.pixels((2, 6, 6), 15, 9),
        Conv(
            name="conv1",
            source="pixels",
            weight=m.weight(4, 2, 3, 2),
            padding=((1, 1), (0, 0)),
            stride=(2, 1),
        ),
        m.neurons("first", ("conv1",), 150, m.bias(4)),
        Conv(name="conv2", source="first", weight=m.weight(4, 2, 2, 2), groups=2, dilation=(1, 3)),
        m.neurons("second", ("conv2",), 90, m.bias(4)),
        Reshape(name="flat", source="second", shape=(16,)),
        Dense(name="fc", source="flat", weight=m.weight(7, 16)),
        m.neurons("third", ("fc",), 200, m.bias(7)),
        Dense(name="last", source="third", weight=m.weight(3, 7)),
        Readout(name="scores", drives=("last",), bias=m.bias(3, 3000)),
    )
    return Graph(name="row", nodes=nodes, outputs=("scores",), timing=Rate(steps, Reset.ZERO))


def test_every_kind_of_layer_in_lava(drive: Drive) -> None:
    graph = row()
    images = np.random.default_rng(3).integers(0, 16, (3, 2, 6, 6))
    for name, train in run_streaming(graph, {"x": images}).trains.items():
        assert name == "x" or 0 < np.mean(train != 0) < 1, f"{name} fires never or always"
    check(drive, graph, images)


def test_a_border_bias_in_lava(drive: Drive) -> None:
    m = Maker(4)
    nodes = (
        *m.pixels((1, 4, 4), 15, 9),
        Conv(name="conv", source="pixels", weight=m.weight(4, 1, 3, 3), padding=((1, 1), (1, 1))),
        m.neurons("p", ("conv",), 70, m.border(4, 4)),
    )
    graph = Graph(name="border", nodes=nodes, outputs=("p",), timing=Rate(9, Reset.ZERO))
    check(drive, graph, m.rng.integers(0, 16, (2, 1, 4, 4)))


@pytest.mark.parametrize("weights", [[[3, 0]], [[127, 1]], [[-3, -1]], [[-127, 0]], [[64, -64]], [[-128, 1]]])
def test_weights_at_the_ends_of_what_a_synapse_holds(drive: Drive, weights: list[list[int]]) -> None:
    graph = one(Tensor.integer(weights, 8), bias=200)
    check(drive, graph, np.array([[15, 3], [2, 9]]))


def one(weight: Tensor, bias: int = 0) -> Graph:
    m = Maker(1)
    nodes = (
        *m.pixels((weight.shape[1],), 15, 20),
        Dense(name="fc", source="pixels", weight=weight),
        m.neurons("p", ("fc",), 100, Bias(values=Tensor.integer([bias]))),
    )
    return Graph(name="one", nodes=nodes, outputs=("p",), timing=Rate(10, Reset.ZERO))


def test_the_digits_network(drive: Drive, tmp_path: Path) -> None:
    with np.load(DIGITS / "digits.npz") as digits:
        calibration = digits["calibration"]
    snncc.compile(
        DIGITS / "digits_strided.onnx",
        tmp_path / "net.snncc",
        target="lava",
        chip="loihi1",
        steps=5,
        calibrate=calibration,
        scale=255,
    )
    done = export(tmp_path / "net.snncc", Exchange.NETX, tmp_path / "net.net")
    found = artefact.read(tmp_path / "net.snncc")
    assert done.nodes == 1 + len(found.graph.populations)
    (images,) = golden_inputs(found.golden).values()
    check(drive, found.graph, images[:1], (tmp_path / "net.net").read_bytes())


def test_what_the_file_says(tmp_path: Path) -> None:
    data, layers = net_file(row(), {"source": "m.onnx"})
    assert (data, layers) == net_file(row(), {"source": "m.onnx"})
    (tmp_path / "row.net").write_bytes(data)
    with h5py.File(tmp_path / "row.net") as file:
        types = [file[f"layer/{index}/type"][0].decode() for index in range(len(file["layer"]))]
        thresholds = [file[f"layer/{index}/neuron/vThMant"][()] for index in (0, 1, 2, 4)]
        assert dict(file["snncc"].attrs) == {"source": "m.onnx", "format": 1, "lo": 0, "hi": 15, "scale": 1.0}
        assert file["simulation/tSample"][()] == 12
    assert (types, layers) == (["input", "conv", "conv", "flatten", "dense", "dense"], 5)
    assert thresholds == [8, 149, 89, 199]


def changed(name: str, **fields: object) -> Graph:
    graph = row()
    return graph.with_nodes([replace(graph.by_name[name], **fields)])


def spikes_and_scores() -> Graph:
    return replace(row(), outputs=("scores", "third"))


def dead() -> Graph:
    return one(Tensor.integer([[0, 0]], 8))


HINT = "; compile a network without branches with --target lava --chip loihi1"
REFUSED = {
    "reset": (
        replace(row(), timing=Rate(12)),
        "row: neurons that subtract; the stock LIF neuron resets to zero, choose --reset zero (two "
        "compartments "
        "that subtract are no Lava process)",
    ),
    "everything": (
        everything(),
        "everything: its outputs are scores, verdict; that of a netx file is its last layer alone; "
        "pixels: is read by conv1, flat1; the layers of a netx file stand in one row, so train without "
        "branches; "
        "first: is read by conv2, skip, cut; the layers of a netx file stand in one row, so train without "
        "branches; "
        "second: is read by mean, again; the layers of a netx file stand in one row, so train without "
        "branches; "
        "flat: is read by fc, fc2; the layers of a netx file stand in one row, so train without branches; "
        "second: adds up conv2, skip; a netx layer has one projection, so train without skips; "
        "fourth: adds up conv3, again; a netx layer has one projection, so train without skips; "
        "scores: adds up fc, short; a netx layer has one projection, so train without skips; "
        "skip: multiplies channel by channel; the synapses of netx are conv and dense, so put a "
        "convolution in "
        "its place; "
        "mean: pools by the average, which the reader of lava-dl 0.6.0 does not implement; train with "
        "strided "
        "convolutions in its place; "
        "grown: netx has no repeat; its only wiring is flattening; "
        "cut: netx has no slice; its only wiring is flattening; "
        "joined: netx has no concat; its only wiring is flattening; "
        "conv3: pads ((1, 0), (0, 0)); netx pads both sides of an axis alike, so train with symmetric "
        "padding; "
        "scores: bias -4422; netx gives a bias the exponent 6, so it is -4096..4095; use fewer weight bits",
    ),
    "outputs": (
        spikes_and_scores(),
        "row: its outputs are scores, third; that of a netx file is its last layer alone",
    ),
    "bias": (
        changed("scores", bias=Bias(values=Tensor.integer([1, -5000, 2]))),
        "scores: bias -5000; netx gives a bias the exponent 6, so it is -4096..4095; use fewer weight bits",
    ),
    "sizes": (
        changed("conv2", padding=((0, 0), (150, 150)), stride=(1, 152)),
        "conv2: a kernel, stride, padding, dilation or number of groups is 152; Lava's convolution takes "
        "127 at "
        "most",
    ),
    "zeros": (
        dead(),
        "fc: all its weights are 0, for which the reader of lava-dl 0.6.0 finds no exponent",
    ),
    "negative": (
        one(Tensor.integer([[-64, -3]], 8)),
        "fc: none of its weights is above 0 and the least is -64, which the reader of lava-dl 0.6.0 "
        "shifts out "
        "of the synapse's range; use another --weight-bits",
    ),
}


@pytest.mark.parametrize(("graph", "reason"), REFUSED.values(), ids=REFUSED)
def test_refuses_with_every_reason(graph: Graph, reason: str) -> None:
    with pytest.raises(TargetError) as caught:
        net_file(graph, {})
    assert str(caught.value) == f"{graph.name}: a netx file cannot express this network: {reason}{HINT}"


def test_pixels_of_one_weight_and_one_bias() -> None:
    graph = row()
    weights = graph.with_nodes([replace(graph.by_name["to_bias"], weight=Tensor.integer([1, 2], 8))])
    assert find_refusals(weights) == ("to_bias: multiplies pixels by 1..2, netx all pixels by one number",)
    neurons = Maker(1).neurons("pixels", ("to_bias",), 9, Bias(values=Tensor.integer([0, 3])))
    assert find_refusals(graph.with_nodes([neurons])) == (
        "pixels: the neurons of pixels have biases of their own, netx has one for all",
    )
