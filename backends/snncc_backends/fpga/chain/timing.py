"""When the cores of a chain do what: exact for every image (docs/fpga.md, section 10)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from snncc_backends.fpga.chain.tables import Chain
from snncc_ir.tensors import Ints

HANDOVER = 4
"""Cycles from the end of an image to the first word of the next, and from the last word to the start."""

STARTED = 3
"""Cycles from the one in which a link decides to load N words to the core's cycle 0, less N."""

FILLED = 2
"""Cycles from the one in which a core writes its last word that leaves to the next link's decision."""

CARRIED = 3
"""Likewise from the turn of a word in a link that is carried past the core."""


@dataclass(frozen=True, kw_only=True)
class Times:
    """Cycles of I images in K cores, sent back to back; cycle 0 is that of the first word of the first image.

    `starts[I, K]` is when the core begins (its own cycle 0), `ends[I, K]` when it is done, and `offered[I]`
    when the first word of the image is taken.
    """

    offered: Ints
    starts: Ints
    ends: Ints

    @property
    def finished(self) -> Ints:
        """`[I]`: when every core is done with the image."""
        return np.asarray(self.ends.max(axis=1))

    @property
    def latency(self) -> Ints:
        """`[I]`: cycles from the first word in to the last value out."""
        return self.finished - self.offered


def times_of(chain: Chain, pass_cycles: Sequence[Ints]) -> Times:
    """The times of I images whose passes take `pass_cycles[core][I, passes]`."""
    work = np.stack([cycles.sum(axis=1) + 1 for cycles in pass_cycles], axis=1)
    filled = [_last_sent(chain, number, cycles) for number, cycles in enumerate(pass_cycles)]
    words = [len(core.link.words) for core in chain.cores]
    images, count = work.shape
    decided = np.zeros((images, count), dtype=np.int64)
    offered = np.zeros(images, dtype=np.int64)
    for image in range(images):
        free = decided[image - 2, 0] + words[0] + 1 if image > 1 else 0
        offered[image] = max(offered[image - 1] + words[0] if image else 0, free)
        full = offered[image] + words[0]
        for core in range(count):
            begin = int(full)
            if image:
                begin = max(begin, decided[image - 1, core] + words[core] + work[image - 1, core] + HANDOVER)
            if image > 1 and core + 1 < count:
                begin = max(begin, decided[image - 2, core + 1] + words[core + 1] + 1)
            decided[image, core] = begin
            full = begin + filled[core][image]
    starts = decided + np.array(words) + STARTED
    return Times(offered=offered, starts=starts, ends=starts + work)


def _last_sent(chain: Chain, number: int, pass_cycles: Ints) -> Ints:
    """`[I]`: cycles from a core's decision to that of the next link, if that waits for nothing else."""
    core = chain.cores[number]
    count = len(core.link.words)
    sent = [i for i, item in enumerate(core.simulator.passes) if item.name in core.stage.leaving]
    if not sent:
        carried = np.flatnonzero(core.link.words.those_of(core.stage.leaving))
        last = int(carried[-1]) + 1 if len(carried) else 0
        return np.full(len(pass_cycles), last + CARRIED)
    runner = core.simulator.passes[sent[-1]]
    ends = 1 + pass_cycles[:, : sent[-1] + 1].sum(axis=1)
    written = ends - runner.tail + int(runner.writes.late[-1])
    return np.asarray(count + STARTED + written + FILLED)
