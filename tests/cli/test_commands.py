"""The commands as a user types them: output and exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from snncc.outputs import save
from snncc.sim.streams import StreamBatch, StreamEngine
from snncc_ir.errors import SnnccError
from support.command import Snncc, compiled
from support.native import FASTEST, FASTEST_STREAM
from support.trained import pixels


def test_check_prints_a_verdict_for_every_node(snncc: Snncc) -> None:
    result = snncc("check", "model.onnx", "--json")
    assert result.code == 0
    assert result.json["supported"] is True
    verdicts = {node["name"]: node["verdict"] for node in result.json["nodes"]}
    assert verdicts["norm2"] == "folded"
    assert verdicts["conv1"] == "lowered"
    assert len(verdicts) == 10


def test_compile_writes_beside_nothing_else(snncc: Snncc, tmp_path: Path) -> None:
    before = {path.name for path in tmp_path.iterdir()}
    result = compiled(snncc, "--json")
    assert result.code == 0
    assert result.json["artefact"] == "model.snncc"
    assert result.json["populations"] == 2
    assert result.json["neurons"] == 6 * 8 * 8 + 6 * 4 * 4 + 5
    assert result.json["pipeline"].startswith("balance{method=auto,level_bits=4,scope=channel};")
    assert {path.name for path in tmp_path.iterdir()} - before == {"model.snncc"}


def test_every_engine_and_code_gives_the_same_predictions(snncc: Snncc) -> None:
    predictions = set()
    for code in ("radix", "count", "ttfs", "graded"):
        assert compiled(snncc, "--code", code, "--force").code == 0
        for engine in (FASTEST, "levels", "spikes", "reference"):
            result = snncc("simulate", "model.snncc", "--data", "other.npz", "--engine", engine, "--json")
            assert result.code == 0
            predictions.add(tuple(result.json["predictions"]))
    assert len(predictions) == 1


def test_simulate_reports_what_the_design_promises(snncc: Snncc) -> None:
    compiled(snncc)
    result = snncc("simulate", "model.snncc", "--data", "other.npz", "--limit", "7", "--json")
    assert result.code == 0
    assert set(result.json) == {
        "schema",
        "engine", "images", "accuracy", "predictions",
        "steps", "spikes_per_image", "synops_per_image", "seconds",
    }  # fmt: skip
    assert result.json["engine"] == FASTEST
    assert result.json["images"] == len(result.json["predictions"]) == 7
    assert result.json["steps"] == 3 * 4  # input and two populations, four steps each
    assert 0 <= result.json["accuracy"] <= 1


def test_simulate_warns_of_images_it_was_calibrated_on(snncc: Snncc) -> None:
    compiled(snncc)
    result = snncc("simulate", "model.snncc", "--data", "data.npz", "--limit", "5")
    assert "5 of 5 images were calibrated or tuned on; accuracy on them says little" in result.err
    assert snncc("simulate", "model.snncc", "--data", "other.npz").err == ""


def test_outputs_are_saved_in_real_units(snncc: Snncc, tmp_path: Path) -> None:
    compiled(snncc)
    result = snncc("simulate", "model.snncc", "--data", "other.npz", "--outputs", "y.npy", "--json")
    outputs = np.load(tmp_path / "y.npy")
    assert outputs.shape == (12, 5)
    assert outputs.argmax(axis=1).tolist() == result.json["predictions"]


def test_outputs_by_name(snncc: Snncc, tmp_path: Path) -> None:
    compiled(snncc)
    for name in ("y.npy", "y.npz"):
        assert snncc("simulate", "model.snncc", "--data", "other.npz", "--outputs", name).code == 0
    with np.load(tmp_path / "y.npz") as saved:
        assert saved.files == ["y"]
        assert (saved["y"] == np.load(tmp_path / "y.npy")).all()


def test_several_outputs_need_names(tmp_path: Path) -> None:
    outputs = {"file": np.arange(3.0), "b": np.arange(4.0).reshape(2, 2)}
    with pytest.raises(SnnccError) as caught:
        save(tmp_path / "y.npy", outputs)
    assert str(caught.value) == (
        f"--outputs {tmp_path / 'y.npy'}: cannot hold the 2 outputs file, b; give a file that ends in .npz"
    )
    assert list(tmp_path.iterdir()) == []
    save(tmp_path / "y.npz", outputs)
    with np.load(tmp_path / "y.npz") as saved:
        found = {name: saved[name].tolist() for name in saved.files}
    assert found == {name: values.tolist() for name, values in outputs.items()}


def full(descriptor: int) -> None:
    """Stands for fsync on a full disk."""
    raise OSError(28, "No space left on device")


def silent_failure(descriptor: int) -> None:
    """An error that the system gave no number."""
    raise OSError("the disk is gone")


@pytest.mark.parametrize(
    ("failure", "reason"), [(full, "No space left on device"), (silent_failure, "the disk is gone")]
)
def test_outputs_that_cannot_be_written_leave_the_earlier_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: Callable[[int], None], reason: str
) -> None:
    (tmp_path / "y.npy").write_bytes(b"earlier")
    monkeypatch.setattr("snncc.folder.os.fsync", failure)
    with pytest.raises(SnnccError) as caught:
        save(tmp_path / "y.npy", {"y": np.zeros(3)})
    assert (
        str(caught.value)
        == f"{tmp_path / 'y.npy'}: cannot be written ({reason}); check the rights and the space there"
    )
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("y.npy", b"earlier")]


def test_streaming_codes_compile_and_run(snncc: Snncc) -> None:
    for code, engine in (("rate", FASTEST_STREAM), ("stbif", FASTEST_STREAM)):
        result = snncc(
            "compile", "model.onnx", "--target", "sim", "--calibrate", "data.npz", "--code", code, "--force"
        )
        assert result.code == 0, result.err
        assert snncc("simulate", "model.snncc", "--data", "other.npz", "--json").json["engine"] == engine
        assert snncc("verify", "model.snncc", "--json").json["equal"] is True


def streamed(snncc: Snncc, code: str, *more: str) -> dict:
    """Compile in a streaming code and simulate with step options."""
    options = ("--calibrate", "data.npz", "--scale", "255", "--code", code)
    assert snncc("compile", "model.onnx", "--target", "sim", *options).code == 0
    result = snncc("simulate", "model.snncc", "--data", "other.npz", "--json", *more)
    assert result.code == 0, result.err
    return result.json


def test_every_step_of_a_rate_code_and_an_early_exit(snncc: Snncc) -> None:
    result = streamed(snncc, "rate", "--every-step", "--exit-margin", "0")
    steps = result["every_step"]
    assert [row["step"] for row in steps] == list(range(1, 65))
    assert all(
        row.keys() == {"step", "accuracy", "spikes_per_image", "synops_per_image", "certified"}
        for row in steps
    )
    assert (steps[-1]["accuracy"], steps[-1]["certified"]) == (result["accuracy"], None)
    assert steps[-1]["spikes_per_image"] == pytest.approx(result["spikes_per_image"])
    assert steps[-1]["synops_per_image"] == pytest.approx(result["synops_per_image"])
    assert result["exit"]["margin"] == 0
    assert 1 <= result["exit"]["steps_per_image"] < 64
    assert "certificate" not in result


def test_stbif_certifies_its_end(snncc: Snncc) -> None:
    result = streamed(snncc, "stbif", "--every-step")
    found = result["certificate"]
    assert found.keys() == {"mean", "median", "max", "bound", "equal_to_levels"}
    assert found["max"] == result["steps"] <= found["bound"]
    assert found["equal_to_levels"] == result["images"]
    shares = [row["certified"] for row in result["every_step"]]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0, 1)
    table = snncc("simulate", "model.snncc", "--data", "other.npz", "--every-step").out
    assert "12 images on the levels of the phased codes" in table


@pytest.mark.parametrize(
    ("name", "method"), [("rueckauer", "percentile:99.9"), ("lu-sengupta", "percentile_all:99.7")]
)
def test_published_conversions_are_pipelines(snncc: Snncc, name: str, method: str) -> None:
    options = ("--calibrate", "data.npz", "--scale", "255", "--published", name, "--steps", "16")
    compiled_so = snncc("compile", "model.onnx", "--target", "sim", *options, "--json")
    assert compiled_so.json["pipeline"] == (
        f"balance{{method={method},level_bits=1,scope=population}};"
        f"quantize{{weight_bits=8,level_bits=0,rounding=nearest}};"
        "choose_code{code=rate,input=graded,steps=16,reset=subtract}"
    )
    result = snncc("simulate", "model.snncc", "--data", "other.npz", "--json").json
    assert (result["engine"], result["steps"]) == (FASTEST_STREAM, 16)


def test_verify_compares_every_step_of_a_streaming_code(
    snncc: Snncc, monkeypatch: pytest.MonkeyPatch
) -> None:
    streamed(snncc, "rate")
    run = StreamEngine.run

    def off_by_one_early(engine: StreamEngine, inputs: Mapping[str, np.ndarray]) -> StreamBatch:
        found = run(engine, inputs)
        changed = found.outputs["y"].copy()
        changed[5, 1, 2] += 1
        return replace(found, outputs={"y": changed})

    monkeypatch.setattr(StreamEngine, "run", off_by_one_early)
    result = snncc("verify", "model.snncc", "--json")
    rung = next(row for row in result.json["engines"] if row["engine"] == "spikes")
    assert (result.code, rung["status"]) == (1, "different")
    assert rung["detail"].startswith("steps of y neuron (5, 2), image 1: ")


def test_verify_prints_the_ladder(snncc: Snncc) -> None:
    compiled(snncc)
    result = snncc("verify", "model.snncc", "--json")
    assert result.code == 0
    assert result.json["equal"] is True
    status = {row["engine"]: row["status"] for row in result.json["engines"]}
    own = ("reference", "reference spikes", "levels", FASTEST, "spikes")
    assert {name: status[name] for name in own} == dict.fromkeys(own, "equal")
    assert status["lava"] in ("equal", "not run")


def test_a_missing_tool_is_not_run_and_fails_only_where_tools_are_required(
    snncc: Snncc, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled(snncc)
    monkeypatch.setenv("SNNCC_LAVA_PYTHON", "/nonexistent/python")
    monkeypatch.delenv("SNNCC_REQUIRE_TOOLS", raising=False)
    result = snncc("verify", "model.snncc", "--json")
    lava = result.json["engines"][-1]
    assert (result.code, lava["engine"], lava["status"]) == (0, "lava", "not run")
    assert lava["detail"]
    monkeypatch.setenv("SNNCC_REQUIRE_TOOLS", "1")
    assert snncc("verify", "model.snncc").code == 1


def test_show_and_targets(snncc: Snncc) -> None:
    compiled(snncc)
    shown = snncc("show", "model.snncc", "--json").json
    assert [node["op"] for node in shown["nodes"]][:3] == ["input", "conv", "population"]
    assert snncc("show", "model.snncc", "--text").out.startswith("graph small phased{}\nx = input(")
    assert "membrane:" in snncc("show", "model.snncc").out
    names = {entry["target"] for entry in snncc("targets", "--json").json["targets"]}
    assert {"lava", "sim"} <= names


def test_dump_ir_writes_a_text_per_pass(snncc: Snncc, tmp_path: Path) -> None:
    assert compiled(snncc, "--dump-ir", "ir").code == 0
    assert sorted(path.name for path in (tmp_path / "ir").iterdir()) == [
        "00-lower.txt", "01-balance.txt", "02-quantize.txt", "03-correct_bias.txt", "04-choose_code.txt",
    ]  # fmt: skip
    assert "real<6x8x8>" in (tmp_path / "ir" / "01-balance.txt").read_text()
    assert "levels<6x8x8, 0..15>" in (tmp_path / "ir" / "04-choose_code.txt").read_text()


def test_without_calibration_there_is_a_loud_warning_and_a_record(snncc: Snncc, tmp_path: Path) -> None:
    result = snncc("compile", "model.onnx", "--target", "sim")
    assert result.code == 0
    assert "calibrated on random noise" in result.err
    manifest = json.loads((tmp_path / "model.snncc" / "manifest.json").read_text())
    assert manifest["calibration"]["kind"] == "synthetic"


def real_data(path: Path, top: float = 1.0) -> None:
    """Floating-point images in the network's own units."""
    np.savez(path, images=(pixels(20) / 255 * top).astype(np.float32))


def test_real_images_keep_their_grid_and_pixels_are_then_refused(snncc: Snncc, tmp_path: Path) -> None:
    real_data(tmp_path / "real.npz")
    real_data(tmp_path / "bright.npz", top=2.0)
    assert snncc("compile", "model.onnx", "--target", "sim", "--calibrate", "real.npz").code == 0
    assert snncc("simulate", "model.snncc", "--data", "bright.npz").err == (
        "snncc: warning: 20 of 20 images hold values beyond the input's levels; they are clipped\n"
    )
    result = snncc("simulate", "model.snncc", "--data", "data.npz")
    assert (result.code, result.err) == (
        1,
        "snncc: error: data.npz: holds pixels (uint8), but the network was compiled on real numbers; "
        "give floating-point images as at compile time, or compile on pixels\n",
    )


def test_pixels_and_their_real_values_give_the_same_answers(snncc: Snncc, tmp_path: Path) -> None:
    compiled(snncc)
    real_data(tmp_path / "real.npz")
    by_pixel = snncc("simulate", "model.snncc", "--data", "data.npz", "--limit", "20", "--json").json
    by_number = snncc("simulate", "model.snncc", "--data", "real.npz", "--json").json
    assert by_pixel["predictions"] == by_number["predictions"]
    assert by_pixel["spikes_per_image"] == by_number["spikes_per_image"]
