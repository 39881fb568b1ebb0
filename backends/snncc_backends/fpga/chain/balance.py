"""Which cores a network gets: every way to run every run of passes, and the search among them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from snncc_backends.fpga.capacity import block_memories
from snncc_backends.fpga.chain.cut import Cutter
from snncc_backends.fpga.chain.estimate import LINK_LUTS, arrivals_of, link_blocks
from snncc_backends.fpga.chain.links import format_of_maps, map_of
from snncc_backends.fpga.chain.refusals import check_graph
from snncc_backends.fpga.chain.search import Choice, Needs, Option, fewest_luts, most_images
from snncc_backends.fpga.chain.timing import HANDOVER
from snncc_backends.fpga.estimate import estimate
from snncc_backends.fpga.inputs import checked_inputs
from snncc_backends.fpga.planning.maps import WORD
from snncc_backends.fpga.refusals import MOST_LANES, lane_refusals, table_refusals
from snncc_backends.fpga.simulator.count import CycleCounter
from snncc_backends.fpga.simulator.cycles import Simulator
from snncc_backends.fpga.tables.assemble import build_tables
from snncc_ir.backend import Array, Balanced
from snncc_ir.errors import TargetError
from snncc_ir.graph import Graph
from snncc_ir.machine import Goal, Machine
from snncc_ir.progress import Progress
from snncc_ir.tensors import Ints

UNLIMITED = 1 << 60


@dataclass(frozen=True)
class FpgaBalancer:
    """Chains of level cores."""

    def balance(
        self, graph: Graph, machine: Machine, goal: Goal, images: Mapping[str, Array], progress: Progress
    ) -> Balanced:
        """The machine with the cores that reach a goal; raises TargetError where none do."""
        check_graph(graph)
        reasons = tuple(lane_refusals(machine))
        if reasons:
            raise TargetError("; ".join(reasons))
        levels = checked_inputs(graph, images)
        survey = Survey(graph, machine, levels, goal.lanes or MOST_LANES)
        survey.build(progress)
        choice = survey.choose(goal)
        parts = choice.parts
        return Balanced(
            machine=replace(machine, chain=parts, lanes=max(part.lanes for part in parts)),
            interval=choice.slowest.interval,
            images_per_second=choice.images_per_second,
        )


class Survey:
    """Every option of one network on one device."""

    def __init__(self, graph: Graph, machine: Machine, levels: Mapping[str, Ints], most: int) -> None:
        self.graph, self.machine, self.most = graph, machine, most
        self.cutter = Cutter(graph)
        self.passes = len(self.cutter.tasks)
        self.limits = _limits(machine)
        self.levels = _all_levels(graph, levels)
        self.options: list[Option] = []
        self.refused: list[str] = []
        self.memories: dict[tuple[int, int, int], Mapping[str, int]] = {}

    @property
    def lanes(self) -> list[int]:
        """The numbers of lanes that a core may have."""
        most = min(self.most, self.limits.multipliers)
        return [WORD << shift for shift in range(10) if WORD << shift <= most]

    def build(self, progress: Progress) -> None:
        """Build every run of passes for every number of lanes."""
        runs = [(a, b) for a in range(self.passes) for b in range(a + 1, self.passes + 1)]
        for done, (first, end) in enumerate(runs, start=1):
            for lanes in self.lanes:
                self._add(first, end, lanes)
            progress(done, len(runs))

    def choose(self, goal: Goal) -> Choice:
        """The best choice; raises TargetError where the goal is out of reach."""
        if not self.options:
            raise TargetError("; ".join(dict.fromkeys(self.refused)) or self._too_few_lanes())
        limits = self.limits
        if goal.luts is not None:
            limits = replace(limits, luts=min(limits.luts, goal.luts))
        if goal.images_per_second is None:
            choice = most_images(self.options, self.passes, limits)
        else:
            choice = fewest_luts(self.options, self.passes, limits, goal.images_per_second)
        if choice is None:
            raise TargetError(self._out_of_reach(goal, limits), where=_flag(goal))
        return choice

    def _add(self, first: int, end: int, lanes: int) -> None:
        stage = self.cutter.stage(first, end)
        tables = build_tables(stage.graph, lanes, storage=stage.storage)
        refused = table_refusals(tables, self.machine)
        if refused:
            self.refused += refused
            return
        expected = estimate(tables)
        words = sum(map_of(self.graph, stage.storage, name).words for name in stage.arriving)
        memories = {
            **block_memories(tables),
            "link": link_blocks(words, format_of_maps(self.graph, stage.arriving).bits),
        }
        arrivals = arrivals_of(words, tables.widths)
        memories["arrivals"] = arrivals.blocks
        counted = CycleCounter(tables).count({name: self.levels[name] for name in tables.maps})
        self.memories[first, end, lanes] = memories
        self.options.append(
            Option(
                first=first,
                end=end,
                lanes=lanes,
                needs=Needs(
                    luts=(expected.luts or 0) + arrivals.rom_bits // 16 + LINK_LUTS,
                    blocks=sum(memories.values()),
                    multipliers=lanes,
                ),
                interval=float(counted.cycles.mean()) + words + HANDOVER,
                clock=expected.fmax_mhz or 0.0,
            )
        )

    def _too_few_lanes(self) -> str:
        return f"{self.machine.name} has {self.limits.multipliers} multipliers, a core needs {WORD}"

    def _out_of_reach(self, goal: Goal, limits: Needs) -> str:
        """What the best chain gives, and what keeps it from more."""
        best = most_images(self.options, self.passes, limits)
        if best is None:
            return self._nothing_fits(goal, limits)
        wanted = goal.images_per_second or 0.0
        return (
            f"no chain on {self.machine.name}{_within(goal)} gives {wanted:,.12g} images per second; "
            f"the best gives {best.images_per_second:,.0f}, "
            f"with {best.needs.luts:,} LUTs on {_lanes(best)} lanes: "
            f"{self._slowest(best)}, and {self._held_back(best, goal, limits)}"
        )

    def _slowest(self, choice: Choice) -> str:
        core = choice.slowest
        names = " + ".join(task.name for task in self.cutter.tasks[core.first : core.end])
        return f"{names} takes {core.interval:,.0f} cycles an image on {core.lanes} lanes"

    def _held_back(self, best: Choice, goal: Goal, limits: Needs) -> str:
        """Which limits, lifted one at a time, would let a chain be faster."""
        found = []
        for name, what in (("luts", "LUTs"), ("blocks", "block memories"), ("multipliers", "multipliers")):
            more = most_images(self.options, self.passes, replace(limits, **{name: UNLIMITED}))
            if more is not None and more.images_per_second > best.images_per_second:
                found.append(f"{getattr(limits, name):,} {what}")
        if found:
            return f"{' or '.join(found)} allow no more: use {_more(goal)}, or fewer bits"
        most = self.lanes[-1]
        return (
            f"nothing on up to {most} lanes a core is faster: "
            "use a larger --lanes or device, or a smaller network"
        )

    def _nothing_fits(self, goal: Goal, limits: Needs) -> str:
        """By how much the chain that comes nearest is too large."""
        nothing = Needs(luts=UNLIMITED, blocks=UNLIMITED, multipliers=UNLIMITED)
        parts = []
        for name, what in (("luts", "LUTs"), ("blocks", "block memories"), ("multipliers", "multipliers")):
            least = _least(self.options, self.passes, nothing, name)
            if least is None:
                return "; ".join(dict.fromkeys(self.refused))
            limit = getattr(limits, name)
            if getattr(least.needs, name) > limit:
                parts.append(
                    f"at least {getattr(least.needs, name):,} {what} of {limit:,}{self._worst(least, name)}"
                )
        reason = " and ".join(parts) or "more of one resource where it takes less of another"
        return (
            f"no chain fits {self.machine.name}{_within(goal)}: it needs {reason}; "
            f"use fewer weight or level bits, or {_more(goal)}"
        )

    def _worst(self, choice: Choice, name: str) -> str:
        """The memory that takes the most blocks."""
        if name != "blocks":
            return ""
        found = {
            f"{memory} of core {number}": blocks
            for number, option in enumerate(choice.options)
            for memory, blocks in self.memories[option.first, option.end, option.lanes].items()
        }
        worst = max(found, key=lambda memory: found[memory])
        return f" ({worst} take {found[worst]})"


def _least(options: list[Option], passes: int, limits: Needs, name: str) -> Choice | None:
    """The chain that takes least of one resource; None where some pass runs on no core."""
    only = [
        replace(o, needs=replace(Needs(luts=0, blocks=0, multipliers=0), luts=getattr(o.needs, name)))
        for o in options
    ]
    found = fewest_luts(only, passes, limits, 1e-9)
    if found is None:
        return None
    own = {(o.first, o.end, o.lanes): o for o in options}
    chosen = tuple(own[o.first, o.end, o.lanes] for o in found.options)
    needs = Needs(luts=0, blocks=0, multipliers=0)
    for option in chosen:
        needs = needs + option.needs
    return Choice(chosen, needs)


def _limits(machine: Machine) -> Needs:
    fabric = machine.fabric
    if fabric is None:
        return Needs(luts=UNLIMITED, blocks=UNLIMITED, multipliers=UNLIMITED)
    return Needs(luts=fabric.luts.value, blocks=fabric.blocks.value, multipliers=fabric.multipliers.value)


def _all_levels(graph: Graph, inputs: Mapping[str, Ints]) -> dict[str, NDArray[Any]]:
    """The levels of every map, by a small core's simulator."""
    tables = build_tables(graph, WORD)
    values = Simulator(tables).run(inputs).values
    return {**inputs, **{name: x.reshape(len(x), *graph.types[name].shape) for name, x in values.items()}}


def _flag(goal: Goal) -> str:
    return "--max-lut" if goal.images_per_second is None else "--target-fps"


def _within(goal: Goal) -> str:
    return "" if goal.luts is None else f" within {goal.luts:,} LUTs"


def _more(goal: Goal) -> str:
    """What would lift a limit on resources."""
    return "a larger device" if goal.luts is None else "a larger device or --max-lut"


def _lanes(choice: Choice) -> str:
    return " + ".join(str(option.lanes) for option in choice.options)
