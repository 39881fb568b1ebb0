"""What is known of a point: its figures, or why it cannot be."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from snncc.sweep.grid import Setting


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What a point costs per image; None where it has no such figure.

    `accuracy` is a share, `loss` in points against the float network (without labels: percent of changed
    answers). `spikes` and `synops` are means over all images. `energy` in microjoules, `time` in
    microseconds and `cycles` are estimates on the first images.
    """

    accuracy: float | None
    loss: float
    steps: int
    spikes: float
    synops: float
    energy: float | None = None
    time: float | None = None
    cores: int | None = None
    chips: int | None = None
    luts: int | None = None
    brams: int | None = None
    multipliers: int | None = None
    cycles: float | None = None


@dataclass(frozen=True, kw_only=True)
class Row:
    """A point with its figures, or the reason why there are none."""

    setting: Setting
    figures: Figures | None
    reason: str = ""


class Quantity(Enum):
    """What conditions, goals and frontiers speak of."""

    ACCURACY = "accuracy"
    LOSS = "loss"
    STEPS = "steps"
    SPIKES = "spikes"
    SYNOPS = "synops"
    ENERGY = "energy"
    TIME = "time"
    CORES = "cores"
    CHIPS = "chips"
    LUTS = "luts"
    BRAMS = "brams"
    MULTIPLIERS = "multipliers"
    CYCLES = "cycles"
    LEVELS = "levels"
    WEIGHTS = "weights"
    LANES = "lanes"


SETTINGS = {Quantity.LEVELS: "level_bits", Quantity.WEIGHTS: "weight_bits", Quantity.LANES: "lanes"}
"""Those that are options, and their names in `Setting`."""

COSTS = tuple(item for item in Quantity if item not in (Quantity.ACCURACY, Quantity.LOSS))
"""What accuracy can be weighed against."""

HEADS = {
    Quantity.ACCURACY: "accuracy",
    Quantity.LOSS: "loss",
    Quantity.STEPS: "steps",
    Quantity.SPIKES: "spikes",
    Quantity.SYNOPS: "synops",
    Quantity.ENERGY: "uJ",
    Quantity.TIME: "us",
    Quantity.CORES: "cores",
    Quantity.CHIPS: "chips",
    Quantity.LUTS: "LUTs",
    Quantity.BRAMS: "BRAMs",
    Quantity.MULTIPLIERS: "multipliers",
    Quantity.CYCLES: "cycles",
}
"""Column heads of a table, in their order."""


def value_of(row: Row, quantity: Quantity) -> float | None:
    """A figure or an option of a point, accuracy in percent; None where it has none."""
    if row.figures is None:
        return None
    if quantity in SETTINGS:
        found: float | None = getattr(row.setting, SETTINGS[quantity])
        return found
    figure: float | None = getattr(row.figures, quantity.value)
    return figure if figure is None or quantity is not Quantity.ACCURACY else 100 * figure


def written(quantity: Quantity, value: float | None) -> str:
    """A value for people."""
    if value is None:
        return "-"
    match quantity:
        case Quantity.ACCURACY:
            return f"{value:.2f}%"
        case Quantity.LOSS:
            return f"{value + 0.0:.2f}"
        case Quantity.SPIKES | Quantity.SYNOPS:
            return f"{value:.0f}"
        case Quantity.ENERGY:
            return f"{value:.3f}"
        case Quantity.TIME | Quantity.CYCLES:
            return f"{value:.1f}"
        case _:
            return f"{value:g}"
