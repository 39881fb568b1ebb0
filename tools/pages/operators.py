"""The page of operators, from the front end's registry: what each becomes and when it is refused."""

from __future__ import annotations

import ast
import functools
import inspect
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from snncc.frontend import refusals
from snncc.frontend.registry import LOWERINGS, ML_LOWERINGS, QONNX_LOWERINGS, Lowering

Functions = Mapping[str, ast.FunctionDef]

HEAD = """# Operators

This page is generated from the front end: the first sentence of every lowering function, and the messages
with which it refuses a node. `…` stands for what a message takes from the model. `snncc check model.onnx`
gives the verdict of every node of a network. Nodes of constants alone are folded, whatever their operator.
"""

SECTIONS = (
    ("ONNX", LOWERINGS),
    ("QONNX", QONNX_LOWERINGS),
    ("ONNX-ML, around a network", ML_LOWERINGS),
)


def page() -> str:
    """The whole page, in Markdown."""
    parts = [HEAD]
    for title, lowerings in SECTIONS:
        parts += [f"## {title}\n", "| operator | what it becomes | refused |", "|---|---|---|"]
        parts += [_row(op, lowerings[op]) for op in sorted(lowerings)]
        parts.append("")
    parts += ["## Refused\n", "| operators | why, and what to use |", "|---|---|"]
    parts += [
        f"| {', '.join(f'`{op}`' for op in ops.split())} | {_cell(why)} |"
        for ops, why in refusals.FAMILIES.items()
    ]
    return "\n".join(parts) + "\n"


def _row(op: str, lowering: Lowering) -> str:
    function = inspect.unwrap(lowering)
    text = inspect.getdoc(function)
    if not text:
        raise ValueError(f"the lowering function of {op} has no docstring")
    becomes = _cell(" ".join(text.split("\n\n")[0].split()))
    reasons = "<br>".join(f"{_cell(reason)}" for reason in _refusals(function))
    return f"| `{op}` | {becomes} | {reasons or '-'} |"


def _cell(text: str) -> str:
    """Text that is nothing but text in a Markdown table."""
    for character in "\\|*_<>[]$":
        text = text.replace(character, f"\\{character}")
    return text


def _refusals(function: Lowering) -> list[str]:
    """The reasons of every `Reject` that the function raises, itself or by functions of its module."""
    module = sys.modules[function.__module__]
    functions = _functions(str(module.__file__))
    seen: dict[str, None] = {}
    return list(dict.fromkeys(_reasons(function.__name__, functions, seen)))


@functools.cache
def _functions(file: str) -> Functions:
    tree = ast.parse(Path(file).read_text(encoding="utf-8"))
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


def _reasons(name: str, functions: Functions, seen: dict[str, None]) -> Iterator[str]:
    if name in seen or name not in functions:
        return
    seen[name] = None
    for node in ast.walk(functions[name]):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        if node.func.id == "Reject":
            yield from _text(node.args[0])
        yield from _reasons(node.func.id, functions, seen)


def _text(node: ast.expr) -> Iterator[str]:
    """A message as it stands in the code, with `…` for what it is told at run time."""
    match node:
        case ast.Constant(value=str() as text):
            yield text
        case ast.JoinedStr(values=parts):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in parts)
