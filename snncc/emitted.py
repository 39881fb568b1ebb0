"""The machine that an artefact was compiled for, and whether its files are what its graph emits to."""

from __future__ import annotations

from dataclasses import replace

from snncc import artefact
from snncc.artefact import Artefact
from snncc.fit import with_plan
from snncc.golden import golden_inputs
from snncc.machines import recorded_machine
from snncc.targets import load_target
from snncc_ir.machine import Machine, Part


def machine_of(found: Artefact) -> Machine:
    """The machine that an artefact was compiled for."""
    lanes = found.manifest.get("lanes")
    if lanes is not None and not _is_number(lanes):
        raise artefact.damaged(found.path / artefact.MANIFEST, "its entry lanes is no number")
    machine = replace(recorded_machine(found, lanes), chain=_chain_of(found))
    return with_plan(found.graph, machine, found.golden) if _is_cut(found) else machine


def _is_cut(found: Artefact) -> bool:
    """Whether the network was emitted slice by slice."""
    given = found.manifest.get("partition", False)
    if not isinstance(given, bool):
        raise artefact.damaged(found.path / artefact.MANIFEST, "its entry partition is not true or false")
    return given


def _chain_of(found: Artefact) -> tuple[Part, ...]:
    listed = found.manifest.get("chain", [])
    right = isinstance(listed, list) and all(
        isinstance(part, dict) and part.keys() == {"passes", "lanes"} and all(map(_is_number, part.values()))
        for part in listed
    )
    if not right:
        raise artefact.damaged(
            found.path / artefact.MANIFEST, "its entry chain is no list of passes and lanes"
        )
    return tuple(Part(**part) for part in listed)


def _is_number(value: object) -> bool:
    return type(value) is int  # no isinstance: JSON's true would pass for a number


def check_target_files(found: Artefact) -> None:
    """Raise ArtefactError where the target's files are not what the artefact's graph emits to."""
    backend = load_target(str(found.manifest["target"]))
    emitted = backend.emit(found.graph, machine_of(found), golden_inputs(found.golden))
    artefact.check_emitted(found, emitted)
