"""The targets that are installed: backends found by the entry point group `snncc.backends`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import entry_points

from snncc_ir.backend import Backend, Engine
from snncc_ir.errors import TargetError
from snncc_ir.graph import Graph
from snncc_ir.machine import Machine

GROUP = "snncc.backends"


@cache
def target_names() -> tuple[str, ...]:
    """Names of all installed targets."""
    return tuple(sorted({entry.name for entry in entry_points(group=GROUP)}))


@cache
def load_target(name: str) -> Backend:
    """The backend called `name`."""
    found = [entry for entry in entry_points(group=GROUP) if entry.name == name]
    if not found:
        raise TargetError(
            f"no target is called {name!r}", where="--target", hint=f"there are {', '.join(target_names())}"
        )
    if len({entry.value for entry in found}) > 1:
        raise TargetError(
            f"several packages bring a target called {name!r}", where="--target", hint="uninstall all but one"
        )
    backend: Backend = found[0].load()
    return backend


@dataclass(frozen=True)
class Offer:
    """One chip of one target, and the engines that run what is emitted for it: None, or what is missing."""

    target: str
    chip: str
    description: str
    codes: tuple[str, ...]
    engines: dict[str, str | None]


def list_targets() -> tuple[Offer, ...]:
    """Everything that can be compiled for."""
    return tuple(
        Offer(
            target=name,
            chip=machine.name,
            description=machine.description,
            codes=tuple(sorted(code.value for code in machine.codes)),
            engines={engine.name: engine.missing() for engine in load_target(name).engines},
        )
        for name in target_names()
        for machine in load_target(name).machines.values()
    )


def rows(offers: Iterable[Offer]) -> list[tuple[str, ...]]:
    """A table of what can be compiled for; behind an engine that cannot run here stands what is missing."""
    return [(o.target, o.chip, ", ".join(o.codes), _engines(o.engines), o.description) for o in offers]


def _engines(engines: Mapping[str, str | None]) -> str:
    return ", ".join(f"{name} ({missing})" if missing else name for name, missing in engines.items()) or "-"


def find_machine(backend: Backend, name: str | None, lanes: int | None = None) -> Machine:
    """The backend's machine called `name`, or its default, with so many lanes if it has lanes."""
    machine = next(iter(backend.machines.values())) if name is None else backend.machines.get(name)
    if machine is not None:
        return machine if lanes is None else with_lanes(machine, lanes)
    raise TargetError(
        f"target {backend.name} has no chip {name!r}",
        where="--chip",
        hint=f"it has {', '.join(backend.machines)}",
    )


def with_lanes(machine: Machine, lanes: int) -> Machine:
    """The machine with so many lanes; TargetError where it has none."""
    if not machine.lanes:
        raise TargetError(f"{machine.name} has no lanes to choose", where="--lanes", hint="leave it out")
    return replace(machine, lanes=lanes)


def check_runs(engine: Engine, graph: Graph) -> None:
    """Raise TargetError where nothing is emitted of `graph` for the engine."""
    if not engine.runs(graph):
        raise TargetError(
            f"{engine.name} does not run networks of this code",
            where="--engine",
            hint="choose another engine, or compile with another --code",
        )


def find_engine(name: str) -> tuple[Backend, Engine] | None:
    """The engine called `name` of any installed target."""
    for target in target_names():
        backend = load_target(target)
        for engine in backend.engines:
            if engine.name == name:
                return backend, engine
    return None
