"""What a report shows, section by section, as plain data; a section that is None is left out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

NUMBER = re.compile(r"[+-]?[\d,]+(\.\d+)?(e[+-]\d+)?%?|-|")


LONG = re.compile(r"([+-]?)(\d{4,})(\.\d+)?")


@dataclass(frozen=True, kw_only=True)
class Table:
    """Cells as they are shown."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @property
    def numeric(self) -> tuple[bool, ...]:
        """True for each column that holds nothing but numbers."""
        return tuple(
            all(NUMBER.fullmatch(row[column]) for row in self.rows) for column in range(len(self.heads))
        )


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> Table:
    """A table whose long numbers have commas."""
    return Table(heads=tuple(heads), rows=tuple(tuple(map(_grouped, row)) for row in rows))


def _grouped(cell: str) -> str:
    found = LONG.fullmatch(cell)
    return cell if found is None else f"{found[1]}{int(found[2]):,}{found[3] or ''}"


@dataclass(frozen=True, kw_only=True)
class Fact:
    """A figure and what it is."""

    name: str
    value: str


class Mood(Enum):
    """How a statement is coloured."""

    GOOD = "good"
    BAD = "bad"
    PLAIN = "plain"


@dataclass(frozen=True, kw_only=True)
class Statement:
    """A sentence that matters."""

    text: str
    mood: Mood = Mood.PLAIN


@dataclass(frozen=True, kw_only=True)
class Overview:
    """What was compiled for what, and how well it does."""

    figures: tuple[Fact, ...]
    statements: tuple[Statement, ...]
    facts: tuple[Fact, ...]


class Kind(Enum):
    """What a box of the network diagram stands for."""

    INPUT = "input"
    POPULATION = "population"
    WIRING = "wiring"
    READOUT = "readout"


@dataclass(frozen=True, kw_only=True)
class Box:
    """A node of the diagram, the boxes that its spikes come from, and what is said of it."""

    name: str
    kind: Kind
    sources: tuple[str, ...]
    lines: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Network:
    """The graph, and its table. Boxes come after their sources."""

    boxes: tuple[Box, ...]
    table: Table
    timing: str


@dataclass(frozen=True, kw_only=True)
class Shares:
    """Parts of a whole: `values[cause][i]` belongs to `names[i]`."""

    names: tuple[str, ...]
    values: dict[str, tuple[float, ...]]

    @property
    def has_some(self) -> bool:
        """False where there is nothing to draw."""
        return any(any(values) for values in self.values.values())


@dataclass(frozen=True, kw_only=True)
class Loss:
    """Where the loss comes from: percent of the squared error, and points lost of what `lost_what` says."""

    headline: str
    table: Table
    shares: Shares
    lost: Shares
    lost_what: str
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Point:
    """What a network reaches at a cost: per image, `microjoules` where the chip has constants."""

    name: str
    accuracy: float
    steps: int
    spikes: float
    synops: float
    microjoules: float | None = None


@dataclass(frozen=True, kw_only=True)
class Curve:
    """The same of a streaming code after every step; costs are those of the steps so far."""

    name: str
    points: tuple[Point, ...]


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Accuracy against costs: of codes, of which `own` is the artefact's, and of streaming curves."""

    images: int
    own: str
    points: tuple[Point, ...]
    curves: tuple[Curve, ...]
    notes: tuple[str, ...]

    @property
    def all_points(self) -> tuple[Point, ...]:
        """Those of the codes, and of all curves."""
        return (*self.points, *(point for curve in self.curves for point in curve.points))

    @property
    def energies_known(self) -> bool:
        """True where the chip has figures for energy."""
        return any(point.microjoules is not None for point in self.all_points)


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """The section on accuracy; `notes` say what is missing and why."""

    loss: Loss | None
    costs: Costs | None
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """How often the levels `first`, first + 1, ... occur; `lo` and `hi` are the ends of their range."""

    name: str
    first: int
    counts: tuple[int, ...]
    lo: int
    hi: int

    def share(self, level: int) -> float:
        """The share of one level."""
        place = level - self.first
        return self.counts[place] / sum(self.counts) if 0 <= place < len(self.counts) else 0.0

    @property
    def saturated(self) -> float:
        """The share of the levels at the ends of the range, without level 0."""
        return sum(self.share(level) for level in {self.lo, self.hi} - {0})


@dataclass(frozen=True, kw_only=True)
class Levels:
    """The histograms of every population, on so many images."""

    caption: str
    histograms: tuple[Histogram, ...]


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Some neurons of a sender whose trains of `window` steps begin at step `start`.

    `trains[images, rows, window]` are -1, 0, 1 or payloads, `sent[images, window]` the spikes of all
    `neurons` in each step.
    """

    name: str
    neurons: int
    start: int
    trains: Array
    sent: Array


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The readout `values[images, steps, outputs]` in real units from step `start` on."""

    start: int
    values: Array


@dataclass(frozen=True, kw_only=True)
class CodeRaster:
    """Every spike of some neurons in one code."""

    code: str
    steps: int
    window: int
    rows: tuple[Rows, ...]
    answer: Answer | None


@dataclass(frozen=True, kw_only=True)
class Picture:
    """An image and what is known of it: `pixels[H, W]` or `[H, W, 3]`, uint8; None where it is no picture."""

    caption: str
    pixels: Array | None


@dataclass(frozen=True, kw_only=True)
class Raster:
    """Some images in every code."""

    pictures: tuple[Picture, ...]
    codes: tuple[CodeRaster, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class MeshCore:
    """A core, the `slot`-th at its router: the share of its fullest resource, and of its neurons by unit."""

    column: int
    row: int
    slot: int
    fill: float
    units: dict[str, float]
    tip: str


@dataclass(frozen=True, kw_only=True)
class MeshLink:
    """Spikes per image from a router to the next on its right or below, `there`, and from that, `back`.

    `share` is what the busier direction carries of the busiest link of all.
    """

    column: int
    row: int
    right: bool
    there: float
    back: float
    share: float


@dataclass(frozen=True, kw_only=True)
class Mesh:
    """The routers of one chip with `slots` cores each; what leaves its last column goes to the next chip."""

    chip: int
    columns: int
    rows: int
    slots: int
    cores: tuple[MeshCore, ...]
    links: tuple[MeshLink, ...]


@dataclass(frozen=True, kw_only=True)
class Use:
    """Shares of a limit: of all cores together, and of the core that uses most of it."""

    name: str
    all: float
    most: float


@dataclass(frozen=True, kw_only=True)
class Cores:
    """How a network lies on chips of cores; `units` in their order."""

    headline: Statement
    traffic: str
    units: tuple[str, ...]
    meshes: tuple[Mesh, ...]
    uses: tuple[Use, ...]
    tables: dict[str, Table]
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Fpga:
    """Where the clock cycles of an FPGA go: `cycles[part][i]` of layer `layers[i]`."""

    figures: tuple[Fact, ...]
    layers: tuple[str, ...]
    cycles: dict[str, tuple[float, ...]]
    tables: dict[str, Table]
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Verified:
    """The ladder of executions; `table` is None where it was not climbed."""

    verdict: Statement
    table: Table | None = None


@dataclass(frozen=True, kw_only=True)
class Content:
    """A whole report."""

    title: str
    version: str
    overview: Overview
    network: Network
    verified: Verified
    manifest: str
    accuracy: Accuracy | None = None
    levels: Levels | None = None
    raster: Raster | None = None
    cores: Cores | None = None
    fpga: Fpga | None = None

    @property
    def sections(self) -> tuple[str, ...]:
        """The names of the sections that there are, in their order."""
        optional = {
            "accuracy": self.accuracy,
            "levels": self.levels,
            "raster": self.raster,
            "cores": self.cores,
            "fpga": self.fpga,
        }
        known = (name for name, section in optional.items() if section is not None)
        return ("overview", "network", *known, "verify", "manifest")


def as_pixels(levels: Array, lo: int, hi: int) -> Array | None:
    """An input `[C, H, W]` of one or three channels as a picture; None for any other."""
    if levels.ndim != 3 or levels.shape[0] not in (1, 3) or hi == lo:
        return None
    scaled = np.rint((levels.astype(np.float64) - lo) * (255 / (hi - lo)))
    pixels = scaled.clip(0, 255).astype(np.uint8)
    return pixels[0] if len(pixels) == 1 else np.moveaxis(pixels, 0, 2)
