"""A hardware design as files: what simulation, synthesis and lint start from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from snncc_ir.errors import TargetError

FILE_NAME = re.compile(r"([A-Za-z0-9_]+/)?[A-Za-z0-9_]+(\.[a-z]+)+")
IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
SOURCES = (".v", ".sv")
TABLES = (".mem",)


@dataclass(frozen=True, kw_only=True)
class Design:
    """Verilog files, the headers that they include and the tables that they read, all in one folder.

    `parameters` are those of the module `top`; `defines` are macros without a value.
    """

    top: str
    files: Mapping[str, bytes]
    parameters: Mapping[str, int] = field(default_factory=dict)
    defines: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Names go into command lines and scripts of tools: nothing but plain ones may."""
        for name in self.files:
            if not FILE_NAME.fullmatch(name):
                raise TargetError(f"{name!r} is no name for a file of a design")
        for name in (self.top, *self.parameters, *self.defines):
            if not IDENTIFIER.fullmatch(name):
                raise TargetError(f"{name!r} is no Verilog identifier")

    @property
    def sources(self) -> tuple[str, ...]:
        """The files that are compiled, in a fixed order."""
        return tuple(sorted(name for name in self.files if name.endswith(SOURCES)))

    @property
    def code(self) -> dict[str, bytes]:
        """All files but the tables, which a simulation reads when it runs."""
        return {name: self.files[name] for name in sorted(self.files) if not name.endswith(TABLES)}
