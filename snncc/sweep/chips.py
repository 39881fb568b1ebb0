"""The chips of a sweep: those of the targets, and those that the user describes in a file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from snncc.machines import choose_machine
from snncc.targets import load_target, target_names
from snncc_backends.chips import machine_from_toml, read_description
from snncc_ir.errors import SnnccError, TargetError
from snncc_ir.machine import Machine

DESCRIPTION = ".toml"


class ChangedError(SnnccError):
    """A chip's description is not the one that the sweep began with."""


@dataclass(frozen=True, kw_only=True)
class Chip:
    """A machine under the name that the command line gives it; `sha256` is that of the file, if it is one."""

    name: str
    machine: Machine
    sha256: str | None = None


def chip_names() -> tuple[str, ...]:
    """The chips of all targets."""
    return tuple(chip for name in target_names() for chip in load_target(name).machines)


def find_chip(name: str) -> Chip:
    """A target's chip, or the one that a file describes; raises SnnccError where there is none."""
    if name.endswith(DESCRIPTION):
        return _described(name)
    for target in target_names():
        machine = load_target(target).machines.get(name)
        if machine is not None:
            return Chip(name=name, machine=machine)
    raise SnnccError(
        f"no target has a chip {name!r}", where="--chips", hint=f"there are {', '.join(chip_names())}"
    )


def default_chip(target: str) -> Chip:
    """The first chip of a target."""
    machine = next(iter(load_target(target).machines.values()))
    return Chip(name=machine.name, machine=machine)


def check_unchanged(file: Path, sha256: str) -> None:
    """Raise ChangedError unless the description of a chip is still the same."""
    try:
        found = _digest(read_description(file))
    except TargetError:
        found = ""
    if found != sha256:
        raise ChangedError(
            "was changed while the sweep ran", where=str(file), hint="leave it alone, and run the sweep again"
        )


def _described(name: str) -> Chip:
    target = machine_from_toml(read_description(Path(name)), name).backend
    if target not in target_names():
        raise TargetError(
            f"describes a chip of target {target!r:.40}, which is not installed",
            where=name,
            hint=f"there are {', '.join(target_names())}",
        )
    chosen = choose_machine(load_target(target), name)
    return Chip(name=name, machine=chosen.machine, sha256=_digest(chosen.text or ""))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
