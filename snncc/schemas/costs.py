"""The parts of answers that say what a network takes of a chip, and what it costs there."""

from __future__ import annotations

from typing import Annotated, TypedDict


class Cores(TypedDict):
    """One of several FPGA cores in a row."""

    lanes: int
    computes: list[str]
    cycles: float
    works: Annotated[float, "share of the time"]


class Layer(TypedDict):
    """Where the clock cycles of a layer go; all but the cycles are shares of them."""

    layer: str
    cycles: float
    lane_use: float
    zeros: float
    waits: float
    overhead: float


class Cost(TypedDict):
    """Events of one image at a unit, and what they cost."""

    synops: float
    updates: float
    spikes: Annotated[float, "that enter it"]
    hops: Annotated[float, "spikes times hops"]
    links: Annotated[float, "spikes times links between chips"]
    nanojoules: float
    macs: Annotated[float, "of the same layer without spikes"]
    mac_nanojoules: float


class Estimate(TypedDict):
    """What an image costs in a code."""

    steps: int
    microseconds: float
    interval_microseconds: Annotated[float, "until the next image can enter"]
    total: Cost
    units: dict[str, Cost]


class Slice(TypedDict):
    """A part of a unit on a core."""

    unit: str
    box: Annotated[list[list[int]], "half-open intervals of channels, rows and columns"]


class CoreUse(TypedDict):
    """A core: its place, and what it uses of each resource in the order of the limits."""

    chip: int
    column: int
    row: int
    usage: list[int]
    slices: list[Slice]


class FitMore(TypedDict, total=False):
    """Of a network that fits."""

    lower_bound: Annotated[int, "no plan has fewer cores"]
    lower_bounds: dict[str, int]
    limits: Annotated[dict[str, int], "of a core, by resource"]
    bound_by: Annotated[dict[str, str], "resource by unit"]
    hops: Annotated[float, "spikes times hops of an image"]
    row_major_hops: float
    busiest_link: Annotated[float, "spikes of an image"]
    use: list[CoreUse]
    estimates: Annotated[dict[str, Estimate], "by code"]


class Fit(FitMore):
    """A network on a chip of cores."""

    chip: str
    fits: bool
    reason: str
    notes: list[str]
    changes: Annotated[list[str], "what other options would need"]
    cores: int | None
    chips: int | None
