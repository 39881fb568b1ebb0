"""Weights that make up for what the rounding of the levels before them lost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from snncc.passes.base import Context
from snncc.passes.moments import inputs_at, positions
from snncc.passes.refit import LEAST_ROWS, RIDGE, Refit
from snncc.passes.rounding import Synapses
from snncc_ir.graph import Graph
from snncc_ir.nodes import Conv, Dense, Linear, Population, Readout
from support.compiled import NORMALISED, PLAIN, run

SCALE = np.full((1, 1, 1), 0.7)
"""Of the levels that the layer under test reads."""


def test_weights_of_the_first_layer_stay(tmp_path: Path) -> None:
    real, graph, context = run(tmp_path, "balance{level_bits=2};quantize", NORMALISED)
    first = next(node for node in real.linears if node.source == real.inputs[0].name)
    rounder = Refit(real, context)
    rounder.passed(graph.inputs[0], ())
    form = context.input_format
    synapses = Synapses(first, first.weight.data, form.scale, form.zero)  # type: ignore[arg-type]
    np.testing.assert_allclose(rounder.weights(synapses), first.weight.data, atol=1e-6)


def test_they_are_the_ridge_regression_on_the_float_networks_drive(tmp_path: Path) -> None:
    real, graph, context = run(tmp_path, "balance{level_bits=2};quantize", PLAIN)
    second = _second(real.linears, real.inputs[0].name)
    context = _with_rows(context, real, second, LEAST_ROWS)
    rounder, weights, found = _refitted(real, graph, context, second)
    where = positions(len(context.samples), real.types[second.name].shape)
    x = inputs_at(second, rounder._values[second.source], where)
    f = inputs_at(second, rounder._reals[second.source] / SCALE, where)
    for group, (given, wanted) in enumerate(zip(x, f, strict=True)):
        rows = slice(group * len(weights) // len(x), (group + 1) * len(weights) // len(x))
        w = weights[rows].reshape(-1, given.shape[1])
        ridge = np.sqrt(RIDGE * np.square(given).sum(axis=0).mean())
        stacked = np.concatenate([given, ridge * np.eye(given.shape[1])])
        target = np.concatenate([wanted @ w.T, ridge * w.T])
        expected = np.linalg.lstsq(stacked, target, rcond=None)[0].T
        np.testing.assert_allclose(found[rows].reshape(w.shape), expected, rtol=1e-4, atol=1e-4)


def test_few_positions_move_no_weight(tmp_path: Path) -> None:
    real, graph, context = run(tmp_path, "balance{level_bits=2};quantize", PLAIN)
    second = _second(real.linears, real.inputs[0].name)
    context = _with_rows(context, real, second, LEAST_ROWS - 1)
    _, weights, found = _refitted(real, graph, context, second)
    np.testing.assert_array_equal(found, weights)


def _refitted(
    real: Graph, graph: Graph, context: Context, layer: Conv | Dense
) -> tuple[Refit, np.ndarray, np.ndarray]:
    """The rounder in front of a layer, random weights for the layer, and what it makes of them."""
    rounder = Refit(real, context)
    for node in graph.nodes[: graph.nodes.index(graph.by_name[layer.name])]:
        projections = graph.projections(node) if isinstance(node, Population | Readout) else ()
        rounder.passed(node, projections)
    weights = np.random.default_rng(0).normal(size=layer.weight.shape)
    return rounder, weights, rounder.weights(Synapses(layer, weights, SCALE, np.zeros(1)))


def _with_rows(context: Context, real: Graph, layer: Conv | Dense, rows: int) -> Context:
    """As many samples, again and again the same, as have `rows` positions for every weight of a row."""
    positions_each = np.prod(real.types[layer.name].shape[1:], dtype=np.int64)
    count = rows * np.prod(layer.weight.shape[1:]) // positions_each
    samples = context.samples
    return replace(context, samples=samples[np.arange(count) % len(samples)])


def _second(linears: tuple[Linear, ...], image: str) -> Conv | Dense:
    return next(node for node in linears if isinstance(node, Conv | Dense) and node.source != image)
