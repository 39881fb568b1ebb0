"""What a network takes of its chip or FPGA, and where time and energy go there."""

from __future__ import annotations

from typing import Any

from snncc import artefact, fit_report
from snncc.artefact import Artefact
from snncc.clocked import CORES, ESTIMATED, LAYERS, core_rows, layer_rows, pipeline_figures
from snncc.emitted import machine_of
from snncc.fit import Fit, limits_of_machine
from snncc.golden import golden_inputs
from snncc.report.content import Cores, Fact, Fpga, Mesh, MeshCore, Mood, Statement, Table
from snncc.reporting.images import Images
from snncc.sim.evaluate import Batch, engine_runner
from snncc.targets import load_target
from snncc_ir.codes import Code
from snncc_ir.plan import RESOURCES
from snncc_ir.progress import Watch

CYCLES = "cycles"
"""The engine with a clock."""

CYCLE_IMAGES = 4
CYCLE_FORMAT = ",.1f"


def energies(found: Fit | None) -> dict[Code, float]:
    """Microjoules per image by code; empty where there are no figures."""
    if found is None:
        return {}
    return {code: each.total.energy / 1000 for code, each in found.estimates.items()}


def cores(found: Fit) -> Cores:
    """The fit on a chip of cores."""
    tables = {
        "An image by unit": fit_report.units(found),
        "An image by code": fit_report.codes(found),
        "Cores": fit_report.cores(found),
    }
    fits = found.planned is not None
    return Cores(
        headline=Statement(text=fit_report.headline(found), mood=Mood.GOOD if fits else Mood.BAD),
        meshes=_meshes(found),
        tables={title: _table(*table) for title, table in tables.items() if table[0]},
        notes=tuple(fit_report.lines(found)),
    )


def _table(heads: list[str], rows: list[list[str]]) -> Table:
    return Table(heads=tuple(heads), rows=tuple(tuple(row) for row in rows))


def _meshes(found: Fit) -> tuple[Mesh, ...]:
    """Every chip; cores that share a router stand beside each other."""
    mesh = found.machine.mesh
    if found.planned is None or mesh is None:
        return ()
    plan, limits = found.planned.plan, limits_of_machine(found.machine)
    shared = mesh.router_cores.value
    chips: dict[int, list[MeshCore]] = {}
    at_router: dict[tuple[int, int, int], int] = {}
    for index, (core, place) in enumerate(zip(plan.cores, plan.places, strict=True)):
        fills = [used / most for used, most in zip(core.usage, limits, strict=True)]
        fill = max(fills)
        names = ", ".join(dict.fromkeys(item.unit for item in core.slices))
        router = (place.chip, place.column, place.row)
        beside = at_router.get(router, 0)
        at_router[router] = beside + 1
        tip = f"core {index}: {names}; {fill:.0%} of its {RESOURCES[fills.index(fill)].value}"
        made = MeshCore(column=place.column * shared + beside, row=place.row, fill=min(fill, 1.0), tip=tip)
        chips.setdefault(place.chip, []).append(made)
    return tuple(
        Mesh(chip=chip, columns=mesh.columns.value * shared, rows=mesh.rows.value, cores=tuple(made))
        for chip, made in sorted(chips.items())
    )


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
