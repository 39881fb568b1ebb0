"""The commands that take an artefact to other tools: `snncc build` and `snncc export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from snncc.arguments import ArtefactPath, Device, Json
from snncc.console import stages
from snncc_ir.codes import Exchange
from snncc_ir.hardware import Stage


def build(
    artefact: ArtefactPath,
    stage: Annotated[Stage, typer.Option(help="How far.")] = Stage.BITSTREAM,
    device: Device = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier build.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="DIR", help="Report and bitstream; default: OUT.build beside it."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Synthesise an FPGA network, place and route it, and pack its bitstream."""
    from snncc.answers import print_build
    from snncc.build import build as run

    with stages() as watch:
        built = run(artefact, stage, device=device, folder=output, force=force, watch=watch)
    print_build(built, as_json=as_json)


def export(
    artefact: ArtefactPath,
    form: Annotated[Exchange, typer.Option("--to", help="The file format.")],
    output: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="The file; default: OUT.nir or OUT.net here."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier file.")] = False,
    as_json: Json = False,
) -> None:
    """Write a compiled network as a file for other simulators and chips."""
    from snncc.answers import print_exported
    from snncc.export import export as run

    file = output or Path(f"{artefact.resolve().stem}{form.suffix}")
    print_exported(run(artefact, form, file, force=force), as_json=as_json)
