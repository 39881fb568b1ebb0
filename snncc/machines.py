"""The machine that a network is compiled for: one of the target's chips, or one that the user describes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from snncc.artefact import MANIFEST, Artefact, damaged
from snncc.targets import find_machine, load_target, with_lanes
from snncc_backends.chips import MAX_FILE, WIDTHS, machine_from_toml, read_description
from snncc_ir.backend import Backend
from snncc_ir.errors import TargetError
from snncc_ir.machine import Machine

ENTRY = "machine"
"""The manifest's entry that holds the description of a chip that is not the target's own."""


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """A machine, and the TOML text that describes it where the user gave one."""

    machine: Machine
    text: str | None = None

    @property
    def notes(self) -> dict[str, str]:
        """What the manifest says of it."""
        return {"chip": self.machine.name, **({} if self.text is None else {ENTRY: self.text})}


def choose_machine(backend: Backend, name: str | None, lanes: int | None = None) -> Chosen:
    """The machine called `name`, or that of a TOML file, or the backend's default; with so many lanes.

    Raises TargetError where there is none, or the target cannot emit for it.
    """
    if name is None or not name.endswith(".toml"):
        return Chosen(machine=find_machine(backend, name, lanes))
    text = read_description(Path(name))
    machine = _described(backend, text, name)
    return Chosen(machine=machine if lanes is None else with_lanes(machine, lanes), text=text)


def recorded_machine(found: Artefact, lanes: int | None = None) -> Machine:
    """The machine that an artefact was compiled for, without its plan; TargetError where there is none."""
    backend, text = load_target(str(found.manifest["target"])), found.manifest.get(ENTRY)
    if text is None:
        return find_machine(backend, str(found.manifest["chip"]), lanes)
    manifest = found.path / MANIFEST
    if not isinstance(text, str) or len(text) > MAX_FILE:
        raise damaged(manifest, f"its entry {ENTRY} describes no chip")
    return _described(backend, text, str(manifest))


def _described(backend: Backend, text: str, where: str) -> Machine:
    """The machine of a text, if what the target emits runs on it."""
    machine = machine_from_toml(text, where)
    own = [each for each in backend.machines.values() if each.core and each.lif == machine.lif]
    if not own:
        raise TargetError(
            f"target {backend.name} takes no described chip",
            where=where,
            hint=f"it has {', '.join(backend.machines)}",
        )
    if machine.core is None:
        raise TargetError("describes no cores", where=where, hint="give it the tables core, mesh and events")
    if machine.backend != backend.name:
        raise TargetError(
            f"describes a chip of target {machine.backend!r:.40}, not of {backend.name}",
            where=where,
            hint="compile for that target; `snncc explain OUT --chip FILE` maps other networks on it",
        )
    for width in WIDTHS:
        given, most = getattr(machine, width).value, max(getattr(each, width).value for each in own)
        if given > most:
            raise TargetError(
                f"limits.{width} is {given}, and what is emitted for {backend.name} has {most} bits",
                where=where,
                hint="lower it",
            )
    return machine
