"""NIR files as rate graphs: what `export` wrote comes back; what is not exact is refused."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from snncc_backends.nir import hdf5
from snncc_backends.nir.lift import lift
from snncc_backends.nir.write import nir_file
from snncc_ir.codes import Code, Reset
from snncc_ir.errors import ModelError
from snncc_ir.graph import Graph
from snncc_ir.neurons import Bias, Staircase
from snncc_ir.nodes import Conv, Input, Population, Readout, SumPool
from snncc_ir.streaming import run_streaming
from snncc_ir.tensors import Tensor
from snncc_ir.timing import Rate
from snncc_ir.types import Levels
from support.graphs import Case
from support.nir_cases import nir_cases
from support.nir_files import STRANGE, check_changed, entries


@settings(suppress_health_check=list(HealthCheck), max_examples=30)
@given(case=nir_cases())
def test_what_was_exported_comes_back(case: Case, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("nir") / "net.nir"
    file.write_bytes(nir_file(case.graph, {})[0])
    lifted = lift(file, 1, None)
    assert lifted.warnings == ()
    assert lifted.graph.timing == case.graph.timing or not case.graph.populations
    want, got = run_streaming(case.graph, case.batch), run_streaming(lifted.graph, case.batch)
    for name, trains in want.trains.items():
        np.testing.assert_array_equal(got.trains[name], trains)
    for name, drives in want.outputs.items():
        node = lifted.graph.by_name[lifted.outputs[name]]
        scale = node.scale / case.graph.by_name[name].scale
        np.testing.assert_array_equal(got.outputs[node.name] * scale, drives)


def network(path: Path, neuron: nir.NIRNode, weight: Any, **metadata: Any) -> Path:
    """Three inputs, one dense layer, two neurons."""
    nodes = {
        "in": nir.Input(input_type=np.array([3])),
        "w": nir.Linear(weight=np.asarray(weight, dtype=np.float32)),
        "n": neuron,
        "out": nir.Output(output_type=np.array([2])),
    }
    nir.write(path, nir.NIRGraph(nodes, [("in", "w"), ("w", "n"), ("n", "out")], metadata=metadata))
    return path


def fire(threshold: float = 1.0, **more: Any) -> nir.IF:
    return nir.IF(r=np.ones(2), v_threshold=np.full(2, threshold), **more)


WEIGHT = [[0.5, -0.25, 1.5], [0.75, 0.25, 0.5]]


@pytest.mark.parametrize("reset", ["zero", "subtract"])
def test_a_network_of_others_in_quarters(tmp_path: Path, reset: str) -> None:
    lifted = lift(network(tmp_path / "net.nir", fire(metadata={"reset": reset}), WEIGHT), 9, None)
    assert lifted.graph.timing == Rate(9, Reset(reset))
    assert lifted.warnings == (
        "the file says no number of steps: 9",
        "in: the file says no input levels, so spikes 0 and 1 are taken",
        "the file does not say where potentials start; they start at half the threshold",
    )
    x = np.array([[1, 0, 1], [0, 1, 1], [1, 1, 0]])
    run = run_streaming(lifted.graph, {lifted.graph.inputs[0].name: x})
    threshold = 1.25 if reset == "zero" else 1.0  # v > 1 is v >= 1.25 in quarters
    v = np.full((3, 2), np.floor(threshold * 4 / 2) / 4)
    for step in range(9):
        v = v + x @ np.array(WEIGHT).T
        z = v >= threshold
        v = np.where(z, 0, v) if reset == "zero" else v - threshold * z
        np.testing.assert_array_equal(run.trains["n"][step], z)


def test_one_population_may_be_two_outputs(tmp_path: Path) -> None:
    nodes = {"in": nir.Input(input_type=np.array([2])), "n": fire()}
    outputs = {name: nir.Output(output_type=np.array([2])) for name in ("a", "b")}
    edges = [("in", "n"), ("n", "a"), ("n", "b")]
    nir.write(tmp_path / "net.nir", nir.NIRGraph({**nodes, **outputs}, edges, metadata={}))
    lifted = lift(tmp_path / "net.nir", 4, None)
    assert (lifted.graph.outputs, lifted.outputs) == (("n",), {"a": "n", "b": "n"})


def refused(file: Path) -> str:
    with pytest.raises(ModelError) as caught:
        lift(file, 8, None)
    return str(caught.value).replace(str(file.parent), "")


def test_refuses_weights_that_no_unit_fits(tmp_path: Path) -> None:
    weight = [[0.1, 0.25, 1.5], [0.75, 0.25, 0.5]]
    assert refused(network(tmp_path / "net.nir", fire(), weight)) == (
        "n: has weights that are not integers of 8 bits times one unit per channel; quantise the network, or "
        "compile it from ONNX"
    )


def test_refuses_another_start_and_another_reset(tmp_path: Path) -> None:
    start = fire(metadata={"v_initial": np.zeros(2)})
    assert refused(network(tmp_path / "a.nir", start, WEIGHT)) == (
        "n: has potentials that do not start at half the threshold, as rate neurons do; quantise the "
        "network, or compile it from ONNX"
    )
    assert refused(network(tmp_path / "b.nir", fire(v_reset=np.full(2, 0.5)), WEIGHT)) == (
        "n: its v_reset is not 0 everywhere; scale weights instead"
    )
    assert refused(network(tmp_path / "c.nir", fire(metadata={"reset": "half"}), WEIGHT)) == (
        "n: its reset 'half' is none of subtract, zero"
    )


def test_refuses_loops(tmp_path: Path) -> None:
    nodes = {
        "in": nir.Input(input_type=np.array([2])),
        "n": fire(),
        "w": nir.Linear(weight=np.eye(2)),
        "out": nir.Output(output_type=np.array([2])),
    }
    edges = [("in", "n"), ("n", "w"), ("w", "n"), ("n", "out")]
    nir.write(tmp_path / "net.nir", nir.NIRGraph(nodes, edges, metadata={}))
    assert refused(tmp_path / "net.nir") == (
        "/net.nir: is recurrent: 'n' is part of a loop or behind one; only feed-forward networks are taken"
    )


def test_refuses_files_that_would_take_more_memory_than_they_have(tmp_path: Path) -> None:
    file = network(tmp_path / "net.nir", fire(), WEIGHT)
    with h5py.File(file, "a") as opened:
        node = opened["node/nodes/w"]
        del node["weight"]
        node.create_dataset("weight", shape=(2**16, 2**15), dtype="f4", chunks=(64, 64), compression="gzip")
    assert file.stat().st_size < 100_000
    assert refused(file) == (
        f"/net.nir: holds arrays of more than {hdf5.MAX_BYTES} bytes; write it with nir.write of NIR 1.0.8"
    )


@pytest.mark.parametrize("link", [h5py.SoftLink("/node"), h5py.ExternalLink("/etc/passwd", "/")])
def test_refuses_links(tmp_path: Path, link: Any) -> None:
    file = network(tmp_path / "net.nir", fire(), WEIGHT)
    with h5py.File(file, "a") as opened:
        opened["node/nodes/more"] = link
    assert refused(file) == (
        "/net.nir: holds the link 'more' to another place; write it with nir.write of NIR 1.0.8"
    )


def test_refuses_a_group_that_holds_itself(tmp_path: Path) -> None:
    file = network(tmp_path / "net.nir", fire(), WEIGHT)
    with h5py.File(file, "a") as opened:
        opened["node/nodes/again"] = opened["node"]
    assert refused(file).startswith("/net.nir: nests groups more than 8 deep")


def test_refuses_values_in_another_file(tmp_path: Path) -> None:
    file = network(tmp_path / "net.nir", fire(), WEIGHT)
    with h5py.File(file, "a") as opened:
        node = opened["node/nodes/w"]
        del node["weight"]
        node.create_dataset("weight", shape=(2, 3), dtype="f4", external=[("/etc/passwd", 0, 24)])
    assert refused(file) == (
        "/net.nir: 'weight' is not stored plainly in the file; write it with nir.write of NIR 1.0.8"
    )


def test_damaged_files_are_one_message(tmp_path: Path) -> None:
    whole = network(tmp_path / "net.nir", fire(), WEIGHT).read_bytes()
    rng = np.random.default_rng(5)
    for attempt in range(150):
        damaged = bytearray(whole)
        for place in rng.integers(0, len(whole), 1 + attempt % 7):
            damaged[place] = rng.integers(256)
        file = tmp_path / f"{attempt}.nir"
        file.write_bytes(damaged if attempt % 3 else damaged[: rng.integers(len(whole))])
        with contextlib.suppress(ModelError):
            assert lift(file, 4, None).graph.is_integer


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with every kind of entry."""
    rng = np.random.default_rng(1)
    conv = Conv(name="c", source="x", weight=Tensor.integer(rng.integers(-3, 4, (2, 2, 3, 3)), 4))
    pool = SumPool(name="a", source="p", weight=Tensor.integer([1, 2]), kernel=(2, 2), stride=(1, 1))
    neuron = Staircase(theta=Tensor.integer([3, 4]), bias=Bias(values=Tensor.integer([1, -1])), lo=0, hi=3)
    scale = Tensor.real([0.5, 0.25])
    graph = Graph(
        name="g",
        nodes=(
            Input(name="x", type=Levels((2, 4, 4), 0, 7), scale=Tensor.real(np.ones((1, 1, 1)))),
            conv,
            Population(name="p", drives=("c",), neuron=neuron, code=Code.RATE, scale=scale),
            pool,
            Readout(name="y", drives=("a",), bias=Bias(values=Tensor.integer([4, 5])), scale=0.5),
        ),
        outputs=("y",),
        timing=Rate(3),
    )
    file = tmp_path_factory.mktemp("nir") / "net.nir"
    file.write_bytes(nir_file(graph, {})[0])
    return file


def test_entries_of_another_kind_are_one_message(whole: Path, tmp_path: Path) -> None:
    for number, name in enumerate(entries(whole)):
        check_changed(whole, tmp_path / f"{number}.nir", name, list(STRANGE.values())[number % len(STRANGE)])


@pytest.mark.slow
@pytest.mark.parametrize("strange", STRANGE.values(), ids=STRANGE)
def test_every_entry_of_every_other_kind_is_one_message(whole: Path, tmp_path: Path, strange: Any) -> None:
    for number, name in enumerate(entries(whole)):
        check_changed(whole, tmp_path / f"{number}.nir", name, strange)
