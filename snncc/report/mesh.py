"""The picture of a chip: routers with their cores, and the links between them by the spikes they carry."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from snncc.report.content import Mesh, MeshCore, MeshLink

CORE, SPACE = 24, 2
"""Pixels of a core, and between cores of one router."""
GAP = 22
"""Pixels between routers, where the links run."""
THIN, THICK = 1.5, 8.0
"""Widths of a link that carries next to nothing, and of the busiest."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A rectangle in the colour of a unit."""

    unit: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, kw_only=True)
class Tile:
    """A core at its place; its parts fill it from below as far as its fullest resource is used."""

    x: float
    y: float
    core: MeshCore
    parts: tuple[Part, ...]


@dataclass(frozen=True, kw_only=True)
class Line:
    """A link at its place."""

    x1: float
    y1: float
    x2: float
    y2: float
    width: float
    tip: str
    share: float


@dataclass(frozen=True, kw_only=True)
class Chip:
    """Everything in its place; `routers` are the corners of squares of `side` pixels."""

    chip: int
    width: float
    height: float
    side: float
    routers: tuple[tuple[float, float], ...]
    tiles: tuple[Tile, ...]
    lines: tuple[Line, ...]


def picture(mesh: Mesh) -> Chip:
    """Routers in rows and columns, cores in squares at them, links between them and to the next chips."""
    across = math.ceil(math.sqrt(mesh.slots))
    side = across * (CORE + SPACE) + SPACE
    pitch = side + GAP
    corners = ((column, row) for row in range(mesh.rows) for column in range(mesh.columns))
    return Chip(
        chip=mesh.chip,
        width=mesh.columns * pitch + GAP,
        height=mesh.rows * pitch - GAP,
        side=side,
        routers=tuple((GAP + column * pitch, row * pitch) for column, row in corners),
        tiles=tuple(_tile(core, across, pitch) for core in mesh.cores),
        lines=tuple(_line(mesh, link, side) for link in sorted(mesh.links, key=lambda link: link.share)),
    )


def _tile(core: MeshCore, across: int, pitch: float) -> Tile:
    x = GAP + core.column * pitch + SPACE + core.slot % across * (CORE + SPACE)
    y = core.row * pitch + SPACE + core.slot // across * (CORE + SPACE)
    return Tile(x=x, y=y, core=core, parts=tuple(_parts(core)))


def _parts(core: MeshCore) -> Iterator[Part]:
    height, x = CORE * core.fill, 0.0
    for unit, share in core.units.items():
        yield Part(unit=unit, x=x, y=CORE - height, width=CORE * share, height=height)
        x += CORE * share


def _line(mesh: Mesh, link: MeshLink, side: float) -> Line:
    pitch = side + GAP
    x, y = GAP + link.column * pitch, link.row * pitch
    width = THIN + (THICK - THIN) * link.share
    if link.right:
        x1, y1 = x + side, y + side / 2
        x2, y2 = x1 + GAP, y1
    else:
        x1, y1 = x + side / 2, y + side
        x2, y2 = x1, y1 + GAP
    return Line(x1=x1, y1=y1, x2=x2, y2=y2, width=width, tip=_tip(mesh, link), share=link.share)


def _tip(mesh: Mesh, link: MeshLink) -> str:
    here = f"{link.column},{link.row}"
    if not link.right:
        other, ways = f"{link.column},{link.row + 1}", ("down", "up")
    elif 0 <= link.column < mesh.columns - 1:
        other, ways = f"{link.column + 1},{link.row}", ("right", "left")
    else:
        left = link.column < 0
        here, other = (f"chip {mesh.chip + (-1 if left else 0)}", f"chip {mesh.chip + (0 if left else 1)}")
        ways = ("on", "back")
    return f"{here} to {other}: {link.there:,.0f} spikes {ways[0]}, {link.back:,.0f} {ways[1]}"
