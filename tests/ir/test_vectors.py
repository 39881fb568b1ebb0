"""The vectors in ir/vectors: current, reproduced by the reference, and right where computed by hand."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from snncc_ir.graph import Graph
from snncc_ir.nodes import Input, Population
from snncc_ir.plain import graph_from_plain
from snncc_ir.semantics import evaluate
from snncc_ir.spiking import run_phased
from snncc_ir.streaming import run_streaming
from snncc_ir.timing import Phased, Stbif
from support import naive

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "ir" / "vectors"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))


def read(name: str) -> dict[str, Any]:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def graph_of(vector: dict[str, Any], codes: dict[str, str]) -> Graph:
    """The graph of a run, its codes replaced as the README says."""
    for node in vector["graph"]["nodes"]:
        if node["name"] in codes:
            node["code"] = codes[node["name"]]
    return graph_from_plain(vector["graph"], {name: np.array(x) for name, x in vector["tensors"].items()})


def lists(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    return {name: array.tolist() for name, array in arrays.items()}


def test_the_files_are_what_the_generator_writes() -> None:
    path = ROOT / "tools" / "make_vectors.py"
    spec = importlib.util.spec_from_file_location("make_vectors", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_vectors"] = module
    spec.loader.exec_module(module)
    committed = {p.name: p.read_text(encoding="utf-8") for p in FOLDER.glob("*.json")}
    assert module.files() == committed, "python tools/make_vectors.py"


def test_they_are_small() -> None:
    assert len(NAMES) >= 15
    assert sum(path.stat().st_size for path in FOLDER.glob("*")) < 300_000


@pytest.mark.parametrize("name", NAMES)
def test_levels_by_reference_and_neuron_by_neuron(name: str) -> None:
    vector = read(name)
    graph = graph_of(vector, {})
    images = {key: np.array(x) for key, x in vector["inputs"].items()}
    values, net = evaluate(graph, images), naive.Net(graph)
    for key, want in {**vector["levels"], **vector["outputs"]}.items():
        assert values[key].tolist() == want, key
        for i in range(len(want)):
            slow = naive.evaluate(net, {source: x[i] for source, x in images.items()})
            assert slow[key] == np.ravel(want[i]).tolist(), key


@pytest.mark.parametrize("name", NAMES)
def test_runs(name: str) -> None:
    vector = read(name)
    for run in vector["runs"]:
        graph = graph_of(vector, run.get("codes", {}))
        images = {key: np.array(x) for key, x in vector["inputs"].items()}
        if isinstance(graph.timing, Phased):
            check_phased(graph, images, vector, run)
        else:
            check_stream(graph, images, vector, run)


def check_phased(
    graph: Graph, images: dict[str, np.ndarray], vector: dict[str, Any], run: dict[str, Any]
) -> None:
    found = run_phased(graph, {name: x[None] for name, x in images.items()})
    sent = {node.name for node in graph.nodes if isinstance(node, Input | Population)}
    assert run["codes"].keys() == run["trains"].keys() == sent
    assert {name: train[0].tolist() for name, train in found.trains.items()} == run["trains"]
    assert {name: y[0].tolist() for name, y in found.outputs.items()} == vector["outputs"]
    assert [graph.window, graph.latency, found.steps] == [run["window"], run["latency"], run["steps"]]
    assert run["steps"] == (len(next(iter(images.values()))) - 1 + run["latency"]) * run["window"]


def check_stream(
    graph: Graph, images: dict[str, np.ndarray], vector: dict[str, Any], run: dict[str, Any]
) -> None:
    found = run_streaming(graph, images)
    assert lists({name: np.moveaxis(x, 0, 1) for name, x in found.trains.items()}) == run["trains"]
    assert lists({name: np.moveaxis(x, 0, 1) for name, x in found.outputs.items()}) == run["outputs"]
    assert lists(found.counts) == run["counts"]
    if isinstance(graph.timing, Stbif):
        assert found.settled.tolist() == run["settled"]
        assert all(run["counts"][node.name] == vector["levels"][node.name] for node in graph.populations)


def trains(vector: dict[str, Any], population: str, **codes: str) -> Any:
    """The trains of a population in the first run with these codes."""
    return next(run["trains"][population] for run in vector["runs"] if codes.items() <= run["codes"].items())


def test_dense_by_hand() -> None:
    """W = [[2, -1], [1, 1]], theta = (2, 4), b = (0, 1), h = (1, 2), levels 0..6.

    x = (3, 1): U = (5, 4), v = (6, 7), n = (3, 1)
    x = (0, 3): U = (-3, 3), v = (-2, 6), n = (clip(-1), 1) = (0, 1)
    x = (1, 1): U = (1, 2), v = (2, 5), n = (1, 1)
    """
    vector = read("dense")
    assert vector["inputs"] == {"x": [[3, 1], [0, 3], [1, 1]]}
    assert vector["levels"] == {"p": [[3, 1], [0, 1], [1, 1]]}
    first = {
        code: trains(vector, "p", x="graded", p=code)[0] for code in ("graded", "radix", "count", "ttfs")
    }
    assert first["graded"] == [[3, 1]]
    assert first["radix"] == [[0, 0], [1, 0], [1, 1]]  # 3 = 011, 1 = 001
    assert first["count"] == [[1, 1], [1, 0], [1, 0], [0, 0], [0, 0], [0, 0]]
    assert first["ttfs"] == [
        [0, 0],
        [0, 0],
        [0, 0],
        [1, 0],
        [0, 0],
        [0, 1],
    ]  # 6 - t: 3 at step 3, 1 at step 5


def test_residual_by_hand() -> None:
    """p1: v = 3 x - 1 + 1, theta 2, 0..7. p2: v = 5 x - 2 p1 + 0 + 1, theta 3, -4..5. y = (2 p2 + 1, -3 p2).

    x = 3: p1 = floor(9 / 2) = 4; v = 15 - 8 + 1 = 8, p2 = 2; y = (5, -6)
    x = 1: p1 = floor(3 / 2) = 1; v = 5 - 2 + 1 = 4, p2 = 1; y = (3, -3)
    x = 0: p1 = 0; v = 1, p2 = 0; y = (1, 0)
    x = 2: p1 = 3; v = 10 - 6 + 1 = 5, p2 = 1; y = (3, -3)
    """
    vector = read("residual")
    assert vector["inputs"] == {"x": [[3], [1], [0], [2]]}
    assert vector["levels"] == {"p1": [[4], [1], [0], [3]], "p2": [[2], [1], [0], [1]]}
    assert vector["outputs"] == {"y": [[5, -6], [3, -3], [1, 0], [3, -3]]}
    # p2 fires in window 2 of its image, and the readout knows at the end of that window.
    assert all(run["latency"] == 3 for run in vector["runs"])
    assert {run["window"] for run in vector["runs"] if set(run["codes"].values()) == {"radix"}} == {3}


def test_signed_by_hand() -> None:
    """x = (-2, 3): U = (-15, 4, 7), v = (-14, 3, 9), theta = (3, 1, 2): (-5, 3, 4), clipped to -3..5."""
    vector = read("signed")
    assert vector["inputs"]["x"][1] == [-2, 3]
    assert vector["levels"]["p"][1] == [-3, 3, 4]
    assert trains(vector, "p", p="radix")[1] == [[0, 0, 1], [-1, 1, 0], [-1, 1, 0]]
    assert trains(vector, "p", p="count")[1] == [[-1, 1, 1], [-1, 1, 1], [-1, 1, 1], [0, 0, 1], [0, 0, 0]]
    assert trains(vector, "p", p="ttfs")[1] == [[0, 0, 0], [0, 0, 1], [-1, 1, 0], [0, 0, 0], [0, 0, 0]]
    assert vector["outputs"]["y"][1] == [-3 - 6 + 12 + 0, 3 + 3 + 4 + 7]


def test_table_by_hand() -> None:
    """U = (2 x, -x); breakpoints (-3, 0, 2) and (1, 1, 3), n = -1 + the number of them that are <= U.

    x = -4: U = (-8, 4): n = -1, 2     x = -1: (-2, 1): 0, 1     x = 0: (0, 0): 1, -1
    x = 1: U = (2, -1): n = 2, -1      x = 4: (8, -4): 2, -1
    """
    vector = read("table")
    assert vector["inputs"] == {"x": [[-4], [-1], [0], [1], [4]]}
    assert vector["levels"] == {"p": [[-1, 2], [0, 1], [1, -1], [2, -1], [2, -1]]}
    assert trains(vector, "p", p="radix") == [
        [[0, 1], [-1, 0]],
        [[0, 0], [0, 1]],
        [[0, 0], [1, -1]],
        [[1, 0], [0, -1]],
        [[1, 0], [0, -1]],
    ]


def test_rate_by_hand() -> None:
    """x = 3, levels 0..3: theta_r = (6, 3), v = (3, 1) at the start; a step adds (6 - 1, -3 + 1) = (5, -2).

    First neuron, reset subtract: 8 fires 2, 7 fires 1, 6 fires 0, 5 -, 10 fires 4, 9 fires 3.
    First neuron, reset zero: 8 fires 0, 5 -, 10 fires 0, 5 -, 10 fires 0, 5 -.
    Second neuron, unsigned: never. Signed: -1 fires 2, then 0 -, -2 fires 1, -1 fires 2, 0 -, -2 fires 1.
    """
    soft, hard, signed = (
        read(name)["runs"][0]["trains"]["p"][0] for name in ("rate_soft", "rate_hard", "rate_signed")
    )
    assert [s for s, _ in soft] == [1, 1, 1, 0, 1, 1]
    assert [s for s, _ in hard] == [1, 0, 1, 0, 1, 0]
    assert [s for _, s in soft] == [s for _, s in hard] == [0] * 6
    assert [s for _, s in signed] == [-1, 0, -1, -1, 0, -1]


def test_stbif_by_hand() -> None:
    """x = 3 in step 0. p: theta (2, 1), b + h = (0, 1), 0..3; q: W = (2, -1), skip 1, theta 3, v = 2, 0..2.

    step   p before the rule    p spikes   q before the rule   q spikes
    0      (0, 1)               (0, 1)     2                   0
    1      (6, -3)              (1, -1)    2 - 1 + 3 = 4       1, then v = 1
    2      (4, -2)              (1, 0)     1 + 2 + 1 = 4       1, then v = 1
    3      (2, -2)              (1, 0)     1 + 2 = 3           0: it stands at its top level
    4      (0, -2)              (0, 0)     3 + 2 = 5           0
    """
    run = read("stbif")["runs"][0]
    assert run["trains"]["p"][0][:5] == [[0, 1], [1, -1], [1, 0], [1, 0], [0, 0]]
    assert run["trains"]["q"][0][:5] == [[0], [1], [1], [0], [0]]
    assert run["settled"][0] == 4
    assert run["counts"]["q"][0] == [2]
    assert [y for (y,) in run["outputs"]["y"][0]][:5] == [-1, -1, 1, 3, 3]


def test_max_pool_by_hand() -> None:
    """The first image, padded by a row above and a column to the right that are no members."""
    vector = read("max_pool")
    assert vector["inputs"]["x"][0] == [[[-3, -1, 2], [0, -2, -2], [3, -3, 1]]]
    assert vector["levels"]["m"][0] == [[[-1, 2, 2], [0, 2, 2], [3, 1, 1]]]
    assert vector["inputs"]["x"][1] == [[[-1, -2, -3], [-2, -3, -1], [-3, -1, -2]]]
    assert vector["levels"]["m"][1] == [[[-1, -2, -3], [-1, -1, -1], [-1, -1, -1]]]
