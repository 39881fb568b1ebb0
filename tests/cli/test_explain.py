"""`snncc explain`: its tables, its JSON, and the model that it needs."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from support.command import Snncc, compiled
from support.trained import pixels, write_data, write_residual

EXPLAIN = ("explain", "model.snncc", "--data", "other.npz")


def test_the_loss_by_population_and_cause(snncc: Snncc) -> None:
    compiled(snncc)
    result = snncc(*EXPLAIN, "--json")
    assert result.code == 0, result.err
    found = result.json
    assert set(found) == {
        "schema",
        "artefact", "model", "images", "accuracy", "float_accuracy", "total", "nodes", "worst", "advice",
        "imported", "tuned",
    }  # fmt: skip
    assert found["images"] == 12
    simulated = snncc("simulate", "model.snncc", "--data", "other.npz", "--json").json
    assert found["accuracy"] == pytest.approx(simulated["accuracy"])
    causes = [list(node["loss"]) for node in found["nodes"]]
    assert causes == [
        [],
        ["weights", "rounding", "saturation"],
        ["weights", "rounding", "saturation"],
        ["weights"],
    ]
    parts = [loss for node in found["nodes"] for loss in node["loss"].values()]
    for key in ("error", "share", "disagreement", "accuracy"):
        assert sum(part[key] for part in parts) == pytest.approx(found["total"][key], abs=1e-12)
    worst = max(
        (part["share"], node["name"], cause)
        for node in found["nodes"]
        for cause, part in node["loss"].items()
    )
    assert found["worst"] == {"node": worst[1], "cause": worst[2]}
    assert found["advice"].startswith(
        f"population {worst[1]}: {worst[0]:.0%} of the squared output error is "
    )


def test_the_table_names_the_worst_and_what_to_change(snncc: Snncc) -> None:
    compiled(snncc, "--level-bits", "2")
    result = snncc(*EXPLAIN)
    assert result.code == 0
    lines = result.out.splitlines()
    columns = "node neurons levels weights rounding saturation sum accuracy lost, points"
    assert lines[0].split() == columns.split()
    assert lines[-3].split()[:2] == ["total", "100.0%"]
    assert lines[-2].startswith("12 images: accuracy ")
    assert "of the squared output error is" in lines[-1]


def test_rate_loses_to_timing_and_stbif_does_not(snncc: Snncc) -> None:
    options = ("--calibrate", "data.npz", "--scale", "255", "--force")
    for code, timed in (("rate", True), ("stbif", False)):
        assert snncc("compile", "model.onnx", "--target", "sim", "--code", code, *options).code == 0
        nodes = snncc(*EXPLAIN, "--json", "--limit", "4").json["nodes"]
        assert all(("timing" in node["loss"]) == timed for node in nodes if node["kind"] == "population")


def test_fewer_input_bits_are_a_loss_of_the_input(snncc: Snncc) -> None:
    compiled(snncc, "--input-bits", "1", "--level-bits", "8")
    found = snncc(*EXPLAIN, "--json").json
    assert found["worst"] == {"node": "x", "cause": "rounding"}
    assert found["advice"].endswith(
        "of the squared output error is rounding: give the input more bits (--input-bits)"
    )


def test_without_labels_points_are_disagreement(snncc: Snncc, tmp_path: Path) -> None:
    compiled(snncc)
    write_data(tmp_path / "bare.npz", pixels(6, seed=9))
    found = snncc("explain", "model.snncc", "--data", "bare.npz", "--json").json
    assert (found["accuracy"], found["float_accuracy"], found["total"]["accuracy"]) == (None, None, None)
    assert "disagreement, points" in snncc("explain", "model.snncc", "--data", "bare.npz").out


def test_without_data_it_shows_sizes_codes_and_bounds(snncc: Snncc) -> None:
    compiled(snncc)
    found = snncc("explain", "model.snncc", "--json").json
    assert found["timing"] == "phased: exact after 12 steps"
    assert [node["kind"] for node in found["nodes"]] == ["input", "population", "population", "readout"]
    assert [node["code"] for node in found["nodes"]] == ["graded", "radix", "radix", None]
    for node in found["nodes"][1:]:
        low, high = node["drive"]
        assert max(-low, high) < 2 ** (node["membrane_bits"] - 1)
    text = snncc("explain", "model.snncc").out
    assert "phased: exact after 12 steps" in text.splitlines()


def test_the_model_must_be_the_one_that_was_compiled(snncc: Snncc, tmp_path: Path) -> None:
    compiled(snncc)
    sha = hashlib.sha256((tmp_path / "model.onnx").read_bytes()).hexdigest()
    write_residual(tmp_path / "second.onnx", seed=1)
    result = snncc(*EXPLAIN, "--model", "second.onnx")
    assert (result.code, result.err) == (
        1,
        "snncc: error: second.onnx: is not the model that model.snncc was compiled from "
        f"(sha256 {sha[:12]}); give that one, or compile this one again\n",
    )
    (tmp_path / "model.onnx").rename(tmp_path / "moved.onnx")
    missing = (
        "snncc: error: model.snncc: the model that it was compiled from, model.onnx, is neither beside it "
        "nor here; give it with --model\n"
    )
    assert snncc(*EXPLAIN).err == missing
    write_residual(tmp_path / "model.onnx", seed=1)
    assert snncc(*EXPLAIN).err == missing
    assert snncc(*EXPLAIN, "--model", "moved.onnx").code == 0


def test_the_manifest_s_file_name_leads_nowhere_else(snncc: Snncc, tmp_path: Path) -> None:
    compiled(snncc)
    manifest = tmp_path / "model.snncc" / "manifest.json"
    content = json.loads(manifest.read_text())
    content["source"]["file"] = "../../elsewhere/model.onnx"
    manifest.write_text(json.dumps(content))
    assert snncc(*EXPLAIN, "--json").json["model"] == str(tmp_path / "model.onnx")


def test_images_are_checked_as_by_simulate(snncc: Snncc, tmp_path: Path) -> None:
    compiled(snncc)
    np.savez(tmp_path / "wide.npz", images=np.zeros((3, 9, 9, 2), np.uint8))
    result = snncc("explain", "model.snncc", "--data", "wide.npz")
    assert (result.code, result.err) == (
        1, "snncc: error: wide.npz: images of 9x9x2 do not fit the network's input of 2x8x8; "
        "give images of that size\n",
    )  # fmt: skip
