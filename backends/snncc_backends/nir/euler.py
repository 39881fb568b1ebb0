"""NIR's differential equations in time steps, by the forward Euler method as in simulators that read NIR."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from snncc_backends.nir.fields import Entries
from snncc_backends.nir.maps import Drive, channels
from snncc_ir.lif import DECAY_BITS, NO_MEMORY
from snncc_ir.neurons import DECAY_TOP
from snncc_ir.tensors import Reals

PARTS = 2**DECAY_BITS
"""Of what u and v hold, a whole number of these parts leaks in a step."""


@dataclass(frozen=True, kw_only=True)
class Dynamics:
    """What a node does in every step with the sum I of its weighted spikes, in volts.

        u = (1 - (du + 1) / 4096) u + gain[C] I
        v = (1 - dv / 4096) v + u + bias[C]        a spike where v > threshold, and then v = 0

    `notes` say how far the decays are from those of the file. Source: the equations of NIR (Pedersen et al.
    2024) with dx/dt = (x' - x) / dt, and the current of a step before its potential.
    """

    gain: Reals
    bias: Reals
    threshold: float
    du: int
    dv: int
    notes: tuple[str, ...]


def dynamics_of(node: Entries, drive: Drive, dt: float) -> Dynamics:
    """The dynamics of a LIF or CubaLIF node with steps of `dt` seconds.

    The thresholds of several channels become one: weights and biases of a channel are scaled instead.
    Raises ModelError for what Loihi's neuron does not do.
    """
    threshold = channels(node, "v_threshold", drive.shape)
    if threshold.min() <= 0:
        raise node.refuse("its v_threshold must be positive", "fire above the potential after a reset, 0")
    alike = threshold[0] / threshold
    current = node.kind == "CubaLIF"
    leak, share = _decay(node, "tau_mem" if current else "tau", dt, DECAY_TOP)
    gain = share * channels(node, "r", drive.shape) * alike
    bias = share * channels(node, "v_leak", drive.shape) * alike
    du, notes = NO_MEMORY + 1, leak.notes("v")
    if current:
        if drive.bias.any():
            raise node.refuse(
                "the biases before it would flow into its current; Loihi's go into the potential",
                "use Linear in place of Affine, or v_leak",
            )
        fall, part = _decay(node, "tau_syn", dt, PARTS)
        gain = gain * part * channels(node, "w_in", drive.shape)
        du, notes = fall.parts, (*fall.notes("u"), *notes)
    return Dynamics(
        gain=gain,
        bias=bias + gain * drive.bias,
        threshold=float(threshold[0]),
        du=du - 1,
        dv=leak.parts,
        notes=notes,
    )


@dataclass(frozen=True)
class _Decay:
    """So many 4096ths leak in a step, where the file has `wanted` of them."""

    parts: int
    wanted: float

    def notes(self, what: str) -> tuple[str, ...]:
        """What was rounded, if anything."""
        if self.parts == self.wanted:
            return ()
        error = abs(self.parts - self.wanted) / self.wanted
        return (f"{what} loses {self.parts}/{PARTS} in a step, not {self.wanted:.6g}/{PARTS} ({error:.2g})",)


def _decay(node: Entries, name: str, dt: float, most: int) -> tuple[_Decay, float]:
    """The decay of a time constant that all neurons share, and dt / tau."""
    values = node.reals(name)
    tau = float(values.flat[0])
    if (values != tau).any():
        raise node.refuse(f"{name} differs between its neurons", "a population has one; use several nodes")
    if tau < dt or (tau == dt and most < PARTS):
        raise node.refuse(
            f"{name} of {tau:g} s is too short for time steps of {dt:g} s", "give a shorter --dt"
        )
    share = dt / tau
    parts = min(int(np.rint(share * PARTS)), most)
    if not parts:
        raise node.refuse(f"{name} of {tau:g} s is too long for time steps of {dt:g} s", "give a longer --dt")
    return _Decay(parts, share * PARTS), share
