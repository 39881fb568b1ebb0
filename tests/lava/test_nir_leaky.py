"""NIR networks of neurons that leak, in Lava."""

from __future__ import annotations

from pathlib import Path

import nir
import numpy as np
import pytest

from snncc_backends.lava import backend
from snncc_backends.nir.lift import lift
from snncc_ir.progress import silent
from snncc_ir.streaming import run_streaming
from support.nir_files import cuba, lif, row


@pytest.mark.usefixtures("lava_python")
def test_lava_gives_the_reference(tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    nodes = [
        nir.Affine(rng.normal(size=(9, 6)), rng.normal(size=9)),
        lif(9, tau=0.0073, v_leak=rng.normal(size=9) / 4),
        nir.Linear(rng.normal(size=(5, 9))),
        cuba(5, tau_syn=0.0031, r=6.0),
        nir.Linear(rng.normal(size=(3, 5))),
    ]
    graph = lift(row(tmp_path / "net.nir", [6], nodes, [3]), 25, None).graph
    lava, machine = backend.engines[0], backend.machines["loihi1"]
    x = {"in": rng.integers(0, 2, (2, 6))}
    run, reference = lava.run(graph, machine, x, silent), run_streaming(graph, x)
    for name, train in reference.trains.items():
        assert 0 < train.mean() < 1, f"{name} fires never or always: the test is vacuous"
        np.testing.assert_array_equal(run.trains[name], np.moveaxis(train, 0, 1), err_msg=name)
    np.testing.assert_array_equal(run.outputs["out"], reference.outputs["out"][-1])
