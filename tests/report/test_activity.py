"""The raster's spikes and its readout are those of the engine that runs spike by spike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given

from snncc.reporting.activity import raster, trains_of_levels
from snncc.reporting.images import Images, as_phased
from snncc.sim.spikes import SpikeEngine
from snncc_ir.codes import Code
from snncc_ir.encoding import format_of
from snncc_ir.nodes import Readout
from support.compiled import run
from support.graphs import Case, cases
from support.trained import pixels


@given(cases())
def test_a_level_tells_its_train(case: Case) -> None:
    found = SpikeEngine(case.graph).run(case.batch)
    for name, levels in found.levels.items():
        strand = case.graph.strand(name)
        trains = trains_of_levels(strand)[levels.astype(np.int64) - strand.lo]
        np.testing.assert_array_equal(np.moveaxis(trains, -1, 1), found.trains[name])


def test_the_raster_is_what_the_spike_engine_sends(tmp_path: Path) -> None:
    _, graph, context = run(tmp_path, "balance{level_bits=3};quantize{weight_bits=8};choose_code{code=radix}")
    (node,) = graph.inputs
    levels = {node.name: context.input_format.to_levels(pixels(3))}
    images = Images(levels=levels, stored=None, labels=None, form=format_of(node))
    shown = raster(graph, images)
    assert [code.code for code in shown.codes] == ["radix", "graded", "count", "ttfs"]
    for code in shown.codes:
        sent = as_phased(graph, Code(code.code))
        found = SpikeEngine(sent).run(levels)
        for rows in code.rows:
            train = found.trains[rows.name].reshape(3, rows.trains.shape[2], -1)
            np.testing.assert_array_equal(rows.sent, np.count_nonzero(train, axis=2))
            chosen = np.unique(np.linspace(0, rows.neurons - 1, rows.trains.shape[1]).round().astype(int))
            np.testing.assert_array_equal(np.moveaxis(rows.trains, 1, 2), train[:, :, chosen])
            assert rows.start == sent.strand(rows.name).slot * sent.window
        (readout,) = sent.of_type(Readout)
        assert code.answer is not None
        assert code.answer.start + sent.window == code.steps
        np.testing.assert_array_equal(
            code.answer.values[:, -1], (found.outputs[readout.name] * readout.scale).reshape(3, -1)
        )
