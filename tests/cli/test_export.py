"""NIR files by the command: a network of the repository there and back, and mistakes of users."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import nir
import numpy as np
import pytest

from snncc import artefact
from snncc.golden import golden_inputs
from support.command import Snncc
from support.native import FASTEST_STREAM
from support.nir_files import cuba, lif, row
from support.nir_machine import Machine, check_same_spikes

STRIDED = Path(__file__).parents[2] / "examples" / "digits"


def compile_digits(snncc: Snncc, *options: str) -> None:
    model, data = str(STRIDED / "digits_strided.onnx"), str(STRIDED / "digits.npz")
    compiled = ("compile", model, "--target", "sim", "--calibrate", data, "--scale", "255", "-o", "net.snncc")
    assert snncc(*compiled, "--code", "rate", "--steps", "6", *options).code == 0


@pytest.mark.parametrize("reset", ["subtract", "zero"])
def test_the_command_on_the_digits_network(snncc: Snncc, tmp_path: Path, reset: str) -> None:
    compile_digits(snncc, "--reset", reset)
    done = snncc("export", "net.snncc", "--to", "nir", "-o", "digits.nir", "--json")
    found = artefact.read(tmp_path / "net.snncc")
    size = (tmp_path / "digits.nir").stat().st_size
    assert (done.code, done.err) == (0, "")
    neurons = sum(int(np.prod(found.graph.types[node.name].shape)) for node in found.graph.populations)
    nodes = len(Machine(tmp_path / "digits.nir").nodes)
    assert done.json == {
        "schema": "snncc/export/1",
        "file": "digits.nir", "format": "nir", "nodes": nodes, "neurons": neurons, "bytes": size
    }  # fmt: skip
    inputs = {name: x[:1] for name, x in golden_inputs(found.golden).items()}
    check_same_spikes(found.graph, inputs, tmp_path / "digits.nir")


def test_the_mistakes_of_the_command(snncc: Snncc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compile_digits(snncc)
    assert snncc("export", "net.snncc", "--to", "nir").code == 0
    assert snncc("export", "net.snncc", "--to", "nir").err == (
        "snncc: error: net.nir: exists already; give --force to replace it, or another -o\n"
    )
    assert snncc("export", "net.snncc", "--to", "nir", "--force").code == 0
    (tmp_path / "mine.txt").write_text("mine")
    assert snncc("export", "net.snncc", "--to", "nir", "--force", "-o", "mine.txt").err == (
        "snncc: error: mine.txt: is no NIR file, so --force does not replace it; give another -o\n"
    )
    assert snncc("export", "net.snncc", "--to", "nir", "-o", "no/net.nir").err == (
        "snncc: error: no/net.nir: its folder does not exist; make it, or give another -o\n"
    )
    missing = lambda name: None if name == "h5py" else find_spec(name)  # noqa: E731
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", missing)
    done = snncc("export", "net.snncc", "--to", "nir", "-o", "other.nir")
    assert (done.code, done.err) == (
        1,
        "snncc: error: --to nir: needs the Python package h5py, which is not installed; "
        'pip install "nir>=1.0.8"\n',
    )


def test_a_file_compiles_to_a_network_with_the_same_answers(snncc: Snncc, tmp_path: Path) -> None:
    compile_digits(snncc)
    assert snncc("export", "net.snncc", "--to", "nir").code == 0
    done = snncc("compile", "net.nir", "--target", "sim", "-o", "back.snncc", "--json")
    assert (done.code, done.err, done.json["populations"]) == (0, "", 3)
    assert snncc("verify", "back.snncc").code == 0
    first, second = (
        snncc("simulate", name, "--data", str(STRIDED / "digits.npz"), "--limit", "20", "--json").json
        for name in ("net.snncc", "back.snncc")
    )
    for key in ("predictions", "accuracy", "spikes_per_image", "synops_per_image", "steps"):
        assert first[key] == second[key]


def test_the_mistakes_of_compiling_a_file(snncc: Snncc, tmp_path: Path) -> None:
    compiled = ("compile", "net.nir", "--target", "sim", "-o", "back.snncc")
    assert snncc(*compiled).err == "snncc: error: net.nir: no such file; check the path\n"
    (tmp_path / "net.nir").write_bytes(b"no HDF5")
    done = snncc(*compiled)
    assert (done.code, done.err.splitlines()[0][:60]) == (
        1,
        "snncc: error: net.nir: is no readable HDF5 file (Unable to s",
    )
    assert snncc("check", "net.nir").err == (
        "snncc: error: net.nir: is a NIR file, of which nothing is lowered; snncc compile takes it\n"
    )
    assert snncc(*compiled, "--level-bits", "3", "--scale", "255").err == (
        "snncc: error: --scale, --mean, --std, --level-bits: a NIR file says it already, or has no use "
        "for it; leave it out\n"
    )


def test_netx_files_by_the_command(snncc: Snncc, tmp_path: Path) -> None:
    model, data = str(STRIDED / "digits_strided.onnx"), str(STRIDED / "digits.npz")
    given = ("--target", "lava", "--chip", "loihi1", "--calibrate", data, "--scale", "255", "--steps", "4")
    assert snncc("compile", model, *given, "-o", "net.snncc").code == 0
    done = snncc("export", "net.snncc", "--to", "netx", "--json")
    found = artefact.read(tmp_path / "net.snncc").graph
    neurons = sum(int(np.prod(found.types[node.name].shape)) for node in found.populations)
    layers, size = 1 + len(found.populations), (tmp_path / "net.net").stat().st_size
    assert (done.code, done.err) == (0, "")
    assert done.json == {
        "schema": "snncc/export/1",
        "file": "net.net", "format": "netx", "nodes": layers, "neurons": neurons, "bytes": size
    }  # fmt: skip
    assert snncc("export", "net.snncc", "--to", "netx", "--force").out == (
        f"net.net: {layers} nodes, {neurons} neurons, {size:,} bytes\n"
    )


def test_the_mistakes_of_netx_files(snncc: Snncc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = ("--target", "lava", "--calibrate", "data.npz", "--scale", "255")
    assert snncc("compile", "model.onnx", *given, "-o", "net.snncc").code == 0
    assert snncc("export", "net.snncc", "--to", "netx").err == (
        "snncc: error: net.snncc: a netx file cannot express this network: small: phased timing; loihi1 "
        "has rate neurons alone, choose --code rate; compile a network without branches with --target lava "
        "--chip loihi1\n"
    )
    (tmp_path / "net.net").write_text("mine")
    assert snncc("export", "net.snncc", "--to", "netx", "--force").err == (
        "snncc: error: net.net: is no NETX file, so --force does not replace it; give another -o\n"
    )
    missing = lambda name: None if name == "h5py" else find_spec(name)  # noqa: E731
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", missing)
    assert snncc("export", "net.snncc", "--to", "netx", "-o", "other.net").err == (
        "snncc: error: --to netx: needs the Python package h5py, which is not installed; "
        'pip install "h5py>=3.7"\n'
    )


def leaky_file(path: Path) -> Path:
    rng = np.random.default_rng(2)
    return row(path, [5], [nir.Linear(rng.normal(size=(4, 5))), cuba(4), nir.Linear(np.eye(4)), lif(4)], [4])


def test_a_file_of_neurons_that_leak(snncc: Snncc, tmp_path: Path) -> None:
    leaky_file(tmp_path / "net.nir")
    given = ("compile", "net.nir", "--steps", "12", "--dt", "0.001", "--target")
    done = snncc(*given, "lava", "--chip", "loihi1", "-o", "leaky.snncc", "--json")
    assert (done.code, done.json["populations"], done.json["chip"]) == (0, 3, "loihi1")
    assert done.err == (
        "snncc: warning: the file says no number of steps: 12\n"
        "snncc: warning: in: the file says no input levels, so spikes 0 and 1 are taken\n"
        "snncc: warning: n1: weights rounded by up to 0.0039 of the greatest\n"
    )
    found = snncc("verify", "leaky.snncc", "--json").json
    status = {rung["engine"]: rung["status"] for rung in found["engines"]}
    assert (status.pop("lava") in ("equal", "not run"), set(status.values())) == (True, {"equal"})
    assert list(status) == ["reference", "native", "spikes", "lif"]
    np.save("x.npy", np.eye(5))
    ran = snncc("simulate", "leaky.snncc", "--data", "x.npy", "--json").json
    assert (ran["steps"], ran["engine"]) == (12, FASTEST_STREAM)
    assert snncc("explain", "leaky.snncc", "--chip", "loihi1", "--json").code == 0


def test_neurons_that_leak_on_an_fpga(snncc: Snncc, tmp_path: Path) -> None:
    leaky_file(tmp_path / "net.nir")
    options = ("--target", "fpga", "--lanes", "8", "--steps", "12", "--dt", "0.001", "-o", "leaky.fpga")
    assert snncc("compile", "net.nir", *options).code == 0
    np.save("x.npy", np.eye(5))
    reports = [
        snncc("simulate", "leaky.fpga", "--data", "x.npy", "--engine", engine, "--json").json
        for engine in ("spikes", "cycles")
    ]
    assert reports[0]["predictions"] == reports[1]["predictions"]
    assert reports[0]["spikes_per_image"] == reports[1]["spikes_per_image"]
    assert reports[1]["cycles_per_image"] > 0


def test_a_network_that_leaks_there_and_back(snncc: Snncc, tmp_path: Path) -> None:
    leaky_file(tmp_path / "net.nir")
    given = ("--target", "lava", "--chip", "loihi1")
    assert (
        snncc("compile", "net.nir", *given, "--steps", "12", "--dt", "0.001", "-o", "leaky.snncc").code == 0
    )
    done = snncc("export", "leaky.snncc", "--to", "nir", "-o", "back.nir", "--json")
    assert (done.code, done.json["neurons"]) == (0, 8), done.err  # those behind the input are not in the file
    done = snncc("compile", "back.nir", *given, "-o", "back.snncc")
    assert (done.code, done.err) == (0, "")
    first, again = (artefact.read(tmp_path / name).graph for name in ("leaky.snncc", "back.snncc"))
    assert (again.by_name, again.timing) == (first.by_name, first.timing)
    done = snncc("export", "leaky.snncc", "--to", "netx", "--json")
    assert (done.code, done.json["nodes"], done.json["neurons"]) == (0, 3, 13), done.err


def test_the_mistakes_of_time_steps(snncc: Snncc, tmp_path: Path) -> None:
    leaky_file(tmp_path / "net.nir")
    compiled = ("compile", "net.nir", "--target", "sim", "-o", "leaky.snncc")
    assert snncc(*compiled, "--dt", "0").err == (
        "snncc: error: --dt: must be a positive number of seconds, not 0\n"
    )
    given = ("--target", "sim", "--calibrate", "data.npz", "--dt", "0.001")
    assert snncc("compile", "model.onnx", *given).err == (
        "snncc: error: --dt: is for NIR files whose neurons leak; leave it out\n"
    )
