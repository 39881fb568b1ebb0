"""Quantisation: what each integer is, and how far the network may be from the float one."""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snncc.driver import compile_model
from snncc.options import CompileOptions, PixelScaling
from snncc.passes.folding import border_bias
from snncc_ir.errors import SnnccError
from snncc_ir.neurons import Staircase
from snncc_ir.nodes import Conv, Scale
from snncc_ir.semantics import evaluate
from support.compiled import NORMALISED, PLAIN, integer_outputs, real_outputs, run
from support.trained import pixels, write_data, write_residual


def test_everything_is_an_integer_and_theta_times_unit_is_the_scale(tmp_path: Path) -> None:
    _, graph, _ = run(tmp_path, "balance{level_bits=5};quantize{level_bits=5,weight_bits=6}")
    assert graph.is_integer
    for node in graph.populations:
        assert isinstance(node.neuron, Staircase)
        assert (node.neuron.lo, node.neuron.hi) == (0, 31)
        assert node.scale is not None
        unit = node.scale.data / node.neuron.theta.data
        assert (unit > 0).all()
    for conv in graph.of_type(Conv):
        assert conv.weight.bits == 6
        assert np.abs(conv.weight.data).reshape(len(conv.weight.data), -1).max(axis=1).tolist() == [31] * 6
    assert [type(p).__name__ for p in graph.projections(graph.populations[1])] == ["Conv", "Scale"]


def test_skip_multipliers_are_the_ratio_of_the_scales(tmp_path: Path) -> None:
    _, graph, _ = run(tmp_path, "balance;quantize")
    first, second = graph.populations
    assert isinstance(second.neuron, Staircase)
    assert first.scale is not None
    assert second.scale is not None
    (skip,) = graph.of_type(Scale)
    unit = second.scale.data / second.neuron.theta.data
    np.testing.assert_array_equal(skip.weight.data, np.rint(first.scale.data / unit))


@pytest.mark.parametrize("scaling", [PLAIN, NORMALISED], ids=str)
def test_wide_levels_come_close_to_the_float_network(tmp_path: Path, scaling: PixelScaling) -> None:
    # Before quantisation there is a tolerance; a mean folded wrongly at the border would exceed it by far.
    real, graph, context = run(tmp_path, "balance{level_bits=8,method=max};quantize{level_bits=8}", scaling)
    levels = context.input_format.to_levels(pixels(seed=1))
    wanted = real_outputs(real, context, levels)
    got = integer_outputs(graph, levels)
    assert np.abs(got - wanted).max() < 0.02 * np.abs(wanted).max()


def test_a_mean_gives_biases_by_border_class(tmp_path: Path) -> None:
    _, graph, _ = run(tmp_path, "balance;quantize", NORMALISED)
    first, second = graph.populations
    assert isinstance(first.neuron, Staircase)
    assert isinstance(second.neuron, Staircase)
    assert first.neuron.bias.values.shape == (6, 3, 3)
    assert len(set(first.neuron.bias.rows)) == len(set(first.neuron.bias.columns)) == 3
    assert second.neuron.bias.values.shape == (6,)


@given(
    st.integers(1, 3),
    st.lists(st.integers(0, 2), min_size=1, max_size=6),
    st.lists(st.integers(0, 2), min_size=1, max_size=6),
    st.randoms(),
)
def test_border_bias_spreads_back_to_what_it_was_made_of(
    channels: int, rows: list[int], columns: list[int], random: Random
) -> None:
    table = np.array([[[random.randint(-9, 9) for _ in range(3)] for _ in range(3)] for _ in range(channels)])
    values = table[:, rows][:, :, columns]
    bias = border_bias(values)
    spread = np.broadcast_to(bias.spread(values.shape), values.shape)
    np.testing.assert_array_equal(spread, values)


def test_bias_correction_makes_the_means_equal(tmp_path: Path) -> None:
    _, graph, context = run(
        tmp_path, "balance{level_bits=2};quantize{level_bits=2,weight_bits=3};correct_bias"
    )
    values = evaluate(graph, {graph.inputs[0].name: context.samples})
    for node in graph.populations:
        assert isinstance(node.neuron, Staircase)
        assert node.scale is not None
        unit = node.scale.data / node.neuron.theta.data
        drive = sum(values[name] for name in node.drives) + node.neuron.bias.spread(
            values[node.name].shape[1:]
        )
        wanted = context.calibration.populations[node.name].drive_mean
        np.testing.assert_array_less(np.abs(drive.mean(axis=(0, 2, 3)) * unit - wanted), 0.51 * unit)


def test_bias_correction_helps_at_two_bits(tmp_path: Path) -> None:
    text = "balance{level_bits=2};quantize{level_bits=2,weight_bits=3}"
    errors = []
    for pipeline in (text, f"{text};correct_bias"):
        real, graph, context = run(tmp_path, pipeline)
        levels = context.input_format.to_levels(pixels(200, seed=2))
        difference = integer_outputs(graph, levels) - real_outputs(real, context, levels)
        errors.append(np.abs(difference.mean(axis=0)).mean())
    assert errors[1] < errors[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("quantize", "relu1: has no thresholds yet; run balance before quantize"),
        (
            "balance{level_bits=3};quantize{level_bits=4}",
            "relu1: balance chose levels 0..7, quantize asks for 0..15; give both the same level_bits",
        ),
        (
            "balance{widths=relu1:3/relu9:2};quantize",
            "balance{widths}: no population is called 'relu9'; there are relu1, relu2",
        ),
        ("balance;quantize;balance;quantize", "relu1: is quantised already"),
        ("balance;correct_bias", "correct_bias: runs on the integer network; put it behind quantize"),
    ],
)
def test_passes_in_the_wrong_order(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SnnccError) as caught:
        run(tmp_path, text)
    assert str(caught.value) == message


def test_a_pipeline_without_quantize_is_refused(tmp_path: Path) -> None:
    data = write_data(tmp_path / "d.npz", pixels())
    options = CompileOptions(output=tmp_path / "o", target="sim", calibrate=data, passes="balance")
    with pytest.raises(SnnccError, match="leaves real values in the network; end it with quantize"):
        compile_model(write_residual(tmp_path / "m.onnx"), options)
    assert not (tmp_path / "o").exists()
