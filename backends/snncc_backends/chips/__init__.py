"""Machine descriptions as TOML files, one per chip; every number names its source."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from enum import Enum
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from snncc_ir.codes import Code, Reset
from snncc_ir.errors import TargetError
from snncc_ir.machine import Core, Events, Fabric, Limit, Machine, Mesh, Quantity

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CORE_CHIPS = ("loihi1", "loihi2")
"""The chips of cores that are described here."""

WIDTHS = ("weight_bits", "multiplier_bits", "membrane_bits", "payload_bits")
PLAIN = ("name", "backend", "description", "codes", "resets")
TABLES = ("limits", "fabric", "lanes", "lif", "core", "mesh", "events")
ENTRY = ("value", "source", "assumed")

MAY_BE_ZERO = (
    *("payload_bits", "input_compartments", "pool_compartments", "tail_bits", "crossing_axons"),
    *("partial_bits", "signed_spikes", "delay", "chip_hops"),
)
"""Numbers that may be 0: there is none of it."""

GREATEST = 2**31 - 1
"""Greatest number that a description may state."""

MOST_ROUTERS = 1 << 12
"""Routers of one chip at most: each is weighed for each core that is placed."""

MAX_FILE = 1 << 20
"""Bytes of a description at most."""

T = TypeVar("T", Fabric, Core, Mesh, Events)
E = TypeVar("E", bound=Enum)


def load_machine(name: str) -> Machine:
    """The machine of `chips/NAME.toml`."""
    text = files(__package__).joinpath(f"{name}.toml").read_text(encoding="utf-8")
    return machine_from_toml(text, f"{name}.toml")


def find_chip(name: str) -> Machine:
    """The chip of cores called `name`, or that of a TOML file."""
    if name in CORE_CHIPS:
        return load_machine(name)
    if not name.endswith(".toml"):
        raise TargetError(
            f"no chip is called {name!r}",
            where="--chip",
            hint=f"there are {', '.join(CORE_CHIPS)}, or give a description (.toml, see docs/cores.md)",
        )
    machine = machine_from_toml(read_description(Path(name)), name)
    if machine.core is None:
        raise TargetError("describes no cores", where=name, hint="give it the tables core, mesh and events")
    return machine


def read_description(path: Path) -> str:
    """The text of a description; raises TargetError where it cannot be read or is too large."""
    try:
        if path.stat().st_size > MAX_FILE:
            raise TargetError(f"is larger than {MAX_FILE} bytes", where=str(path))
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise TargetError(
            f"cannot be read ({error.strerror})", where=str(path), hint="check the path and its permissions"
        ) from error
    except ValueError as error:
        raise TargetError(f"is no text in UTF-8 ({error})", where=str(path)) from error


def machine_from_toml(text: str, where: str) -> Machine:
    """The machine that a TOML text describes; raises TargetError naming the first wrong entry."""
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # a number of thousands of digits is a plain ValueError
        raise TargetError(f"is no TOML ({error})", where=where) from error
    _check_keys(data, (*PLAIN, "limits"), TABLES, "", where)
    for key in ("name", "backend", "description"):
        if not isinstance(data[key], str):
            raise TargetError(f"{key} must be a text, not {data[key]!r:.40}", where=where)
        if not data[key].isprintable():
            raise TargetError(f"{key} has characters that cannot be printed", where=where)
    if not data["codes"]:
        raise TargetError("codes must name one code at least", where=where)
    given = [name for name in ("core", "mesh", "events") if name in data]
    if given and len(given) < 3:
        raise TargetError(f"has {' and '.join(given)} alone; core, mesh and events go together", where=where)
    if not isinstance(data.get("lif", False), bool):
        raise TargetError(f"lif must be true or false, not {data['lif']!r:.40}", where=where)
    limits = _table(data, "limits", where)
    _check_keys(limits, WIDTHS, (), "limits.", where)
    return Machine(
        name=data["name"],
        backend=data["backend"],
        description=data["description"],
        codes=_choices(Code, data["codes"], "codes", where),
        resets=_choices(Reset, data["resets"], "resets", where),
        **{key: _limit(key, limits[key], where) for key in WIDTHS},
        fabric=_numbers(Fabric, _limit, data, "fabric", where),
        lanes=_lanes(data.get("lanes", 0), where),
        lif=data.get("lif", False),
        chain=(),
        plan=None,
        core=_numbers(Core, _limit, data, "core", where),
        mesh=_mesh(data, where),
        events=_numbers(Events, _quantity, data, "events", where),
    )


def _check_keys(
    table: Mapping[str, Any], needed: Sequence[str], allowed: Sequence[str], prefix: str, where: str
) -> None:
    for key in needed:
        if key not in table:
            raise TargetError(f"lacks {prefix}{key}", where=where)
    for key in table:
        if key not in needed and key not in allowed:
            raise TargetError(f"has an unknown entry {prefix}{key}"[:120], where=where)


def _table(data: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
    if not isinstance(data[key], dict):
        raise TargetError(f"{key} must be a table", where=where)
    return dict(data[key])


def _choices(kind: type[E], values: object, key: str, where: str) -> frozenset[E]:
    known = {member.value: member for member in kind}
    for value in values if isinstance(values, list) else [values]:
        if not isinstance(value, str) or value not in known:
            raise TargetError(f"{key}: {value!r:.40} is none of {', '.join(known)}", where=where)
    return frozenset(known[value] for value in (values if isinstance(values, list) else [values]))


def _lanes(value: object, where: str) -> int:
    if type(value) is not int or not 0 <= value <= GREATEST:
        raise TargetError(
            f"lanes must be a whole number that is not negative, not {value!r:.40}", where=where
        )
    return value


def _numbers(
    kind: type[T], read: Callable[[str, object, str], object], data: Mapping[str, Any], name: str, where: str
) -> T | None:
    """A table of numbers; None where the description has none of that name."""
    if name not in data:
        return None
    table = _table(data, name, where)
    names = [field.name for field in fields(kind)]
    _check_keys(table, names, (), f"{name}.", where)
    values: dict[str, Any] = {key: read(key, table[key], where) for key in names}
    return kind(**values)


def _mesh(data: Mapping[str, Any], where: str) -> Mesh | None:
    mesh = _numbers(Mesh, _limit, data, "mesh", where)
    if mesh is not None and mesh.columns.value * mesh.rows.value > MOST_ROUTERS:
        sides = f"{mesh.columns.value} columns of {mesh.rows.value} routers"
        raise TargetError(f"mesh has {sides}, more than {MOST_ROUTERS} in all", where=where)
    return mesh


def _entry(key: str, entry: object, where: str) -> tuple[Any, str, bool]:
    if not isinstance(entry, dict):
        raise TargetError(f"{key} must be a table with value and source", where=where)
    _check_keys(entry, ENTRY[:2], ENTRY[2:], f"{key}.", where)
    source, assumed = entry["source"], entry.get("assumed", False)
    if not isinstance(source, str) or not source.strip():
        raise TargetError(f"{key}.source must say where the number comes from", where=where)
    if not isinstance(assumed, bool):
        raise TargetError(f"{key}.assumed must be true or false, not {assumed!r:.40}", where=where)
    return entry["value"], source, assumed


def _limit(key: str, entry: object, where: str) -> Limit:
    value, source, assumed = _entry(key, entry, where)
    least = 0 if key in MAY_BE_ZERO else 1
    if type(value) is not int or not least <= value <= GREATEST:
        raise TargetError(
            f"{key} must be a whole number from {least} to {GREATEST}, not {value!r:.40}", where=where
        )
    return Limit(value, source, assumed)


def _quantity(key: str, entry: object, where: str) -> Quantity:
    value, source, assumed = _entry(key, entry, where)
    if type(value) not in (int, float) or not math.isfinite(value) or not 0 <= value <= GREATEST:
        raise TargetError(f"{key} must be a number that is not negative, not {value!r:.40}", where=where)
    return Quantity(float(value), source, assumed)
