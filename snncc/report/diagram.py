"""The network diagram: boxes in ranks from top to bottom, connections that skip ranks beside them."""

from __future__ import annotations

from dataclasses import dataclass

from snncc.report.content import Box

LINE = 17
PADDING = 10
CHARACTER = 6.8
"""Width of a character of a box, in pixels; generous, as the reader's font decides."""
GAP, RISE = 28, 38
ASIDE = 24
"""Pixels from the middle of a box to where a connection starts or ends that skips ranks."""
LANE = 22
"""Pixels between connections that run beside each other."""

Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A box with its top left corner and its size."""

    box: Box
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, kw_only=True)
class Link:
    """A connection, as an SVG path."""

    path: str
    skips: bool


@dataclass(frozen=True, kw_only=True)
class Diagram:
    """Everything in its place."""

    width: float
    height: float
    boxes: tuple[Placed, ...]
    links: tuple[Link, ...]


def layout(boxes: tuple[Box, ...]) -> Diagram:
    """Place boxes, which come after their sources, by their longest distance from an input."""
    ranks = _ranks(boxes)
    rows: dict[int, list[Box]] = {}
    for box in boxes:
        rows.setdefault(ranks[box.name], []).append(box)
    widths = {box.name: _width(box) for box in boxes}
    widest = max(sum(widths[box.name] + GAP for box in row) - GAP for row in rows.values())
    placed: dict[str, Placed] = {}
    y = 4.0
    for rank in sorted(rows):
        row = sorted(rows[rank], key=lambda box: _centre(box, placed, widest))
        x = (widest - sum(widths[box.name] + GAP for box in row) + GAP) / 2 + 4
        tallest = max(_height(box) for box in row)
        for box in row:
            placed[box.name] = Placed(box=box, x=x, y=y, width=widths[box.name], height=_height(box))
            x += widths[box.name] + GAP
        y += tallest + RISE
    links, lanes = _links(boxes, ranks, placed, widest)
    return Diagram(
        width=widest + 8 + (lanes + 1) * LANE * (lanes > 0),
        height=y - RISE + 4,
        boxes=tuple(placed.values()),
        links=links,
    )


def _ranks(boxes: tuple[Box, ...]) -> dict[str, int]:
    ranks: dict[str, int] = {}
    for box in boxes:
        ranks[box.name] = 1 + max((ranks[source] for source in box.sources), default=-1)
    return ranks


def _width(box: Box) -> float:
    longest = max(len(box.name) * 1.15, *(len(line) for line in box.lines))
    return max(120.0, longest * CHARACTER + 2 * PADDING)


def _height(box: Box) -> float:
    return LINE * (1 + len(box.lines)) + 2 * PADDING - 4


def _centre(box: Box, placed: dict[str, Placed], widest: float) -> float:
    """Where the sources are, on average."""
    centres = [placed[source].x + placed[source].width / 2 for source in box.sources]
    return sum(centres) / len(centres) if centres else widest / 2


def _links(
    boxes: tuple[Box, ...], ranks: dict[str, int], placed: dict[str, Placed], widest: float
) -> tuple[tuple[Link, ...], int]:
    """The connections, and how many lanes those need that skip ranks."""
    found, free = [], list[int]()  # free[lane]: the first rank at which the lane is unused again
    tops = {rank: placed[name].y for name, rank in ranks.items()}
    for box in boxes:
        for source in dict.fromkeys(box.sources):
            a, b, rank = placed[source], placed[box.name], ranks[source]
            if ranks[box.name] == rank + 1:
                found.append(Link(path=_straight(a, b), skips=False))
                continue
            lane = next((i for i, until in enumerate(free) if until <= rank), len(free))
            free[lane : lane + 1] = [ranks[box.name]]
            found.append(Link(path=_around(a, b, tops[rank + 1], widest + 4 + (lane + 1) * LANE), skips=True))
    return tuple(found), len(free)


def _straight(a: Placed, b: Placed) -> str:
    x1, y1, x2, y2 = a.x + a.width / 2, a.y + a.height, b.x + b.width / 2, b.y - 1
    bend = (y2 - y1) / 2
    return f"M{x1:.1f} {y1:.1f}C{x1:.1f} {y1 + bend:.1f} {x2:.1f} {y2 - bend:.1f} {x2:.1f} {y2:.1f}"


def _around(a: Placed, b: Placed, below: float, lane: float) -> str:
    """Out of the bottom of a box, over to a lane, down, and back into the top of another.

    Both ways across run between two ranks, where no box is; `below` is the top of the rank under `a`.
    """
    x1, y1 = a.x + a.width / 2 + ASIDE, a.y + a.height
    x2, y2 = b.x + b.width / 2 + ASIDE, b.y - 1
    out, back = below - RISE * 0.7, y2 - RISE * 0.42
    r = 9.0
    return (
        f"M{x1:.1f} {y1:.1f}L{x1:.1f} {out - r:.1f}Q{x1:.1f} {out:.1f} {x1 + r:.1f} {out:.1f}"
        f"L{lane - r:.1f} {out:.1f}Q{lane:.1f} {out:.1f} {lane:.1f} {out + r:.1f}"
        f"L{lane:.1f} {back - r:.1f}Q{lane:.1f} {back:.1f} {lane - r:.1f} {back:.1f}"
        f"L{x2 + r:.1f} {back:.1f}Q{x2:.1f} {back:.1f} {x2:.1f} {y2:.1f}"
    )
