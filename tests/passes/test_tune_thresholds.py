"""The pass that learns: its roundings, its steps, its images, and what it gains."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from snncc import dataset
from snncc.dataset import pixel_format
from snncc.driver import compile_model
from snncc.frontend.calibrate import calibrate
from snncc.frontend.load import load
from snncc.frontend.lower import lower
from snncc.options import CompileOptions, PixelScaling
from snncc.passes.augment import Change, augmented
from snncc.passes.base import Context
from snncc.passes.pipeline import parse
from snncc.passes.quantize import Quantize
from snncc.passes.rounded import rounded, unit_and_bias
from snncc.passes.tune_thresholds import TuneThresholds, _rate_for
from snncc.passes.variables import Adam, Variable, Variables
from snncc.sim.drives import Layers
from snncc.sim.evaluate import evaluate_images
from snncc.sim.training.trainer import Training
from snncc_ir.aims import Loss
from snncc_ir.encoding import format_of
from snncc_ir.errors import GraphError, SnnccError
from snncc_ir.graph import Graph
from snncc_ir.neurons import Bias, Table
from snncc_ir.nodes import Conv, Dense, Input, Population, Readout, Reshape
from snncc_ir.progress import Progress, silent
from snncc_ir.semantics import evaluate
from snncc_ir.statistics import Calibration
from snncc_ir.tensors import Tensor
from snncc_ir.text import print_graph
from snncc_ir.training import Objective, Parameters
from snncc_ir.types import Real
from support.real_graphs import Surrogate, parameters_of
from support.trained import IMAGES, pixels, write_residual

DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits"
PLAIN = PixelScaling(scale=255.0)
NORMALISED = PixelScaling(scale=255.0, mean=(0.4, 0.5), std=(0.2, 0.3))


def prepared(
    folder: Path, scaling: PixelScaling = PLAIN, text: str = "balance{level_bits=2}"
) -> tuple[Graph, Context]:
    """A small network with grids, and what passes may know."""
    model = load(write_residual(folder / "m.onnx"))
    lowered = lower(model)
    form = pixel_format(IMAGES, 8, scaling.scale, scaling.mean, scaling.std)
    levels = form.to_levels(pixels())
    calibration = calibrate(model, lowered, [form.to_reals(levels)], total=len(levels))
    context = Context(
        calibration=calibration,
        input_format=form,
        samples=levels,
        layers=Layers(),
        training=Training(lowered.graph),
    )
    return parse(text).run(lowered.graph, context, lambda *_: None), context


def leaky(graph: Graph) -> Graph:
    """The graph with a slope for the first unit, whose levels are signed, and a bound for the second."""
    first, second = graph.populations
    slope = Tensor.real([0.0, 0.125, 0.25, 0.375, 0.5, 1.0])
    top = second.neuron.grid.top
    units = (
        replace(first.neuron, low=-np.inf, slope=slope, grid=replace(first.neuron.grid, lo=-3)),
        replace(second.neuron, high=float(np.median(top.data))),
    )
    return graph.with_nodes([replace(first, neuron=units[0]), replace(second, neuron=units[1])])


@pytest.mark.parametrize("scaling", [PLAIN, NORMALISED], ids=["plain", "normalised"])
@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("bent", [False, True])
def test_rounded_parameters_compute_what_the_integers_compute(
    tmp_path: Path, scaling: PixelScaling, bits: int, bent: bool
) -> None:
    graph, context = prepared(tmp_path, scaling)
    graph = leaky(graph) if bent else graph
    integer = Quantize(weight_bits=bits).apply(graph, context)
    levels = context.input_format.to_levels(pixels(seed=3))
    expected = evaluate(integer, {integer.inputs[0].name: levels})
    images = context.input_format.scale * (levels - context.input_format.zero)
    objective = Objective(loss=Loss.AUTO, temperature=1.0, batch=len(levels))
    found = Surrogate(graph, images, objective, nudge=1e-9).values(rounded(graph, context, bits))
    for node in integer.populations:
        assert node.scale is not None
        scale = node.scale.data.reshape(-1, *(1,) * (expected[node.name].ndim - 2))
        np.testing.assert_allclose(found[node.name], expected[node.name] * scale, rtol=1e-9, atol=1e-12)
    (readout,) = integer.of_type(Readout)
    np.testing.assert_allclose(
        found[readout.name], expected[readout.name] * readout.scale, rtol=1e-9, atol=1e-9
    )


def test_units_with_slopes_and_bounds_are_tuned(tmp_path: Path) -> None:
    graph, context = prepared(tmp_path)
    graph = leaky(graph)
    real = without_grids_of(graph)
    context = replace(context, training=Training(real))
    levels = context.input_format.to_levels(pixels(seed=3))
    wanted = evaluate(real, {"x": context.input_format.to_reals(levels)})[graph.outputs[0]]
    lost = []
    for text in ("quantize", "tune_thresholds{steps=60,augment=none,loss=mse};quantize"):
        integer = parse(text).run(graph, context, lambda *_: None)
        assert all(isinstance(node.neuron, Table) for node in integer.populations)
        (readout,) = integer.of_type(Readout)
        found = evaluate(integer, {"x": levels})[readout.name] * readout.scale
        lost.append(np.square(found - wanted).mean())
    assert lost[1] < 0.8 * lost[0]


def without_grids_of(graph: Graph) -> Graph:
    """The float network."""
    return graph.with_nodes(
        [replace(node, neuron=replace(node.neuron, grid=None)) for node in graph.populations]
    )


def test_steps_stay_within_what_the_unit_can_give(tmp_path: Path) -> None:
    graph, _ = prepared(tmp_path)
    first, second = graph.populations
    ceiling = float(first.neuron.grid.top.data.max())
    graph = graph.with_nodes([replace(first, neuron=replace(first.neuron, high=ceiling))])
    variables = Variables(graph)
    found = variables.graph_at(variables.start() + 1.0)
    tops = {node.name: node.neuron.grid.top.data for node in found.populations}
    np.testing.assert_allclose(
        tops[first.name], np.minimum(np.e * first.neuron.grid.top.data, ceiling), rtol=1e-12
    )
    np.testing.assert_allclose(tops[second.name], np.e * second.neuron.grid.top.data, rtol=1e-12)
    step = Variable(np.ones(3), np.ones(3), is_step=True, most=np.full(3, 1.5))
    by_value = np.array([-2.0, 2.0, -2.0])
    np.testing.assert_allclose(step.gradient(np.array([1.0, 1.0, 0.0]), by_value), [0.0, 3.0, -2.0])


def test_variables_start_at_the_graph_and_move_each_array_by_its_unit(tmp_path: Path) -> None:
    graph, _ = prepared(tmp_path)
    variables = Variables(graph)
    start = variables.start()
    assert print_graph(variables.graph_at(start)) == print_graph(graph)
    before = parameters_of(graph)
    after = parameters_of(variables.graph_at(start + 0.5))
    for node in graph.linears:
        weight = node.weight.data
        rows = weight.reshape(len(weight), -1)
        rms = (
            np.sqrt(np.square(rows).mean(axis=1)) if isinstance(node, Conv | Dense) else np.zeros(len(weight))
        )
        moved = before.weights[node.name] + 0.5 * rms.reshape(-1, *(1,) * (weight.ndim - 1))
        np.testing.assert_allclose(after.weights[node.name], moved)
    for name, step in before.steps.items():
        np.testing.assert_allclose(after.steps[name], step * np.exp(0.5))
        shift = (after.biases[name] - before.biases[name]).reshape(len(step), -1)
        np.testing.assert_allclose(shift, np.broadcast_to(0.5 * step[:, None], shift.shape))


def test_gradients_of_variables_follow_the_chain_rule(tmp_path: Path) -> None:
    graph, _ = prepared(tmp_path)
    variables = Variables(graph)
    rng = np.random.default_rng(0)
    at = rng.normal(0, 0.1, len(variables.start()))
    target = parameters_of(graph)
    weigh = {name: rng.normal(size=v.shape) for name, v in {**target.weights, **target.steps}.items()}
    channels = {name: rng.normal(size=v.shape[0]) for name, v in target.biases.items()}

    def value(vector: np.ndarray) -> float:
        p = parameters_of(variables.graph_at(vector))
        flat = sum(float((weigh[k] * v).sum()) for part in (p.weights, p.steps) for k, v in part.items())
        return flat + sum(float(channels[k] @ v.reshape(len(v), -1)[:, 0]) for k, v in p.biases.items())

    by_value = Parameters(
        weights={k: weigh[k] for k in target.weights},
        biases=channels,
        steps={k: weigh[k] for k in target.steps},
    )
    found = variables.gradient(at, by_value)
    direction = rng.normal(size=len(at))
    expected = (value(at + 1e-6 * direction) - value(at - 1e-6 * direction)) / 2e-6
    np.testing.assert_allclose(found @ direction, expected, rtol=1e-6)


def test_adam_takes_steps_of_the_rate_and_finds_a_minimum() -> None:
    adam, x = Adam(2), np.array([3.0, -500.0])
    first = adam.step(2 * x, 0.1)
    np.testing.assert_allclose(first, [-0.1, 0.1])
    adam, x = Adam(2), np.array([3.0, -2.0])
    for count in range(400):
        x = x + adam.step(2 * x, 0.1 * (1 - count / 400))
    np.testing.assert_allclose(x, 0, atol=1e-2)


def test_changes_of_images() -> None:
    images = np.arange(2 * 16 * 24, dtype=float).reshape(1, 2, 16, 24).repeat(200, axis=0)
    images += 1000 * np.arange(200).reshape(-1, 1, 1, 1)
    rng = np.random.default_rng(0)
    flipped = augmented(images, (Change.FLIP,), rng)
    mirrored = [not np.array_equal(a, b) for a, b in zip(flipped, images, strict=True)]
    assert 60 < sum(mirrored) < 140
    for image, change, was in zip(flipped, mirrored, images, strict=True):
        np.testing.assert_array_equal(image, was[:, :, ::-1] if change else was)
    cropped = augmented(images, (Change.CROP,), rng)
    corners = {
        (int(a[0, 4, 6] - b[0, 4, 6]) // 24, int(a[0, 4, 6] - b[0, 4, 6]) % 24)
        for a, b in zip(cropped, images, strict=True)
    }
    assert len(corners) > 20
    assert {abs(down if down > -3 else down + 1) for down, _ in corners} <= {0, 1, 2, 3}
    mixed = augmented(images, (Change.MIXUP,), rng)
    same = (mixed == images).reshape(200, -1).all(axis=1)
    assert 60 < same.sum() < 140
    assert images.min() <= mixed.min() <= mixed.max() <= images.max()


def test_images_with_channels_last_are_changed_as_images() -> None:
    levels = np.random.default_rng(0).integers(0, 256, (4, 2, 8, 8))
    batches = []
    for samples in (levels, np.moveaxis(levels, 1, -1)):
        shape = samples.shape[1:]
        bias = Bias(values=Tensor.real([0.0]))
        flat = Reshape(name="f", source="x", shape=(128,))
        dense = Dense(name="d", source="f", weight=Tensor.real(np.ones((1, 128))))
        nodes = (Input(name="x", type=Real(shape)), flat, dense, Readout(name="y", drives=("d",), bias=bias))
        graph = Graph(name="g", nodes=nodes, outputs=("y",))
        form = pixel_format(shape, 8, 255.0, (0.0,), (1.0,))
        context = Context(
            calibration=Calibration(populations={}, images=4, synthetic=False),
            input_format=form,
            samples=samples,
            layers=Layers(),
        )
        batches.append(next(TuneThresholds(batch=4)._batches(graph, context)))
    np.testing.assert_array_equal(batches[0], np.moveaxis(batches[1], -1, 1))


def test_a_pass_over_few_images_is_reported_and_repeatable(tmp_path: Path) -> None:
    graph, context = prepared(tmp_path)
    heard: list[tuple[str, int, int]] = []

    def watch(stage: str) -> Progress:
        return lambda done, total: heard.append((stage, done, total))

    listening = Context(**{**vars(context), "watch": watch})
    step = TuneThresholds(steps=3, batch=64, weight_bits=4)
    first, second = (print_graph(step.apply(graph, c)) for c in (context, listening))
    assert first == second
    assert first != print_graph(
        TuneThresholds(steps=3, batch=64, weight_bits=4, seed=1).apply(graph, context)
    )
    assert heard == [("tune_thresholds", done, 3) for done in (1, 2, 3)]


@pytest.mark.parametrize(
    ("balance", "rate"),
    [("level_bits=1", 0.006), ("level_bits=2", 0.006), ("level_bits=3", 0.002), ("level_bits=8", 0.001)],
)
def test_the_rate_falls_with_the_level_bits(tmp_path: Path, balance: str, rate: float) -> None:
    graph, context = prepared(tmp_path, text=f"balance{{{balance}}}")
    given = TuneThresholds(steps=2, rate=rate).apply(graph, context)
    assert print_graph(TuneThresholds(steps=2).apply(graph, context)) == print_graph(given)


def test_a_network_without_populations_has_a_rate() -> None:
    bias = Bias(values=Tensor.real([0.0]))
    dense = Dense(name="d", source="x", weight=Tensor.real(np.ones((1, 2))))
    nodes = (Input(name="x", type=Real((2,))), dense, Readout(name="y", drives=("d",), bias=bias))
    assert _rate_for(Graph(name="g", nodes=nodes, outputs=("y",))) == 0.001


def test_a_network_that_does_not_get_better_stays_what_it_was(tmp_path: Path) -> None:
    graph, context = prepared(tmp_path, text="balance{level_bits=8}")
    assert TuneThresholds(steps=2, rate=0.5).apply(graph, context) is graph


def digits(tmp_path: Path, passes: str) -> float:
    """Accuracy of the strided digit network on its 1,000 test digits."""
    options = CompileOptions(
        output=tmp_path / "out",
        target="sim",
        calibrate=DIGITS / "digits.npz",
        pixels=PLAIN,
        passes=passes,
        force=True,
    )
    graph = compile_model(DIGITS / "digits_strided.onnx", options).graph
    data = dataset.load(DIGITS / "digits.npz")
    images = dataset.fit(data.images, graph.inputs[0].type.shape, data.path)
    return evaluate_images(graph, format_of(graph.inputs[0]), images, "levels", silent).accuracy(data.labels)


@pytest.mark.parametrize(("surrogate", "least"), [("straight", 0.95), ("single_step", 0.92)])
def test_one_bit_levels_lose_much_less_once_tuned(tmp_path: Path, surrogate: str, least: float) -> None:
    options = f"steps=60,augment=crop+mixup,hidden=1,temperature=2,surrogate={surrogate}"
    plain = digits(tmp_path, "balance{level_bits=1};quantize{level_bits=1};correct_bias;choose_code")
    tuned = digits(
        tmp_path,
        f"balance{{level_bits=1}};tune_thresholds{{{options}}};quantize{{level_bits=1}};choose_code",
    )
    assert plain < 0.90
    assert tuned > least


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "tune_thresholds: steps must be at least 1, not 0"),
        ({"batch": -1}, "tune_thresholds: batch must be at least 1, not -1"),
        ({"rate": -0.1}, "tune_thresholds: rate must be 0 to 1, not -0.1"),
        ({"rate": float("nan")}, "tune_thresholds: rate must be 0 to 1, not nan"),
        (
            {"temperature": float("inf")},
            "tune_thresholds: temperature must be positive and at most 100, not inf",
        ),
        ({"seed": -2}, "tune_thresholds: seed must not be negative, as -2 is"),
        ({"weight_bits": 7}, "tune_thresholds: weight_bits must be one of 2, 3, 4, 5, 6, 8, not 7"),
        ({"loss": "hinge"}, "tune_thresholds: loss 'hinge' is none of auto, kl, mse"),
        ({"surrogate": "sigmoid"}, "tune_thresholds: surrogate 'sigmoid' is none of straight, single_step"),
        (
            {"augment": "flip+rotate"},
            "tune_thresholds: augment 'flip+rotate' is none of auto, none and flip, crop, mixup joined by +",
        ),
    ],
    ids=str,
)
def test_wrong_options(options: dict[str, object], message: str) -> None:
    with pytest.raises(SnnccError) as caught:
        TuneThresholds(**options)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tune_thresholds", "relu1: has no thresholds yet; run balance before tune_thresholds"),
        (
            "balance;quantize;tune_thresholds",
            "tune_thresholds: runs on the real network; put it before quantize",
        ),
    ],
)
def test_passes_in_the_wrong_order(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SnnccError) as caught:
        prepared(tmp_path, text=text)
    assert str(caught.value) == message


def test_only_staircases_can_be_tuned() -> None:
    table = Table(breakpoints=Tensor.integer([[1]]), lo=0, hi=1)
    with pytest.raises(GraphError) as caught:
        unit_and_bias(Population(name="p", drives=("d",), neuron=table), (1,))
    assert str(caught.value) == "p: there is no gradient for Table; leave out tune_thresholds"


def test_vectors_cannot_be_flipped(tmp_path: Path) -> None:
    with pytest.raises(SnnccError) as caught:
        TuneThresholds(augment="flip")._changes_for((5,))
    assert str(caught.value) == "tune_thresholds: flip and crop need images; set augment=none or mixup"
    assert TuneThresholds()._changes_for((5,)) == ()
    assert TuneThresholds()._changes_for((3, 1, 50)) == ()
    assert (
        TuneThresholds()._changes_for((3, 8, 8)) == TuneThresholds()._changes_for((8, 8, 3)) == tuple(Change)
    )
