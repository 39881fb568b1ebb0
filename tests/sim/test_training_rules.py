"""Single rules of the training graph: values as the IR defines them, and the exact gradients."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray

from snncc.sim.session import open_session
from snncc.sim.training.emitter import Emitter
from snncc.sim.training.neurons import cross_entropy, divergence, squared_error, staircase
from snncc.sim.training.rules import Applied, Frame, arrange, project
from snncc_ir.aims import Surrogate
from snncc_ir.errors import GraphError
from snncc_ir.graph import Graph
from snncc_ir.linear import drive, wire
from snncc_ir.neurons import Grid
from snncc_ir.nodes import Linear, MaxPool, Wiring
from snncc_ir.tensors import Tensor
from support.graphs import Case, cases

Array = NDArray[Any]


def run(emit: Emitter, applied: Applied, feed: dict[str, Array]) -> list[Array]:
    """The value and the gradients of a rule; the value's own gradient is fed as `g`."""
    value, pullback = applied
    outputs = dict(zip(("y", "d0", "d1", "d2", "d3"), (value, *pullback("g")), strict=False))
    model = emit.model({name: array.shape for name, array in feed.items()}, outputs)
    session = open_session(model, threads=1)
    named = {item.name for item in session.get_inputs()}
    return session.run(None, {name: v.astype(np.float32) for name, v in feed.items() if name in named})


def frame_of(emit: Emitter, graph: Graph, node: Linear | Wiring, batch: int) -> Frame:
    shapes = tuple((batch, *graph.types[source].shape) for source in node.sources)
    return Frame(emit, shapes, (batch, *graph.types[node.name].shape))


def integers(shape: tuple[int, ...], top: int = 9) -> Array:
    return np.random.default_rng(len(shape)).integers(-top, top + 1, shape)


def by_source(node: Linear, x: Array, g: Array) -> Array:
    """Gradient of sum(g * drive) by x: the drive is linear, so unit vectors give its matrix."""
    size = int(np.prod(x.shape[1:]))
    units = np.eye(size, dtype=np.int64).reshape(size, *x.shape[1:])
    matrix = drive(node, units).reshape(size, -1)
    return (g.reshape(len(x), -1) @ matrix.T).reshape(x.shape)


def by_weight(node: Linear, x: Array, g: Array) -> Array:
    """The same by the weight, one weight at a time."""
    result = np.zeros(node.weight.shape, dtype=np.int64)
    for place in np.ndindex(*node.weight.shape):
        unit = np.zeros_like(result)
        unit[place] = 1
        result[place] = (g * drive(replace(node, weight=Tensor.integer(unit)), x)).sum()
    return result


@settings(max_examples=40)
@given(cases())
def test_linear_nodes_have_exact_values_and_gradients(case: Case) -> None:
    for node in case.graph.linears:
        emit = Emitter()
        frame = frame_of(emit, case.graph, node, batch=2)
        x, g = integers(frame.source), integers(frame.shape)
        feed = {"x": x, "w": node.weight.data, "g": g}
        found = run(emit, project(node, frame, "x", "w"), feed)
        expected = [drive(node, x), by_source(node, x, g), by_weight(node, x, g)]
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_array_equal(ours, theirs, err_msg=repr(node))


@settings(max_examples=40)
@given(cases())
def test_wiring_has_exact_values_and_gradients(case: Case) -> None:
    for node in case.graph.nodes:
        if isinstance(node, Wiring) and not isinstance(node, MaxPool):
            emit = Emitter()
            frame = frame_of(emit, case.graph, node, batch=2)
            parts = {f"x{i}": integers(shape) + i for i, shape in enumerate(frame.sources)}
            g = integers(frame.shape)
            value, *gradients = run(emit, arrange(node, frame, *parts), {**parts, "g": g})
            np.testing.assert_array_equal(value, wire(node, *parts.values()))
            for name, gradient in zip(parts, gradients, strict=True):
                others = {other: np.zeros_like(x) for other, x in parts.items()}
                for place in np.ndindex(*parts[name].shape):
                    unit = np.zeros_like(parts[name])
                    unit[place] = 1
                    expected = (g * wire(node, *{**others, name: unit}.values())).sum()
                    assert gradient[place] == expected, (node, place)


def pooled_gradient(node: MaxPool, x: Array, g: Array) -> Array:
    """Member by member: those that reach the window's maximum share its gradient."""
    padded = np.pad(x.astype(float), ((0, 0), (0, 0), *node.padding), constant_values=-np.inf)
    gradient = np.zeros_like(padded)
    for n, c, row, column in np.ndindex(*g.shape):
        top, left = row * node.stride[0], column * node.stride[1]
        place = (n, c, slice(top, top + node.kernel[0]), slice(left, left + node.kernel[1]))
        wins = padded[place] == padded[place].max()
        gradient[place] += wins * g[n, c, row, column] / wins.sum()
    (top, bottom), (left, right) = node.padding
    return gradient[:, :, top : padded.shape[2] - bottom, left : padded.shape[3] - right]


@settings(max_examples=60)
@given(cases())
def test_members_that_tie_share_the_gradient_of_a_max_pool(case: Case) -> None:
    for node in case.graph.of_type(MaxPool):
        emit = Emitter()
        frame = frame_of(emit, case.graph, node, batch=2)
        x, g = integers(frame.source, top=2), integers(frame.shape)
        value, gradient = run(emit, arrange(node, frame, "x"), {"x": x, "g": g})
        np.testing.assert_array_equal(value, wire(node, x))
        np.testing.assert_allclose(gradient, pooled_gradient(node, x, g), rtol=1e-6, atol=1e-6)


def test_a_staircase_passes_gradients_where_it_is_not_saturated() -> None:
    grid = Grid(top=Tensor.real([3.0, 1.5]), lo=-1, hi=3)
    emit, shape = Emitter(), (3, 2)
    u = np.array([[-5.0, -0.75], [0.49, 0.25], [2.5, 9.0]])
    g = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    frame = Frame(emit, (shape,), shape)
    feed = {"u": u, "s": np.array([1.0, 0.5]), "g": g}
    y, by_drive, by_step = run(emit, staircase(grid, frame, "u", "s", Surrogate.STRAIGHT), feed)
    np.testing.assert_array_equal(y, [[-1.0, -0.5], [0.0, 0.5], [3.0, 1.5]])
    np.testing.assert_array_equal(by_drive, [[0, 0], [3, 4], [5, 0]])
    outside, inside = [-1 * 1.0, -1 * 2.0 + 3 * 6.0], [3 * (0 - 0.49) + 5 * (3 - 2.5), 4 * (1 - 0.5)]
    np.testing.assert_allclose(by_step, np.add(outside, inside), rtol=1e-6)


def differences(loss: Any, x: Array) -> Array:
    """Central differences of a function of an array."""
    gradient = np.zeros_like(x)
    for place in np.ndindex(*x.shape):
        step = np.zeros_like(x)
        step[place] = 1e-5
        gradient[place] = (loss(x + step) - loss(x - step)) / 2e-5
    return gradient


def softmax(x: Array) -> Array:
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def test_divergence() -> None:
    rng = np.random.default_rng(0)
    ours, theirs = rng.normal(0, 3, (4, 5)), rng.normal(0, 3, (4, 5))
    p = softmax(theirs / 2.5)

    def loss(x: Array) -> float:
        return 2.5**2 * float((p * np.log(p / softmax(x / 2.5))).sum(axis=1).mean())

    emit = Emitter()
    frame = Frame(emit, (), (4, 5))
    feed = {"x": ours, "t": theirs, "g": np.array(1.0)}
    value, gradient = run(emit, divergence(frame, "x", "t", 2.5), feed)
    np.testing.assert_allclose(value, loss(ours), rtol=1e-5)
    np.testing.assert_allclose(gradient, differences(loss, ours), rtol=1e-3, atol=1e-6)


def test_cross_entropy() -> None:
    rng = np.random.default_rng(0)
    ours, labels = rng.normal(0, 3, (4, 5)), np.array([1, 0, 4, 4])

    def loss(x: Array) -> float:
        return -float(np.log(softmax(x)[np.arange(4), labels]).mean())

    emit = Emitter()
    feed = {"x": ours, "c": np.eye(5)[labels], "g": np.array(1.0)}
    value, gradient = run(emit, cross_entropy(Frame(emit, (), (4, 5)), "x", "c"), feed)
    np.testing.assert_allclose(value, loss(ours), rtol=1e-5)
    np.testing.assert_allclose(gradient, differences(loss, ours), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("shape", [(4, 1), (2, 3, 2, 2)], ids=str)
def test_squared_error(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    ours, theirs = rng.normal(0, 3, shape), rng.normal(2, 3, shape)

    def loss(x: Array) -> float:
        return float(np.square(x - theirs).mean() / theirs.var())

    emit = Emitter()
    feed = {"x": ours, "t": theirs, "g": np.array(1.0)}
    value, gradient = run(emit, squared_error(Frame(emit, (), shape), "x", "t"), feed)
    np.testing.assert_allclose(value, loss(ours), rtol=1e-5)
    np.testing.assert_allclose(gradient, differences(loss, ours), rtol=1e-4, atol=1e-6)


class Square(Linear):
    """No part of the IR."""


class Least(Wiring):
    """No part of the IR either: `wire` knows it, but it orders values."""


class Sum(Wiring):
    """This one adds them."""


@wire.register
def _(node: Least, x: Array) -> Array:
    return x.min(axis=2)


@wire.register
def _(node: Sum, x: Array) -> Array:
    return x.sum(axis=2)


def test_what_has_no_rule_is_refused_by_name() -> None:
    emit = Emitter()
    frame = Frame(emit, ((1, 2, 3),), (1, 2))
    with pytest.raises(GraphError) as caught:
        project(Square(name="q", source="x", weight=Tensor.real([1.0])), frame, "x", "w")
    assert str(caught.value) == "q: there is no gradient for Square"
    for node in (Least(name="z"), Sum(name="z")):
        with pytest.raises(GraphError) as caught:
            arrange(node, frame, "x")
        assert str(caught.value) == f"z: there is no gradient for {type(node).__name__}"
