"""Cross-layer equalisation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from snncc.passes.equalize import Equalize
from snncc_ir.errors import SnnccError
from snncc_ir.nodes import Conv
from support.compiled import integer_outputs, real_outputs, run
from support.trained import pixels


def test_the_function_stays_the_same(tmp_path: Path) -> None:
    graph, _, context = run(tmp_path, "balance")
    levels = context.input_format.to_levels(pixels(20, seed=1))
    equal = Equalize().apply(graph, context)
    assert equal != graph
    np.testing.assert_allclose(
        real_outputs(equal, context, levels), real_outputs(graph, context, levels), rtol=1e-9
    )


def test_the_largest_weights_into_and_out_of_a_channel_become_equal(tmp_path: Path) -> None:
    graph, _, context = run(tmp_path, "balance")
    equal = Equalize().apply(graph, context)
    first, second = equal.of_type(Conv)
    into = np.abs(first.weight.data).reshape(6, -1).max(axis=1)
    skip = np.abs(next(iter(p for p in equal.projections(equal.populations[1]) if p != second)).weight.data)
    out = np.maximum(np.abs(second.weight.data).max(axis=(0, 2, 3)), skip)
    np.testing.assert_allclose(into, out, rtol=1e-3)


def test_the_calibration_follows(tmp_path: Path) -> None:
    graph, _, context = run(tmp_path, "balance")
    equal = Equalize().apply(graph, context)
    adapted = Equalize().adapted(graph, equal, context)
    before, after = (g.populations[0] for g in (graph, equal))
    factor = before.neuron.bias.values.data / after.neuron.bias.values.data
    old, new = (c.calibration.populations[before.name] for c in (context, adapted))
    np.testing.assert_allclose(new.high, old.high / factor, rtol=1e-6)
    np.testing.assert_allclose(new.drive_mean, old.drive_mean / factor, rtol=1e-6)
    np.testing.assert_allclose(new.sample, old.sample / factor, rtol=1e-5)


def test_thresholds_per_channel_absorb_it(tmp_path: Path) -> None:
    plain, equal = (run(tmp_path, f"{text}balance;quantize;correct_bias") for text in ("", "equalize;"))
    levels = plain[2].input_format.to_levels(pixels(50, seed=4))
    np.testing.assert_allclose(
        integer_outputs(equal[1], levels), integer_outputs(plain[1], levels), rtol=0.05, atol=0.05
    )


def test_it_runs_before_quantize(tmp_path: Path) -> None:
    with pytest.raises(SnnccError) as caught:
        run(tmp_path, "balance;quantize;equalize")
    assert str(caught.value) == "equalize: runs on the real-valued network; put it before balance"
