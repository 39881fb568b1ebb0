"""The command `snncc`: options in, results and exit codes out. Heavy modules load where they are used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from snncc import __version__
from snncc.arguments import (
    ArtefactPath,
    Chip,
    CoreChip,
    Deviation,
    Engine,
    InputBits,
    Json,
    Mean,
    ModelPath,
    NetworkPath,
    Scale,
    SourceModel,
    Target,
    TargetEngine,
    TimeStep,
)
from snncc.console import print_json, print_table, print_text, say, stages
from snncc.guard import P, end_on_signals, guarded
from snncc.outward_commands import build, export
from snncc.passes.published import Published
from snncc.sweep_command import sweep
from snncc.tune_command import tune
from snncc_ir.codes import CodeOption, Reset
from snncc_ir.machine import Goal

app = typer.Typer(
    name="snncc",
    help="Compile trained CNNs (ONNX) to spiking networks, and prove every execution equal.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def command(name: str | None = None) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """A command under its function's name or `name`, guarded."""
    return lambda body: app.command(name)(guarded(body))


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"snncc {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Options before the command."""


@command()
def check(model: ModelPath, as_json: Json = False) -> None:
    """Say of every node what will happen to it."""
    from snncc.answers import print_check
    from snncc.frontend.check import check as check_model
    from snncc.frontend.load import load

    report = check_model(load(model))
    print_check(report, as_json=as_json)
    if not report.supported:
        raise typer.Exit(1)


@command("compile")
def compile_command(
    model: NetworkPath,
    target: Target,
    calibrate: Annotated[
        Path | None,
        typer.Option(metavar="DATA", help="Real images: .npz, .npy or a folder of class folders."),
    ] = None,
    level_bits: Annotated[int, typer.Option(help="Bits of a level, 1 to 8.")] = 4,
    weight_bits: Annotated[int, typer.Option(help="Bits of a weight: 1, 2, 3, 4, 5, 6 or 8.")] = 8,
    code: Annotated[
        CodeOption, typer.Option(help="How levels travel as spikes; auto: the cheapest codes of the chip.")
    ] = CodeOption.RADIX,
    input_bits: InputBits = None,
    steps: Annotated[int, typer.Option(help="Time steps per image, for --code rate.")] = 64,
    dt: TimeStep = None,
    reset: Annotated[Reset, typer.Option(help="After a spike, for --code rate.")] = Reset.SUBTRACT,
    published: Annotated[
        Published | None, typer.Option(help="A published rate conversion; see docs/methods.md.")
    ] = None,
    chip: Chip = None,
    partition: Annotated[
        bool, typer.Option("--partition", help="Emit slice by slice of the chip's cores; for --target lava.")
    ] = False,
    lanes: Annotated[
        int | None,
        typer.Option(metavar="P", help="Multipliers that work at once, a power of two; for --target fpga."),
    ] = None,
    target_fps: Annotated[
        float | None,
        typer.Option(
            metavar="N",
            help="Cores in a row for N images per second, in the fewest LUTs; --lanes bounds each.",
        ),
    ] = None,
    max_lut: Annotated[
        int | None,
        typer.Option(metavar="N", help="Cores in a row for the most images per second within N LUTs."),
    ] = None,
    scale: Scale = 1.0,
    mean: Mean = "0",
    std: Deviation = "1",
    max_loss: Annotated[
        float | None,
        typer.Option(metavar="P", help="Narrowest levels that lose at most P points on held-out images."),
    ] = None,
    passes: Annotated[str | None, typer.Option(metavar="TEXT", help="Another pipeline of passes.")] = None,
    dump_ir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write the graph's text after every pass.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier artefact.")] = False,
    output: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="OUT", help="The artefact; default: MODEL.snncc here."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Compile a network to an artefact."""
    from snncc.answers import print_compiled
    from snncc.compiling import compile_network
    from snncc.options import CompileOptions, pixel_scaling

    with stages() as watch:
        options = CompileOptions(
            output=output or Path(f"{model.stem}.snncc"),
            target=target,
            machine=chip,
            partition=partition,
            lanes=lanes,
            goal=None if target_fps is None and max_lut is None else Goal(target_fps, max_lut, lanes),
            calibrate=calibrate,
            pixels=pixel_scaling(scale, mean, std),
            input_bits=input_bits,
            level_bits=level_bits,
            weight_bits=weight_bits,
            code=code.value,
            steps=steps,
            dt=dt,
            reset=reset.value,
            published=published,
            passes=passes,
            dump_ir=dump_ir,
            force=force,
            watch=watch,
        )
        compiled = compile_network(model, options, max_loss)
    print_compiled(compiled, as_json=as_json)


@command()
def simulate(
    artefact: ArtefactPath,
    data: Annotated[
        Path, typer.Option(metavar="DATA", help="Images: .npz, .npy or a folder of class folders.")
    ],
    engine: Engine = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first images.")] = None,
    outputs: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Save the outputs in real units, as .npy or .npz.")
    ] = None,
    every_step: Annotated[
        bool, typer.Option("--every-step", help="Accuracy and costs after each step (rate, stbif).")
    ] = False,
    exit_margin: Annotated[
        float | None,
        typer.Option(metavar="M", help="Stop an image once its best class leads by more than M (rate)."),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Run on this Dask cluster; see docs/cluster.md."),
    ] = None,
    shards: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where finished shards are kept; default: OUT.shards beside it."),
    ] = None,
    shard_images: Annotated[int, typer.Option(min=1, help="Images of a shard.")] = 256,
    as_json: Json = False,
) -> None:
    """Run images through an artefact."""
    from snncc.answers import print_simulation
    from snncc.outputs import check_writable, save
    from snncc.simulate import on_cluster
    from snncc.simulate import simulate as run
    from snncc.steps import StepOptions

    if outputs is not None:
        check_writable(outputs)
    elsewhere = on_cluster(artefact, scheduler, shards, shard_images)
    with stages() as watch:
        wanted = StepOptions(every_step=every_step, exit_margin=exit_margin)
        simulation = run(
            artefact, data, engine=engine, limit=limit, steps=wanted, elsewhere=elsewhere, watch=watch
        )
    if outputs is not None:
        save(outputs, simulation.outputs)
    print_simulation(simulation, as_json=as_json)


@command()
def verify(
    artefact: ArtefactPath,
    engine: TargetEngine = None,
    as_json: Json = False,
) -> None:
    """Run every engine and compare its integers with the reference, bit for bit."""
    from snncc.answers import print_ladder
    from snncc.verify import verify as climb

    with stages() as watch:
        ladder = climb(artefact, only=engine, watch=watch)
    print_ladder(ladder, as_json=as_json)
    if not ladder.equal:
        raise typer.Exit(1)


command()(build)


@command()
def explain(
    artefact: ArtefactPath,
    data: Annotated[
        Path | None, typer.Option(metavar="DATA", help="Images to attribute the loss on; without, no loss.")
    ] = None,
    model: SourceModel = None,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="Only the first images; default: 256 for a loss, 16 for a chip."),
    ] = None,
    chip: CoreChip = None,
    as_json: Json = False,
) -> None:
    """Say where accuracy is lost, population by population, and what to change; or how it fits a chip."""
    from snncc import fit
    from snncc.answers import print_explanation, print_summary
    from snncc.artefact import read
    from snncc.explain import IMAGES, refuse_idle
    from snncc.explain import explain as attribute

    refuse_idle(data=data, model=model, limit=limit, chip=chip)
    if data is None or chip is not None:
        whole = read(artefact)
        with stages() as watch:
            fitted = fit.fit_artefact(whole, chip, data, limit or fit.IMAGES, watch)
        print_summary(whole.graph, fitted, as_json=as_json)
        return
    with stages() as watch:
        found = attribute(artefact, data, model_path=model, limit=limit or IMAGES, watch=watch)
    print_explanation(found, as_json=as_json)


command()(sweep)
command()(tune)


@command("report")
def report_command(
    artefact: ArtefactPath,
    data: Annotated[
        Path | None, typer.Option(metavar="DATA", help="Images to measure on; without, no accuracy.")
    ] = None,
    model: SourceModel = None,
    limit: Annotated[int, typer.Option(min=1, help="Only the first images.")] = 256,
    chip: Annotated[
        str | None,
        typer.Option(metavar="CHIP", help="Lay it on a chip of cores: loihi1, loihi2 or a .toml file."),
    ] = None,
    climb: Annotated[
        bool, typer.Option("--verify/--no-verify", help="Compare all engines, which can take long.")
    ] = True,
    output: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="The page; default: OUT.html here.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier report.")] = False,
    as_json: Json = False,
) -> None:
    """Write one HTML page with everything that is known of an artefact."""
    from snncc.reporting.report import ReportOptions, report

    file = output or Path(f"{artefact.resolve().stem}.html")
    options = ReportOptions(data=data, model=model, limit=limit, chip=chip, climb=climb)
    with stages() as watch:
        written = report(artefact, file, options, force=force, watch=watch)
    if as_json:
        print_json("report", written.plain)
    else:
        say(f"{written.file}: {', '.join(written.sections)}; {written.size:,} bytes")


command()(export)


@command()
def show(
    artefact: ArtefactPath,
    text: Annotated[bool, typer.Option("--text", help="Print the graph's text form instead.")] = False,
    as_json: Json = False,
) -> None:
    """Show what is in an artefact, node by node."""
    from snncc.artefact import read
    from snncc.show import describe, rows
    from snncc_ir.text import print_graph

    found = read(artefact)
    if as_json:
        print_json("show", describe(found))
    elif text:
        print_text(print_graph(found.graph))
    else:
        print_table(("node", "operation", "value", "width", "code", "from"), rows(found))
        for key, value in describe(found)["summary"].items():
            say(f"{key}: {value}")


@command()
def targets(as_json: Json = False) -> None:
    """List the targets, their chips and their engines."""
    from snncc.targets import list_targets, rows

    listing = list_targets()
    if as_json:
        print_json("targets", {"targets": [asdict(target) for target in listing]})
    else:
        print_table(("target", "chip", "codes", "engines", "description"), rows(listing))


@command()
def doctor(as_json: Json = False) -> None:
    """Say what can run on this machine, and what to install for the rest."""
    from snncc.doctor import COLUMNS, as_plain, examine, headline

    parts = examine()
    if as_json:
        print_json("doctor", as_plain(parts))
    else:
        say(headline())
        print_table(COLUMNS, [part.row for part in parts])


def main() -> None:
    """Run the command; exit 0 done, 1 the user's problem, 2 usage, 130 interrupted."""
    end_on_signals()
    app()


if __name__ == "__main__":
    main()
