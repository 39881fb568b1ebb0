"""Accuracy against cost: which codes are measured, and on what."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from snncc.report.content import Costs
from snncc.report.plots import costs as draw
from snncc.reporting.accuracy import costs
from snncc.reporting.images import Images
from snncc_ir.codes import Code
from snncc_ir.encoding import format_of
from snncc_ir.progress import no_watch
from support.compiled import run
from support.trained import pixels


def measured(folder: Path, bits: int, code: str) -> Costs:
    passes = f"balance{{level_bits={bits}}};quantize{{weight_bits=8}};choose_code{{code={code},steps=8}}"
    _, graph, context = run(folder, passes)
    (node,) = graph.inputs
    levels = {node.name: context.input_format.to_levels(pixels(6))}
    images = Images(levels=levels, stored=pixels(6), labels=np.arange(6) % 5, form=format_of(node))
    return costs(graph, images, {Code.RADIX: 1.5}, no_watch)


def test_phased_codes_and_the_classic_neuron(tmp_path: Path) -> None:
    found = measured(tmp_path, 3, "radix")
    assert [point.name for point in found.points] == ["graded", "radix", "count", "ttfs"]
    assert len({point.accuracy for point in found.points}) == 1
    assert [point.microjoules for point in found.points] == [None, 1.5, None, None]
    (curve,) = found.curves
    assert [point.steps for point in curve.points] == list(range(1, 65))
    assert len(draw(found)) == 4


@pytest.mark.parametrize(("bits", "points"), [(3, 4), (1, 0)])
def test_a_rate_network_of_one_level_has_no_phased_codes(tmp_path: Path, bits: int, points: int) -> None:
    found = measured(tmp_path, bits, "rate")
    assert len(found.points) == points
    assert len(found.curves[0].points) == 8
    assert any("are left out" in note for note in found.notes) == (points == 0)
    assert len(draw(found)) == (4 if points else 3)
