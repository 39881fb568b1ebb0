"""A tuning in words: its epochs, and what was gained."""

from __future__ import annotations

from collections.abc import Iterator

from snncc.tuning.tune import Tuned
from snncc.tunings import Figures

COLUMNS = ("epoch", "training loss", "held-out loss", "held-out images")


def table(tuned: Tuned) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """The figures of all epochs, those before the first as epoch 0."""
    rows: list[tuple[str, ...]] = [("0", "", *_cells(tuned.gain.before))]
    for number, epoch in enumerate(tuned.epochs, start=1):
        judged = ("", "taken back") if epoch.held_out is None else _cells(epoch.held_out)
        rows.append((str(number), f"{epoch.loss:.4f}", *judged))
    return COLUMNS, rows


def notes(tuned: Tuned) -> Iterator[str]:
    """What was taken back, and what was gained."""
    for number, epoch in enumerate(tuned.epochs, start=1):
        if epoch.refused is not None:
            yield f"epoch {number} was taken back: the target refuses it ({epoch.refused})"
    if tuned.gain.best is None:
        yield f"{tuned.path}: as it was, since no epoch lowered the held-out loss"
    else:
        yield f"{tuned.path}: epoch {tuned.gain.best + 1}; {tuned.gain}"


def _cells(figures: Figures) -> tuple[str, str]:
    return f"{figures.loss:.4f}", f"{figures.share:.2%}"
