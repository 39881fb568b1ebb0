"""Verilog text: modules and instances, of numbers and of names that this package chose."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence


def bits_of(bits: int) -> str:
    """The range of a vector of so many bits."""
    return f"[{bits - 1}:0]"


def wire(bits: int, name: str) -> str:
    """The declaration of a vector."""
    return f"    wire {bits_of(bits)} {name};"


def instance(module: str, name: str, parameters: Mapping[str, int | str], ports: Mapping[str, str]) -> str:
    """An instance of a module with its parameters, texts among them, and what its ports are tied to."""
    given = ", ".join(f".{key}({_literal(value)})" for key, value in parameters.items())
    tied = ",\n".join(f"        .{port}({signal})" for port, signal in ports.items())
    return f"    {module} {f'#({given}) ' if given else ''}{name} (\n{tied});"


def module_text(comment: str, name: str, ports: Sequence[str], body: Iterable[str]) -> bytes:
    """A file with one module."""
    listed = ",\n".join(f"    {port}" for port in ports)
    lines = (
        f"// {comment}",
        "`default_nettype none",
        f"module {name} (",
        listed,
        ");",
        *body,
        "endmodule",
        "`default_nettype wire",
        "",
    )
    return "\n".join(lines).encode("ascii")


def _literal(value: int | str) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)
