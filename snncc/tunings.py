"""What an artefact's manifest says of its tunings: before and after, on images that were held out."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from snncc.artefact import MANIFEST, Artefact, damaged
from snncc_ir.aims import Aim

ENTRY = "tuned"
"""The manifest's list of tunings, the last one last."""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """On the held-out images: the mean loss, and the share of right answers, or of the float network's."""

    loss: float
    share: float


@dataclass(frozen=True, kw_only=True)
class Gain:
    """What a tuning on `images` gained on others; `best` is the index of the epoch taken, if any was."""

    aim: Aim
    images: int
    held_out: int
    before: Figures
    after: Figures
    best: int | None

    def as_plain(self) -> dict[str, Any]:
        """What manifests and `--json` hold."""
        return {**asdict(self), "aim": self.aim.value}

    def __str__(self) -> str:
        right = "right" if self.aim.needs_labels else "as the float network"
        return (
            f"{self.before.share:.2%} of {self.held_out} held-out images {right} before, "
            f"{self.after.share:.2%} after; loss {self.before.loss:.4f} before, {self.after.loss:.4f} after"
        )


def tunings(found: Artefact) -> tuple[Gain, ...]:
    """All of them; ArtefactError where the manifest's entry is none of ours."""
    listed = found.manifest.get(ENTRY, [])
    try:
        return tuple(_gain(plain) for plain in listed)
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(found.path / MANIFEST, f"its entry {ENTRY} is no list of tunings") from error


def _gain(plain: dict[str, Any]) -> Gain:
    return Gain(
        aim=Aim(plain["aim"]),
        images=_count(plain["images"]),
        held_out=_count(plain["held_out"]),
        before=_figures(plain["before"]),
        after=_figures(plain["after"]),
        best=None if plain["best"] is None else _count(plain["best"]),
    )


def _figures(plain: dict[str, Any]) -> Figures:
    return Figures(loss=_number(plain["loss"]), share=_number(plain["share"]))


def _count(value: object) -> int:
    if type(value) is not int:  # no isinstance: JSON's true would pass for a number
        raise ValueError("no count")
    return value


def _number(value: object) -> float:
    if type(value) not in (int, float):
        raise ValueError("no number")
    return float(value)  # type: ignore[arg-type]
