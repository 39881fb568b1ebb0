"""What a network takes of its FPGA, and where time goes there."""

from __future__ import annotations

from typing import Any

from snncc import artefact
from snncc.artefact import Artefact
from snncc.clocked import CORES, ESTIMATED, LAYERS, core_rows, layer_rows, pipeline_figures
from snncc.emitted import machine_of
from snncc.golden import golden_inputs
from snncc.report.content import Fact, Fpga, Table
from snncc.reporting.images import Images
from snncc.sim.evaluate import Batch, engine_runner
from snncc.targets import load_target
from snncc_ir.progress import Watch

CYCLES = "cycles"
"""The engine with a clock."""

CYCLE_IMAGES = 4
CYCLE_FORMAT = ",.1f"


def fpga(found: Artefact, images: Images, watch: Watch) -> Fpga | None:
    """What the cycle simulator finds; None where the target has none or it does not run this network."""
    backend, machine = load_target(str(found.manifest["target"])), machine_of(found)
    engine = next((each for each in backend.engines if each.name == CYCLES), None)
    if engine is None or not engine.runs(found.graph) or engine.missing():
        return None
    files = backend.emit(found.graph, machine, golden_inputs(found.golden))
    artefact.check_emitted(found, files)
    levels = images.first(CYCLE_IMAGES)
    progress = watch("clock cycles")
    run = engine_runner(found.graph, lambda x: engine.run(found.graph, machine, x, progress))(levels)
    if run.cycles is None:
        return None
    return Fpga(
        figures=_figures(run, backend.figures(files)),
        layers=tuple(layer.computes for layer in run.layers),
        cycles=_cycles(run),
        tables={title: table for title, table in _tables(run).items() if table.rows},
        notes=(
            f"Cycles are those of the cycle simulator on {images.caption(CYCLE_IMAGES)}; resources and clock "
            "are estimates (docs/fpga.md).",
        ),
    )


def _figures(run: Batch, figures: dict[str, Any]) -> tuple[Fact, ...]:
    if run.cycles is None:
        return ()
    mean = float(run.cycles.mean())
    clock = run.clock_mhz or (run.pipeline.clock_mhz if run.pipeline else None)
    found = [Fact(name="cycles per image", value=f"{mean:,.0f}")]
    if clock:
        found.append(Fact(name="images per second, estimated", value=f"{clock * 1e6 / mean:,.0f}"))
    if "lanes" in figures:
        found.append(Fact(name="lanes", value=str(figures["lanes"])))
    for name, what in ESTIMATED.items():
        if figures.get(name) is not None:
            found.append(Fact(name=f"{what}, estimated", value=f"{figures[name]:,.0f}"))
    return tuple(found)


def _cycles(run: Batch) -> dict[str, tuple[float, ...]]:
    """Mean cycles of every layer by what happens in them."""
    parts: dict[str, list[float]] = {"lanes multiply": [], "zeros": [], "waiting": [], "begin and end": []}
    for layer in run.layers:
        zeros, waits, overhead = (float(x.mean()) for x in (layer.zeros, layer.waits, layer.overhead))
        works = float(layer.cycles.mean()) - zeros - waits - overhead
        for values, value in zip(parts.values(), (works, zeros, waits, overhead), strict=True):
            values.append(value)
    return {name: tuple(values) for name, values in parts.items()}


def _tables(run: Batch) -> dict[str, Table]:
    chain: list[dict[str, Any]] = []
    if run.pipeline is not None and run.cycles is not None:
        chain = pipeline_figures(run.pipeline, run.cycles)["chain"]
    return {
        "Layers": Table(heads=LAYERS, rows=tuple(layer_rows(run.layers, CYCLE_FORMAT))),
        "Cores in a row": Table(heads=CORES, rows=tuple(core_rows(chain, CYCLE_FORMAT))),
    }
