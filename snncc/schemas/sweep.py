"""What `snncc sweep --json` prints."""

from __future__ import annotations

from typing import Annotated, TypedDict

from snncc.schemas.answers import Code, Share


class Figures(TypedDict):
    """What a point of a sweep costs per image; null where it has no such figure."""

    accuracy: Share | None
    loss: Annotated[float, "points; without labels percent of changed answers"]
    steps: int
    spikes: float
    synops: float
    energy: Annotated[float | None, "microjoules, estimated"]
    time: Annotated[float | None, "microseconds, estimated"]
    cores: int | None
    chips: int | None
    luts: int | None
    brams: int | None
    multipliers: int | None
    cycles: float | None


class Point(TypedDict):
    """A combination of options; null where there was no choice."""

    target: str
    chip: Annotated[str, "a chip's name, or the file that describes it"]
    chip_sha256: Annotated[str | None, "of that file"]
    level_bits: int | None
    weight_bits: int
    code: Code
    rate_steps: int | None
    lanes: int | None
    figures: Figures | None
    reason: Annotated[str, "why there are no figures"]
    frontier: bool
    command: Annotated[str, "the command line that compiles it"]


class Pick(TypedDict):
    """What --pick chose."""

    expression: str
    fits: bool
    point: Annotated[int | None, "index into points"]
    misses: list[str]
    command: str | None


class Sweep(TypedDict):
    """A network over lists of options."""

    model: str
    data: str
    images: int
    float_accuracy: Share | None
    against: list[str]
    points: list[Point]
    pick: Pick | None
