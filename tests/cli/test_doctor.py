"""`snncc doctor`: what can run here, and what to install for the rest."""

from __future__ import annotations

import importlib.util

import pytest

from snncc.targets import load_target
from support.command import Snncc


def test_every_part_is_named(snncc: Snncc) -> None:
    result = snncc("doctor", "--json")
    assert (result.code, result.err) == (0, "")
    parts = {part["name"]: part for part in result.json["parts"]}
    engines = [f"engine {engine.name}" for name in ("fpga", "lava") for engine in load_target(name).engines]
    stages = ["fpga synthesis", "fpga routed", "fpga bitstream"]
    assert {"native engine", "nir", "report", "dask", *engines, *stages} <= set(parts)
    assert parts["engine cycles"]["missing"] is None
    for name in ("csim", "rtl"):
        engine = next(e for e in load_target("fpga").engines if e.name == name)
        assert parts[f"engine {name}"]["missing"] == engine.missing()


def test_what_is_missing_says_how_to_get_it(snncc: Snncc, monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name in ("nir", "distributed") else found(name)
    )
    monkeypatch.setenv("SNNCC_NATIVE", "off")
    monkeypatch.setenv("SNNCC_YOSYS", "/no/yosys")
    result = snncc("doctor")
    assert result.code == 0
    assert "switched off by SNNCC_NATIVE=off" in result.out
    assert 'needs the Python package nir, which is not installed; pip install "nir>=1.0.8"' in result.out
    assert "needs the Python package distributed, which is not installed; pip install" in result.out
    assert "SNNCC_YOSYS=/no/yosys is no program" in result.out
