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
from hypothesis import strategies as st
from numpy.typing import NDArray
from row_networks import Case, one, row, rows
from stock_networks import Maker, leaking

import snncc
from snncc import artefact
from snncc.export import export
from snncc.golden import golden_inputs
from snncc_backends.lava import backend
from snncc_backends.lava.netx.refusals import find_refusals
from snncc_backends.lava.netx.write import net_file
from snncc_ir.codes import Exchange, Reset
from snncc_ir.graph import Graph
from snncc_ir.lif import Lif, bias_parts
from snncc_ir.linear import drive as drive_of
from snncc_ir.neurons import Staircase
from snncc_ir.nodes import Conv, Readout, Reshape
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


Found = dict[str, NDArray[Any]]


def played(drive: Drive, file: bytes, images: NDArray[Any], *, resets: bool = False) -> Found:
    """What `drive_netx.py` makes of a file and images."""
    with TemporaryDirectory(prefix="snncc-test-") as name:
        folder = Path(name)
        (folder / "network.net").write_bytes(file)
        np.save(folder / "images.npy", images)
        if resets:
            (folder / "resets").touch()
        drive(folder)
        with np.load(folder / "found.npz") as archive:
            return {key: archive[key] for key in archive.files}


def check(drive: Drive, graph: Graph, images: NDArray[Any], file: bytes | None = None) -> None:
    """Every spike of every layer, and the last layer's sums, are those of the reference and of our model."""
    (node,) = graph.inputs
    compare(graph, {node.name: images}, played(drive, file or net_file(graph, {})[0], images))


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


@settings(max_examples=5, suppress_health_check=list(HealthCheck))
@given(case=rows(), seed=st.integers(0, 2**20))
def test_random_networks_that_leak_in_lava(drive: Drive, case: Case, seed: int) -> None:
    graph, inputs = case
    assume(not find_refusals(leaking(graph, seed)))
    check(drive, leaking(graph, seed), inputs["x"])


@pytest.mark.slow
@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(case=rows(), seed=st.integers(0, 2**20))
def test_many_random_networks_that_leak_in_lava(drive: Drive, case: Case, seed: int) -> None:
    graph, inputs = case
    assume(not find_refusals(leaking(graph, seed)))
    check(drive, leaking(graph, seed), inputs["x"])


@pytest.mark.slow
@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(case=rows())
def test_many_random_networks_in_lava(drive: Drive, case: Case) -> None:
    graph, inputs = case
    assume(not find_refusals(graph))
    check(drive, graph, inputs["x"])


def test_every_kind_of_layer_in_lava(drive: Drive) -> None:
    graph = row()
    images = np.random.default_rng(3).integers(0, 16, (3, 2, 6, 6))
    for name, train in run_streaming(graph, {"x": images}).trains.items():
        assert name == "x" or 0 < np.mean(train != 0) < 1, f"{name} fires never or always"
    check(drive, graph, images)


def test_every_kind_of_layer_leaks_in_lava(drive: Drive) -> None:
    graph = leaking(row(), 9)
    images = np.random.default_rng(3).integers(0, 16, (3, 2, 6, 6))
    for name, train in run_streaming(graph, {"x": images}).trains.items():
        assert name == "x" or 0 < np.mean(train != 0) < 1, f"{name} fires never or always"
    check(drive, graph, images)


def test_neurons_that_start_at_zero_need_no_more_than_the_resets_of_netx(drive: Drive) -> None:
    """Pixels of threshold 1 start at half of it, which is 0."""
    graph = leaking(row(), 9)
    (pixels, *_) = graph.populations
    ones = replace(pixels, neuron=replace(pixels.neuron, theta=Tensor.integer([1, 1])))  # type: ignore[arg-type]
    graph = graph.with_nodes([ones])
    images = np.random.default_rng(3).integers(0, 2, (1, 2, 6, 6))
    found = played(drive, net_file(graph, {})[0], images, resets=True)
    expected = run_streaming(graph, {"x": images}).trains
    for number, node in enumerate(graph.populations):
        np.testing.assert_array_equal(found[f"trains{number}"][0], expected[node.name][:, 0], node.name)


def test_with_the_resets_of_netx_potentials_start_at_zero(drive: Drive) -> None:
    graph = row()
    images = np.random.default_rng(3).integers(0, 16, (1, 2, 6, 6))
    found = played(drive, net_file(graph, {})[0], images, resets=True)
    expected = trains_from_zero(graph, images)
    for number, node in enumerate(graph.populations):
        np.testing.assert_array_equal(found[f"trains{number}"][0], expected[node.name], err_msg=node.name)
    assert (found["trains1"][0] != run_streaming(graph, {"x": images}).trains["first"][:, 0]).any()


def trains_from_zero(graph: Graph, images: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Spikes of one image where every potential starts at 0, layer by layer by our model of the neuron."""
    trains: dict[str, NDArray[Any]] = {}
    for node in graph.populations:
        (projection,) = graph.projections(node)
        assert isinstance(node.neuron, Staircase)
        source = graph.by_name[projection.source]
        shape = graph.types[projection.source].shape
        sender = source.source if isinstance(source, Reshape) else source.name
        sent = trains.get(sender, images.repeat(12, 0))
        drives = [drive_of(projection, spikes.reshape(1, *shape)) for spikes in sent]
        mantissa, exponent = bias_parts(node.neuron.bias.spread(graph.types[node.name].shape) + 0 * drives[0])
        lif = Lif(vth=int(node.neuron.theta.data[0]) - 1, bias_mant=mantissa, bias_exp=exponent)
        u, v, fired = 0 * drives[0], 0 * drives[0], []
        for each in drives:
            u, v, spikes = lif.step(u, v, each)
            fired.append(spikes[0])
        trains[node.name] = np.stack(fired)
    return trains


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
    data, layers, neurons = net_file(row(), {"source": "m.onnx"})
    assert (data, layers, neurons) == net_file(row(), {"source": "m.onnx"})
    assert neurons == sum(np.prod(row().types[node.name].shape) for node in row().populations)
    (tmp_path / "row.net").write_bytes(data)
    with h5py.File(tmp_path / "row.net") as file:
        types = [file[f"layer/{index}/type"][0].decode() for index in range(len(file["layer"]))]
        thresholds = [file[f"layer/{index}/neuron/vThMant"][()] for index in (0, 1, 2, 4)]
        said = dict(file["snncc"].attrs)
        assert said.pop("start").tolist() == [4, 75, 45, 100, 0]
        assert said == {"source": "m.onnx", "format": 2, "lo": 0, "hi": 15, "scale": 1.0}
        assert file["simulation/tSample"][()] == 12
    assert (types, layers) == (["input", "conv", "conv", "flatten", "dense", "dense"], 5)
    assert thresholds == [8, 149, 89, 199]
