"""Machine descriptions as TOML files, one per chip; every number names its source."""

from __future__ import annotations

import sys
from importlib.resources import files

from snncc_ir.codes import Code, Reset
from snncc_ir.errors import TargetError
from snncc_ir.machine import Fabric, Limit, Machine

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FABRIC = ("luts", "blocks", "block_bits", "multipliers")
LIMITS = ("weight_bits", "multiplier_bits", "membrane_bits", "payload_bits")


def load_machine(name: str) -> Machine:
    """The machine of `chips/NAME.toml`."""
    text = files(__package__).joinpath(f"{name}.toml").read_text(encoding="utf-8")
    return machine_from_toml(text, f"{name}.toml")


def machine_from_toml(text: str, where: str) -> Machine:
    """The machine that a TOML text describes; raises TargetError naming the first wrong entry."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TargetError(f"is no TOML ({error})", where=where) from error
    try:
        return Machine(
            name=str(data["name"]),
            backend=str(data["backend"]),
            description=str(data["description"]),
            codes=frozenset(Code(code) for code in data["codes"]),
            resets=frozenset(Reset(reset) for reset in data["resets"]),
            **{key: _limit(key, data["limits"][key], where) for key in LIMITS},
            fabric=_fabric(data["fabric"], where) if "fabric" in data else None,
            lanes=int(data.get("lanes", 0)),
            cores=(),
        )
    except KeyError as error:
        raise TargetError(f"lacks {error}", where=where) from error
    except (TypeError, ValueError) as error:
        raise TargetError(str(error), where=where) from error


def _fabric(entries: dict[str, dict[str, object]], where: str) -> Fabric:
    return Fabric(**{key: _limit(key, entries[key], where) for key in FABRIC})


def _limit(key: str, entry: dict[str, object], where: str) -> Limit:
    value = entry.get("value")
    if not isinstance(value, int) or value < 0:
        raise TargetError(f"{key} must be a number that is not negative, not {value!r}", where=where)
    return Limit(value, str(entry["source"]), bool(entry.get("assumed", False)))
