"""From a design to a bitstream: synthesis, place and route, packing, and a report of what came out."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import Enum
from hashlib import sha256
from pathlib import Path

from snncc_backends.tools.design import Design
from snncc_backends.tools.device import Device, Family
from snncc_backends.tools.found import first_missing, need
from snncc_backends.tools.nextpnr import Routed, find_ecppack, find_nextpnr, pack, place_and_route
from snncc_backends.tools.synthesis import Synthesis, check_fit, synthesise
from snncc_backends.tools.yosys import find_yosys
from snncc_ir.errors import TargetError
from snncc_ir.hardware import Stage
from snncc_ir.progress import Progress, silent

REPORT = "report.json"


@dataclass(frozen=True, kw_only=True)
class Bitstream:
    """A packed bitstream: its file in the folder of the flow."""

    file: str
    bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """What the tools made of a design; stages that did not run are None."""

    top: str
    device: str
    synthesis: Synthesis
    routed: Routed | None = None
    bitstream: Bitstream | None = None

    def text(self) -> str:
        """The report as JSON."""
        return json.dumps(asdict(self), default=_plain, indent=2) + "\n"


def missing_for(stage: Stage, family: Family) -> str | None:
    """What must be installed, or chosen, to take a design so far; None where all is there."""
    if stage is Stage.BITSTREAM and family is not Family.ECP5:
        return "bitstreams are made for ECP5 alone; choose an ECP5 device"
    found = [find_yosys()]
    if stage is not Stage.SYNTHESIS:
        found.append(find_nextpnr(family))
    if stage is Stage.BITSTREAM:
        found.append(find_ecppack())
    return first_missing(*found)


def run_flow(
    design: Design,
    device: Device,
    folder: Path,
    until: Stage,
    *,
    seed: int = 1,
    progress: Progress = silent,
) -> Report:
    """Take a design to a stage; netlists, logs, the bitstream and the report lie in `folder`.

    Raises ToolError where a tool is missing or fails, TargetError where the design does not fit the device.
    """
    if until is Stage.BITSTREAM and device.family is not Family.ECP5:
        raise TargetError("bitstreams are made for ECP5 alone", where=device.name, hint="stop at routed")
    routed, bitstream = None, None
    stages = list(Stage)
    progress(0, stages.index(until) + 1)
    synthesis = synthesise(need(find_yosys()), design, device.family, folder)
    if until is not Stage.SYNTHESIS:
        progress(1, stages.index(until) + 1)
        check_fit(synthesis, device)
        routed = place_and_route(need(find_nextpnr(device.family)), device, folder, seed=seed)
    if until is Stage.BITSTREAM:
        progress(2, len(stages))
        file = pack(need(find_ecppack()), folder)
        content = file.read_bytes()
        bitstream = Bitstream(file=file.name, bytes=len(content), sha256=sha256(content).hexdigest())
    report = Report(
        top=design.top, device=device.name, synthesis=synthesis, routed=routed, bitstream=bitstream
    )
    (folder / REPORT).write_text(report.text(), encoding="utf-8")
    return report


def _plain(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    raise TypeError(f"{value!r} in a report")
