"""Energy per image, of phased codes and of a streaming code after some of its steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from snncc.cores.activity import Activity, streamed_activity
from snncc.cores.energy import estimate
from snncc.cores.planning import make_plan
from snncc.fit import IMAGES, Fit, fit
from snncc.reporting.images import Array, Images
from snncc.sim.streams import StreamEngine
from snncc_ir.codes import PHASED_CODES, Code
from snncc_ir.errors import TargetError
from snncc_ir.graph import Graph
from snncc_ir.machine import Machine
from snncc_ir.timing import Rate

NANO = 1e-3
"""Microjoules in a nanojoule."""


@dataclass(frozen=True, kw_only=True)
class Meter:
    """Estimates microjoules per image on a chip of cores (docs/cores.md), from a few images."""

    machine: Machine
    levels: Mapping[str, Array]

    def fit(self, graph: Graph) -> Fit:
        """A graph on the chip."""
        return fit(graph, self.machine, self.levels)

    def after(self, graph: Graph) -> dict[int, float]:
        """Of a streaming graph after 1, 2, 4, ... steps and the last; TargetError where it does not fit.

        The cores are those of all steps: it is the same network, stopped early.
        """
        last = self._activity(graph)
        planned = make_plan(graph, self.machine, dict(last.spikes))
        runs = [*((cut, self._activity(cut)) for cut in _stopped(graph)), (graph, last)]
        return {
            run.window: estimate(planned, cut, self.machine, run).total.energy * NANO for cut, run in runs
        }

    def _activity(self, graph: Graph) -> Activity:
        run = StreamEngine(graph).run(self.levels)
        payloads = self.machine.payload_bits.value > 0
        steps = graph.timing.steps if isinstance(graph.timing, Rate) else int(run.settled.max())
        return streamed_activity(graph, run.counts, self.levels, steps, payloads=payloads)


def _stopped(graph: Graph) -> Iterator[Graph]:
    """A `rate` graph after 1, 2, 4, ... of its steps; `stbif` stops by itself."""
    if isinstance(graph.timing, Rate):
        for power in range((graph.timing.steps - 1).bit_length()):
            yield replace(graph, timing=replace(graph.timing, steps=1 << power))


def meter_on(machine: Machine, images: Images) -> Meter | None:
    """The meter of a chip; None where it has no cores."""
    return None if machine.core is None else Meter(machine=machine, levels=images.first(IMAGES))


def by_code(found: Fit | None) -> dict[Code, float]:
    """Microjoules per image by code; empty where there are no figures."""
    if found is None:
        return {}
    return {code: each.total.energy * NANO for code, each in found.estimates.items()}


def of_phased(meter: Meter | None, graph: Graph) -> dict[Code, float]:
    """Those of a phased graph in the codes that the meter's chip offers."""
    offered = set() if meter is None else meter.machine.codes & set(PHASED_CODES)
    if meter is None or not offered:
        return {}
    return {code: energy for code, energy in by_code(meter.fit(graph)).items() if code in offered}


def of_streamed(meter: Meter | None, graph: Graph, notes: list[str]) -> dict[int, float]:
    """Microjoules by steps, or none and a note that says why."""
    if meter is None:
        return {}
    try:
        return meter.after(graph)
    except TargetError as error:
        note = f"The energy of streaming codes is not known: {error}"
        notes += [note] if note not in notes else []
        return {}
