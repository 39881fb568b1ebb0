"""How a network fits a chip, as `compile` and `explain` say it."""

from __future__ import annotations

import re
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

import snncc_backends.chips
from snncc.artefact import read
from snncc.fit import as_plain as fit_plain
from snncc.fit import fit
from snncc_backends.chips import load_machine
from snncc_ir.codes import Code
from snncc_ir.graph import Graph
from snncc_ir.nodes import Population
from snncc_ir.timing import Phased
from support.command import Snncc, compiled

POOLED = 6 * 4 * 4
"""Pooling windows of the model."""

TEMPLATE = files(snncc_backends.chips).joinpath("template.toml").read_text(encoding="utf-8")


def rate(snncc: Snncc, *extra: str) -> None:
    result = snncc(
        "compile", "model.onnx", "--target", "sim", "--calibrate", "data.npz", "--scale", "255",
        "--code", "rate", "--steps", "8", "--force", *extra,
    )  # fmt: skip
    assert result.code == 0, result.err


def test_compile_says_how_many_cores_it_takes(snncc: Snncc) -> None:
    result = compiled(snncc, "--json")
    assert (result.json["cores"], result.json["chips"]) == (1, 1)
    fit = result.json["fit"]
    assert fit["fits"] is True
    assert fit["limits"]["compartments"] == 8192
    assert set(fit["estimates"]) == {"radix", "graded", "count", "ttfs"}
    (core,) = fit["use"]
    assert core["usage"][0] == result.json["neurons"] + POOLED
    text = compiled(snncc, "--force").out
    assert "loihi2: 1 core on 1 chip; no plan has fewer than 1" in text
    assert text.splitlines()[1].split()[:3] == ["core", "chip:column,row", "compartments"]


def test_explain_maps_on_another_chip(snncc: Snncc, tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_text(TEMPLATE)
    rate(snncc)
    explain = ("explain", "model.snncc", "--chip", "my.toml")
    result = snncc(*explain, "--json")
    assert result.code == 0, result.err
    fit = result.json["fit"]
    assert sum(core["usage"][0] for core in fit["use"]) == 6 * 8 * 8 + 6 * 4 * 4 + 5 + POOLED
    assert fit["cores"] == 3 == fit["lower_bound"]
    assert list(fit["estimates"]) == ["rate"]
    total = fit["estimates"]["rate"]["total"]
    units = fit["estimates"]["rate"]["units"].values()
    for name, value in total.items():
        assert abs(sum(unit[name] for unit in units) - value) <= 1e-6 * max(1.0, value)
    measured = snncc(*explain, "--data", "other.npz", "--json").json["fit"]
    assert measured["cores"] == 3
    assert measured["estimates"] != fit["estimates"]
    lines = snncc(*explain).out.splitlines()
    assert "mychip: 3 cores on 1 chip; no plan has fewer than 3" in lines
    assert lines[-1].startswith("energy and time are estimates from counted events and the figures")


def test_what_does_not_fit_says_by_how_much_and_what_would_help(snncc: Snncc, tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(with_number("core.synapse_words", 8192, 95))
    rate(snncc)
    result = snncc("explain", "model.snncc", "--chip", "small.toml")
    assert result.code == 0
    assert result.out.splitlines()[-1] == (
        "mychip: does not fit: y: one neuron takes 96 synapse words, 1 more than a core has; "
        "use fewer weight bits, or a chip with more synaptic memory or partial sums"
    )
    (tmp_path / "two.toml").write_text(with_number("core.soft_compartments", 1, 2))
    found = snncc("explain", "model.snncc", "--chip", "two.toml", "--json").json["fit"]
    assert (found["cores"], found["chips"], found["changes"]) == (5, 1, [])
    narrow = with_number("mesh.columns", 4, 1, with_number("core.soft_compartments", 1, 2))
    (tmp_path / "two.toml").write_text(narrow)
    found = snncc("explain", "model.snncc", "--chip", "two.toml", "--json").json["fit"]
    assert (found["cores"], found["chips"]) == (5, 2)
    assert found["changes"] == ["with --reset zero: 3 cores on 1 chip"]


def with_number(table: str, old: int, new: int, text: str = TEMPLATE) -> str:
    entry = f"[{table}]\nvalue = {old}\n"
    assert text.count(entry) == 1
    return text.replace(entry, f"[{table}]\nvalue = {new}\n")


def test_a_code_that_the_chip_does_not_offer_is_said(snncc: Snncc) -> None:
    compiled(snncc)
    lines = snncc("explain", "model.snncc", "--chip", "loihi1").out.splitlines()
    assert "code radix is not offered by loihi1; compile with --code rate" in lines


def test_a_chip_that_there_is_not(snncc: Snncc) -> None:
    compiled(snncc)
    result = snncc("explain", "model.snncc", "--chip", "loihi9")
    assert result.code == 1
    assert result.err == (
        "snncc: error: --chip: no chip is called 'loihi9'; there are loihi1, loihi2, or give a description "
        "(.toml, see docs/cores.md)\n"
    )


def test_an_artefact_of_no_chip_of_cores_is_summarised_as_ever(snncc: Snncc) -> None:
    rate(snncc)
    result = snncc("explain", "model.snncc", "--json")
    assert set(result.json) == {"schema", "nodes", "timing"}


def test_a_chip_reads_as_many_images_as_it_is_told(snncc: Snncc) -> None:
    compiled(snncc)
    explain = ("explain", "model.snncc", "--chip", "loihi2", "--data", "other.npz", "--json")
    every = snncc(*explain).json["fit"]["estimates"]
    assert snncc(*explain, "--limit", "12").json["fit"]["estimates"] == every
    assert snncc(*explain, "--limit", "1").json["fit"]["estimates"] != every


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--chip", "loihi2", "--data", "other.npz", "--model", "model.onnx"),
            "--model: is what a loss is compared with, and --chip asks for none; leave one of them out",
        ),
        (
            ("--chip", "loihi2", "--limit", "3"),
            "--limit: says something of images, and there are none; give --data",
        ),
        (
            ("--model", "model.onnx", "--limit", "3"),
            "--model, --limit: says something of images, and there are none; give --data",
        ),
    ],
)
def test_options_that_would_say_nothing_are_refused(
    snncc: Snncc, options: tuple[str, ...], message: str
) -> None:
    compiled(snncc)
    result = snncc("explain", "model.snncc", *options)
    assert (result.code, result.out, result.err) == (1, "", f"snncc: error: {message}\n")


def test_compile_says_which_codes_are_cheapest(snncc: Snncc) -> None:
    text = compiled(snncc, "--code", "auto").out.splitlines()
    assert [line.split() for line in text[1:4]] == [
        ["population", "levels", "code", "steps"],
        ["relu1", "0..15", "graded", "1"],
        ["relu2", "0..15", "graded", "1"],
    ]
    assert re.fullmatch(
        r"codes of least energy: \S+ uJ and \S+ us per image, 480 compartments; radix everywhere: \S+ uJ and "
        r"\S+ us per image, 480 compartments \(estimates\)",
        text[4],
    )
    for goal in ("energy", "time", "cores"):
        result = compiled(snncc, "--code", f"auto:{goal}", "--force", "--json")
        found = result.json["codes"]
        assert (found["goal"], found["populations"]) == (goal, {"relu1": "graded", "relu2": "graded"})
        assert found["estimate"]["nanojoules"] < found["reference"]["nanojoules"]
        assert found["estimate"]["microseconds"] < found["reference"]["microseconds"]
        assert result.json["pipeline"].endswith(f";cheapest_codes{{goal={goal}}}")
    assert "codes" not in compiled(snncc, "--force", "--json").json


def test_the_fit_of_a_network_in_several_codes(snncc: Snncc, tmp_path: Path) -> None:
    compiled(snncc)
    mixed = mixed_codes(read(tmp_path / "model.snncc").graph)
    found = fit(mixed, load_machine("loihi2"), {mixed.inputs[0].name: np.ones((2, 2, 8, 8), dtype=np.int64)})
    assert list(fit_plain(found)["estimates"]) == ["mixed", "graded", "radix", "count", "ttfs"]
    assert found.own not in found.estimates.values()


def mixed_codes(graph: Graph) -> Graph:
    """A phased graph whose first population is `ttfs` and whose others are `radix`."""
    nodes = [
        replace(node, code=Code.TTFS if node is graph.populations[0] else Code.RADIX)
        if isinstance(node, Population)
        else node
        for node in graph.nodes
    ]
    return replace(graph, nodes=tuple(nodes), timing=Phased())
