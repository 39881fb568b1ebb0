"""The command `snncc sweep`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from snncc.arguments import Deviation, InputBits, Json, Mean, ModelPath, Scale
from snncc.console import print_json, print_table, say, stages, warn


def sweep(
    model: ModelPath,
    data: Annotated[
        Path, typer.Option(metavar="DATA", help="Images with labels to measure on: .npz, .npy or a folder.")
    ],
    calibrate: Annotated[
        Path | None, typer.Option(metavar="DATA", help="Real images, as for compile.")
    ] = None,
    levels: Annotated[str, typer.Option(metavar="LIST", help="Bits of a level.")] = "2,3,4,8",
    weights: Annotated[str, typer.Option(metavar="LIST", help="Bits of a weight.")] = "4,8",
    codes: Annotated[
        str, typer.Option(metavar="LIST", help="Codes, as for compile --code.")
    ] = "graded,radix,count,ttfs",
    steps: Annotated[str, typer.Option(metavar="LIST", help="Time steps of the code rate.")] = "64",
    lanes: Annotated[str, typer.Option(metavar="LIST", help="Lanes of an FPGA.")] = "",
    chips: Annotated[
        str,
        typer.Option(metavar="LIST", help="Chips; `snncc targets` lists them; .toml files describe others."),
    ] = "",
    targets: Annotated[
        str, typer.Option(metavar="LIST", help="Targets; default: those of the chips, else lava.")
    ] = "",
    scale: Scale = 1.0,
    mean: Mean = "0",
    std: Deviation = "1",
    input_bits: InputBits = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first images of --data.")] = None,
    against: Annotated[
        str, typer.Option(metavar="LIST", help="Costs of the frontier, such as energy,cores.")
    ] = "",
    pick: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", help='Print the compile command of the best point, as "loss<=0.5, min energy".'
        ),
    ] = None,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write all figures as CSV.")] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the frontier: .svg, .png or .html.")
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where finished points are kept; default: MODEL.sweep here."),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, max=256, help="Processes that share this machine.")] = 1,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Run on this Dask cluster; see docs/cluster.md."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Compile over lists of options, and find the frontier of accuracy against costs."""
    from snncc.options import pixel_scaling
    from snncc.sweep import drawing, table
    from snncc.sweep.grid import AxesText, Study, names
    from snncc.sweep.pick import parse_pick
    from snncc.sweep.points import COSTS, Quantity
    from snncc.sweep.run import SweepOptions
    from snncc.sweep.run import sweep as run

    lists = AxesText(
        levels=levels, weights=weights, codes=codes, steps=steps, lanes=lanes, chips=chips, targets=targets
    )
    known = tuple(cost.value for cost in COSTS)
    drawing.check_outputs(csv, plot)
    with stages() as watch:
        found = run(
            SweepOptions(
                study=Study(
                    model=model,
                    data=data,
                    calibrate=calibrate,
                    pixels=pixel_scaling(scale, mean, std),
                    input_bits=input_bits,
                    limit=limit,
                ),
                axes=lists.parse(),
                folder=folder or Path(f"{model.stem}.sweep"),
                against=tuple(map(Quantity, names(against, "--against", known))) if against else (),
                pick=None if pick is None else parse_pick(pick),
                jobs=jobs,
                scheduler=scheduler,
                watch=watch,
            )
        )
    drawing.save(found, csv, plot)
    for text in found.warnings:
        warn(text)
    if as_json:
        print_json("sweep", table.as_plain(found))
    else:
        print_table(*table.table(found))
        for line in table.notes(found):
            say(line)
    if found.choice is not None and not found.choice.fits:
        raise typer.Exit(1)
