"""The emitted files: which there are, that they are always the same, and that nothing of a model is code."""

from __future__ import annotations

import ast
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from lava_networks import residual, small

import snncc_backends.lava
from snncc_backends.lava import backend
from snncc_backends.lava.describe import describe
from snncc_backends.lava.emit import PROGRAM
from snncc_backends.lava.stock.emit import PROGRAM as STOCK
from snncc_backends.lava.wiring import Wiring
from snncc_ir.codes import PHASED_CODES, Code
from snncc_ir.graph import Graph
from snncc_ir.nodes import Input, Reshape
from snncc_ir.types import Levels

LOIHI2 = backend.machines["loihi2"]
Golden = Callable[[str, str], None]


def test_list_of_files(golden: Golden) -> None:
    golden("files.txt", "".join(f"{path}\n" for path in backend.emit(small(Code.RADIX), LOIHI2, {})))


def test_every_template_is_emitted() -> None:
    templates = Path(snncc_backends.lava.__file__).parent / "templates"
    present = {path.relative_to(templates).as_posix() for path in templates.rglob("*.py")}
    assert present == {*PROGRAM.values(), *STOCK.values()}


def test_description(golden: Golden) -> None:
    golden("network.json", backend.emit(small(Code.RADIX), LOIHI2, {})["lava/network.json"].decode())


def test_same_graph_same_bytes() -> None:
    assert backend.emit(residual(PHASED_CODES), LOIHI2, {}) == backend.emit(
        residual(PHASED_CODES), LOIHI2, {}
    )


def test_the_program_does_not_depend_on_the_network() -> None:
    one, other = backend.emit(small(Code.RADIX), LOIHI2, {}), backend.emit(residual([Code.TTFS]), LOIHI2, {})
    differing = {path for path in one if one[path] != other[path]}
    assert differing == {"lava/network.json", "lava/tensors.npz"}


def test_hostile_names_are_data() -> None:
    """Names that mean something to Python or Lava, and origins from a model, which are not emitted."""
    names = {"pixels": "import", "first": "run_spk", "second": "s_in_0", "scores": "LevelPopulation1"}
    plain = small(Code.RADIX)
    nodes = []
    for node in plain.nodes:
        new = {"name": names.get(node.name, node.name), "origin": ('"; import os #',)}
        if hasattr(node, "source"):
            new["source"] = names.get(node.source, node.source)
        nodes.append(replace(node, **new))
    files = backend.emit(
        replace(plain, name="exec", nodes=tuple(nodes), outputs=("LevelPopulation1",)), LOIHI2, {}
    )
    original = backend.emit(plain, LOIHI2, {})
    assert {path for path in files if files[path] != original[path]} == {"lava/network.json"}
    assert b"import os" not in files["lava/network.json"]
    cells = json.loads(files["lava/network.json"])["cells"]
    assert [cell["name"] for cell in cells] == ["import", "run_spk", "pool", "s_in_0", "LevelPopulation1"]


@pytest.mark.parametrize("path", [path for path in PROGRAM if path.endswith(".py")])
def test_the_program_parses_as_python_3_10(path: str) -> None:
    text = backend.emit(small(Code.RADIX), LOIHI2, {})[f"lava/{path}"]
    assert ast.get_docstring(ast.parse(text, feature_version=(3, 10)))


def test_tensors_are_small_and_plain() -> None:
    files = backend.emit(residual(PHASED_CODES), LOIHI2, {})
    with zipfile.ZipFile(io.BytesIO(files["lava/tensors.npz"])) as archive:
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    arrays = np.load(io.BytesIO(files["lava/tensors.npz"]), allow_pickle=False)
    assert {arrays[name].dtype.str for name in arrays.files} <= {"|i1", "<i2", "<i4"}


def test_weights_are_not_spread_over_positions() -> None:
    _, arrays = describe(small(Code.RADIX))
    weights = sum(node.weight.data.size for node in small(Code.RADIX).linears)
    assert sum(array.size for array in arrays.values()) < weights + 50


def test_reshaping_needs_no_index() -> None:
    network, _ = describe(small(Code.RADIX))
    (dense,) = network["cells"][-1]["accumulators"]
    assert dense["pick"] == {"ports": [0], "index": None}


def test_wiring_finds_the_neurons_of_each_strand() -> None:
    graph = residual([Code.RADIX])
    wiring = Wiring(graph)
    strands = graph.strands["joined"]
    picks = {strand: wiring.pick("joined", strand) for strand in strands}
    assert [pick.origins for pick in picks.values() if pick] == [("table",), ("border",), ("pool",)]
    sizes = {"table": 64, "border": 256, "pool": 64}
    for pick in picks.values():
        assert pick is not None
        assert pick.index is not None
        (origin,) = pick.origins
        assert np.count_nonzero(pick.index < sizes[origin]) == 64


def test_a_graph_of_inputs_alone() -> None:
    nodes = (Input(name="x", type=Levels((4,), 0, 1)), Reshape(name="y", source="x", shape=(2, 2)))
    network, arrays = describe(Graph(name="g", nodes=nodes, outputs=("y",)))
    assert [cell["name"] for cell in network["cells"]] == ["x"]
    assert arrays == {}
