"""The command `snncc tune`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from snncc.arguments import ArtefactPath, Json, SourceModel
from snncc.console import print_json, print_table, say, stages
from snncc_ir.aims import Aim, Surrogate


def tune(
    artefact: ArtefactPath,
    data: Annotated[
        Path,
        typer.Option(metavar="TRAIN", help="Images to learn from: .npz, .npy or class folders."),
    ],
    epochs: Annotated[int, typer.Option(metavar="N", help="At most so many passes through the images.")],
    aim: Annotated[
        Aim | None,
        typer.Option(help="What to learn; default: the labels where there are any, else the float network."),
    ] = None,
    model: SourceModel = None,
    rate: Annotated[
        float, typer.Option(help="Greatest update, in root mean squares of a row of weights.")
    ] = 0.002,
    batch: Annotated[int, typer.Option(help="Images of an update.")] = 64,
    augment: Annotated[
        str, typer.Option(metavar="TEXT", help="Changes of the images: flip, crop, or both joined by +.")
    ] = "none",
    surrogate: Annotated[
        Surrogate, typer.Option(help="What stands for the derivative of levels 0 and 1.")
    ] = Surrogate.STRAIGHT,
    patience: Annotated[
        int, typer.Option(metavar="N", help="Stop when the held-out loss has not fallen for N epochs.")
    ] = 5,
    seed: Annotated[int, typer.Option(help="Of the held-out part, the order and the changes of images.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier artefact.")] = False,
    output: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="NEW", help="The tuned artefact; default: OUT-tuned.snncc here."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Let a compiled network learn on the integers that it runs with."""
    from snncc.tuning import table
    from snncc.tuning.recipe import Recipe, changes_of
    from snncc.tuning.tune import TuneOptions
    from snncc.tuning.tune import tune as run

    with stages() as watch:
        tuned = run(
            artefact,
            TuneOptions(
                data=data,
                output=output or Path(f"{artefact.resolve().stem}-tuned.snncc"),
                recipe=Recipe(
                    epochs=epochs,
                    batch=batch,
                    rate=rate,
                    patience=patience,
                    changes=changes_of(augment),
                    surrogate=surrogate,
                    seed=seed,
                ),
                aim=aim,
                model=model,
                force=force,
                watch=watch,
            ),
        )
    if as_json:
        print_json("tune", tuned.plain)
    else:
        print_table(*table.table(tuned))
        for line in table.notes(tuned):
            say(line)
