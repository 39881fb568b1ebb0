"""What `snncc compile` may be told, and the pipeline that it stands for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import numpy as np

from snncc.dataset import Data
from snncc.passes.published import Published, pipeline_text
from snncc_ir.codes import PHASED_CODES, Code, CodeGoal
from snncc_ir.errors import DataError, SnnccError
from snncc_ir.machine import Goal, Machine
from snncc_ir.progress import Watch, no_watch
from snncc_ir.tensors import WEIGHT_BITS

PIPELINE_OPTIONS = ("level_bits", "weight_bits", "code", "steps", "reset")
"""Options that do nothing but fill in the default pipeline."""

RATE_OPTIONS = ("steps", "reset")
"""Those that mean something to a rate code alone."""

FULL_WEIGHT_BITS = 8
"""Weights of fewer bits are rounded so that they follow the calibration images, which takes longer."""

LIF_FREE = {"code": ("radix", "rate"), "reset": ("subtract", "zero"), "level_bits": (4,)}
"""Values that say nothing, or what is the case, where neurons are stock LIF neurons."""

LIF_THRESHOLDS = "percentile:99.9"
"""How the top of a population of stock LIF neurons is chosen."""

PUBLISHED_OPTIONS = ("weight_bits", "steps")
"""Those that a published conversion leaves open."""


@dataclass(frozen=True, kw_only=True)
class PixelScaling:
    """How pixels become the network's inputs: (p / scale - mean) / std."""

    scale: float = 1.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        numbers = (self.scale, *self.mean, *self.std)
        if not np.isfinite(numbers).all() or self.scale <= 0 or min(self.std) <= 0:
            raise DataError(
                "scale and std must be positive numbers, mean a number", where="--scale, --mean, --std"
            )


def pixel_scaling(scale: float, mean: str, std: str) -> PixelScaling:
    """The scaling of a command line, where `mean` and `std` are numbers with commas between them."""
    return PixelScaling(scale=scale, mean=_numbers(mean, "--mean"), std=_numbers(std, "--std"))


def _numbers(text: str, option: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise SnnccError(
            f"{text!r} is no list of numbers", where=option, hint="write them as 0.5,0.4,0.3"
        ) from None


@dataclass(frozen=True, kw_only=True)
class CompileOptions:
    """What `snncc compile` may be told; every default is the command's."""

    output: Path
    target: str
    machine: str | None = None
    partition: bool = False
    lanes: int | None = None
    goal: Goal | None = None
    calibrate: Path | Data | None = None
    pixels: PixelScaling = PixelScaling()
    input_bits: int | None = None
    level_bits: int = 4
    weight_bits: int = 8
    code: str = "radix"
    steps: int = 64
    dt: float | None = None
    reset: str = "subtract"
    widths: str = ""
    published: Published | None = None
    passes: str | None = None
    dump_ir: Path | None = None
    force: bool = False
    watch: Watch = field(default=no_watch, compare=False)


def check_options(options: CompileOptions) -> None:
    """Refuse values that no pass takes, and options that something else would silently overrule."""
    _check_values(options)
    defaults = {item.name: item.default for item in fields(CompileOptions)}
    given = [name for name in PIPELINE_OPTIONS if getattr(options, name) != defaults[name]]
    if options.passes is not None:
        _refuse_overruled("--passes", [*given, *(["published"] if options.published else [])])
    if options.published is not None:
        _refuse_overruled("--published", [name for name in given if name not in PUBLISHED_OPTIONS])
    elif options.code != "rate":
        for name in RATE_OPTIONS:
            if name in given:
                raise SnnccError(
                    "is for --code rate alone", where=f"--{name}", hint="leave it out, or choose that code"
                )


def _check_values(options: CompileOptions) -> None:
    if options.dt is not None:
        raise SnnccError("is for NIR files whose neurons leak", where="--dt", hint="leave it out")
    if not 1 <= options.level_bits <= 8:
        raise SnnccError(f"must be 1 to 8, not {options.level_bits}", where="--level-bits")
    if options.input_bits is not None and not 1 <= options.input_bits <= 8:
        raise SnnccError(f"must be 1 to 8, not {options.input_bits}", where="--input-bits")
    if options.weight_bits not in WEIGHT_BITS:
        widths = f"{', '.join(map(str, WEIGHT_BITS[:-1]))} or {WEIGHT_BITS[-1]}"
        raise SnnccError(f"must be {widths}, not {options.weight_bits}", where="--weight-bits")
    rate, luts = (options.goal.images_per_second, options.goal.luts) if options.goal else (None, None)
    if rate is not None and not 0 < rate < np.inf:
        raise SnnccError(f"must be a positive number, not {rate:g}", where="--target-fps")
    if luts is not None and luts < 1:
        raise SnnccError(f"must be at least 1, not {luts}", where="--max-lut")
    if options.steps < 1:
        raise SnnccError(f"must be at least 1, not {options.steps}", where="--steps")


def _refuse_overruled(where: str, names: list[str]) -> None:
    if names:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in names)
        raise SnnccError(f"says what {flags} would say", where=where, hint=f"leave out {flags}")


def first_code(machine: Machine) -> Code:
    """The code that a choice of codes begins with."""
    offered = [code for code in PHASED_CODES if code in machine.codes]
    return Code.RADIX if Code.RADIX in offered or not offered else offered[0]


def implied(options: CompileOptions, machine: Machine) -> CompileOptions:
    """The options with what the machine leaves no choice of: stock LIF neurons are rate neurons.

    Raises SnnccError where they were told something else.
    """
    if not machine.lif or options.passes is not None or options.published is not None:
        return options
    for name, free in LIF_FREE.items():
        if getattr(options, name) not in free:
            raise SnnccError(
                f"{machine.name} has stock LIF neurons: code rate, reset zero, levels 0 and 1",
                where=f"--{name.replace('_', '-')}",
                hint="leave it out",
            )
    return replace(options, code="rate", reset="zero")


def check_partition(options: CompileOptions, machine: Machine) -> None:
    """Refuse to emit slices of cores for what has none, or only stock processes."""
    if options.partition and (machine.core is None or machine.lif):
        what = "is emitted as a whole: its processes are Lava's own" if machine.lif else "has no cores"
        raise SnnccError(f"{machine.name} {what}", where="--partition", hint="leave it out")


def default_passes(options: CompileOptions, machine: Machine) -> str:
    """The pipeline that the options stand for."""
    if options.published is not None:
        return pipeline_text(options.published, weight_bits=options.weight_bits, steps=options.steps)
    binary = options.weight_bits == 1
    weight_bits = FULL_WEIGHT_BITS if binary else options.weight_bits
    quantise = _lif_passes if machine.lif else _staircase_passes
    first = ["binarise"] if binary else []
    return ";".join([*first, *quantise(options, weight_bits), *_code_passes(options, machine)])


def _staircase_passes(options: CompileOptions, weight_bits: int) -> tuple[str, ...]:
    rounding = "refit" if weight_bits < FULL_WEIGHT_BITS else "nearest"
    return (
        f"balance{{level_bits={options.level_bits},widths={options.widths}}}",
        f"quantize{{weight_bits={weight_bits},rounding={rounding}}}",
        "correct_bias",
    )


def _lif_passes(options: CompileOptions, weight_bits: int) -> tuple[str, ...]:
    return (
        f"balance{{method={LIF_THRESHOLDS},level_bits=1,scope=population}}",
        "spike_input",
        f"quantize_lif{{weight_bits={weight_bits},steps={options.steps}}}",
    )


def _code_passes(options: CompileOptions, machine: Machine) -> Iterator[str]:
    first, _, goal = options.code.partition(":")
    auto = first == "auto"
    code = first_code(machine).value if auto else options.code
    yield (
        f"choose_code{{code={code},input={machine.input_code.value},steps={options.steps},"
        f"reset={options.reset}}}"
    )
    if auto:
        yield f"cheapest_codes{{goal={goal or CodeGoal.ENERGY.value}}}"
