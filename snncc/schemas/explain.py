"""What `snncc explain --json` prints."""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict

from snncc.schemas.answers import Code, Name, Share
from snncc.schemas.costs import Fit
from snncc.schemas.tune import Tuning


class Node(TypedDict):
    """An input, a population or a readout as it was compiled."""

    name: Name
    kind: Literal["input", "population", "readout"]
    origin: Annotated[list[str], "nodes of the model"]
    neurons: int
    levels: Annotated[list[int] | None, "lowest and highest; null for a readout"]
    code: Code | None
    weight_bits: int | None
    drive: Annotated[list[int] | None, "certified bounds of the sum"]
    membrane_bits: int | None


class LossPart(TypedDict):
    """A part of the loss."""

    error: Annotated[float, "squared, in real units"]
    share: Annotated[float, "of the whole; may be negative"]
    disagreement: Annotated[float, "share of images with another answer"]
    accuracy: Annotated[float | None, "lost, as a share of the images; null without labels"]


class LostNode(Node):
    """A node with its part of the loss, by cause."""

    loss: dict[Literal["weights", "rounding", "saturation", "timing"], LossPart]


class Worst(TypedDict):
    """The greatest part."""

    node: Name
    cause: Literal["weights", "rounding", "saturation", "timing"]


class Attribution(TypedDict):
    """Where accuracy is lost: `explain` with images."""

    artefact: str
    model: str
    imported: Annotated[list[str], "populations that came quantised"]
    tuned: list[Tuning]
    images: int
    accuracy: Share | None
    float_accuracy: Share | None
    total: LossPart
    nodes: list[LostNode]
    worst: Worst | None
    advice: str


class SummaryMore(TypedDict, total=False):
    """Of a chip of cores."""

    fit: Fit


class Summary(SummaryMore):
    """What was compiled, and how it fits a chip: `explain` without images, or with a chip."""

    nodes: list[Node]
    timing: str


Explain = Attribution | Summary
