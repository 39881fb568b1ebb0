"""The ways of rounding weights that `quantize` offers, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from snncc.passes.base import Context
from snncc.passes.refit import Refit
from snncc.passes.rounding import Gptq, Nearest, Rounder
from snncc_ir.graph import Graph

ROUNDERS: Mapping[str, Callable[[Graph, Context], Rounder]] = {
    "nearest": lambda graph, context: Nearest(),
    "gptq": Gptq,
    "refit": Refit,
}
