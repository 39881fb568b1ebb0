"""When the cores of a chain do what: exact for every image (docs/fpga.md, section 10)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from snncc_backends.fpga.chain.tables import Chain, ChainCore
from snncc_backends.fpga.simulator.timing import START
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

    `starts[I, K]` is when the core begins (its own cycle 0), `ends[I, K]` when it is done, `offered[I]`
    when the first word is taken; `slowest` is the longest interval of a core on the first image.
    """

    offered: Ints
    starts: Ints
    ends: Ints
    slowest: int

    @property
    def finished(self) -> Ints:
        """`[I]`: when every core is done with the image."""
        return np.asarray(self.ends.max(axis=1))

    @property
    def latency(self) -> Ints:
        """`[I]`: cycles from the first word in to the end of the last core's work."""
        return self.finished - self.offered

    @property
    def intervals(self) -> Ints:
        """`[I]`: cycles since the end of the image before; of the first image, those of its slowest core."""
        return np.concatenate([[self.slowest], np.diff(self.finished)])


@dataclass(frozen=True, kw_only=True)
class Spans:
    """How long I images keep K cores: words `words[K]` to load, cycles `work[I, K]`.

    `filled[I, K]`: cycles from a core's decision to load to the next one's, if that waits for nothing else.
    """

    words: Ints
    work: Ints
    filled: Ints

    @property
    def intervals(self) -> Ints:
        """`[I, K]`: cycles from one decision of a core to its next, if it waits for no other."""
        return np.asarray(self.work + self.words + HANDOVER)

    @property
    def alone(self) -> Ints:
        """`[I]`: the latency of every image, if there were no other."""
        zeros = np.zeros_like(self.work[:, :1])
        decided = self.words[0] + np.cumsum(np.concatenate([zeros, self.filled[:, :-1]], axis=1), axis=1)
        return np.asarray((decided + self.words + STARTED + self.work).max(axis=1))


def spans_of(chain: Chain, pass_cycles: Sequence[Ints]) -> Spans:
    """The spans of I images whose passes take `pass_cycles[core][I, passes]`."""
    return Spans(
        words=np.array([len(core.link.words) for core in chain.cores]),
        work=np.stack([START + cycles.sum(axis=1) for cycles in pass_cycles], axis=1),
        filled=np.stack(
            [_filled(core, cycles) for core, cycles in zip(chain.cores, pass_cycles, strict=True)], axis=1
        ),
    )


def times_of(spans: Spans) -> Times:
    """The times of images that are sent back to back."""
    words, after = spans.words.tolist(), spans.intervals
    images, count = spans.work.shape
    decided = np.zeros((images, count), dtype=np.int64)
    offered = np.zeros(images, dtype=np.int64)
    for image in range(images):
        free = int(decided[image - 2, 0]) + words[0] + 1 if image > 1 else 0
        offered[image] = max(int(offered[image - 1]) + words[0] if image else 0, free)
        full = int(offered[image]) + words[0]
        for core in range(count):
            begin = full
            if image:
                begin = max(begin, int(decided[image - 1, core] + after[image - 1, core]))
            if image > 1 and core + 1 < count:
                begin = max(begin, int(decided[image - 2, core + 1]) + words[core + 1] + 1)
            decided[image, core] = begin
            full = begin + int(spans.filled[image, core])
    starts = decided + spans.words + STARTED
    return Times(
        offered=offered, starts=starts, ends=starts + spans.work, slowest=int(spans.intervals[0].max())
    )


def _filled(core: ChainCore, pass_cycles: Ints) -> Ints:
    """`[I]`: when the last word leaves a core, counted from its link's decision."""
    words = core.link.words
    sent = [i for i, item in enumerate(core.simulator.passes) if item.name in core.stage.leaving]
    if not sent:
        carried = np.flatnonzero(words.those_of(core.stage.leaving))
        last = int(carried[-1]) + 1 if len(carried) else 0
        return np.full(len(pass_cycles), last + CARRIED)
    runner = core.simulator.passes[sent[-1]]
    ends = START + pass_cycles[:, : sent[-1] + 1].sum(axis=1)
    written = ends - runner.tail + int(runner.writes.late[-1])
    return np.asarray(len(words) + STARTED + written + FILLED)
