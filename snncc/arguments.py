"""Arguments and options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from snncc import completion

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
TimeStep = Annotated[
    float | None,
    typer.Option("--dt", metavar="S", help="Seconds of a time step, for NIR files of neurons that leak."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]

Target = Annotated[
    str,
    typer.Option(help="What to compile for; `snncc targets` lists them.", autocompletion=completion.targets),
]
Chip = Annotated[
    str | None,
    typer.Option(
        help="A chip of the target, or a .toml file; default: its first.", autocompletion=completion.chips
    ),
]
CoreChip = Annotated[
    str | None,
    typer.Option(
        metavar="CHIP",
        help="Say how it fits a chip of cores instead: loihi1, loihi2 or a .toml file.",
        autocompletion=completion.core_chips,
    ),
]
Engine = Annotated[
    str | None,
    typer.Option(
        help="native, levels, spikes, reference or an engine of the target, such as lava.",
        autocompletion=completion.engines,
    ),
]
TargetEngine = Annotated[
    str | None,
    typer.Option(
        help="Only this engine of the target; its tool must be there.",
        autocompletion=completion.target_engines,
    ),
]
Device = Annotated[
    str | None,
    typer.Option(
        help="A part, such as ecp5-45k; default: what was compiled for.", autocompletion=completion.devices
    ),
]
Scale = Annotated[float, typer.Option(help="A pixel p means (p / SCALE - MEAN) / STD to the network.")]
Mean = Annotated[str, typer.Option(metavar="A[,B,C]", help="Mean, one number or one per channel.")]
Deviation = Annotated[str, typer.Option(metavar="A[,B,C]", help="Deviation, one number or one per channel.")]
InputBits = Annotated[int | None, typer.Option(help="Requantise the input to this many bits, 1 to 8.")]
