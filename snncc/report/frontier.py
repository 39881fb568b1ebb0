"""What the plot of a sweep shows, as plain data."""

from __future__ import annotations

from dataclasses import dataclass

Points = tuple[tuple[float, float], ...]
"""Costs, and accuracies or losses in percent."""


@dataclass(frozen=True, kw_only=True)
class FrontierSeries:
    """Points of one code on one chip."""

    name: str
    points: Points


@dataclass(frozen=True, kw_only=True)
class FrontierCost:
    """All points against one cost; `best` are those on the frontier, in the order of their costs."""

    label: str
    series: tuple[FrontierSeries, ...]
    best: Points


@dataclass(frozen=True, kw_only=True)
class FrontierPlot:
    """A plot for each cost; `level` is the accuracy of the float network, if it is known."""

    title: str
    label: str
    level: float | None
    costs: tuple[FrontierCost, ...]
