"""Devices that designs are placed on, and the families that designs are synthesised for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from snncc_ir.errors import TargetError


class Family(Enum):
    """A family of devices, by the name of its Yosys flow."""

    ECP5 = "ecp5"
    XILINX = "xilinx"
    ICE40 = "ice40"


@dataclass(frozen=True, kw_only=True)
class Device:
    """One ECP5 part: Lattice FPGA-DS-02012, table 1.1 (nextpnr counts the same).

    `luts` is LUT4s and as many flip-flops, `rams` DP16KD blocks of 18 kbit, `multipliers` MULT18X18D.
    """

    name: str
    option: str
    luts: int
    rams: int
    multipliers: int
    package: str = "CABGA381"
    speed: int = 6

    @property
    def flip_flops(self) -> int:
        """One flip-flop per LUT."""
        return self.luts


DEVICES = {
    device.name: device
    for device in (
        Device(name="ecp5-25k", option="--25k", luts=24288, rams=56, multipliers=28),
        Device(name="ecp5-45k", option="--45k", luts=43848, rams=108, multipliers=72),
        Device(name="ecp5-85k", option="--85k", luts=83640, rams=208, multipliers=156),
    )
}


def find_device(name: str) -> Device:
    """The device of a name; raises TargetError with those that there are."""
    device = DEVICES.get(name)
    if device is None:
        raise TargetError(f"no device is called {name!r}", hint=f"there are {', '.join(DEVICES)}")
    return device
