"""NIR files for the tests: neurons that leak, and entries of every other kind."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np

from snncc_backends.nir.lift import lift
from snncc_ir.errors import ModelError

STRANGE = {
    "missing": None,
    "text": "text",
    "empty": np.zeros(0),
    "nan": np.array(np.nan),
    "huge": np.full((2, 3), 1e300),
    "negative": np.array([-5]),
    "half": np.array([0.5, 0.5]),
    "five axes": np.ones((1, 1, 1, 1, 1)),
    "zero": np.array(0),
    "complex": np.array([1j]),
}


def entries(file: Path) -> list[str]:
    """Every array and text of a file."""
    found: list[str] = []
    with h5py.File(file) as opened:
        opened.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
    return found


def check_changed(whole: Path, file: Path, name: str, strange: Any) -> None:
    """Another value in place of an entry, or none, is a network or one message."""
    file.write_bytes(whole.read_bytes())
    with h5py.File(file, "a") as opened:
        del opened[name]
        if strange is not None:
            opened[name] = strange
    with contextlib.suppress(ModelError):
        assert lift(file, 4, None).graph.is_integer


def lif(shape: int | tuple[int, ...], **values: Any) -> nir.LIF:
    """A LIF node; tau 0.004, r 4, v_leak 0 and v_threshold 1 where `values` say nothing else."""
    known = {"tau": 0.004, "r": 4.0, "v_leak": 0.0, "v_threshold": 1.0, **values}
    return nir.LIF(**{name: _spread(value, shape) for name, value in known.items()})


def cuba(shape: int | tuple[int, ...], **values: Any) -> nir.CubaLIF:
    """A CubaLIF node likewise, with tau_syn 0.002, tau_mem 0.004 and w_in 2."""
    known = {"tau_syn": 0.002, "tau_mem": 0.004, "r": 4.0, "v_leak": 0.0, "v_threshold": 1.0, "w_in": 2.0}
    return nir.CubaLIF(**{name: _spread(value, shape) for name, value in {**known, **values}.items()})


def _spread(value: Any, shape: int | tuple[int, ...]) -> Any:
    if isinstance(value, dict):
        return value
    values = np.asarray(value, dtype=np.float64)
    axes = 1 if isinstance(shape, int) else len(shape)
    return np.broadcast_to(values.reshape(values.shape + (1,) * (axes - values.ndim)), shape).copy()


def row(
    path: Path, shape: Sequence[int], nodes: Sequence[nir.NIRNode], size: Sequence[int], **metadata: Any
) -> Path:
    """A file whose nodes stand in one row behind an input of `shape`: n0, n1, ... up to `out` of `size`."""
    named: dict[str, nir.NIRNode] = {"in": nir.Input(input_type=np.array(shape))}
    named |= {f"n{number}": node for number, node in enumerate(nodes)}
    named["out"] = nir.Output(output_type=np.array(size))
    nir.write(path, nir.NIRGraph(named, list(pairwise(named)), metadata=metadata))
    return path


def image_network(rng: np.random.Generator) -> list[nir.NIRNode]:
    """Convolutions, a pool and a dense layer with weights of no common unit."""
    return [
        nir.Conv2d((6, 6), rng.normal(size=(3, 2, 3, 3)), 1, 1, 1, 1, rng.normal(size=3)),
        lif((3, 6, 6), tau=0.0073, v_threshold=rng.uniform(0.5, 3, 3), v_leak=rng.normal(size=3)),
        nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
        nir.Scale(np.full((3, 3, 3), 0.25)),
        cuba((3, 3, 3), tau_syn=0.0031, r=rng.uniform(3, 6, 3), w_in=3.0),
        nir.Flatten({"input": np.array([3, 3, 3])}, 0, -1),
        nir.Linear(rng.normal(size=(4, 27))),
        lif(4, tau=0.011, r=9.0),
        nir.Affine(rng.normal(size=(2, 4)), rng.normal(size=2)),
    ]


def image_file(folder: Path, seed: int = 3, **metadata: Any) -> Path:
    return row(folder / "net.nir", [2, 6, 6], image_network(np.random.default_rng(seed)), [2], **metadata)
