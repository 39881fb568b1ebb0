"""One message per mistake of the user, exit 1, and nothing left behind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from snncc import console
from support.command import Snncc, compiled
from support.trained import pixels


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
        (["compile", "model.onnx", "--target", "npu"],
         "--target: no target is called 'npu'; there are fpga, lava, sim"),
        ([*lava, "--chip", "loihi9"], "--chip: target lava has no chip 'loihi9'; it has loihi2, loihi1"),
        ([*lava, "--chip", "loihi1", "--code", "count"],
         "--code: loihi1 has stock LIF neurons: code rate, reset zero, levels 0 and 1; leave it out"),
        ([*lava, "--chip", "loihi1", "--level-bits", "3"],
         "--level-bits: loihi1 has stock LIF neurons: code rate, reset zero, levels 0 and 1; leave it out"),
        ([*lava, "--chip", "loihi1", "--passes", "balance;quantize;choose_code"],
         "loihi1: cannot express this network: small: phased timing; loihi1 has rate neurons alone, "
         "choose --code rate"),
        ([*sim, "--calibrate", "nowhere.npz"], "nowhere.npz: no such file or folder"),
        ([*sim, "--calibrate", "empty"],
         "empty: holds no class folders; put the images into one folder per class"),
        ([*sim, "--calibrate", "text.onnx"], "text.onnx: is not .npz, .npy or a folder of class folders; "
         "see `snncc simulate --help`"),
        ([*sim, "--calibrate", "wide.npz"],
         "wide.npz: images of 9x9x2 do not fit the network's input of 2x8x8"),
        ([*sim, "--calibrate", "none.npz"], "none.npz: holds no images"),
        ([*sim, "--calibrate", "unnamed.npz"],
         "unnamed.npz: has no array called 'images', it holds pictures"),
        ([*sim, "--calibrate", "nan.npz"], "nan.npz: calibration images hold NaN or infinity"),
        ([*sim, "--calibrate", "labels.npz"], "labels.npz: labels of shape (2,) and type int64 "
         "do not fit 3 images; give one whole number per image"),
        ([*sim, "--level-bits", "9"], "--level-bits: must be 1 to 8, not 9"),
        ([*sim, "--weight-bits", "7"], "--weight-bits: must be 1, 2, 3, 4, 5, 6 or 8, not 7"),
        ([*sim, "--input-bits", "0"], "--input-bits: must be 1 to 8, not 0"),
        ([*sim, "--steps", "0"], "--steps: must be at least 1, not 0"),
        ([*sim, "--steps", "9"], "--steps: is for --code rate alone; leave it out, or choose that code"),
        ([*sim, "--code", "stbif", "--reset", "zero"],
         "--reset: is for --code rate alone; leave it out, or choose that code"),
        ([*sim, "--code", "auto:time"], "any: has no figures for energy and time, so codes have no price; "
         "compile for a chip of cores (--target lava), or name a --code"),
        ([*sim, "--published", "rueckauer", "--code", "auto"],
         "--published: says what --code would say; leave out --code"),
        ([*sim, "--mean", "a,b"], "--mean: 'a,b' is no list of numbers; write them as 0.5,0.4,0.3"),
        ([*sim, "--mean", "1,2,3"], "--mean: 3 values do not fit the input's channels 2x8x8"),
        ([*sim, "--std", "0"],
         "--scale, --mean, --std: scale and std must be positive numbers, mean a number"),
        ([*sim, "--passes", "fold"], "--passes: no pass is called 'fold'; there are equalize, binarise, "
         "balance, tune_thresholds, "
         "spike_input, quantize, quantize_lif, correct_bias, choose_code, cheapest_codes"),
        ([*sim, "--passes", "balance;quantize", "--level-bits", "8", "--code", "count"],
         "--passes: says what --level-bits, --code would say; leave out --level-bits, --code"),
        ([*sim, "--published", "rueckauer", "--level-bits", "8", "--steps", "8"],
         "--published: says what --level-bits would say; leave out --level-bits"),
        ([*sim, "--published", "rueckauer", "--passes", "balance"],
         "--passes: says what --published would say; leave out --published"),
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
        (
            ["--engine", "warp"],
            "--engine: no engine is called 'warp'; "
            "there are native, levels, spikes, reference, cycles, csim, rtl, lava, lif",
        ),
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
     ["compile", "model.onnx", "--target", "sim", "--code", "morse"],
     ["compile", "model.onnx", "--target", "lava", "--code", "auto:speed"]],
)  # fmt: skip
def test_usage_errors_exit_2(snncc: Snncc, arguments: list[str]) -> None:
    assert snncc(*arguments).code == 2


@pytest.mark.parametrize("arguments", [["--help"], ["compile", "--help"], ["--version"]])
def test_help_and_version_exit_0(snncc: Snncc, arguments: list[str]) -> None:
    result = snncc(*arguments)
    assert result.code == 0
    assert "snncc" in result.out


def test_names_from_a_model_do_not_steer_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    console.fail("conv\x1b[31m\x07: [bold]x[/bold]")
    assert capfd.readouterr().err == "snncc: error: conv\\x1b[31m\\x07: [bold]x[/bold]\n"


def test_step_options_need_a_code_with_steps(snncc: Snncc) -> None:
    compiled(snncc)
    simulate = ("simulate", "model.snncc", "--data", "data.npz")
    messages = {
        ("--every-step",): "--every-step: this network's codes are phased: it has no answer before its last "
        "step; compile with --code rate",
        ("--exit-margin", "1"): "--exit-margin: this network's codes are phased: it has no answer before its "
        "last step; compile with --code rate",
        ("--exit-margin", "-1"): "--exit-margin: must be a number of at least 0, not -1.0",
    }
    for options, message in messages.items():
        result = snncc(*simulate, *options)
        assert (result.code, result.err) == (1, f"snncc: error: {message}\n")
    assert snncc("compile", "model.onnx", "--target", "sim", "--code", "stbif", "--force").code == 0
    assert snncc(*simulate, "--exit-margin", "1").err == (
        "snncc: error: --exit-margin: stbif certifies by itself when its answer is final; see --every-step\n"
    )
    assert snncc(*simulate, "--every-step", "--engine", "levels").err == (
        "snncc: error: --every-step: engine levels does not report its steps; use spikes\n"
    )
