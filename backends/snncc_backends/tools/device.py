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
    """One part: what nextpnr calls it, and how much it has.

    `luts` are 4-input LUTs and as many flip-flops, `rams` block memories (DP16KD of 18 kbit; iCE40: 4 kbit),
    `multipliers` 18 x 18: what nextpnr 0.11.1 reports as available. `speed` is the speed grade.
    """

    name: str
    family: Family
    option: str
    package: str
    speed: int | None
    luts: int
    rams: int
    multipliers: int


def _ecp5(size: str, luts: int, rams: int, multipliers: int) -> Device:
    """An LFE5U part of the slowest speed grade."""
    return Device(
        name=f"ecp5-{size}",
        family=Family.ECP5,
        option=f"--{size}",
        package="CABGA381",
        speed=6,
        luts=luts,
        rams=rams,
        multipliers=multipliers,
    )


HX8K = Device(
    name="ice40-hx8k",
    family=Family.ICE40,
    option="--hx8k",
    package="ct256",
    speed=None,
    luts=7680,
    rams=32,
    multipliers=0,
)

XCZU7EV = Device(
    name="xczu7ev",
    family=Family.XILINX,
    option="",
    package="",
    speed=None,
    luts=230400,
    rams=624,
    multipliers=1728,
)
"""Zynq UltraScale+ of the ZCU104 board (AMD DS891), synthesised alone; its LUTs have 6 inputs."""

DEVICES = {
    device.name: device
    for device in (
        _ecp5("25k", 24288, 56, 28),
        _ecp5("45k", 43848, 108, 72),
        _ecp5("85k", 83640, 208, 156),
        HX8K,
        XCZU7EV,
    )
}


def find_device(name: str) -> Device:
    """The device of a name; raises TargetError with those that there are."""
    device = DEVICES.get(name)
    if device is None:
        raise TargetError(f"no device is called {name!r}", hint=f"there are {', '.join(DEVICES)}")
    return device
