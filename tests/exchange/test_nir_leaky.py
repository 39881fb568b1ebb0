"""NIR's neurons that leak: by their equations where numbers are exact, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from snncc.sim.streams import StreamEngine
from snncc_backends.lava import backend
from snncc_backends.nir.lift import Lifted, lift
from snncc_ir.certificates import certify_widths
from snncc_ir.errors import ModelError, SnnccError
from snncc_ir.lif import TOP
from snncc_ir.neurons import Leaky
from snncc_ir.progress import silent
from snncc_ir.streaming import run_streaming
from snncc_ir.text import print_graph
from support.nir_files import STRANGE, check_changed, cuba, entries, image_file, lif, row

Array = NDArray[Any]
DT = 2.0**-10
EXACT_STEPS = 6
"""Halves of halves are whole 64ths for so long."""

LOIHI1 = backend.machines["loihi1"]
LIF = backend.engines[1]

many = settings(suppress_health_check=list(HealthCheck), max_examples=60, deadline=None)


def euler(nodes: list[nir.NIRNode], spikes: Array, steps: int, dt: float) -> list[list[Array]]:
    """The spikes `[step][N, neurons]` of each neuron node, by NIR's equations alone."""
    current = [np.zeros(1) for _ in nodes]
    v = [np.zeros(1) for _ in nodes]
    trains: list[list[Array]] = [[] for _ in nodes]
    for _ in range(steps):
        x = spikes.astype(np.float64)
        for i, node in enumerate(nodes):
            match node:
                case nir.Affine(weight=weight, bias=bias):
                    x = x @ weight.T + bias
                case nir.Linear(weight=weight):
                    x = x @ weight.T
                case nir.CubaLIF(tau_syn=tau_syn, tau_mem=tau, w_in=w_in):
                    current[i] = current[i] + dt / tau_syn * (-current[i] + w_in * x)
                    v[i], x = fired(node, v[i], current[i], dt / tau)
                    trains[i].append(x)
                case nir.LIF(tau=tau):
                    v[i], x = fired(node, v[i], x, dt / tau)
                    trains[i].append(x)
    return [train for train in trains if train]


def fired(node: Any, v: Array, current: Array, share: Array) -> tuple[Array, Array]:
    v = v + share * ((node.v_leak - v) + node.r * current)
    z = v > node.v_threshold
    return np.where(z, 0, v), z.astype(np.float64)


def neurons(rng: np.random.Generator, size: int) -> nir.NIRNode:
    """Half of everything leaks in a step; currents may last one step alone."""
    values = {"v_threshold": float(rng.integers(1, 60)), "v_leak": 2.0 * rng.integers(-3, 4, size)}
    if rng.random() < 0.5:
        return lif(size, tau=2 * DT, r=2.0, **values)
    last = int(rng.integers(1, 3))
    return cuba(size, tau_syn=last * DT, tau_mem=2 * DT, r=2.0, w_in=float(last), **values)


def exact_network(rng: np.random.Generator) -> tuple[int, list[nir.NIRNode]]:
    sizes = rng.integers(1, 7, rng.integers(2, 5)).tolist()
    nodes: list[nir.NIRNode] = []
    for before, size in pairwise(sizes):
        weight, leaky = rng.integers(-30, 31, (size, before)).astype(np.float64), neurons(rng, size)
        bias = rng.integers(-9, 10, size).astype(np.float64)
        linear = nir.Linear(weight) if isinstance(leaky, nir.CubaLIF) else nir.Affine(weight, bias)
        nodes += [linear, leaky]
    return sizes[0], nodes


def lifted_row(folder: Path, inputs: int, nodes: list[nir.NIRNode], steps: int, dt: float) -> Lifted:
    size = nodes[-1].output_type["output"]
    return lift(row(folder / "net.nir", [inputs], nodes, size), steps, None, dt)


@many
@given(seed=st.integers(0, 2**32))
def test_exact_networks_fire_as_the_equations(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    rng = np.random.default_rng(seed)
    inputs, nodes = exact_network(rng)
    lifted = lifted_row(tmp_path_factory.mktemp("nir"), inputs, nodes, EXACT_STEPS, DT)
    assert [text for text in lifted.warnings if "round" in text or "loses" in text] == []
    x = rng.integers(0, 2, (4, inputs))
    run = run_streaming(lifted.graph, {"in": x})
    layers = [run.trains[f"n{number}"] for number in range(1, len(nodes), 2)]
    for got, wanted in zip(layers, euler(nodes, x, EXACT_STEPS, DT), strict=True):
        np.testing.assert_array_equal(got, np.stack(wanted))


def one_layer(rng: np.random.Generator, folder: Path) -> tuple[int, int]:
    """Spikes of a random layer that were compared, of all.

    Decays round toward zero, by less than 1/64 of a unit in a step; so a neuron is compared until its v comes
    closer to the threshold than all such roundings together.
    """
    leak, fall = int(rng.integers(400, 4000)), int(rng.choice([4096, rng.integers(800, 4096)]))
    tau, tau_syn, weight = DT * 4096 / leak, DT * 4096 / fall, rng.integers(-40, 41, (8, 3)) / 16
    threshold = 6 + 1 / 32
    node = cuba(8, tau_syn=tau_syn, tau_mem=tau, r=tau / DT, w_in=tau_syn / DT, v_threshold=threshold)
    lifted = lifted_row(folder, 3, [nir.Linear(weight), node], 24, DT)
    if any("weights rounded" in text for text in lifted.warnings):  # dt / tau * r is not 1 in floating point
        return 0, 0
    (neuron,) = (each.neuron for each in lifted.graph.populations if isinstance(each.neuron, Leaky))
    assert (neuron.du + 1, neuron.dv) == (fall, leak)
    slack = threshold / neuron.vth / 64 * (4096 / leak) * (1 + 4096 / fall)
    x = rng.integers(0, 2, (6, 3))
    trains = run_streaming(lifted.graph, {"in": x}).trains["n1"]
    clear, compared = np.ones(trains.shape[1:], dtype=bool), 0
    u = v = np.zeros(clear.shape)
    for spikes in trains:
        u = (1 - fall / 4096) * u + x @ weight.T
        v = (1 - leak / 4096) * v + u
        clear &= np.abs(v - threshold) > slack
        assert (spikes[clear] == (v > threshold)[clear]).all()
        compared += int(clear.sum())
        v = np.where(v > threshold, 0, v)
    return compared, trains.size


def test_long_runs_fire_as_the_equations_until_rounding_may_matter(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    counts = np.sum([one_layer(rng, tmp_path) for _ in range(60)], axis=0)
    assert counts[1] > 30 * 24 * 48
    assert counts[0] > 0.8 * counts[1]


@pytest.mark.parametrize("seed", [3, 4, 5])
def test_rounded_networks_are_the_same_in_every_engine(tmp_path: Path, seed: int) -> None:
    lifted = lift(image_file(tmp_path, seed), 40, None)
    assert backend.refusals(lifted.graph, LOIHI1) == ()
    x = {"in": np.random.default_rng(seed).integers(0, 2, (3, 2, 6, 6))}
    reference = run_streaming(lifted.graph, x)
    model, portable = LIF.run(lifted.graph, LOIHI1, x, silent), StreamEngine(lifted.graph).run(x)
    for name, train in reference.trains.items():
        assert 0 < train.mean() < 1, f"{name} fires never or always: the test is vacuous"
        np.testing.assert_array_equal(model.trains[name], np.moveaxis(train, 0, 1), err_msg=name)
    (output,) = reference.outputs
    np.testing.assert_array_equal(model.outputs[output], reference.outputs[output][-1])
    np.testing.assert_array_equal(portable.outputs[output], reference.outputs[output])
    assert portable.costs == reference.costs


def test_what_is_rounded_is_said(tmp_path: Path, golden: Callable[[str, str], None]) -> None:
    lifted = lift(image_file(tmp_path, steps=16, dt=0.0005), 40, None)
    golden("leaky.txt", print_graph(lifted.graph))
    golden("leaky_warnings.txt", "\n".join((*lifted.warnings, "")))


def test_who_says_how_long_a_step_is(tmp_path: Path) -> None:
    plain = row(tmp_path / "plain.nir", [2], [lif(2)], [2])
    said = row(tmp_path / "said.nir", [2], [lif(2)], [2], dt=0.002)
    made = [lift(plain, 8, None), lift(said, 8, None), lift(said, 8, None, 0.0005)]
    neurons = [node.neuron for each in made for node in each.graph.populations]
    assert [neuron.dv for neuron in neurons if isinstance(neuron, Leaky)] == [1024, 2048, 512]
    warning = "the file says no length of a step: 0.001 s, change it with --dt"
    assert [warning in each.warnings for each in made] == [True, False, False]


def test_the_finest_unit_has_the_greatest_weight(tmp_path: Path) -> None:
    """Weights 1 and -3 become 42 and -126, and the threshold of 2 then 84: nothing is rounded."""
    nodes = [nir.Linear(np.array([[1.0, -3.0]])), lif(1, r=4.0, v_threshold=2.0)]
    graph = lift(row(tmp_path / "net.nir", [2], nodes, [1]), 8, None).graph
    weight, node = graph.by_name["n1_in0"], graph.by_name["n1"]
    assert weight.weight.data.tolist() == [[42, -126]]  # type: ignore[union-attr]
    assert node.neuron.vth == 84  # type: ignore[union-attr]


def test_many_steps_without_a_leak_to_speak_of_have_smaller_weights(tmp_path: Path) -> None:
    """Registers have 24 bits: a thousand steps of 4 times -127 and hardly a decay would overflow them."""
    nodes = [nir.Linear(np.full((1, 4), -1.0)), lif(1, tau=4.0, r=4000.0, v_threshold=2.0)]
    graph = lift(row(tmp_path / "net.nir", [4], nodes, [1]), 1000, None).graph
    assert backend.refusals(graph, LOIHI1) == ()
    assert graph.by_name["n1_in0"].weight.data.tolist() == [[-36] * 4]  # type: ignore[union-attr]
    lowest = int(certify_widths(graph)["n1"].membrane.low[0])
    assert lowest > -TOP > lowest / 36 * 38


DENSE = nir.Linear(np.array([[1.0, 2.0], [3.0, 4.0]]))
REFUSED: dict[str, list[nir.NIRNode]] = {
    "n1: its v_reset is not 0 everywhere; scale weights instead": [DENSE, lif(2, v_reset=0.5)],
    "n1: its v_initial is not 0 everywhere; scale weights instead": [
        DENSE,
        lif(2, metadata={"v_initial": np.full(2, 0.5)}),
    ],
    "n1: leaks, and resets by subtract; neurons that leak reset to zero": [
        DENSE,
        lif(2, metadata={"reset": "subtract"}),
    ],
    "n1: its v_threshold must be positive; fire above the potential after a reset, 0": [
        DENSE,
        lif(2, v_threshold=0.0),
    ],
    "n1: tau differs between its neurons; a population has one; use several nodes": [
        DENSE,
        lif(2, tau=[0.01, 0.02]),
    ],
    "n1: tau of 0.001 s is too short for time steps of 0.001 s; give a shorter --dt": [
        DENSE,
        lif(2, tau=0.001),
    ],
    "n1: tau_syn of 0.0005 s is too short for time steps of 0.001 s; give a shorter --dt": [
        DENSE,
        cuba(2, tau_syn=0.0005),
    ],
    "n1: tau of 9 s is too long for time steps of 0.001 s; give a longer --dt": [DENSE, lif(2, tau=9.0)],
    "n1: the biases before it would flow into its current; Loihi's go into the potential; use Linear in "
    "place of Affine, or v_leak": [nir.Affine(np.eye(2), np.ones(2)), cuba(2)],
    "n1: in whole numbers of 8 bits its weights or its threshold become 0; bring its weights, bias and "
    "threshold closer together, or take fewer --steps": [DENSE, lif(2, v_threshold=1e-4)],
    "n1: has numbers so great that their products overflow; bring its weights, bias and threshold closer "
    "together, or take fewer --steps": [nir.Linear(np.full((2, 2), 1e300)), lif(2, r=1e300)],
    "n2: does not leak, other neurons do; use one kind of neuron": [
        DENSE,
        lif(2),
        nir.IF(r=np.ones(2), v_threshold=np.ones(2)),
    ],
    "n1: is of type 'LI', which is not taken; read the spikes by an Affine node before the output": [
        DENSE,
        nir.LI(tau=np.ones(2), r=np.ones(2), v_leak=np.zeros(2)),
    ],
}


@pytest.mark.parametrize("message", REFUSED)
def test_refusals(tmp_path: Path, message: str) -> None:
    with pytest.raises(ModelError) as caught:
        lift(row(tmp_path / "net.nir", [2], REFUSED[message], [2]), 8, None)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (
            {"reset": "subtract"},
            "net.nir: its neurons leak, and reset by subtract; neurons that leak reset to zero",
        ),
        ({"dt": 0.0}, "net.nir: its dt must be positive; give another with --dt"),
    ],
)
def test_refuses_metadata(tmp_path: Path, metadata: dict[str, Any], message: str) -> None:
    file = row(tmp_path / "net.nir", [2], [DENSE, lif(2)], [2], **metadata)
    with pytest.raises(ModelError) as caught:
        lift(file, 8, None)
    assert str(caught.value) == f"{tmp_path}/{message}"


def test_a_step_without_a_leak_has_no_length(tmp_path: Path) -> None:
    file = row(tmp_path / "net.nir", [2], [DENSE, nir.IF(r=np.ones(2), v_threshold=np.ones(2))], [2])
    with pytest.raises(SnnccError) as caught:
        lift(file, 8, None, 0.001)
    assert str(caught.value) == "--dt: no neuron of the file leaks, so its steps have no length; leave it out"


def test_entries_of_another_kind_are_one_message(tmp_path: Path) -> None:
    whole = image_file(tmp_path, dt=0.001)
    for number, name in enumerate(entries(whole)):
        check_changed(whole, tmp_path / f"{number}.nir", name, list(STRANGE.values())[number % len(STRANGE)])


@pytest.mark.slow
@pytest.mark.parametrize("strange", STRANGE.values(), ids=STRANGE)
def test_every_entry_of_every_other_kind_is_one_message(tmp_path: Path, strange: Any) -> None:
    whole = image_file(tmp_path, dt=0.001)
    for number, name in enumerate(entries(whole)):
        check_changed(whole, tmp_path / f"{number}.nir", name, strange)
