"""The text form of a graph: one node per line, with types and weight digests. It parses back.

graph digits phased{}
x = input(type=levels<1x28x28, 0..255>, scale=f64[1x1x1]#4b2f..., ...) : levels<1x28x28, 0..255>
conv1 = conv(source=%x, weight=i8[8x1x3x3]#90cc..., stride=(1, 1), ...) : drive<8x26x26> @ "Conv_0"
output logits
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any, TypeVar

from snncc_ir.errors import GraphError
from snncc_ir.fields import written_fields
from snncc_ir.graph import Graph
from snncc_ir.nodes import NODE_NAMES, AnyNode
from snncc_ir.plain import FORMAT, KIND_NAMES, TIMING_NAMES, Arrays, graph_from_plain
from snncc_ir.tensors import Tensor
from snncc_ir.types import Levels, Real

T = TypeVar("T")

REFERENCES = ("source", "drives", "parts")
"""Fields that hold names of other nodes."""


def print_graph(graph: Graph) -> str:
    """The graph's text; arrays appear as width, shape and digest."""
    timing = f"{TIMING_NAMES[type(graph.timing)]}{_body(graph.timing, '{}')}"
    lines = [f"graph {graph.name} {timing}"]
    lines += [print_node(node, str(graph.types[node.name])) for node in graph.nodes]
    lines += [f"output {name}" for name in graph.outputs]
    return "\n".join(lines) + "\n"


def print_node(node: AnyNode, value_type: str) -> str:
    """One line for one node."""
    origin = "".join(f" {json.dumps(name)}" for name in node.origin)
    body = _body(node, "()")
    return f"{node.name} = {NODE_NAMES[type(node)]}{body} : {value_type}" + (f" @{origin}" if origin else "")


def _body(value: Any, brackets: str) -> str:
    shown = (field.name for field in written_fields(value) if field.name not in ("name", "origin"))
    items = ", ".join(f"{name}={_show(name, getattr(value, name))}" for name in shown)
    return brackets[0] + items + brackets[1]


def _show(field: str, value: Any) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return str(value).lower()
        case Enum():
            return str(value.value)
        case int() | Tensor() | Real() | Levels():
            return str(value)
        case float():
            return repr(value)
        case str():
            return f"%{value}" if field in REFERENCES else value
        case tuple():
            return "(" + ", ".join(_show(field, item) for item in value) + ")"
        case _:
            return KIND_NAMES[type(value)] + _body(value, "{}")


TOKEN = re.compile(
    r"""\s*(?:
      (?P<tensor>(?:i\d+|f64)\[[\dx]*\]\#[0-9a-f]+(?:\*f64\[\d+\]\#[0-9a-f]+)?)
    | (?P<type>(?:real|levels|drive)<[^>]*>)
    | (?P<reference>%[A-Za-z0-9_]+)
    | (?P<number>-inf\b|-?\d+\.?\d*(?:e[-+]?\d+)?\b)
    | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<string>"(?:[^"\\]|\\.)*")
    | (?P<mark>[()={},:@])
    )""",
    re.VERBOSE,
)


def parse_graph(text: str, arrays: Arrays) -> Graph:
    """The graph that `text` prints; `arrays` holds the tensors' values by digest."""
    lines = [(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    if not lines:
        raise GraphError("the text holds no graph")
    header, *rest = lines
    name, timing = _parsed(*header, _Parser.header)
    nodes = [_parsed(*line, _Parser.node) for line in rest if not _is_output(line[1])]
    outputs = [line.split()[1] for _, line in rest if _is_output(line)]
    plain = {"format": FORMAT, "name": name, "timing": timing, "outputs": outputs, "nodes": nodes}
    return graph_from_plain(plain, arrays)


def _is_output(line: str) -> bool:
    """True for `output NAME`; a node that is called "output" goes on with `=`."""
    words = line.split()
    return len(words) == 2 and words[0] == "output"


def _parsed(number: int, line: str, rule: Callable[[_Parser], T]) -> T:
    try:
        return rule(_Parser(number, line))
    except (ValueError, RecursionError):  # a number, shape or string that does not read
        raise GraphError("cannot be read", where=f"line {number}") from None


class _Parser:
    """Recursive descent over the tokens of one line, to the plain form."""

    def __init__(self, number: int, line: str) -> None:
        self.number = number
        self.tokens = list(self._scan(line))

    def _scan(self, line: str) -> Iterator[tuple[str, str]]:
        position = 0
        line = line.rstrip()
        while position < len(line):
            match = TOKEN.match(line, position)
            if match is None or match.lastgroup is None:
                raise GraphError(f"unexpected {line[position:].strip()[:20]!r}", where=f"line {self.number}")
            position = match.end()
            yield match.lastgroup, match.group(match.lastgroup)

    def _take(self, expected: str = "") -> tuple[str, str]:
        if not self.tokens:
            raise GraphError(
                f"the line ends where {expected or 'more'} was expected", where=f"line {self.number}"
            )
        kind, text = self.tokens.pop(0)
        if expected and expected not in (kind, text):
            raise GraphError(f"expected {expected}, found {text!r}", where=f"line {self.number}")
        return kind, text

    def _at(self, text: str) -> bool:
        return bool(self.tokens) and self.tokens[0][1] == text

    def header(self) -> tuple[str, dict[str, Any]]:
        """`graph NAME TIMING{...}`."""
        self._take("graph")
        _, name = self._take("word")
        _, kind = self._take("word")
        return name, {"kind": kind, **self._items("{", "}")}

    def node(self) -> dict[str, Any]:
        """`NAME = OP(...) : TYPE @ "ORIGIN" ...`."""
        _, name = self._take("word")
        self._take("=")
        _, operation = self._take("word")
        items = self._items("(", ")")
        self._take(":")
        self._take("type")
        origin = []
        if self._at("@"):
            self._take("@")
            while self.tokens:
                origin.append(json.loads(self._take("string")[1]))
        return {"op": operation, "name": name, "origin": origin, **items}

    def _items(self, opening: str, closing: str) -> dict[str, Any]:
        self._take(opening)
        items: dict[str, Any] = {}
        while not self._at(closing):
            _, key = self._take("word")
            self._take("=")
            items[key] = self._value()
            if not self._at(closing):
                self._take(",")
        self._take(closing)
        return items

    def _value(self) -> Any:
        kind, text = self._take()
        match kind:
            case "tensor":
                return _tensor(text)
            case "type":
                return _type(text)
            case "reference":
                return text[1:]
            case "number":
                return _number(text)
            case "word":
                return self._word(text)
            case "mark" if text == "(":
                return self._tuple()
        raise GraphError(f"unexpected {text!r}", where=f"line {self.number}")

    def _word(self, text: str) -> Any:
        if self._at("{"):
            return {"kind": text, **self._items("{", "}")}
        return {"none": None, "true": True, "false": False}.get(text, text)

    def _tuple(self) -> list[Any]:
        items = []
        while not self._at(")"):
            items.append(self._value())
            if not self._at(")"):
                self._take(",")
        self._take(")")
        return items


def _number(text: str) -> int | float | str:
    if text.endswith("inf"):
        return text
    return float(text) if any(mark in text for mark in ".e") else int(text)


def _tensor(text: str) -> dict[str, Any]:
    numbers, _, scale = text.partition("*")
    kind, rest = numbers.split("[", 1)
    shape, digest = rest.split("]#")
    bits = None if kind == "f64" else int(kind[1:])
    plain = {"kind": "tensor", "bits": bits, "shape": _shape(shape), "digest": digest}
    return {**plain, "scale": _tensor(scale)} if scale else plain


def _type(text: str) -> dict[str, Any]:
    kind, rest = text[:-1].split("<", 1)
    shape, _, bounds = rest.partition(", ")
    plain: dict[str, Any] = {"kind": kind, "shape": _shape(shape)}
    if bounds:
        lo, hi = bounds.split("..")
        plain |= {"lo": int(lo), "hi": int(hi)}
    return plain


def _shape(text: str) -> list[int]:
    return [int(size) for size in text.split("x")] if text and text != "scalar" else []
