"""Accuracy against cost: which codes are measured, on what, and with which networks beside."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import snncc
from snncc import artefact
from snncc.dataset import Data
from snncc.report.content import Costs
from snncc.report.plots import costs as draw
from snncc.reporting.accuracy import Measure, costs
from snncc.reporting.beside import Source
from snncc.reporting.energy import NANO, Meter, by_code, meter_on, of_streamed
from snncc.reporting.images import as_rate, find_images
from snncc_backends.chips import load_machine
from snncc_ir.progress import no_watch
from support.trained import pixels, write_residual

LABELS = np.arange(12) % 5
DATA = Data(Path("data"), pixels(12, seed=1), LABELS, calibration=pixels())
PUBLISHED = (
    "balance{method=percentile:99.9,level_bits=1,scope=population};quantize;choose_code{code=rate,steps=64}"
)


def compiled(folder: Path, passes: str | None = None, code: str = "radix") -> Source:
    model = write_residual(folder / "model.onnx")
    steps = 8 if code == "rate" else 64
    level_bits = 3 if passes is None else 4
    net = snncc.compile(
        model, folder / "net", target="sim", calibrate=pixels(), scale=255, level_bits=level_bits, code=code,
        steps=steps, passes=passes,
    )  # fmt: skip
    return Source(found=artefact.read(net.path), data=DATA, model=None, limit=12)


def measured(source: Source, meter: Meter | None = None) -> Costs:
    images = find_images(source.found, source.data, source.limit)
    energies = {} if meter is None else by_code(meter.fit(source.found.graph))
    measure = Measure(images=images, meter=meter, watch=no_watch, notes=[])
    return costs(source, measure, energies)


def chip_meter(source: Source) -> Meter:
    images = find_images(source.found, source.data, source.limit)
    meter = meter_on(load_machine("loihi2"), images)
    assert meter is not None
    return meter


def test_phased_codes_and_two_rate_networks(tmp_path: Path) -> None:
    source = compiled(tmp_path)
    found = measured(source, chip_meter(source))
    assert found.own == "radix"
    assert [point.name for point in found.points] == ["graded", "radix", "count", "ttfs"]
    assert len({point.accuracy for point in found.points}) == 1
    assert all(point.microjoules for point in found.points)
    assert [curve.name for curve in found.curves] == ["rate, same weights", "rate, Rueckauer"]
    for curve in found.curves:
        assert [point.steps for point in curve.points] == list(range(1, 65))
        known = {point.steps: point.microjoules for point in curve.points if point.microjoules is not None}
        assert list(known) == [1, 2, 4, 8, 16, 32, 64]
        assert sorted(known.values()) == list(known.values())
    assert len(draw(found)) == 4


def test_the_published_curve_is_that_of_the_compiled_network(tmp_path: Path) -> None:
    curve = measured(compiled(tmp_path)).curves[1]
    model = tmp_path / "model.onnx"
    net = snncc.compile(
        model, tmp_path / "rate", target="sim", calibrate=pixels(), scale=255, passes=PUBLISHED
    )
    run = net.simulate(pixels(12, seed=1), LABELS, every_step=True)
    for point, row in zip(curve.points, run.steps.rows, strict=True):
        assert (point.accuracy, point.spikes, point.synops) == (row.accuracy, row.spikes, row.synops)


def test_beside_a_published_network_stand_the_phased_codes_of_its_model(tmp_path: Path) -> None:
    source = compiled(tmp_path, PUBLISHED)
    found = measured(source)
    assert [curve.name for curve in found.curves] == ["rate, Rueckauer"]
    assert [point.name for point in found.points] == ["graded", "radix", "count", "ttfs"]
    net = snncc.compile(
        tmp_path / "model.onnx", tmp_path / "phased", target="sim", calibrate=pixels(), scale=255
    )
    run = net.simulate(pixels(12, seed=1), LABELS)
    assert found.points[1].accuracy == run.accuracy
    assert found.points[1].steps == run.evaluation.steps
    assert len(draw(found)) == 3


def test_its_own_codes_where_a_streaming_network_has_several_levels(tmp_path: Path) -> None:
    source = compiled(tmp_path, code="rate")
    found = measured(source, chip_meter(source))
    assert len(found.points) == 4
    assert all(point.microjoules for point in found.points)
    assert [(curve.name, len(curve.points)) for curve in found.curves] == [
        ("rate", 8),
        ("rate, Rueckauer", 8),
    ]
    assert not any("one level" in note for note in found.notes)


@pytest.mark.parametrize("missing", ["model", "images"])
def test_what_cannot_be_compiled_is_said(tmp_path: Path, missing: str) -> None:
    source = compiled(tmp_path, PUBLISHED if missing == "model" else None)
    if missing == "model":
        (tmp_path / "model.onnx").unlink()
        what = "model.onnx, is neither beside it nor here; give it with --model"
    else:
        source = replace(source, data=replace(DATA, calibration=None))
        what = (
            "rate, Rueckauer, is left out: data: has no images to calibrate on beside those measured on; "
            "give it an array 'calibration', or a smaller --limit"
        )
    found = measured(source)
    assert len(found.points) == (0 if missing == "model" else 4)
    assert found.notes[-1].endswith(what)


def test_images_behind_the_measured_ones_calibrate(tmp_path: Path) -> None:
    source = replace(compiled(tmp_path), data=replace(DATA, calibration=None), limit=8)
    assert "the activations of 4 images behind those measured on" in measured(source).notes[-1]


def test_energy_of_a_stream_is_that_of_the_fit(tmp_path: Path) -> None:
    source = compiled(tmp_path)
    meter = chip_meter(source)
    graph = as_rate(source.found.graph, 6)
    own = meter.fit(graph).own
    assert own is not None
    assert of_streamed(meter, graph, [])[6] == own.total.energy * NANO


def test_energy_of_what_does_not_fit_is_said_once(tmp_path: Path) -> None:
    source = compiled(tmp_path)
    meter = replace(chip_meter(source), machine=load_machine("loihi1"))
    notes: list[str] = []
    for _ in range(2):
        assert of_streamed(meter, as_rate(source.found.graph, 6), notes) == {}
    (note,) = notes
    assert note.startswith("The energy of streaming codes is not known: pool1: loihi1 has no max-pooling")
