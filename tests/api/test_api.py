"""The Python API gives what the commands give, with arrays in the place of files."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import snncc
from snncc_ir.errors import ArtefactError, DataError, SnnccError
from support.trained import pixels, write_data, write_residual

ROOT = Path(__file__).resolve().parents[2]
LABELS = np.arange(40) % 5


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_residual(tmp_path / "model.onnx")


@pytest.fixture
def network(model: Path, tmp_path: Path) -> snncc.Network:
    return snncc.compile(model, tmp_path / "net.snncc", target="sim", calibrate=pixels(), scale=255)


def test_arrays_and_files_give_the_same(model: Path, network: snncc.Network, tmp_path: Path) -> None:
    data = tmp_path / "data.npz"
    write_data(data, pixels(), labels=LABELS)
    other = snncc.compile(str(model), str(tmp_path / "other.snncc"), target="sim", calibrate=data, scale=255)
    assert other.graph == network.graph
    from_arrays, from_file = network.simulate(pixels(), LABELS), other.simulate(data)
    assert from_arrays.accuracy == from_file.accuracy
    assert from_arrays.evaluation.counts == from_file.evaluation.counts
    assert np.array_equal(from_arrays.outputs["y"], from_file.outputs["y"])
    assert from_arrays.outputs["y"].shape == (40, 5)


def test_load_verify_and_explain(network: snncc.Network, model: Path) -> None:
    loaded = snncc.load(network.path)
    assert loaded.graph == network.graph
    ladder = loaded.verify()
    assert ladder.equal
    assert "native" in [rung.engine for rung in ladder.rungs]
    explanation = loaded.explain(pixels(), LABELS, model=model, limit=8)
    assert explanation.found.total.error > 0
    assert explanation.found.images == 8


def test_tune(network: snncc.Network, tmp_path: Path) -> None:
    tuned, how = network.tune(tmp_path / "tuned.snncc", pixels(), LABELS, epochs=2, batch=8)
    assert tuned.path == tmp_path / "tuned.snncc"
    assert how.gain.images + how.gain.held_out == 40
    assert len(how.epochs) == 2
    assert tuned.verify().equal
    with pytest.raises(SnnccError) as caught:
        network.tune(tmp_path / "no.snncc", pixels(), epochs=1, aim="both")
    assert (
        str(caught.value) == "images: has no labels; learn the float network's answers instead: --aim float"
    )
    with pytest.raises(SnnccError) as caught:
        network.tune(tmp_path / "no.snncc", pixels(), LABELS, epochs=1, aim="fame")
    assert str(caught.value) == "--aim: no aim is called 'fame'; there are labels, float, both"


def test_report(network: snncc.Network, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    written = network.report(file, pixels(), LABELS, limit=8, chip="loihi2", verify=False)
    assert (written.file, written.size) == (file, file.stat().st_size)
    assert "accuracy" in written.sections
    assert "cores" in written.sections
    text = file.read_text(encoding="utf-8")
    run = network.simulate(pixels(), LABELS, limit=8)
    assert f"<dt>accuracy on 8 images</dt><dd>{run.accuracy:.2%}</dd>" in text
    with pytest.raises(ArtefactError, match="exists already"):
        network.report(file)
    assert "accuracy" not in network.report(str(file), force=True, verify=False).sections
    with pytest.raises(TypeError, match="labels go with an array"):
        network.report(tmp_path / "other.html", "data.npz", LABELS)


def test_channels_have_their_own_scaling(model: Path, tmp_path: Path) -> None:
    network = snncc.compile(
        model,
        tmp_path / "scaled.snncc",
        target="sim",
        calibrate=pixels(),
        scale=255,
        mean=[0.1, 0.2],
        std=[0.5, 2.0],
    )
    (node,) = network.graph.inputs
    assert node.scale.data.ravel().tolist() == pytest.approx([2 / 255, 0.5 / 255])


def test_mistakes(model: Path, network: snncc.Network, tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="no such artefact"):
        snncc.load(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"^images: labels of shape \(3,\) and type int64 do not fit 40"):
        network.simulate(pixels(), np.arange(3))
    with pytest.raises(DataError, match=r"^images: images of shape \(3,\) and type float64 are no images; "):
        network.simulate(np.zeros(3))
    with pytest.raises(SnnccError, match=r"^--input-bits: must be 1 to 8, not 9$"):
        snncc.compile(model, tmp_path / "no.snncc", target="sim", input_bits=9)
    with pytest.raises(TypeError, match="a file holds its own"):
        network.simulate("data.npz", LABELS)
    assert not (tmp_path / "no.snncc").exists()
    with pytest.raises(AttributeError, match="no attribute 'compiler'"):
        snncc.compiler  # noqa: B018


def test_the_readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    monkeypatch.chdir(ROOT)
    scope: dict[str, object] = {}
    for name in ("digits.snncc", "digits.html"):
        block = block.replace(f'"{name}"', repr(str(tmp_path / name)))
    exec(block, scope)
    assert scope["run"].accuracy > 0.9
    assert (tmp_path / "digits.html").stat().st_size > 0


@pytest.mark.parametrize("module", ["snncc", "snncc.cli"])
def test_the_import_is_light(module: str) -> None:
    code = f"import sys, {module}; print({{'numpy', 'onnx', 'snncc.api'}} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "set()\n"
