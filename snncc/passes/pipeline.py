"""Pipelines of passes as text: `balance{method=mse};quantize{weight_bits=8,level_bits=4}`."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, get_type_hints

from snncc.passes.balance import Balance
from snncc.passes.base import Context, Pass
from snncc.passes.binarise import Binarise
from snncc.passes.cheapest_codes import CheapestCodes
from snncc.passes.choose_code import ChooseCode
from snncc.passes.correct_bias import CorrectBias
from snncc.passes.equalize import Equalize
from snncc.passes.mix_levels import MixLevels
from snncc.passes.quantize import Quantize
from snncc.passes.quantize_lif import QuantizeLif
from snncc.passes.spike_input import SpikeInput
from snncc.passes.tune_thresholds import TuneThresholds
from snncc_ir.errors import SnnccError
from snncc_ir.graph import Graph

PASS_TYPES = (
    Equalize,
    Binarise,
    Balance,
    MixLevels,
    TuneThresholds,
    SpikeInput,
    Quantize,
    QuantizeLif,
    CorrectBias,
    ChooseCode,
    CheapestCodes,
)

PASSES: dict[str, type[Pass]] = {kind.name: kind for kind in PASS_TYPES}
"""Every pass by its name."""

ITEM = re.compile(r"\s*([a-z_]+)\s*(?:\{([^{}]*)\})?\s*")


@dataclass(frozen=True)
class Pipeline:
    """Passes in order; `str()` gives the text that `parse` reads."""

    passes: tuple[Pass, ...]

    def __str__(self) -> str:
        return ";".join(map(print_pass, self.passes))

    def run(self, graph: Graph, context: Context, after: Callable[[Pass, Graph, float], None]) -> Graph:
        """Apply every pass; `after` hears of each with the graph it gave and its seconds."""
        for step in self.passes:
            start = time.perf_counter()
            changed = step.apply(graph, context)
            graph, context = changed, step.adapted(graph, changed, context)
            after(step, graph, time.perf_counter() - start)
        return graph


def print_pass(step: Pass) -> str:
    """`name{option=value,...}` with every option that is not empty, or the bare name where there is none."""
    values = {item.name: str(getattr(step, item.name)) for item in fields(step)}
    options = ",".join(f"{name}={value}" for name, value in values.items() if value)
    return f"{step.name}{{{options}}}" if options else step.name


def parse(text: str) -> Pipeline:
    """The pipeline that `text` describes; options that are left out take their defaults."""
    return Pipeline(tuple(_parse_pass(item) for item in text.split(";") if item.strip()))


def _parse_pass(text: str) -> Pass:
    match = ITEM.fullmatch(text)
    if match is None:
        raise SnnccError(
            f"cannot read {text.strip()!r}", where="--passes", hint="write name{option=value,option=value}"
        )
    kind = PASSES.get(match[1])
    if kind is None or not is_dataclass(kind):
        raise SnnccError(
            f"no pass is called {match[1]!r}", where="--passes", hint=f"there are {', '.join(PASSES)}"
        )
    hints = get_type_hints(kind)
    known = {item.name: hints[item.name] for item in fields(kind)}
    options: dict[str, Any] = {}
    for item in filter(str.strip, (match[2] or "").split(",")):
        name, _, value = (part.strip() for part in item.partition("="))
        options[name] = _option(match[1], name, value, known)
    return kind(**options)


def _option(owner: str, name: str, value: str, known: dict[str, type]) -> int | float | str:
    if name not in known:
        hint = f"it has {', '.join(known)}" if known else "it has none"
        raise SnnccError(f"{owner} has no option {name!r}", where="--passes", hint=hint)
    kind = known[name]
    if kind not in (int, float):
        return value
    try:
        return int(value) if kind is int else float(value)
    except ValueError:
        what = "a whole number" if kind is int else "a number"
        raise SnnccError(f"{owner}{{{name}}} must be {what}, not {value!r}", where="--passes") from None
