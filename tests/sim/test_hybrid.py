"""A hybrid network is the integer one with every switch on and the float one with every switch off."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from snncc.dataset import pixel_format
from snncc.explain import float_graph
from snncc.frontend.calibrate import calibrate
from snncc.frontend.load import load
from snncc.frontend.lower import lower
from snncc.passes.balance import Balance
from snncc.passes.base import Context
from snncc.passes.pipeline import parse
from snncc.sim.attribution import Attribution, attribute
from snncc.sim.drives import Layers
from snncc.sim.hybrid import Hybrid, Source, Switch, Values
from snncc.sim.stairs import Cause
from snncc_ir.errors import GraphError
from snncc_ir.graph import Graph
from snncc_ir.neurons import Analog
from snncc_ir.nodes import Conv, Readout, Scale
from snncc_ir.progress import silent
from snncc_ir.semantics import evaluate
from snncc_ir.streaming import run_streaming
from snncc_ir.tensors import Tensor
from snncc_ir.timing import Rate
from support.trained import IMAGES, pixels, write_residual

LEVELS = pixels(24, seed=3).astype(np.int64)
SOURCE = Source(LEVELS, LEVELS.astype(np.float64))
MEAN, STD = (0.4, 0.5), (0.2, 0.3)


@dataclass(frozen=True)
class Compiler:
    """Runs passes on the small residual network."""

    graph: Graph
    context: Context

    def run(self, text: str, graph: Graph | None = None) -> Graph:
        return parse(text).run(graph or self.graph, self.context, lambda *_: None)


@pytest.fixture(scope="module")
def compiler(tmp_path_factory: pytest.TempPathFactory) -> Compiler:
    model = load(write_residual(tmp_path_factory.mktemp("model") / "m.onnx"))
    lowered = lower(model)
    form = pixel_format(IMAGES, 8, 255.0, MEAN, STD)
    levels = form.to_levels(pixels())
    calibration = calibrate(model, lowered, [form.to_reals(levels)], total=len(levels))
    context = Context(calibration=calibration, input_format=form, samples=levels, layers=Layers())
    return Compiler(lowered.graph, context)


def integer_values(graph: Graph) -> dict[str, np.ndarray]:
    """Levels of all populations (mean levels for `rate`), and the outputs in real units."""
    feed = {graph.inputs[0].name: LEVELS}
    (readout,) = graph.of_type(Readout)
    if not isinstance(graph.timing, Rate):
        values = evaluate(graph, feed)
        levels = {node.name: values[node.name] for node in graph.populations}
        return {**levels, readout.name: values[readout.name] * readout.scale}
    run, steps = run_streaming(graph, feed, keep_trains=False), graph.timing.steps
    tops = {node.name: graph.strand(node.name).top for node in graph.populations}
    levels = {name: run.counts[name] * top / steps for name, top in tops.items()}
    return {**levels, readout.name: run.outputs[readout.name][-1] * readout.scale / steps}


@pytest.mark.parametrize(
    "text",
    [
        "balance{level_bits=8};quantize{level_bits=8};correct_bias;choose_code{code=radix}",
        "balance{level_bits=3};quantize{level_bits=3,weight_bits=4};correct_bias;choose_code{code=stbif}",
        "balance{level_bits=4};quantize{level_bits=4};choose_code{code=rate,steps=16}",
        "balance{level_bits=1};quantize{level_bits=1};choose_code{code=rate,steps=10,reset=zero}",
    ],
)
def test_all_switches_on_or_off(compiler: Compiler, text: str) -> None:
    graph = compiler.run(text)
    hybrid = Hybrid(compiler.graph, graph)
    on = hybrid.run(SOURCE, frozenset(hybrid.switches))
    for name, expected in integer_values(graph).items():
        if np.issubdtype(expected.dtype, np.integer):  # levels of a phased code, or of stbif
            np.testing.assert_array_equal(on[name].mean, expected, err_msg=name)
        else:
            np.testing.assert_allclose(on[name].mean, expected, rtol=1e-12, atol=1e-12, err_msg=name)
    off = hybrid.run(SOURCE, frozenset())
    reals = compiler.context.input_format.to_reals(LEVELS)
    expected = evaluate(compiler.graph, {"x": reals})
    np.testing.assert_allclose(off["y"].mean, expected["y"], rtol=1e-4, atol=1e-4)
    for node in graph.populations:
        scale = node.scale.data.reshape(-1, 1, 1)
        np.testing.assert_allclose(off[node.name].mean * scale, expected[node.name], rtol=1e-4, atol=1e-4)


def test_computing_what_changed_is_computing_all(compiler: Compiler) -> None:
    graph = compiler.run("balance{level_bits=3};quantize{level_bits=3};choose_code{code=rate,steps=6}")
    hybrid = Hybrid(compiler.graph, graph)
    on, values = frozenset(hybrid.switches), hybrid.run(SOURCE, frozenset(hybrid.switches))
    for switch in hybrid.switches:
        on -= {switch}
        values = hybrid.rerun(SOURCE, on, values, switch.node)
        for name, value in hybrid.run(SOURCE, on).items():
            np.testing.assert_array_equal(values[name].mean, value.mean, err_msg=f"{switch} {name}")


def attributed(compiler: Compiler, graph: Graph) -> Attribution:
    hybrid = Hybrid(compiler.graph, graph)
    switches = tuple(switch for switch in hybrid.switches if switch.node != "x")
    labels = np.arange(len(LEVELS)) % 5
    half = len(LEVELS) // 2
    batches = [
        (Source(LEVELS[part], SOURCE.places[part]), labels[part]) for part in (slice(half), slice(half, None))
    ]
    return attribute(hybrid, switches, batches, len(LEVELS), silent)


def shares(found: Attribution) -> dict[Switch, float]:
    return {switch: loss.error / found.total.error for switch, loss in found.parts.items()}


def test_shares_add_up_to_the_loss_of_the_integer_network(compiler: Compiler) -> None:
    graph = compiler.run("balance{level_bits=2};quantize{level_bits=2,weight_bits=3}")
    found = attributed(compiler, graph)
    reals = compiler.context.input_format.to_reals(LEVELS)
    want, got = evaluate(compiler.graph, {"x": reals})["y"], integer_values(graph)["y"]
    labels = np.arange(len(LEVELS)) % 5
    answers, real_answers = got.argmax(axis=1), want.argmax(axis=1)
    assert found.total.error == pytest.approx(np.square(got - want).mean(), rel=1e-4)
    assert found.total.disagreement == (answers != real_answers).mean()
    assert found.accuracy == (answers == labels).mean()
    assert found.float_accuracy == (real_answers == labels).mean()
    assert found.total.wrong == pytest.approx(found.float_accuracy - found.accuracy)
    assert sum(loss.error for loss in found.parts.values()) == pytest.approx(found.total.error)
    assert sum(loss.disagreement for loss in found.parts.values()) == pytest.approx(found.total.disagreement)
    assert sum(loss.wrong for loss in found.parts.values()) == pytest.approx(found.total.wrong)


@pytest.mark.parametrize("index", [0, 1])
def test_a_threshold_that_is_far_too_low_is_blamed_for_saturation(compiler: Compiler, index: int) -> None:
    balanced = compiler.run("balance{method=max,level_bits=8}")
    node = balanced.populations[index]
    assert isinstance(node.neuron, Analog)
    assert node.neuron.grid is not None
    low = replace(node.neuron.grid, top=Tensor.real(node.neuron.grid.top.data / 6))
    planted = balanced.with_nodes([replace(node, neuron=replace(node.neuron, grid=low))])
    found = shares(attributed(compiler, compiler.run("quantize{level_bits=8}", planted)))
    assert max(found, key=lambda switch: found[switch]) == Switch(node.name, Cause.SATURATION)
    assert found[Switch(node.name, Cause.SATURATION)] > 0.9


@pytest.mark.parametrize("index", [0, 1])
def test_coarse_weights_are_blamed_where_they_are(compiler: Compiler, index: int) -> None:
    graph = compiler.run("balance{method=max,level_bits=8};quantize{level_bits=8}")
    conv = list(graph.of_type(Conv))[index]
    coarse = Tensor.integer(np.clip(np.rint(conv.weight.data / 48) * 48, -127, 127), 8)
    found = shares(attributed(compiler, graph.with_nodes([replace(conv, weight=coarse)])))
    assert found[Switch(graph.populations[index].name, Cause.WEIGHTS)] > 0.9


def test_few_levels_are_blamed_for_rounding_and_few_steps_for_timing(compiler: Compiler) -> None:
    few = shares(
        attributed(compiler, compiler.run("balance{method=max,level_bits=2};quantize{level_bits=2}"))
    )
    assert sum(share for switch, share in few.items() if switch.cause is Cause.ROUNDING) > 0.8
    assert all(switch.cause is not Cause.TIMING for switch in few)
    text = "balance{method=max,level_bits=1};quantize{level_bits=1};choose_code{code=rate,steps=32}"
    rate = shares(attributed(compiler, compiler.run(text)))
    by_cause = {cause: sum(rate[s] for s in rate if s.cause is cause) for cause in Cause}
    assert by_cause[Cause.TIMING] > by_cause[Cause.WEIGHTS]
    assert by_cause[Cause.SATURATION] < 0.1


def test_a_pass_that_rescales_the_float_network_does_so_for_explain(
    compiler: Compiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    def doubled(step: Balance, graph: Graph, compiled: Graph) -> Graph:
        """The same function of a rectifier network whose first weights and readers share a factor of two."""
        first, second = graph.of_type(Conv)
        population, skip = graph.populations[0], next(graph.of_type(Scale))
        assert isinstance(population.neuron, Analog)
        bias = replace(population.neuron.bias, values=Tensor.real(population.neuron.bias.values.data * 2))
        halves = [replace(node, weight=Tensor.real(node.weight.data / 2)) for node in (second, skip)]
        twice = replace(first, weight=Tensor.real(first.weight.data * 2))
        return graph.with_nodes(
            [twice, replace(population, neuron=replace(population.neuron, bias=bias)), *halves]
        )

    assert float_graph(compiler.graph, "balance;quantize", compiler.graph) is compiler.graph
    monkeypatch.setattr(Balance, "rescaled", doubled)
    graph = float_graph(compiler.graph, "balance;quantize", compiler.graph)
    reals = compiler.context.input_format.to_reals(LEVELS)
    before, after = (evaluate(net, {"x": reals}) for net in (compiler.graph, graph))
    np.testing.assert_allclose(after["y"], before["y"], rtol=1e-9)
    name = graph.populations[0].name
    np.testing.assert_allclose(after[name], 2 * before[name], rtol=1e-9)


class Additive(Hybrid):
    """A network whose every switch adds a vector of its own to the output."""

    def __init__(self, errors: dict[str, list[float]]) -> None:
        self.errors = {Switch(name, Cause.WEIGHTS): np.array([row]) for name, row in errors.items()}

    @property
    def switches(self) -> tuple[Switch, ...]:
        return tuple(self.errors)

    @property
    def width_of_first_output(self) -> int:
        return 2

    def rerun(self, source: Source, on: frozenset[Switch], known: Values, changed: str | None) -> Values:
        return {"on": on}

    def outputs(self, values: Values) -> np.ndarray:
        return np.asarray(sum((self.errors[switch] for switch in values["on"]), np.zeros((1, 2))))


def test_where_errors_add_a_share_is_the_shapley_value() -> None:
    """The squared error is |sum of e|^2, so that the share of e is its product with the sum."""
    errors = {"a": [3.0, 0.0], "b": [-1.0, 2.0], "c": [0.5, 1.0]}
    network, whole = Additive(errors), np.array([2.5, 3.0])
    found = attribute(network, network.switches, [(SOURCE, None)], 1, silent)
    for switch, row in network.errors.items():
        assert found.parts[switch].error == pytest.approx(float(row[0] @ whole) / 2)
    assert found.total.error == pytest.approx(float(whole @ whole) / 2)
    assert found.total.wrong is None
    assert found.accuracy is None


def test_graphs_that_do_not_belong_together_are_refused(compiler: Compiler) -> None:
    graph = compiler.run("balance;quantize")
    with pytest.raises(GraphError) as caught:
        Hybrid(graph, graph)
    assert str(caught.value) == f"{graph.populations[0].name}: has no float form"
    fewer = replace(graph, outputs=(graph.populations[0].name,), nodes=graph.nodes[:3])
    with pytest.raises(GraphError) as caught:
        Hybrid(compiler.graph, fewer)
    assert str(caught.value) == "small: its nodes are not those of the float network"
