"""Published rate conversions as pipelines (docs/methods.md says what of them is reproduced)."""

from __future__ import annotations

from enum import Enum


class Published(Enum):
    """A publication whose conversion there is a pipeline for; the value is what `--published` takes."""

    RUECKAUER = "rueckauer"
    LU_SENGUPTA = "lu-sengupta"


THRESHOLDS = {
    Published.RUECKAUER: "percentile:99.9",
    Published.LU_SENGUPTA: "percentile_all:99.7",
}
"""How the top of a population is chosen: the default of SNN toolbox, and that of SNN-Conversion."""


def pipeline_text(method: Published, *, weight_bits: int, steps: int) -> str:
    """The pipeline: one threshold per layer, weights, reset by subtraction, the image sent in each step.

    A rate neuron has no levels; one level bit gives its threshold the finest unit. Weights of one bit are
    those of the pass `binarise`, which leaves the first and the last layer 8 bits.
    """
    binarise = "binarise;" if weight_bits == 1 else ""
    return (
        f"{binarise}balance{{method={THRESHOLDS[method]},level_bits=1,scope=population}};"
        f"quantize{{weight_bits={8 if binarise else weight_bits}}};"
        f"choose_code{{code=rate,steps={steps},reset=subtract}}"
    )
