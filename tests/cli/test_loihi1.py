"""Pixels as spikes, and quantisation for stock LIF neurons, by the command as a user gives it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from snncc import artefact
from snncc_backends.lava import backend
from snncc_ir.certificates import certify_widths
from snncc_ir.graph import Graph
from snncc_ir.lif import GREATEST_SUM, is_bias
from snncc_ir.neurons import Staircase
from snncc_ir.nodes import Input, Population, Scale
from support.command import Snncc

DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits"
LOIHI1 = backend.machines["loihi1"]


def compiled(snncc: Snncc, *options: str) -> Graph:
    model, data = (str(DIGITS / name) for name in ("digits_strided.onnx", "digits.npz"))
    given = ("--calibrate", data, "--scale", "255", "-o", "out.snncc", "--force", *options)
    done = snncc("compile", model, "--target", "lava", "--chip", "loihi1", *given)
    assert done.code == 0, done.err
    return artefact.read(Path("out.snncc")).graph


@pytest.mark.parametrize("steps", [8, 128])
@pytest.mark.parametrize("bits", [4, 8])
def test_every_number_is_the_chips(snncc: Snncc, steps: int, bits: int) -> None:
    graph = compiled(snncc, "--steps", str(steps), "--weight-bits", str(bits))
    assert backend.refusals(graph, LOIHI1) == ()
    widths = certify_widths(graph)
    for node in graph.populations:
        assert isinstance(node.neuron, Staircase)
        assert (node.neuron.lo, node.neuron.hi) == (0, 1)
        assert len(np.unique(node.neuron.theta.data)) == 1
        assert is_bias(node.neuron.bias.values.data).all()
        assert widths[node.name].membrane.low.min() >= -GREATEST_SUM
    largest = max(int(np.abs(node.weight.data).max()) for node in graph.linears)
    assert largest <= 2 ** (bits - 1) - 1


def test_weights_fill_their_bits_where_the_steps_allow_it(snncc: Snncc) -> None:
    """More steps leave less room below zero, so the weights of large sums get smaller."""
    peaks = []
    for steps in (8, 512):
        graph = compiled(snncc, "--steps", str(steps))
        node = graph.projections(graph.populations[-1])[0]
        peaks.append(int(np.abs(node.weight.data).max()))
    assert peaks[0] == 127
    assert peaks[1] < 64


def test_a_pixel_is_a_bias_of_its_own_neuron(snncc: Snncc) -> None:
    graph = compiled(snncc)
    (source,) = graph.inputs
    (projection,) = graph.readers[source.name]
    assert isinstance(source, Input)
    assert isinstance(projection, Scale)
    assert projection.weight.data.tolist() == [1]
    (neurons,) = graph.readers[projection.name]
    assert isinstance(neurons, Population)
    assert isinstance(neurons.neuron, Staircase)
    assert neurons.neuron.theta.data.tolist() == [128]


@pytest.mark.parametrize(
    ("passes", "message"),
    [
        ("balance;quantize_lif;choose_code{code=rate}",
         "relu1_Relu: a LIF neuron's only levels are 0 and 1; give a float network without negative "
         "activations, and balance{level_bits=1,...}"),
        ("balance;quantize;spike_input", "spike_input: runs on the real network; put it before quantize_lif"),
        ("quantize_lif{steps=0}", "quantize_lif: steps must be at least 1, not 0"),
        ("quantize_lif{early=0.95}", "quantize_lif: early must be 0 to 0.9, not 0.95"),
    ],
)  # fmt: skip
def test_mistakes(snncc: Snncc, passes: str, message: str) -> None:
    model = str(DIGITS / "digits_strided.onnx")
    done = snncc("compile", model, "--target", "lava", "--chip", "loihi1", "--passes", passes, "-o", "out")
    assert (done.code, done.err.splitlines()[-1]) == (1, f"snncc: error: {message}")


def test_an_input_with_a_mean(snncc: Snncc) -> None:
    model = str(DIGITS / "digits_strided.onnx")
    done = snncc(
        "compile",
        model,
        "--target",
        "lava",
        "--chip",
        "loihi1",
        "--scale",
        "255",
        "--mean",
        "0.5",
        "-o",
        "out",
    )
    assert done.err.splitlines()[-1] == (
        "snncc: error: image: its level 0 does not stand for 0, or its channels differ in scale, and a spike "
        "has no sign; train on pixels that are divided by one number alone"
    )


def test_explain_knows_the_pixels_neurons(snncc: Snncc) -> None:
    compiled(snncc, "--steps", "8")
    model, data = (str(DIGITS / name) for name in ("digits_strided.onnx", "digits.npz"))
    done = snncc("explain", "out.snncc", "--model", model, "--data", data, "--limit", "20", "--json")
    assert done.code == 0, done.err
    assert "image_neurons" in done.out


def test_explain_counts_every_pixel_once(snncc: Snncc) -> None:
    graph = compiled(snncc, "--steps", "4")
    done = snncc("explain", "out.snncc", "--chip", "loihi1", "--json")
    assert done.code == 0, done.err
    fit = done.json["fit"]
    nodes = (*graph.populations, *(graph.by_name[name] for name in graph.outputs))
    assert sum(core["usage"][0] for core in fit["use"]) == sum(
        int(np.prod(graph.types[node.name].shape)) for node in nodes
    )
    (source,) = graph.inputs
    held = {item["unit"] for core in fit["use"] for item in core["slices"]}
    assert held == {node.name for node in nodes}
    units = fit["estimates"]["rate"]["units"]
    assert source.name not in units
    assert units["image_neurons"]["spikes"] == units["image_neurons"]["synops"] == 0


@pytest.mark.slow
def test_every_engine_agrees(snncc: Snncc) -> None:
    """Lava included; where it is missing, that rung is not run, and fails where tools are required."""
    compiled(snncc, "--steps", "12")
    done = snncc("verify", "out.snncc", "--json")
    assert done.code == 0
    found = {row["engine"]: row["status"] for row in json.loads(done.out)["engines"]}
    assert found.pop("lava") in ("equal", "not run")
    assert found == {"reference": "equal", "native": "equal", "spikes": "equal", "lif": "equal"}
