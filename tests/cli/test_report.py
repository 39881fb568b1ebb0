"""`snncc report`: the page of a compiled network, and its messages."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import onnx
import pytest

from snncc.artefact import GIVE
from support.command import Snncc, compiled

SECTIONS = ["overview", "network", "accuracy", "levels", "raster", "cores", "verify", "manifest"]


def test_the_page_of_a_residual_network(snncc: Snncc, tmp_path: Path) -> None:
    compiled(snncc)
    result = snncc("report", "model.snncc", "--data", "other.npz", "--no-verify", "--json")
    assert result.code == 0, result.err
    page = (tmp_path / "model.html").read_bytes()
    assert result.json == {
        "schema": "snncc/report/1", "file": "model.html", "bytes": len(page), "sections": SECTIONS
    }  # fmt: skip
    assert len(page) < 500_000
    text = page.decode()
    simulated = snncc("simulate", "model.snncc", "--data", "other.npz", "--json").json
    accuracy = f"{simulated['accuracy']:.2%}"
    assert f"<dt>accuracy on 12 images</dt><dd>{accuracy}</dd>" in text
    for code in ("radix", "graded", "count", "ttfs"):
        assert (
            f'<tr><td data-head="code">{code}</td><td class="n" data-head="accuracy">{accuracy}</td>' in text
        )
    assert '<tr><td data-head="code">rate, same weights</td>' in text
    assert "rate, Rueckauer, is left out: other.npz: has no images to calibrate on" in text
    assert "It is approximate however long it runs." in text
    assert f'data-head="synaptic operations">{simulated["synops_per_image"]:,.0f}</td>' in text
    assert "The engines were not compared (--no-verify); snncc verify does it." in text
    assert snncc("explain", "model.snncc", "--data", "other.npz").out.splitlines()[-1] in text


def test_the_same_page_twice(snncc: Snncc, tmp_path: Path) -> None:
    compiled(snncc)
    pages, sections = [], [section for section in SECTIONS if section != "accuracy"]
    for name in ("a.html", "b.html"):
        result = snncc("report", "model.snncc", "--no-verify", "-o", name)
        assert result.out == f"{name}: {', '.join(sections)}; {(tmp_path / name).stat().st_size:,} bytes\n"
        pages.append((tmp_path / name).read_bytes())
    assert pages[0] == pages[1]


def test_without_data_there_is_no_accuracy(snncc: Snncc, tmp_path: Path) -> None:
    snncc("compile", "model.onnx", "--target", "sim", "--calibrate", "data.npz", "--scale", "255")
    result = snncc("report", "model.snncc", "--json")
    assert result.json["sections"] == ["overview", "network", "levels", "raster", "verify", "manifest"]
    text = (tmp_path / "model.html").read_text(encoding="utf-8")
    assert "executions compute the same integers" in text
    assert "the 2 images among the artefact&#39;s golden vectors" in text


@pytest.mark.parametrize("code", ["rate", "stbif"])
def test_a_streaming_code(snncc: Snncc, tmp_path: Path, code: str) -> None:
    options = ("--code", code, "--calibrate", "data.npz", "--scale", "255")
    snncc("compile", "model.onnx", "--target", "sim", *options)
    result = snncc("report", "model.snncc", "--data", "other.npz", "--no-verify")
    assert result.code == 0, result.err
    text = (tmp_path / "model.html").read_text(encoding="utf-8")
    assert f'"codes":[{{"code":"{code}"' in text
    assert "signed spike counts of every population on 12 images" in text


def test_clock_cycles_of_an_fpga(snncc: Snncc, tmp_path: Path) -> None:
    options = ("--calibrate", "data.npz", "--scale", "255", "--lanes", "8")
    snncc("compile", "model.onnx", "--target", "fpga", *options)
    result = snncc("report", "model.snncc", "--data", "other.npz", "--no-verify", "--limit", "4")
    assert result.code == 0, result.err
    run = ("simulate", "model.snncc", "--data", "other.npz", "--engine", "cycles", "--limit", "4", "--json")
    found = snncc(*run).json
    text = (tmp_path / "model.html").read_text(encoding="utf-8")
    assert f"<dt>cycles per image</dt><dd>{found['cycles_per_image']:,.0f}</dd>" in text
    for layer in found["layers"]:
        assert f'<td data-head="layer">{layer["layer"]}</td>' in text
        assert f'">{layer["cycles"]:,.1f}</td>' in text


def test_hostile_names_are_escaped(snncc: Snncc, tmp_path: Path) -> None:
    model = onnx.load("model.onnx")
    hostile = "</script><img src=x onerror=alert(1)>&quot;"
    for node in model.graph.node:
        node.name = hostile + node.name
    Path("<b>&.onnx").write_bytes(model.SerializeToString())
    snncc("compile", "<b>&.onnx", "--target", "lava", "--calibrate", "data.npz", "--scale", "255", "-o", "m")
    assert snncc("report", "m", "--data", "other.npz", "--no-verify").code == 0
    text = (tmp_path / "m.html").read_text(encoding="utf-8")
    assert "<img" not in text
    assert text.count("</script>") == 2
    assert "&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;&amp;quot;relu1" in text
    assert "<title>&lt;b&gt;&amp;.onnx - snncc report</title>" in text
    assert "<b>&" not in text


def test_a_model_that_is_not_there_is_said_on_the_page(snncc: Snncc, tmp_path: Path) -> None:
    compiled(snncc)
    Path("model.onnx").unlink()
    assert snncc("report", "model.snncc", "--data", "other.npz", "--no-verify").code == 0
    text = (tmp_path / "model.html").read_text(encoding="utf-8")
    assert (
        "Where the loss comes from is not known: model.snncc: the model that it was compiled from, "
        "model.onnx, is neither beside it nor here; give it with --model"
    ) in text


def test_what_cannot_be_replaced(snncc: Snncc, tmp_path: Path) -> None:
    compiled(snncc)
    page = ("report", "model.snncc", "--no-verify")
    assert snncc(*page).code == 0
    assert snncc(*page).err == (
        "snncc: error: model.html: exists already; give --force to replace it, or another --out\n"
    )
    assert snncc(*page, "--force").code == 0
    assert snncc(*page, "--force", "-o", "data.npz").err == (
        "snncc: error: data.npz: is no report of snncc, so --force does not replace it; give another --out\n"
    )
    assert snncc(*page, "-o", "no/page.html").err == (
        "snncc: error: no/page.html: its folder does not exist; make it, or give another --out\n"
    )
    assert snncc("report", "none.snncc").err == f"snncc: error: none.snncc: no such artefact; {GIVE}\n"


def test_without_the_extra(snncc: Snncc, monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "jinja2" else found(name))
    result = snncc("report", "model.snncc")
    assert (result.code, result.out) == (1, "")
    assert result.err == (
        "snncc: error: snncc report: needs the Python package jinja2, which is not installed; "
        'pip install "jinja2>=3.1" "matplotlib>=3.8"\n'
    )


def test_a_damaged_list_of_certificates(snncc: Snncc, tmp_path: Path) -> None:
    compiled(snncc)
    file = tmp_path / "model.snncc" / "manifest.json"
    manifest = json.loads(file.read_text(encoding="utf-8"))
    manifest["requantised"] = [{"population": "relu1"}]
    file.write_text(json.dumps(manifest), encoding="utf-8")
    assert snncc("report", "model.snncc", "--no-verify").err == (
        "snncc: error: model.snncc/manifest.json: is damaged: its entry requantised is no list "
        "of certificates; compile the model again\n"
    )
