"""Cuts of a graph: what each core of a chain computes, and which maps pass from one core to the next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from snncc_backends.fpga.planning.plan import fused_pools
from snncc_backends.fpga.planning.views import Storage, storage_of
from snncc_ir.graph import Graph
from snncc_ir.nodes import AnyNode, Input, Linear, MaxPool, Population, Readout, Wiring


@dataclass(frozen=True, kw_only=True)
class Task:
    """What one pass computes: a population, a pool or a readout, whose value is called `name`.

    `nodes` are those of the pass with its projections and their wiring; `reads` are the maps behind them.
    """

    name: str
    is_readout: bool
    nodes: frozenset[str]
    reads: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The part of a network that one core runs, as a graph with the maps that it reads as inputs.

    `arriving` maps come over the link before the core, `leaving` ones go over the link behind it (of the last
    core: out of the chain). Those of `arriving` that also leave are carried past.
    """

    graph: Graph
    storage: Storage
    arriving: tuple[str, ...]
    leaving: tuple[str, ...]

    @property
    def stored(self) -> tuple[str, ...]:
        """The arriving maps that the core itself reads."""
        return tuple(node.name for node in self.graph.inputs)


@dataclass(frozen=True)
class Cutter:
    """Cuts one phased integer graph anywhere between its passes."""

    graph: Graph

    @cached_property
    def tasks(self) -> tuple[Task, ...]:
        """The passes, in the order in which the level core runs them."""
        return tuple(self._tasks())

    @cached_property
    def storage(self) -> Storage:
        """How the inputs of the whole network are stored, in every core that reads them."""
        return storage_of(self.graph)

    @cached_property
    def outputs(self) -> frozenset[str]:
        """The maps that outputs of the network are made of."""
        wired = [name for name in self.graph.outputs if not isinstance(self.graph.by_name[name], Readout)]
        return self._reach(wired)[1]

    def stages(self, sizes: Sequence[int]) -> tuple[Stage, ...]:
        """The stages of a chain whose cores run `sizes` passes each, which must be all passes."""
        if sum(sizes) != len(self.tasks) or min(sizes, default=0) < 1:
            raise ValueError(f"{tuple(sizes)} is no cut of {len(self.tasks)} passes")
        ends = [sum(sizes[: number + 1]) for number in range(len(sizes))]
        return tuple(self.stage(end - size, end) for size, end in zip(sizes, ends, strict=True))

    def stage(self, first: int, end: int) -> Stage:
        """Passes `first` to `end` - 1."""
        tasks = self.tasks[first:end]
        inside = frozenset[str]().union(*(task.nodes for task in tasks))
        stored = frozenset[str]().union(*(task.reads for task in tasks)) - {task.name for task in tasks}
        arriving, leaving = self.crossing(first), self.crossing(end)
        outputs = tuple(task.name for task in tasks if task.is_readout or task.name in leaving)
        inputs = tuple(self._input(name) for name in arriving if name in stored)
        nodes = tuple(node for node in self.graph.nodes if node.name in inside)
        graph = Graph(
            name=f"passes{first}to{end - 1}",
            nodes=(*inputs, *nodes),
            outputs=outputs,
            timing=self.graph.timing,
        )
        return Stage(graph=graph, storage=self.storage, arriving=arriving, leaving=leaving)

    def crossing(self, place: int) -> tuple[str, ...]:
        """The maps that are there before pass `place` and needed from it on, also by outputs."""
        needed = self.outputs.union(*(task.reads for task in self.tasks[place:]))
        there = (*(node.name for node in self.graph.inputs), *(task.name for task in self.tasks[:place]))
        return tuple(name for name in there if name in needed)

    def _input(self, name: str) -> Input:
        node = self.graph.by_name[name]
        return node if isinstance(node, Input) else Input(name=name, type=self.graph.levels(name))

    def _tasks(self) -> Iterator[Task]:
        fused = fused_pools(self.graph)
        for node in self.graph.nodes:
            if isinstance(node, Population | Readout):
                name = fused.get(node.name, node.name)
                nodes, reads = self._reach(node.drives)
                own = frozenset((node.name, name))
                yield Task(name=name, is_readout=isinstance(node, Readout), nodes=nodes | own, reads=reads)
            elif isinstance(node, MaxPool) and node.name not in fused.values():
                nodes, reads = self._reach((node.source,))
                yield Task(name=node.name, is_readout=False, nodes=nodes | {node.name}, reads=reads)

    def _reach(self, names: Sequence[str]) -> tuple[frozenset[str], frozenset[str]]:
        """The linear nodes and wiring that lie behind values, and the maps behind those."""
        nodes: set[str] = set()
        maps: set[str] = set()
        open_nodes: list[AnyNode] = [self.graph.by_name[name] for name in names]
        while open_nodes:
            node = open_nodes.pop()
            if isinstance(node, MaxPool) or not isinstance(node, Linear | Wiring):
                maps.add(node.name)
            elif node.name not in nodes:
                nodes.add(node.name)
                open_nodes += [self.graph.by_name[source] for source in node.sources]
        return frozenset(nodes), frozenset(maps)
