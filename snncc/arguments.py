"""Arguments and options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ModelPath = Annotated[Path, typer.Argument(metavar="MODEL", help="A trained network in ONNX form.")]
NetworkPath = Annotated[
    Path,
    typer.Argument(metavar="MODEL", help="A trained network in ONNX form, or one in NIR form."),
]
ArtefactPath = Annotated[Path, typer.Argument(metavar="OUT", help="An artefact that `snncc compile` wrote.")]
SourceModel = Annotated[
    Path | None,
    typer.Option(metavar="MODEL", help="What it was compiled from; default: beside the artefact, or here."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
