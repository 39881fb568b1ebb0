"""Mistakes with --target fpga: one message, exit 1, nothing left behind."""

from __future__ import annotations

from pathlib import Path

from support.command import Snncc


def test_lanes_on_the_command_line(snncc: Snncc) -> None:
    options = ("--target", "fpga", "--calibrate", "data.npz", "-o", "out.snncc")
    result = snncc("compile", "model.onnx", *options, "--lanes", "12")
    assert (result.code, result.out) == (1, "")
    assert result.err.endswith("12 lanes; give a power of two from 8 to 512 with --lanes\n")
    assert not Path("out.snncc").exists()


def test_a_folder_that_cannot_be_made(snncc: Snncc) -> None:
    Path("file").write_text("not a folder")
    options = ("--target", "fpga", "--calibrate", "data.npz", "-o", "file/out.snncc")
    result = snncc("compile", "model.onnx", *options)
    assert (result.code, result.out) == (1, "")
    out = Path.cwd() / "file" / "out.snncc"
    assert result.err == f"snncc: error: {out}: cannot be written (File exists); nothing was changed\n"
    assert Path("file").read_text() == "not a folder"
