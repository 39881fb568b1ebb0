"""The profile of stock LIF neurons: our model of them, Lava's, and the reference give the same integers."""

from __future__ import annotations

import ast
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from stock_networks import chains, everything

from snncc_backends.lava import backend
from snncc_ir.backend import EngineRun
from snncc_ir.codes import Reset
from snncc_ir.graph import Graph
from snncc_ir.lif import GREATEST_BIAS, GREATEST_VTH, TOP, Lif, bias_parts, is_bias
from snncc_ir.progress import silent
from snncc_ir.streaming import run_streaming
from snncc_ir.timing import Rate
from support.driver import Drive, served

LOIHI1 = backend.machines["loihi1"]
LAVA, LIF = backend.engines
STEPS, NEURONS = 12, 20


@pytest.fixture(scope="module")
def drive(lava_python: str) -> Iterator[Drive]:
    """Hands a folder to `drive_lif.py`, which runs as long as the tests of this module."""
    yield from served(lava_python, Path(__file__).parent / "drive_lif.py")


def many(rng: np.random.Generator, low: int, high: int, *shape: int) -> NDArray[Any]:
    """Integers over the whole range, small ones, and those at its ends."""
    ends = np.array([low, low + 1, -1, 0, 1, high - 1, high]).clip(low, high)
    small = rng.integers(max(low, -500), min(high, 500) + 1, shape)
    kinds = rng.integers(0, 3, shape)
    return np.choose(kinds, [rng.integers(low, high + 1, shape), small, rng.choice(ends, shape)])


@settings(max_examples=120)
@given(
    seed=st.integers(0, 2**32),
    vth=st.integers(0, 400) | st.integers(0, GREATEST_VTH),
    du=st.sampled_from([0, 1, 2048, 4094, 4095]) | st.integers(0, 4095),
    dv=st.sampled_from([0, 1, 2048, 4095]) | st.integers(0, 4095),
)
def test_our_neuron_is_lavas(drive: Drive, seed: int, vth: int, du: int, dv: int) -> None:
    """Decays, wrapped currents and clipped potentials included."""
    rng = np.random.default_rng(seed)
    mantissa, exponent = many(rng, -4096, 4095, NEURONS), rng.integers(0, 8, NEURONS)
    u, v = many(rng, 1 - TOP, TOP, NEURONS), many(rng, 1 - TOP, TOP - 1, NEURONS)
    case = {"vth": vth, "bias_mant": mantissa, "bias_exp": exponent, "du": du, "dv": dv, "u": u, "v": v}
    case["drives"] = many(rng, -(2**17), 2**17, STEPS, NEURONS)
    found = run_lava(drive, case)
    lif = Lif(vth=vth, bias_mant=mantissa, bias_exp=exponent, du=du, dv=dv)
    for step, sums in enumerate(case["drives"]):
        u, v, spikes = lif.step(u, v, sums)
        np.testing.assert_array_equal(found["u"][step], u)
        np.testing.assert_array_equal(found["v"][step], v)
        np.testing.assert_array_equal(found["s"][step], spikes)


def run_lava(drive: Drive, case: dict[str, Any]) -> dict[str, NDArray[Any]]:
    """What Lava's model makes of a case: u, v and s after every step."""
    folder = Path(tempfile.mkdtemp(prefix="snncc-test-"))
    try:
        np.savez(folder / "case.npz", **case)
        drive(folder)
        with np.load(folder / "found.npz") as archive:
            return {name: archive[name] for name in archive.files}
    finally:
        shutil.rmtree(folder)


def test_biases_have_a_mantissa_or_none() -> None:
    values = np.arange(-2 * 4096 - 3, GREATEST_BIAS + 4)
    given_ = values[is_bias(values)]
    mantissa, exponent = bias_parts(given_)
    np.testing.assert_array_equal(mantissa << (exponent - 6), given_)
    assert (mantissa.min(), mantissa.max(), given_.max()) == (-4096, 4095, GREATEST_BIAS)
    with pytest.raises(ValueError, match=r"^a bias has no mantissa and exponent$"):
        bias_parts(np.array([4097]))


def compare(graph: Graph, inputs: Mapping[str, NDArray[Any]], run: EngineRun) -> None:
    reference = run_streaming(graph, inputs)
    assert run.trains.keys() == reference.trains.keys()
    assert run.outputs.keys() == reference.outputs.keys()
    for name, train in reference.trains.items():
        np.testing.assert_array_equal(run.trains[name], np.moveaxis(train, 0, 1), err_msg=name)
    for name, output in reference.outputs.items():
        np.testing.assert_array_equal(run.outputs[name], output[-1], err_msg=name)


@settings(max_examples=200)
@given(case=chains())
def test_the_model_gives_the_reference(case: tuple[Graph, dict[str, NDArray[Any]]]) -> None:
    graph, inputs = case
    if not backend.refusals(graph, LOIHI1):
        compare(graph, inputs, LIF.run(graph, LOIHI1, inputs, silent))


def images(count: int) -> dict[str, NDArray[Any]]:
    return {"x": np.random.default_rng(3).integers(0, 16, (count, 2, 6, 6))}


def test_every_kind_of_synapse_in_the_model() -> None:
    graph = everything()
    assert backend.refusals(graph, LOIHI1) == ()
    run = LIF.run(graph, LOIHI1, images(4), silent)
    for name, train in run.trains.items():
        assert 0 < np.mean(train != 0) < 1, f"{name} fires never or always: the test is vacuous"
    compare(graph, images(4), run)


@pytest.mark.usefixtures("lava_python")
def test_every_kind_of_synapse_in_lava() -> None:
    graph = everything()
    run = LAVA.run(graph, LOIHI1, images(2), silent)
    compare(graph, images(2), run)
    assert run.steps == 2 * (12 + 5)


def test_the_program_does_not_depend_on_the_network() -> None:
    one = backend.emit(everything(), LOIHI1, {})
    other = backend.emit(replace(everything(), name="other", timing=Rate(3, Reset.ZERO)), LOIHI1, {})
    assert one == backend.emit(everything(), LOIHI1, {})
    assert {path for path in one if one[path] != other[path]} == {"lava/network.json"}
    for path, content in one.items():
        if path.endswith(".py"):
            assert ast.get_docstring(ast.parse(content, feature_version=(3, 10)))


def test_run_py_on_its_own(lava_python: str, tmp_path: Path) -> None:
    graph, levels = everything(), images(2)
    for path, content in backend.emit(graph, LOIHI1, {}).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    np.save(tmp_path / "levels.npy", levels["x"])
    options = ["--input", "levels.npy", "--output", "out.npz", "--images", "1", "--outputs-only"]
    command = [lava_python, "-B", str(tmp_path / "lava" / "run.py"), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("1 images, 17 time steps, ")
    reference = run_streaming(graph, levels)
    with np.load(tmp_path / "out.npz") as out:
        assert sorted(out.files) == ["output.scores", "output.verdict", "seconds", "steps"]
        np.testing.assert_array_equal(out["output.scores"], reference.outputs["scores"][-1][:1])
        np.testing.assert_array_equal(out["output.verdict"], reference.counts["verdict"][:1])


@pytest.mark.slow
@pytest.mark.usefixtures("lava_python")
@settings(max_examples=12, deadline=None)
@given(case=chains())
def test_lava_gives_the_reference_on_random_networks(case: tuple[Graph, dict[str, NDArray[Any]]]) -> None:
    graph, inputs = case
    if not backend.refusals(graph, LOIHI1):
        compare(graph, inputs, LAVA.run(graph, LOIHI1, inputs, silent))
