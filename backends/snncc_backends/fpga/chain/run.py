"""The cycle simulator of a chain: every core's simulator in turn, and when each of them works."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from snncc_backends.fpga.chain.links import Words, map_of
from snncc_backends.fpga.chain.tables import Chain
from snncc_backends.fpga.chain.timing import Spans, Times, spans_of, times_of
from snncc_backends.fpga.planning.maps import WORD
from snncc_backends.fpga.simulator.cycles import Trace
from snncc_ir.tensors import Ints


@dataclass(frozen=True, kw_only=True)
class ChainRun:
    """What I images gave, sent back to back: `values[name][I, *shape]` of all passes, and when.

    `traces[core][I]` has every word that a core writes, with the core's own cycles.
    """

    values: Mapping[str, Ints]
    pass_cycles: tuple[Ints, ...]
    traces: tuple[tuple[Trace, ...], ...]
    spans: Spans
    times: Times


def run_chain(chain: Chain, inputs: Mapping[str, Ints], *, trace: bool = False) -> ChainRun:
    """Run images `inputs[name][I, *shape]`."""
    values = dict(inputs)
    spent, traces = [], []
    for core in chain.cores:
        run = core.simulator.run({name: values[name] for name in core.stage.stored}, trace=trace)
        values |= {
            name: found.reshape(len(found), *chain.graph.types[name].shape)
            for name, found in run.values.items()
        }
        spent.append(run.pass_cycles)
        traces.append(run.traces)
    spans = spans_of(chain, spent)
    return ChainRun(
        values={name: found for name, found in values.items() if name not in inputs},
        pass_cycles=tuple(spent),
        traces=tuple(traces),
        spans=spans,
        times=times_of(spans),
    )


def words_on_link(chain: Chain, words: Words, values: Mapping[str, Ints]) -> Ints:
    """`[I, words, 8]`: the levels of the words that cross a link; lanes without a level are 0."""
    images = len(next(iter(values.values())))
    found = np.zeros((images, len(words), WORD), dtype=np.int64)
    for name in words.maps:
        chosen = words.those_of((name,))
        if chosen.any():
            level_map = map_of(chain.graph, chain.cores[0].stage.storage, name)
            _, address, lane = level_map.places()
            whole = np.zeros((images, level_map.words, WORD), dtype=np.int64)
            whole[:, address, lane] = level_map.stored(values[name])
            found[:, chosen] = whole[:, words.place[chosen]]
    return found
