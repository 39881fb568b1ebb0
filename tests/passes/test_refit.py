"""Weights that make up for what the rounding of the levels before them lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from snncc.passes.moments import inputs_at, positions
from snncc.passes.refit import RIDGE, Refit
from snncc.passes.rounding import Synapses
from snncc_ir.nodes import Conv, Dense, Linear, Population, Readout
from support.compiled import NORMALISED, PLAIN, run


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
    rounder = Refit(real, context)
    second = _second(real.linears, real.inputs[0].name)
    for node in graph.nodes[: graph.nodes.index(graph.by_name[second.name])]:
        projections = graph.projections(node) if isinstance(node, Population | Readout) else ()
        rounder.passed(node, projections)
    scale = np.full((1, 1, 1), 0.7)
    weights = np.random.default_rng(0).normal(size=second.weight.shape)
    found = rounder.weights(Synapses(second, weights, scale, np.zeros(1)))
    where = positions(len(context.samples), real.types[second.name].shape)
    x = inputs_at(second, rounder._values[second.source], where)
    f = inputs_at(second, rounder._reals[second.source] / scale, where)
    for group, (given, wanted) in enumerate(zip(x, f, strict=True)):
        rows = slice(group * len(weights) // len(x), (group + 1) * len(weights) // len(x))
        w = weights[rows].reshape(-1, given.shape[1])
        ridge = np.sqrt(RIDGE * np.square(given).sum(axis=0).mean())
        stacked = np.concatenate([given, ridge * np.eye(given.shape[1])])
        target = np.concatenate([wanted @ w.T, ridge * w.T])
        expected = np.linalg.lstsq(stacked, target, rcond=None)[0].T
        np.testing.assert_allclose(found[rows].reshape(w.shape), expected, rtol=1e-4, atol=1e-4)


def _second(linears: tuple[Linear, ...], image: str) -> Conv | Dense:
    return next(node for node in linears if isinstance(node, Conv | Dense) and node.source != image)
