"""Levels as histograms, and the spikes of single images in every code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc.report.content import (
    Answer,
    CodeRaster,
    Histogram,
    Levels,
    Picture,
    Raster,
    Rows,
    as_pixels,
)
from snncc.reporting.images import Images, as_phased, senders
from snncc.sim.drives import DriveMaps
from snncc.sim.levels import LevelEngine
from snncc.sim.streams import LIKELY_STEPS, StreamEngine
from snncc_ir.codes import PHASED_CODES, Code, Strand, magnitude
from snncc_ir.graph import Graph
from snncc_ir.linear import wire
from snncc_ir.nodes import MaxPool, Readout, Wiring
from snncc_ir.senders import make_input_sender
from snncc_ir.streaming import run_streaming, settle_bound
from snncc_ir.timing import Phased, Rate

Array = NDArray[Any]

HISTOGRAM_IMAGES = 64
STREAMED_IMAGES = 16
"""Images of the histograms of a network that must be run step by step."""

RASTER_IMAGES = 4
RASTER_NEURONS = 48
MOST_SPIKES = 1 << 25
"""Values of all neurons in all steps that a streaming raster may hold; of a larger one it shows one image."""

MOST_STEPS = 1 << 10
"""Steps of a window, or of a streaming image, beyond which nothing is drawn."""

MOST_OUTPUTS = 1 << 10


def levels(graph: Graph, images: Images) -> Levels:
    """How often every population has each of its levels, or of its spike counts in a streaming code."""
    names = tuple(node.name for node in graph.populations)
    if isinstance(graph.timing, Phased):
        most, what = HISTOGRAM_IMAGES, "levels"
        found: Mapping[str, Array] = LevelEngine(graph, names).run(images.first(most))
    else:
        most, what = STREAMED_IMAGES, "signed spike counts"
        found = StreamEngine(graph).run(images.first(most)).counts
    histograms = tuple(_histogram(graph, name, found[name]) for name in names)
    return Levels(caption=f"The {what} of every population on {images.caption(most)}.", histograms=histograms)


def _histogram(graph: Graph, name: str, values: Array) -> Histogram:
    known = graph.levels(name)
    lo, hi = known.lo, known.hi
    if isinstance(graph.timing, Rate):  # a spike in every step is the greatest count
        lo, hi = -graph.timing.steps if lo < 0 else 0, graph.timing.steps
    first = min(0, int(values.min(initial=0)))
    counts = np.bincount((values.astype(np.int64) - first).ravel())
    return Histogram(name=name, first=first, counts=tuple(counts.tolist()), lo=lo, hi=hi)


def raster(graph: Graph, images: Images) -> Raster | None:
    """The first images in every phased code, or in the one streaming code of the graph.

    None where nothing has few enough steps.
    """
    if isinstance(graph.timing, Phased):
        shown = images.first(RASTER_IMAGES)
        codes = tuple(_phased(graph, shown))
        if not codes:
            return None
        notes = (
            "A code's steps are those of one image alone; the codes differ in spikes and steps, and their "
            "levels are the same. A skip connection sends its train again later; that is not drawn."
        )
    else:
        steps = _likely_steps(graph)
        if steps > MOST_STEPS:
            return None
        size = steps * sum(int(np.prod(value.shape)) for value in graph.types.values())
        shown = images.first(RASTER_IMAGES if size * RASTER_IMAGES <= MOST_SPIKES else 1)
        codes = (_streamed(graph, shown),)
        notes = ""
    return Raster(pictures=_pictures(graph, images, shown), codes=codes, notes=(notes,) if notes else ())


def _likely_steps(graph: Graph) -> int:
    return graph.timing.steps if isinstance(graph.timing, Rate) else min(settle_bound(graph), LIKELY_STEPS)


def _pictures(graph: Graph, images: Images, shown: Mapping[str, Array]) -> tuple[Picture, ...]:
    (node,) = graph.inputs
    known = graph.levels(node.name)
    found = []
    for index, image in enumerate(shown[node.name]):
        label = "" if images.labels is None else f", label {images.labels[index]}"
        found.append(Picture(caption=f"image {index}{label}", pixels=as_pixels(image, known.lo, known.hi)))
    return tuple(found)


def _phased(graph: Graph, shown: Mapping[str, Array]) -> Iterator[CodeRaster]:
    names = tuple(node.name for node in graph.populations)
    known = {**LevelEngine(graph, names).run(shown), **shown}
    own = [node.code for node in graph.populations][:1]
    for code in sorted(PHASED_CODES, key=lambda code: code not in own):
        sent = as_phased(graph, code)
        if sent.window > MOST_STEPS:
            continue
        rows = tuple(_rows(sent, name, known[name]) for name in senders(sent))
        yield CodeRaster(
            code=code.value,
            steps=sent.latency * sent.window,
            window=sent.window,
            rows=rows,
            answer=_answer(sent, known),
        )


def trains_of_levels(strand: Strand) -> Array:
    """The train `[levels, window]` of each level lo..hi: a phased sender's spikes depend on nothing else."""
    sender = make_input_sender(strand, 1)
    sender.load(np.arange(strand.lo, strand.hi + 1, dtype=np.int64).reshape(-1, 1))
    return np.stack([sender.step(step)[:, 0] for step in range(strand.window)], axis=1)


def _rows(graph: Graph, name: str, known: Array) -> Rows:
    strand = graph.strand(name)
    table = trains_of_levels(strand)
    flat = known.reshape(len(known), -1).astype(np.int64) - strand.lo
    counts = np.stack([np.bincount(image, minlength=len(table)) for image in flat])
    return Rows(
        name=name,
        neurons=flat.shape[1],
        start=strand.slot * graph.window,
        trains=table[flat[:, _chosen(flat.shape[1])]],
        sent=counts @ (table != 0),
    )


def _chosen(neurons: int) -> Array:
    """Some neurons, evenly spread."""
    return np.unique(np.linspace(0, neurons - 1, min(neurons, RASTER_NEURONS)).round().astype(np.int64))


def _answer(graph: Graph, known: Mapping[str, Array]) -> Answer | None:
    """The first readout after each step of its last window, what is still to come taken as zero.

    None where a max-pool stands before it: what that has passed on is not the greatest of what was sent.
    """
    node = graph.by_name[graph.outputs[0]]
    if not isinstance(node, Readout) or np.prod(graph.types[node.name].shape) > MOST_OUTPUTS:
        return None
    before = [each for each in graph.nodes if each.name in _feeding(graph, node)]
    if any(isinstance(each, MaxPool) for each in before):
        return None
    drives, values = DriveMaps(), []
    for step in range(graph.window):
        sent: dict[str, Array] = {}
        for each in before:
            if isinstance(each, Wiring):
                sent[each.name] = wire(each, *(sent[source] for source in each.sources))
            else:
                sent[each.name] = _so_far(graph.strand(each.name), known[each.name], step)
        parts = [drives(projection, sent[projection.source]) for projection in graph.projections(node)]
        total = np.asarray(sum(parts))
        values.append(((total + node.bias.spread(total.shape[1:])) * node.scale).reshape(len(total), -1))
    return Answer(start=(graph.latency - 1) * graph.window, values=np.stack(values, axis=1))


def _feeding(graph: Graph, node: Readout) -> set[str]:
    """Inputs and populations whose spikes reach a readout without passing a neuron, and wiring between."""
    stack, found = [projection.source for projection in graph.projections(node)], set[str]()
    while stack:
        source = graph.by_name[stack.pop()]
        found.add(source.name)
        if isinstance(source, Wiring):
            stack += source.sources
    return found


def _so_far(strand: Strand, known: Array, step: int) -> Array:
    """The levels that the spikes up to a step add up to."""
    trains = trains_of_levels(strand)[:, : step + 1]
    steps = range(trains.shape[1])
    worth = np.array([magnitude(strand.code, strand.lo, strand.hi, each) for each in steps])
    partial = (trains * worth).sum(axis=1)
    return np.asarray(partial[known.astype(np.int64) - strand.lo])


def _streamed(graph: Graph, shown: Mapping[str, Array]) -> CodeRaster:
    """Every step of a streaming code, by the reference."""
    run = run_streaming(graph, shown, DriveMaps())
    rows = []
    for name in senders(graph):
        train = np.moveaxis(run.trains[name], 0, 1)
        flat = train.reshape(*train.shape[:2], -1)
        chosen = np.moveaxis(flat[:, :, _chosen(flat.shape[2])], 1, 2)
        sent = np.count_nonzero(flat, axis=2)
        rows.append(Rows(name=name, neurons=flat.shape[2], start=0, trains=chosen, sent=sent))
    node = graph.by_name[graph.outputs[0]]
    answer = None
    if isinstance(node, Readout) and np.prod(graph.types[node.name].shape) <= MOST_OUTPUTS:
        drives = np.moveaxis(run.outputs[node.name], 0, 1) * node.scale
        if isinstance(graph.timing, Rate):
            drives = drives / graph.timing.steps
        answer = Answer(start=0, values=drives.reshape(*drives.shape[:2], -1))
    code = (graph.populations[0].code if graph.populations else Code.GRADED).value
    steps = max(rows[0].trains.shape[2], *(each.trains.shape[2] for each in rows))
    padded = tuple(_padded(each, steps) for each in rows)
    return CodeRaster(code=code, steps=steps, window=steps, rows=padded, answer=answer)


def _padded(rows: Rows, steps: int) -> Rows:
    missing = steps - rows.trains.shape[2]
    if not missing:
        return rows
    return replace(
        rows,
        trains=np.pad(rows.trains, ((0, 0), (0, 0), (0, missing))),
        sent=np.pad(rows.sent, ((0, 0), (0, missing))),
    )
