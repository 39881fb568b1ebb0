"""All tables of a chain: those of its cores, and those of the links between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from snncc_backends.fpga.chain.cut import Cutter, Stage
from snncc_backends.fpga.chain.links import (
    Format,
    Link,
    Runs,
    Words,
    format_of_maps,
    input_words,
    leaving_words,
    link_table,
    runs_of,
)
from snncc_backends.fpga.simulator.cycles import Simulator
from snncc_backends.fpga.tables.assemble import build_tables
from snncc_backends.fpga.tables.memory import Memory
from snncc_backends.fpga.tables.tables import Tables
from snncc_ir.graph import Graph
from snncc_ir.machine import Part


@dataclass(frozen=True, kw_only=True)
class ChainCore:
    """One core with the link before it; `runs` says which of its words leave it, None: none of them."""

    stage: Stage
    simulator: Simulator
    link: Link
    runs: Runs | None

    @property
    def tables(self) -> Tables:
        """The tables that the core runs."""
        return self.simulator.tables

    @property
    def memories(self) -> Mapping[str, Memory]:
        """All memories of the core, of its link and of its sender, by name."""
        own = (self.link.table, *(() if self.runs is None else (self.runs.table,)))
        return {**self.tables.memories, **{memory.name: memory for memory in own}}


@dataclass(frozen=True, kw_only=True)
class Chain:
    """A network in several cores; `leaving` words come out behind the last one, in that order."""

    graph: Graph
    cores: tuple[ChainCore, ...]
    leaving: Words
    leaving_format: Format | None


def build_chain(graph: Graph, parts: Sequence[Part]) -> Chain:
    """The chain of a phased integer graph in `parts`; ValueError where they do not run all its passes."""
    cutter = Cutter(graph)
    stages = cutter.stages([part.passes for part in parts])
    words = input_words(graph, cutter.storage, stages[0].arriving)
    found = []
    for stage, part in zip(stages, parts, strict=True):
        simulator = Simulator(build_tables(stage.graph, part.lanes, storage=stage.storage))
        link = Link(
            words=words,
            format=format_of_maps(graph, stage.arriving),
            table=link_table(words, stage, simulator.tables),
        )
        found.append(ChainCore(stage=stage, simulator=simulator, link=link, runs=runs_of(stage, simulator)))
        words = leaving_words(words, stage, simulator)
    outputs = stages[-1].leaving
    return Chain(
        graph=graph,
        cores=tuple(found),
        leaving=words,
        leaving_format=format_of_maps(graph, outputs) if outputs else None,
    )
