"""What engines with a clock found, as plain figures and as rows of tables: layers, and cores in a row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from snncc_ir.backend import Array, LayerRun, Pipeline

ESTIMATED = {
    "luts": "LUTs",
    "brams": "block memories",
    "multipliers": "multipliers",
    "fmax_mhz": "MHz",
}
"""What is said of the estimates for an FPGA."""

LAYERS = ("layer", "cycles", "lane use", "zeros", "waiting", "begin and end")
"""What is said of each layer; all but the first two are shares of its cycles."""

CORES = ("core", "lanes", "computes", "cycles", "works")
"""What is said of each of several cores in a row: its cycles for an image, and the share of the time."""


def layer_figures(layers: Iterable[LayerRun]) -> list[dict[str, Any]]:
    """Means over the images."""
    found = []
    for layer in layers:
        cycles = float(layer.cycles.mean())
        shares = {"zeros": layer.zeros, "waits": layer.waits, "overhead": layer.overhead}
        found.append(
            {
                "layer": layer.computes,
                "cycles": cycles,
                "lane_use": round(float(layer.products.mean()) / (cycles * layer.most), 4),
                **{name: round(float(part.mean()) / cycles, 4) for name, part in shares.items()},
            }
        )
    return found


def layer_rows(layers: Iterable[LayerRun], cycle_format: str = ".1f") -> Iterator[tuple[str, ...]]:
    """A row of `LAYERS` for each."""
    for figures in layer_figures(layers):
        name, cycles, *shares = figures.values()
        yield (name, format(cycles, cycle_format), *(f"{share:.1%}" for share in shares))


def pipeline_figures(pipeline: Pipeline, cycles: Array) -> dict[str, Any]:
    """What cores in a row did with images that end `cycles[I]` after one another."""
    interval = float(cycles.mean())
    return {
        "chain": [
            {
                "lanes": core.lanes,
                "computes": list(core.computes),
                "cycles": float(core.cycles.mean()),
                "works": round(float(core.cycles.mean()) / interval, 4),
            }
            for core in pipeline.cores
        ],
        "latency": float(pipeline.latency.mean()),
        "images_per_second": round(pipeline.clock_mhz * 1e6 / interval, 1),
        "fmax_mhz": pipeline.clock_mhz,
    }


def core_rows(chain: Sequence[dict[str, Any]], cycle_format: str = ".1f") -> Iterator[tuple[str, ...]]:
    """A row of `CORES` for each entry of `chain` in `pipeline_figures`."""
    for number, core in enumerate(chain):
        names = " ".join(core["computes"])
        yield (
            str(number),
            str(core["lanes"]),
            names,
            format(core["cycles"], cycle_format),
            f"{core['works']:.1%}",
        )
