"""Lava processes for networks of level neurons, and their fixed-point models.

A level neuron integrates for a window of time steps, latches what it has, and sends it as spikes in the
next window. One process holds a population with its synapses and dendritic accumulators, as a neuro core
does. Lava runs every process in an operating system process of its own and synchronises all of them in
every step, so connection processes beside the populations would double their number, and with it the time
of a step; and Lava's own (Dense, Sparse, Conv) sum all that arrives in one place, where a level neuron needs
an accumulator for each window and code, and have no weights as wide as a skip connection's multiplier.

Timing. As with Lava's own connections, a spike of step t acts on what is sent in step t + 1 at the
earliest: a population sends first, then receives and integrates. What it sends was latched when the
window began, so this delay costs no step: spikes of a window's last step are integrated before the next
window's first. All processes share one clock; a population at depth d sends image i in window i + d.

All values are integers of at most 24 bits (the compiler has proved it for every input), held as int32.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from numerics.pool import PoolGate
from numerics.receive import Pick, Receiver
from numerics.record import Recorder
from numerics.send import Firing
from numerics.strand import Clock, Ints

Shape = tuple[int, ...]


# --- processes --------------------------------------------------------------------------------------------


class LevelSource(AbstractProcess):
    """Sends the levels `levels[I, ...]` of the images, one image per window."""

    def __init__(self, *, name: str, clock: Clock, levels: Ints, firing: Firing, progress: Any) -> None:
        """Keep `progress.value` at the time step reached, where there is one."""
        super().__init__(name=name, clock=clock, levels=levels, firing=firing, progress=progress)
        self.s_out = OutPort(shape=levels.shape[1:])
        self.v = Var(shape=levels.shape[1:], init=0)


class LevelPopulation(AbstractProcess):
    """Level neurons with their synapses: v is what is left to send in this window."""

    def __init__(
        self, *, name: str, clock: Clock, sources: Sequence[Shape], receiver: Receiver, firing: Firing
    ) -> None:
        """Listen to `sources`, given by the shapes of what they send."""
        super().__init__(name=name, clock=clock, receiver=receiver, firing=firing)
        _add_in_ports(self, sources)
        self.s_out = OutPort(shape=firing.v.shape)
        self.v = Var(shape=firing.v.shape, init=0)


class LevelGate(AbstractProcess):
    """Max-pooling: in every step passes on, for each of its windows, the spike of the greatest level."""

    def __init__(
        self, *, name: str, clock: Clock, sources: Sequence[Shape], pick: Pick, gate: PoolGate
    ) -> None:
        """Listen to `sources`, given by the shapes of what they send."""
        super().__init__(name=name, clock=clock, pick=pick, gate=gate)
        _add_in_ports(self, sources)
        self.s_out = OutPort(shape=gate.shape)


class DriveReadout(AbstractProcess):
    """Outputs that never fire: y is the drive plus bias of the last window that has ended."""

    def __init__(
        self,
        *,
        name: str,
        clock: Clock,
        sources: Sequence[Shape],
        receiver: Receiver,
        bias: Ints,
        recorder: Recorder,
    ) -> None:
        """Listen to `sources`, given by the shapes of what they send."""
        super().__init__(name=name, clock=clock, receiver=receiver, bias=bias, recorder=recorder)
        _add_in_ports(self, sources)
        self.y = Var(shape=receiver.drive.shape, init=0)


def _add_in_ports(process: AbstractProcess, sources: Sequence[Shape]) -> None:
    """In-ports `s_in_0`, `s_in_1`, ..., one for each process that is listened to."""
    for number, shape in enumerate(sources):
        setattr(process, f"s_in_{number}", InPort(shape=shape))


# --- models -----------------------------------------------------------------------------------------------


def _spikes_in() -> LavaPyType:
    return LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)


class _Listener(PyLoihiProcessModel):
    """A model with in-ports `s_in_0`, `s_in_1`, ..."""

    fan_in = 0

    def _inbox(self) -> list[Ints]:
        """This step's spikes of every in-port."""
        return [getattr(self, f"s_in_{number}").recv() for number in range(self.fan_in)]


@implements(proc=LevelSource, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyLevelSource(PyLoihiProcessModel):
    """Loads an image when a window starts; after the last image it sends level 0."""

    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    v: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=24)

    def run_spk(self) -> None:
        """One time step."""
        own = self.proc_params
        window, step = own["clock"].at(self.time_step)
        firing, levels = own["firing"], own["levels"]
        if step == 0:
            firing.latch(levels[window] if window < len(levels) else np.zeros(levels.shape[1:], np.int32))
            self.v = firing.v
        self.s_out.send(firing.spikes(window, step))
        if own["progress"] is not None:
            own["progress"].value = self.time_step


class PyLevelPopulation(_Listener):
    """Latches at the window's start, sends, then integrates what arrives."""

    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    v: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=24)

    def run_spk(self) -> None:
        """One time step."""
        own = self.proc_params
        window, step = own["clock"].at(self.time_step)
        if step == 0:
            own["firing"].latch(own["receiver"].drive)
            self.v = own["firing"].v
        self.s_out.send(own["firing"].spikes(window, step))
        own["receiver"].receive(self._inbox(), step)


class PyLevelGate(_Listener):
    """Receives and sends in the same step: a gate is wiring, not a neuron, and adds no delay."""

    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)

    def run_spk(self) -> None:
        """One time step."""
        own = self.proc_params
        _, step = own["clock"].at(self.time_step)
        if step == 0:
            own["gate"].load()
        self.s_out.send(own["gate"].step(own["pick"](self._inbox())))


class PyDriveReadout(_Listener):
    """Integrates like a population and keeps the sum of every window."""

    y: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=24)

    def run_spk(self) -> None:
        """One time step."""
        own = self.proc_params
        window, step = own["clock"].at(self.time_step)
        if own["receiver"].receive(self._inbox(), step):
            self.y = own["receiver"].drive + own["bias"]
            own["recorder"].write(window, 0, self.y)


# Lava wants every port of a model declared in its class, so each number of in-ports has a pair of classes.


@functools.cache
def with_inputs(process: type[AbstractProcess], fan_in: int) -> type[AbstractProcess]:
    """The variant of a process with `fan_in` in-ports; its model is made along with it."""
    model = MODELS[process]
    about = {"__doc__": process.__doc__, "__module__": __name__}
    variant = type(f"{process.__name__}{fan_in}", (process,), about)
    ports = {f"s_in_{number}": _spikes_in() for number in range(fan_in)}
    body = {"__doc__": model.__doc__, "__module__": __name__, "fan_in": fan_in, **ports}
    implementation = type(f"{model.__name__}{fan_in}", (model,), body)
    implementation = tag("fixed_pt")(requires(CPU)(implements(variant, LoihiProtocol)(implementation)))
    globals().update({variant.__name__: variant, implementation.__name__: implementation})  # where Lava looks
    return variant


MODELS = {
    LevelPopulation: PyLevelPopulation,
    LevelGate: PyLevelGate,
    DriveReadout: PyDriveReadout,
}
