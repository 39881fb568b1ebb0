"""What `snncc tune --json` prints."""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict

from snncc.schemas.answers import Share


class TunedFigures(TypedDict):
    """On images that were held out of a tuning."""

    loss: float
    share: Annotated[Share, "of right answers, or of those of the float network"]


class Tuning(TypedDict):
    """What `snncc tune` gained."""

    aim: Literal["labels", "float", "both"]
    images: Annotated[int, "that were learned from"]
    held_out: Annotated[int, "images that were not"]
    before: TunedFigures
    after: TunedFigures
    best: Annotated[int | None, "index of the epoch that was taken; null: none was better"]


class TunedEpoch(TypedDict):
    """One pass through the images."""

    loss: Annotated[float, "mean over its updates"]
    held_out: Annotated[TunedFigures | None, "null where the epoch was taken back"]
    refused: Annotated[str | None, "why the target could not express it"]


class Tune(Tuning):
    """A compiled network that learned."""

    artefact: str
    epochs: list[TunedEpoch]
    seconds: float
