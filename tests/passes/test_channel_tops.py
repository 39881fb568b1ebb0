"""What rounding single channels costs, and the tops that cost least."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snncc.passes import channel_errors as module
from snncc.passes.balance import Balance, grids_of
from snncc.passes.base import Context
from snncc.passes.channel_errors import DIRECTIONS, PROBED, RoundingErrors, Tries, channel_errors
from snncc.passes.channel_tops import SHARES, _best, _tries, channel_tops
from snncc_ir.graph import Graph
from snncc_ir.neurons import Analog, Bias, Grid
from snncc_ir.nodes import Dense
from snncc_ir.semantics import evaluate
from snncc_ir.tensors import Reals, Tensor
from support.linear_graphs import calibrated, linear_network
from support.real_graphs import shifted

BITS = (2, 5)
TRIED = np.array([1.0, 0.6, 1.3])


def measured(
    graph: Graph, context: Context
) -> tuple[dict[int, dict[str, Grid]], dict[str, dict[int, RoundingErrors]]]:
    """Grids at two widths, and what the channels cost at three tops."""
    grids = {bits: grids_of(Balance(level_bits=bits).apply(graph, context)) for bits in BITS}
    return grids, channel_errors(graph, context, tries_of(grids, TRIED))


def tries_of(grids: dict[int, dict[str, Grid]], shares: Reals) -> dict[str, dict[int, Tries]]:
    """Shares of the tops of grids."""
    return {
        name: {
            bits: Tries(shares[:, None] * by_name[name].top.data, by_name[name].lo, by_name[name].hi)
            for bits, by_name in grids.items()
        }
        for name in next(iter(grids.values()))
    }


def rounded(values: np.ndarray, channel: int, scale: float, hi: int) -> np.ndarray | None:
    """What rounding one channel of a signed population adds; nothing where float32 may round otherwise."""
    change = np.zeros_like(values)
    seen = values[:, channel]
    if (np.abs((seen / scale) % 1 - 0.5) < 1e-4).any():
        return None
    change[:, channel] = np.clip(np.floor(seen / scale + 0.5), -hi, hi) * scale - seen
    return change


def images(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 2, 6, 6))


@settings(max_examples=30)
@given(st.integers(0, 99), st.sampled_from([1, 3, DIRECTIONS]), st.sampled_from([1, 2, 33, 70]))
def test_every_channel_is_rounded_alone_and_the_mean_of_its_error_is_none(
    seed: int, outputs: int, count: int
) -> None:
    graph = linear_network(np.random.default_rng(seed), outputs)
    context = calibrated(graph, images(count, seed))
    grids, found = measured(graph, context)
    x = context.input_format.to_reals(context.samples)
    values = evaluate(graph, {"x": x})
    compared = 0
    for name, bits, number, channel in itertools.product(found, BITS, range(3), range(4)):
        grid, errors = grids[bits][name], found[name][bits]
        change = rounded(values[name], channel, TRIED[number] * grid.scale[channel], grid.hi)
        if change is not None:
            lost = shifted(graph, x, {name: change})["y"] - values["y"]
            mean = lost.mean(axis=0) if count > 1 else 0.0
            wanted = np.square(lost - mean).mean() / max(values["y"].var(), 1e-12)
            assert errors.outputs[number, channel] == pytest.approx(wanted, rel=1e-2, abs=1e-9)
            local = np.square(change[:, channel]).mean()
            assert errors.channel[number, channel] == pytest.approx(local, rel=1e-2, abs=1e-9)
            compared += 1
    assert compared


def test_of_many_outputs_random_sums_say_nearly_the_same() -> None:
    graph = linear_network(np.random.default_rng(0), 400)
    context = calibrated(graph, images(60, 0))
    found = measured(graph, context)[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "DIRECTIONS", 400)
        exact = measured(graph, context)[1]
    for name, bits in itertools.product(found, BITS):
        some, every = found[name][bits].outputs, exact[name][bits].outputs
        assert not np.array_equal(some, every)
        np.testing.assert_allclose(some, every, rtol=1.0)
        np.testing.assert_allclose(some.sum(), every.sum(), rtol=0.3)


def test_only_the_first_images_are_asked() -> None:
    graph = linear_network(np.random.default_rng(1))
    levels = images(PROBED + 40, 1)
    context = calibrated(graph, levels)
    grids, found = measured(graph, context)
    first = replace(context, samples=levels[:PROBED])
    again = channel_errors(graph, first, tries_of(grids, TRIED))
    for name, bits in itertools.product(found, BITS):
        np.testing.assert_array_equal(found[name][bits].outputs, again[name][bits].outputs)


def tops_of(graph: Graph, context: Context, *, free: bool) -> tuple[dict[str, Reals], dict[str, Reals]]:
    """Tops at one width, over those of `balance`, and what they cost."""
    balanced = {3: Balance(level_bits=3).apply(graph, context)}
    found = channel_tops(graph, context, balanced, free=free)
    grids = grids_of(balanced[3])
    shares = {name: widths[3].tops / grids[name].top.data for name, widths in found.items()}
    return shares, {name: widths[3].errors for name, widths in found.items()}


def test_tops_cost_the_outputs_and_the_channel_least() -> None:
    graph = linear_network(np.random.default_rng(3))
    context = calibrated(graph, images(40, 3))
    found, costs = tops_of(graph, context, free=True)
    grids = {3: grids_of(Balance(level_bits=3).apply(graph, context))}
    measured_errors = channel_errors(graph, context, tries_of(grids, SHARES))
    for name, channel in itertools.product(found, range(4)):
        errors = measured_errors[name][3]
        sums = [
            errors.outputs[k, channel] / errors.outputs[0, channel]
            + errors.channel[k, channel] / errors.channel[0, channel]
            for k in range(len(SHARES))
        ]
        best = int(np.argmin(sums))
        assert found[name][channel] == pytest.approx(SHARES[best])
        assert costs[name][channel] == errors.outputs[best, channel]
    assert len(np.unique(np.concatenate(list(found.values())).round(6))) > 2


def test_tops_that_are_not_free_are_those_of_balance() -> None:
    graph = linear_network(np.random.default_rng(3))
    found, _ = tops_of(graph, calibrated(graph, images(40, 3)), free=False)
    assert all((shares == 1).all() for shares in found.values())


def test_channels_of_one_scale_keep_it() -> None:
    graph = linear_network(np.random.default_rng(3))
    weight = np.arange(48).reshape(3, 16) % 2
    few = Dense(name="e", source="f", weight=Tensor.scaled(weight, np.full(3, 0.5)))
    graph = graph.with_nodes([few])
    found, _ = tops_of(graph, calibrated(graph, images(40, 3)), free=True)
    assert (found["r"] == 1).all()
    assert (np.concatenate([found["p"], found["q"]]) != 1).any()


def test_a_channel_that_never_fires_or_lies_on_its_levels_keeps_its_top() -> None:
    graph = linear_network(np.random.default_rng(4))
    weight = np.zeros((4, 2, 3, 3))
    weight[1, 0, 1, 1] = 255.0
    graph = graph.with_nodes([replace(graph.by_name["c"], weight=Tensor.real(weight))])
    levels = 4 * np.random.default_rng(5).integers(0, 4, (40, 2, 6, 6))
    found, costs = tops_of(graph, calibrated(graph, levels), free=True)
    assert (found["p"] == 1).all()
    assert costs["p"] == pytest.approx(0, abs=1e-9)


def test_what_costs_nothing_first_is_kept_whatever_the_others_cost() -> None:
    costs = np.array([[0.0, 0.0, 2.0], [1e-3, 0.0, 0.5]])
    errors = RoundingErrors(outputs=costs, channel=np.array([[0.0, 1.0, 1.0], [1e-3, 0.5, 1.0]]))
    np.testing.assert_array_equal(_best(errors), [0, 1, 1])


def test_no_top_is_tried_beyond_what_the_unit_can_give() -> None:
    unit = Analog(bias=Bias(values=Tensor.real([0.0, 0.0])), low=0.0, high=1.2)
    grid = Grid(top=Tensor.real([1.0, 1.5]), lo=0, hi=15)
    tops = _tries(unit, grid, SHARES).tops
    np.testing.assert_array_equal(tops[0], [1.0, 1.5])
    np.testing.assert_array_equal(tops[1:, 0], np.minimum(SHARES[1:], 1.2))
    np.testing.assert_array_equal(tops[1:, 1], np.minimum(1.5 * SHARES[1:], 1.2))


def test_what_does_not_vary_over_the_images_costs_nothing() -> None:
    graph = linear_network(np.random.default_rng(6))
    levels = np.repeat(images(1, 6), 50, axis=0)
    found = measured(graph, calibrated(graph, levels))[1]
    assert not any(found[name][bits].outputs.any() for name in found for bits in BITS)
    assert all(found[name][bits].channel.any() for name in found for bits in BITS)
