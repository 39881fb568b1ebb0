"""The commands as a user types them: output, exit codes, and one message per mistake."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from snncc import cli
from snncc_ir.errors import SnnccError
from support.trained import pixels, write_data, write_residual


@dataclass(frozen=True)
class Result:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict:
        """Standard output, which must be one object."""
        return json.loads(self.out)


Snncc = Callable[..., Result]


@pytest.fixture
def snncc(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Snncc:
    """Run a command in an empty folder that holds a model and images."""
    monkeypatch.chdir(tmp_path)
    write_residual(tmp_path / "model.onnx")
    write_data(tmp_path / "data.npz", pixels(), labels=np.arange(40) % 5)
    write_data(tmp_path / "other.npz", pixels(12, seed=5), labels=np.arange(12) % 5)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}

    def run(*arguments: str) -> Result:
        monkeypatch.setattr(sys, "argv", ["snncc", *arguments])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        for number, handler in before.items():
            signal.signal(number, handler)
        out, err = capfd.readouterr()
        return Result(int(stop.value.code or 0), out, err)

    return run


def compiled(snncc: Snncc, *extra: str) -> Result:
    """Compile the model for Lava."""
    return snncc(
        "compile", "model.onnx", "--target", "lava", "--calibrate", "data.npz", "--scale", "255", *extra
    )


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
    assert result.json["pipeline"].startswith("balance{method=mse,level_bits=4};quantize{")
    assert {path.name for path in tmp_path.iterdir()} - before == {"model.snncc"}


def test_every_engine_and_code_gives_the_same_predictions(snncc: Snncc) -> None:
    predictions = set()
    for code in ("radix", "count", "ttfs", "graded"):
        assert compiled(snncc, "--code", code, "--force").code == 0
        for engine in ("levels", "spikes", "reference"):
            result = snncc("simulate", "model.snncc", "--data", "other.npz", "--engine", engine, "--json")
            assert result.code == 0
            predictions.add(tuple(result.json["predictions"]))
    assert len(predictions) == 1


def test_simulate_reports_what_the_design_promises(snncc: Snncc) -> None:
    compiled(snncc)
    result = snncc("simulate", "model.snncc", "--data", "other.npz", "--limit", "7", "--json")
    assert result.code == 0
    assert set(result.json) == {
        "engine", "images", "accuracy", "predictions",
        "steps", "spikes_per_image", "synops_per_image", "seconds",
    }  # fmt: skip
    assert result.json["engine"] == "levels"
    assert result.json["images"] == len(result.json["predictions"]) == 7
    assert result.json["steps"] == 3 * 4  # input and two populations, four steps each
    assert 0 <= result.json["accuracy"] <= 1


def test_simulate_warns_of_images_it_was_calibrated_on(snncc: Snncc) -> None:
    compiled(snncc)
    result = snncc("simulate", "model.snncc", "--data", "data.npz", "--limit", "5")
    assert "5 of 5 images were calibrated on; accuracy on them says little" in result.err
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
        cli._save(tmp_path / "y.npy", outputs)
    assert str(caught.value) == (
        f"--outputs {tmp_path / 'y.npy'}: cannot hold the 2 outputs file, b; give a file that ends in .npz"
    )
    assert list(tmp_path.iterdir()) == []
    cli._save(tmp_path / "y.npz", outputs)
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
        cli._save(tmp_path / "y.npy", {"y": np.zeros(3)})
    assert str(caught.value) == f"{tmp_path / 'y.npy'}: cannot be written ({reason})"
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("y.npy", b"earlier")]


def test_streaming_codes_compile_and_run(snncc: Snncc) -> None:
    for code, engine in (("rate", "spikes"), ("stbif", "spikes")):
        result = snncc(
            "compile", "model.onnx", "--target", "sim", "--calibrate", "data.npz", "--code", code, "--force"
        )
        assert result.code == 0, result.err
        assert snncc("simulate", "model.snncc", "--data", "other.npz", "--json").json["engine"] == engine
        assert snncc("verify", "model.snncc", "--json").json["equal"] is True


def test_verify_prints_the_ladder(snncc: Snncc) -> None:
    compiled(snncc)
    result = snncc("verify", "model.snncc", "--json")
    assert result.code == 0
    assert result.json["equal"] is True
    status = {row["engine"]: row["status"] for row in result.json["engines"]}
    assert {name: status[name] for name in ("reference", "reference spikes", "levels", "spikes")} == {
        "reference": "equal", "reference spikes": "equal", "levels": "equal", "spikes": "equal",
    }  # fmt: skip
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


def mistakes(tmp_path: Path) -> list[tuple[list[str], str]]:
    """Wrong commands and the one message each of them gets."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.onnx").write_text("not a model")
    np.savez(tmp_path / "wide.npz", images=np.zeros((3, 9, 9, 2), np.uint8))
    np.savez(tmp_path / "none.npz", images=np.zeros((0, 2, 8, 8), np.uint8))
    np.savez(tmp_path / "unnamed.npz", pictures=np.zeros(3))
    np.savez(tmp_path / "nan.npz", images=np.full((3, 2, 8, 8), np.nan, np.float32))
    np.savez(tmp_path / "labels.npz", images=pixels(3), labels=np.zeros(2, np.int64))
    np.savez(tmp_path / "pickle.npz", images=np.array([{}]), allow_pickle=True)
    (tmp_path / "cut.npz").write_bytes((tmp_path / "data.npz").read_bytes()[:100])
    lava = ["compile", "model.onnx", "--target", "lava", "-o", "out"]
    sim = ["compile", "model.onnx", "--target", "sim", "-o", "out"]
    return [
        (["compile", "model.onnx", "--target", "fpga"],
         "--target: no target is called 'fpga'; there are lava, sim"),
        ([*lava, "--chip", "loihi9"], "--chip: target lava has no chip 'loihi9'; it has loihi2"),
        ([*sim, "--calibrate", "nowhere.npz"], "nowhere.npz: no such file or folder"),
        ([*sim, "--calibrate", "empty"],
         "empty: holds no class folders; put the images into one folder per class"),
        ([*sim, "--calibrate", "text.onnx"], "text.onnx: is not .npz, .npy or a folder of class folders; "
         "see `snncc simulate --help`"),
        ([*sim, "--calibrate", "wide.npz"],
         "wide.npz: images of 9x9x2 do not fit the network's input of 2x8x8"),
        ([*sim, "--calibrate", "none.npz"], "none.npz: holds no images"),
        ([*sim, "--calibrate", "unnamed.npz"], "unnamed.npz: has no array called 'images'"),
        ([*sim, "--calibrate", "nan.npz"], "nan.npz: calibration images hold NaN or infinity"),
        ([*sim, "--calibrate", "labels.npz"], "labels.npz: labels of shape (2,) and type int64 "
         "do not fit 3 images; give one whole number per image"),
        ([*sim, "--level-bits", "9"], "balance: level_bits must be 1 to 8, not 9"),
        ([*sim, "--weight-bits", "7"], "quantize: weight_bits must be one of 2, 3, 4, 5, 6, 8, not 7"),
        ([*sim, "--input-bits", "0"], "--input-bits: must be 1 to 8, not 0"),
        ([*sim, "--steps", "0"], "choose_code: steps must be at least 1, not 0"),
        ([*sim, "--mean", "a,b"], "--mean: 'a,b' is no list of numbers; write them as 0.5,0.4,0.3"),
        ([*sim, "--mean", "1,2,3"], "--mean: 3 values do not fit the input's channels 2x8x8"),
        ([*sim, "--std", "0"],
         "--scale, --mean, --std: scale and std must be positive numbers, mean a number"),
        ([*sim, "--passes", "fold"], "--passes: no pass is called 'fold'; there are balance, quantize, "
         "correct_bias, choose_code"),
        ([*sim, "--passes", "balance;quantize", "--level-bits", "8", "--code", "count"],
         "--passes: says what --level-bits, --code would say; leave out --level-bits, --code"),
        ([*sim, "-o", "empty"], "empty: exists already; give --force to replace it, or another -o"),
        ([*sim, "-o", "empty", "--force"], "empty: is no snncc artefact, so --force does not replace it; "
         "give another -o"),
        (["simulate", "nowhere", "--data", "data.npz"], "nowhere: no such artefact"),
        (["simulate", "model.onnx", "--data", "data.npz"], "model.onnx: is no artefact folder; "
         "give what `snncc compile` wrote"),
        (["verify", "empty"], "empty: is no snncc artefact: it has no manifest.json"),
        (["show", "empty"], "empty: is no snncc artefact: it has no manifest.json"),
    ]  # fmt: skip


def test_every_mistake_gets_one_message_and_leaves_nothing(snncc: Snncc, tmp_path: Path) -> None:
    for arguments, message in mistakes(tmp_path):
        before = sorted(path.name for path in tmp_path.iterdir())
        result = snncc(*arguments)
        assert (result.code, result.out, result.err) == (1, "", f"snncc: error: {message}\n"), arguments
        assert sorted(path.name for path in tmp_path.iterdir()) == before, arguments


@pytest.mark.parametrize("name", ["cut.npz", "pickle.npz"])
def test_unreadable_arrays_name_the_file(snncc: Snncc, tmp_path: Path, name: str) -> None:
    mistakes(tmp_path)
    result = snncc("compile", "model.onnx", "--target", "sim", "--calibrate", name)
    assert result.code == 1
    assert result.err.startswith(f"snncc: error: {name}: cannot be read as numpy arrays (")
    assert result.err.count("\n") == 1


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--engine", "warp"], "--engine: no engine is called 'warp'"),
        (["--data", "nowhere.npz"], "nowhere.npz: no such file or folder"),
        (["--outputs", "y.txt"], "--outputs y.txt: must name an .npy or .npz file in an existing folder"),
        (
            ["--outputs", "missing/y.npy"],
            "--outputs missing/y.npy: must name an .npy or .npz file in an existing folder",
        ),
    ],
)
def test_mistakes_of_simulate(snncc: Snncc, extra: list[str], message: str) -> None:
    compiled(snncc)
    result = snncc("simulate", "model.snncc", "--data", "data.npz", *extra)
    assert (result.code, result.err) == (1, f"snncc: error: {message}\n")


def test_an_engine_of_another_target_is_refused(snncc: Snncc) -> None:
    snncc("compile", "model.onnx", "--target", "sim", "--calibrate", "data.npz")
    result = snncc("simulate", "model.snncc", "--data", "data.npz", "--engine", "lava")
    assert result.err == (
        "snncc: error: model.snncc: engine lava runs artefacts for lava, this one is for sim; "
        "compile with --target lava\n"
    )


def test_a_code_that_the_chip_cannot_do_is_refused_with_the_reason(snncc: Snncc, tmp_path: Path) -> None:
    result = compiled(snncc, "--code", "rate", "-o", "out")
    assert result.code == 1
    assert result.err.startswith("snncc: error: loihi2: cannot express this network: ")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "arguments",
    [["compile", "model.onnx"], ["compile", "model.onnx", "--target"],
     ["fly"], ["check"], ["check", "a", "--fast"],
     ["compile", "model.onnx", "--target", "sim", "--code", "morse"]],
)  # fmt: skip
def test_usage_errors_exit_2(snncc: Snncc, arguments: list[str]) -> None:
    assert snncc(*arguments).code == 2


@pytest.mark.parametrize("arguments", [["--help"], ["compile", "--help"], ["--version"]])
def test_help_and_version_exit_0(snncc: Snncc, arguments: list[str]) -> None:
    result = snncc(*arguments)
    assert result.code == 0
    assert "snncc" in result.out


def test_names_from_a_model_do_not_steer_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    cli.fail("conv\x1b[31m\x07: [bold]x[/bold]")
    assert capfd.readouterr().err == "snncc: error: conv\\x1b[31m\\x07: [bold]x[/bold]\n"


def test_a_path_that_the_system_refuses_is_one_message(snncc: Snncc) -> None:
    name = "x" * 300
    result = snncc("show", name)
    assert (result.code, result.out, result.err) == (1, "", f"snncc: error: {name}: File name too long\n")


@pytest.mark.parametrize(
    ("failure", "stop"),
    [(OSError(5, "Input/output error"), OSError), (BrokenPipeError(32, "Broken pipe", "pipe"), SystemExit)],
)
def test_other_system_errors_are_left_to_python(
    monkeypatch: pytest.MonkeyPatch, failure: OSError, stop: type[BaseException]
) -> None:
    def fails() -> None:
        raise failure

    monkeypatch.setattr("snncc.targets.list_targets", fails)
    with pytest.raises(stop):
        cli.app(["targets"])


def start(redirect: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run snncc in a shell that redirects its streams."""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    command = ["sh", "-c", f'exec "$0" -m snncc.cli "$@" {redirect}', sys.executable, *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": path}
    )


@pytest.mark.parametrize("redirect", [">&-", "2>&-", ">&- 2>&-"])
@pytest.mark.parametrize("arguments", [["targets"], ["targets", "--json"]])
def test_a_closed_stream_is_no_error(redirect: str, arguments: list[str]) -> None:
    done = start(redirect, *arguments)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is full")
@pytest.mark.parametrize("arguments", [["targets"], ["targets", "--json"]])
def test_results_that_cannot_be_written_are_one_message(arguments: list[str]) -> None:
    done = start("> /dev/full", *arguments)
    message = "snncc: error: standard output: cannot be written (No space left on device)\n"
    assert (done.returncode, done.stderr) == (1, message)


@pytest.mark.parametrize(("before", "after"), [(signal.SIG_IGN, signal.SIG_IGN), (signal.SIG_DFL, "ours")])
def test_nohup_is_respected(monkeypatch: pytest.MonkeyPatch, before: signal.Handlers, after: object) -> None:
    monkeypatch.setattr(sys, "argv", ["snncc", "--version"])
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    signal.signal(signal.SIGHUP, before)
    try:
        with pytest.raises(SystemExit):
            cli.main()
        assert signal.getsignal(signal.SIGHUP) == (cli._terminate if after == "ours" else after)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


STALLED = """
import sys, time
import snncc.driver, snncc.folder

def stall(*arguments, **options):
    print("stalled", flush=True)
    time.sleep(60)

{place} = stall
from snncc import cli
cli.main()
"""


@pytest.mark.parametrize("place", ["snncc.driver.calibrate", "snncc.folder.os.fsync"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_compile_leaves_the_earlier_artefact(
    snncc: Snncc, tmp_path: Path, place: str, number: signal.Signals
) -> None:
    compiled(snncc)
    before = {path: path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file()}
    arguments = ["compile", "model.onnx", "--target", "lava", "--calibrate", "other.npz", "--force"]
    path = os.pathsep.join(entry for entry in sys.path if entry)
    child = subprocess.Popen(
        [sys.executable, "-c", STALLED.format(place=place), *arguments],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "stalled\n"
    child.send_signal(number)
    _, err = child.communicate(timeout=30)
    assert (child.returncode, err) == (130, "snncc: error: interrupted; earlier results are as they were\n")
    assert {path: path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file()} == before


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
