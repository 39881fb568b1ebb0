"""Processes that write down what passes: they listen, and send nothing.

They stand for the host that reads a chip. All that computes is Lava's own: `LIF`, `Sparse`, `DelaySparse`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from numpy.typing import NDArray


class Count:
    """The time step that a run of several images has reached; `value` is shared with another process."""

    def __init__(self, value: Any, before: int) -> None:
        """Count from `before`."""
        self._value, self._before = value, before

    def at(self, time_step: int) -> None:
        """Say where the run is."""
        self._value.value = self._before + time_step


class SpikeProbe(AbstractProcess):
    """Writes the spikes of one image into row `image` of a file `[images, steps, *shape]`."""

    def __init__(self, *, name: str, neurons: int, path: Path, image: int, start: int, count: Count) -> None:
        """Write from the time step after `start` on, as many steps as the file has."""
        super().__init__(name=name, path=path, image=image, start=start, count=count)
        self.s_in = InPort(shape=(neurons,))


class SumProbe(AbstractProcess):
    """Adds up what arrives in `steps` steps and a bias in each, and writes it to `[images, *shape]`."""

    def __init__(
        self,
        *,
        name: str,
        bias: NDArray[np.int64],
        path: Path,
        image: int,
        start: int,
        steps: int,
        count: Count,
    ) -> None:
        """Add from the time step after `start` on."""
        super().__init__(name=name, bias=bias, path=path, image=image, start=start, steps=steps, count=count)
        self.s_in = InPort(shape=bias.shape)


@implements(proc=SpikeProbe, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PySpikeProbe(PyLoihiProcessModel):
    """Listens to one population."""

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)

    def run_spk(self) -> None:
        """One time step."""
        own = self.proc_params
        spikes, step = self.s_in.recv(), self.time_step - 1 - own["start"]
        own["count"].at(self.time_step)
        rows = np.load(own["path"], mmap_mode="r+")
        if 0 <= step < rows.shape[1]:
            rows[own["image"], step] = spikes.reshape(rows.shape[2:])


@implements(proc=SumProbe, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PySumProbe(PyLoihiProcessModel):
    """Listens to the synapses of one readout."""

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    total: NDArray[np.int64] | None = None

    def run_spk(self) -> None:
        """One time step."""
        own = self.proc_params
        drive, step = self.s_in.recv(), self.time_step - 1 - own["start"]
        own["count"].at(self.time_step)
        if not 0 <= step < own["steps"]:
            return
        before = np.zeros(own["bias"].shape, np.int64) if self.total is None else self.total
        self.total = before + drive + own["bias"]
        if step == own["steps"] - 1:
            rows = np.load(own["path"], mmap_mode="r+")
            rows[own["image"]] = self.total.reshape(rows.shape[1:])
