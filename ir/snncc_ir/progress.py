"""How long-running work reports its progress without knowing who listens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Progress(Protocol):
    """Called with the work done so far and the whole of it."""

    def __call__(self, done: int, total: int) -> None:
        """Report `done` of `total`."""


def silent(done: int, total: int) -> None:
    """Report nothing."""


Watch = Callable[[str], Progress]
"""Gives a progress reporter for a stage's name."""


def no_watch(stage: str) -> Progress:
    """Report nothing of any stage."""
    return silent
