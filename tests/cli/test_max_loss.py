"""`compile --max-loss`: the narrowest levels within a bound."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from support.command import Snncc
from support.trained import pixels, write_data

COMPILE = ("compile", "model.onnx", "--target", "sim", "--scale", "255", "-o", "out")


@pytest.fixture
def images(tmp_path: Path) -> None:
    """Images with calibration images, once with labels and once without."""
    labels = np.arange(200) % 5
    write_data(tmp_path / "plain.npz", pixels(200))
    write_data(tmp_path / "labelled.npz", pixels(8), calibration=pixels(200), calibration_labels=labels)


@pytest.mark.usefixtures("images")
def test_the_loss_stays_within_the_bound_and_is_recorded(snncc: Snncc, tmp_path: Path) -> None:
    result = snncc(*COMPILE, "--calibrate", "plain.npz", "--max-loss", "20", "--json")
    assert result.code == 0, result.err
    chosen = result.json["max_loss"]
    assert chosen["loss"] <= chosen["bound"] == 20.0
    assert chosen["interval"][0] <= chosen["loss"] <= chosen["interval"][1]
    assert (chosen["images"], chosen["labelled"]) == (100, False)
    assert set(chosen["level_bits"]) == {"relu1", "relu2"}
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["max_loss"] == chosen
    widths = "/".join(f"{name}:{bits}" for name, bits in chosen["level_bits"].items())
    assert f"widths={widths}}}" in manifest["pipeline"]
    assert manifest["calibration"]["images"] == 100


@pytest.mark.usefixtures("images")
def test_a_looser_bound_never_needs_wider_levels(snncc: Snncc) -> None:
    means = []
    for most in ("100", "10", "60"):
        result = snncc(*COMPILE, "--calibrate", "plain.npz", "--max-loss", most, "--json", "--force")
        means.append(result.json["max_loss"]["mean_level_bits"])
    assert means[0] == 1.0
    assert means[1] >= means[2] >= means[0]


@pytest.mark.usefixtures("images")
def test_labels_count_where_there_are_any(snncc: Snncc) -> None:
    result = snncc(*COMPILE, "--calibrate", "labelled.npz", "--max-loss", "30")
    assert result.code == 0, result.err
    assert "on 100 images, measured on calibration images that set no threshold" in result.out
    assert " points (" in result.out


@pytest.mark.usefixtures("images")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--max-loss", "-1"], "--max-loss: must be 0 to 100 percentage points, not -1"),
        (["--max-loss", "1"], "--max-loss: needs real images; give them with --calibrate"),
        (
            ["--max-loss", "1", "--level-bits", "3"],
            "--max-loss: chooses the level bits; leave out --level-bits",
        ),
        (
            ["--max-loss", "1", "--passes", "balance;quantize"],
            "--max-loss: works on the default pipeline; leave out --passes",
        ),
        (
            ["--max-loss", "1", "--published", "rueckauer"],
            "--max-loss: works on the default pipeline; leave out --published",
        ),
        (
            ["--max-loss", "1", "--code", "rate"],
            "--max-loss: chooses level widths, which do not bound what rate loses; "
            "choose --steps, or another --code",
        ),
        (
            ["--max-loss", "1", "--calibrate", "other.npz"],
            "--max-loss: needs at least 32 calibration images, there are 12",
        ),
    ],
)
def test_mistakes(snncc: Snncc, tmp_path: Path, arguments: list[str], message: str) -> None:
    result = snncc(*COMPILE, *arguments)
    assert (result.code, result.err.strip()) == (1, f"snncc: error: {message}")
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("images")
def test_a_bound_that_nothing_keeps_is_said(snncc: Snncc, tmp_path: Path) -> None:
    result = snncc(*COMPILE, "--calibrate", "plain.npz", "--max-loss", "0", "--weight-bits", "2")
    assert result.code == 1
    assert "no level widths stay within 0 points: 8 bits everywhere lose" in result.err
    assert not (tmp_path / "out").exists()
