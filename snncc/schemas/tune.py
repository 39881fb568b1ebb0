"""What `snncc tune --json` prints."""

from __future__ import annotations

from typing import Annotated, TypedDict

from snncc.schemas.answers import TunedFigures, Tuning


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
