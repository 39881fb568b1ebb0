"""The page of commands, from the declarations of the command line."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Any

from typer.models import ArgumentInfo, OptionInfo, ParameterInfo

from snncc.cli import app

HEAD = """# Commands

This page is generated from the command line. Exit codes: 0 done, 1 a problem that you can mend (one
message: what, where, what to do), 2 usage, 130 interrupted. A traceback is a bug of snncc. `snncc
--install-completion` teaches the shell commands, options and names ([first steps](docs/first-steps.md)).
"""

KINDS = {int: "INTEGER", float: "NUMBER", str: "TEXT", Path: "PATH"}


@dataclass(frozen=True)
class Parameter:
    """An argument or option as the code declares it."""

    name: str
    info: ParameterInfo
    kind: Any
    default: Any

    @property
    def is_argument(self) -> bool:
        """True for what stands without a name."""
        return isinstance(self.info, ArgumentInfo)

    @property
    def metavar(self) -> str:
        """What stands for its value."""
        return self.info.metavar or KINDS.get(self.kind, self.name.upper())

    @property
    def row(self) -> str:
        """Its line of the table."""
        names = f"`{self.metavar}`" if self.is_argument else self._names()
        text = (self.info.help or "").replace("|", "\\|")
        return f"| {names} | {text} | {self._default()} |"

    def _names(self) -> str:
        given = (self.info.default, *(self.info.param_decls or ()))  # typer has the first of them as default
        declared = [part for name in given if isinstance(name, str) for part in name.split("/")]
        names = ", ".join(f"`{name}`" for name in declared or ["--" + self.name.replace("_", "-")])
        if self.kind is bool:
            return names
        if isinstance(self.kind, type) and issubclass(self.kind, Enum):
            return f"{names} {', '.join(f'`{choice.value}`' for choice in self.kind)}"
        return f"{names} `{self.metavar}`"

    def _default(self) -> str:
        if self.default is inspect.Parameter.empty:
            return "required"
        if self.default is None or self.default is False:
            return ""
        return f"`{self.default.value if isinstance(self.default, Enum) else self.default}`"


def page() -> str:
    """The whole page, in Markdown."""
    parts = [HEAD]
    for command in app.registered_commands:
        if command.callback is None or command.hidden:
            continue
        name = command.name or command.callback.__name__
        parameters = list(_parameters(command.callback))
        arguments = [parameter.metavar for parameter in parameters if parameter.is_argument]
        usage = " ".join(["snncc", name, "[OPTIONS]", *arguments])
        parts += [f"## snncc {name}\n", f"```text\n{usage}\n```\n", f"{inspect.getdoc(command.callback)}\n"]
        parts += ["| | | default |", "|---|---|---|", *(parameter.row for parameter in parameters), ""]
    return "\n".join(parts)


def _parameters(callback: Callable[..., Any]) -> Iterator[Parameter]:
    hints = typing.get_type_hints(callback, include_extras=True)
    for name, parameter in inspect.signature(callback).parameters.items():
        kind, *extras = typing.get_args(hints[name])
        (info,) = (extra for extra in extras if isinstance(extra, ArgumentInfo | OptionInfo))
        if isinstance(kind, UnionType):
            (kind,) = (part for part in typing.get_args(kind) if part is not type(None))
        yield Parameter(name=name, info=info, kind=kind, default=parameter.default)
