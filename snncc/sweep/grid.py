"""The points of a sweep: every combination of the lists that a chip has a choice of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from snncc.options import CompileOptions, PixelScaling
from snncc.passes.widths import LEVEL_BITS
from snncc.sweep.chips import DESCRIPTION, Chip, chip_names, default_chip, find_chip
from snncc.targets import target_names
from snncc_ir.codes import PHASED_CODES, Code, CodeOption
from snncc_ir.errors import SnnccError
from snncc_ir.tensors import WEIGHT_BITS

MOST_POINTS = 4096
MOST_NUMBER = 1 << 20
"""Most lanes or steps that a list may name: a bound on what is read, not on what a chip has."""

DEFAULT_TARGET = "lava"

PHASED = tuple(code.value for code in PHASED_CODES)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """The options of one point; None where the chip, or the code, leaves no choice.

    `chip_sha256` is that of the file that describes the chip, if `chip` is one.
    """

    target: str
    chip: str
    chip_sha256: str | None = None
    level_bits: int | None
    weight_bits: int
    code: str
    rate_steps: int | None
    lanes: int | None

    def __str__(self) -> str:
        parts = [
            self.chip,
            f"{self.lanes} lanes" if self.lanes else "",
            f"{self.level_bits}-bit levels" if self.level_bits else "",
            f"{self.weight_bits}-bit weights",
            self.code,
            f"{self.rate_steps} steps" if self.rate_steps else "",
        ]
        return ", ".join(part for part in parts if part)


ANY = Setting(
    target="sim", chip="any", level_bits=None, weight_bits=8, code="radix", rate_steps=None, lanes=None
)
"""A point that every model has."""


@dataclass(frozen=True, kw_only=True)
class Axes:
    """The lists of a sweep. Without `targets` they are those of the chips, and with `lanes` also the FPGA."""

    level_bits: tuple[int, ...]
    weight_bits: tuple[int, ...]
    codes: tuple[str, ...]
    steps: tuple[int, ...]
    lanes: tuple[int, ...] = ()
    chips: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()

    def settings(self) -> tuple[Setting, ...]:
        """All points in order, each once; raises SnnccError for lists that do not go together."""
        chips = tuple(self._chips())
        if self.lanes and not any(chip.machine.lanes for chip in chips):
            named = ", ".join(chip.machine.name for chip in chips)
            raise SnnccError(f"{named} has no lanes to choose", where="--lanes", hint="leave it out")
        found = tuple(dict.fromkeys(point for chip in chips for point in self._points(chip)))
        if len(found) > MOST_POINTS:
            raise SnnccError(
                f"{len(found)} points are too many; at most {MOST_POINTS}", hint="give shorter lists"
            )
        return found

    def _chips(self) -> Iterator[Chip]:
        listed = [find_chip(name) for name in self.chips]
        for target in self.targets or self._implied_targets(listed):
            named = [chip for chip in listed if chip.machine.backend == target]
            yield from named or (default_chip(target),)
        for chip in listed:
            target = chip.machine.backend
            if self.targets and target not in self.targets:
                raise SnnccError(
                    f"{chip.name} is a chip of target {target}, which is not in --targets",
                    where="--chips",
                    hint=f"add {target} to --targets, or leave that out",
                )

    def _implied_targets(self, listed: Sequence[Chip]) -> tuple[str, ...]:
        laned = [name for name in target_names() if self.lanes and default_chip(name).machine.lanes]
        return tuple(dict.fromkeys((*(chip.machine.backend for chip in listed), *laned))) or (DEFAULT_TARGET,)

    def _points(self, chip: Chip) -> Iterator[Setting]:
        """What was listed as far as the machine has a choice.

        Stock LIF neurons have rate spikes and two levels. An FPGA's level core computes levels and sends no
        spike (docs/fpga.md), so of the phased codes, which cost the same there, it has the first.
        """
        machine = chip.machine
        phased = [code for code in self.codes if code in PHASED]
        codes = tuple(code for code in self.codes if machine.fabric is None or code not in phased[1:])
        codes = (Code.RATE.value,) if machine.lif else codes
        levels: tuple[int | None, ...] = (None,) if machine.lif else self.level_bits
        lanes: tuple[int | None, ...] = (self.lanes or (machine.lanes,)) if machine.lanes else (None,)
        for lane, level_bits, weight_bits, code in product(lanes, levels, self.weight_bits, codes):
            steps: tuple[int | None, ...] = self.steps if code == Code.RATE.value else (None,)
            for count in steps:
                yield Setting(
                    target=machine.backend,
                    chip=chip.name,
                    chip_sha256=chip.sha256,
                    level_bits=level_bits,
                    weight_bits=weight_bits,
                    code=code,
                    rate_steps=count,
                    lanes=lane,
                )


@dataclass(frozen=True, kw_only=True)
class Study:
    """What all points of a sweep have in common; files are looked up under their paths.

    Paths of chips begin in `folder`.
    """

    model: Path
    data: Path
    calibrate: Path | None
    pixels: PixelScaling
    input_bits: int | None = None
    limit: int | None = None
    folder: Path = Path()

    def resolved(self) -> Study:
        """The same with absolute paths, for workers that run elsewhere."""
        calibrate = None if self.calibrate is None else self.calibrate.resolve()
        return replace(
            self,
            model=self.model.resolve(),
            data=self.data.resolve(),
            calibrate=calibrate,
            folder=self.folder.resolve(),
        )

    def options(self, setting: Setting) -> CompileOptions:
        """What `snncc compile` is told for a point."""
        plain = CompileOptions(output=Path(f"{self.model.stem}.snncc"), target=setting.target)
        return CompileOptions(
            output=plain.output,
            target=setting.target,
            machine=setting.chip if setting.chip_sha256 is None else str(self.folder / setting.chip),
            lanes=setting.lanes,
            calibrate=self.calibrate,
            pixels=self.pixels,
            input_bits=self.input_bits,
            level_bits=setting.level_bits or plain.level_bits,
            weight_bits=setting.weight_bits,
            code=setting.code,
            steps=setting.rate_steps or plain.steps,
        )


def numbers(text: str, option: str, allowed: range | tuple[int, ...]) -> tuple[int, ...]:
    """A list of whole numbers of a command line, each once; raises SnnccError for any that is not allowed."""
    found = []
    for part in _parts(text, option):
        if not (part.isascii() and part.isdigit() and int(part[:9]) in allowed and len(part) < 9):
            hint = _range_text(allowed)
            raise SnnccError(f"{part!r} is not {hint}", where=option, hint="write a list such as 2,4,8")
        found.append(int(part))
    return tuple(dict.fromkeys(found))


def _range_text(allowed: range | tuple[int, ...]) -> str:
    if isinstance(allowed, range):
        return f"a whole number of {allowed.start} to {allowed.stop - 1}"
    return f"{', '.join(map(str, allowed[:-1]))} or {allowed[-1]}"


def names(text: str, option: str, allowed: tuple[str, ...]) -> tuple[str, ...]:
    """A list of names of a command line, each once; raises SnnccError for any that is not allowed."""
    found = tuple(dict.fromkeys(_parts(text, option)))
    for part in found:
        if part not in allowed:
            raise SnnccError(
                f"nothing is called {part!r}", where=option, hint=f"there are {', '.join(allowed)}"
            )
    return found


def _parts(text: str, option: str) -> list[str]:
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise SnnccError(
            f"{text!r} is no list", where=option, hint="write its entries with one comma between them"
        )
    return parts


@dataclass(frozen=True, kw_only=True)
class AxesText:
    """The lists as they stand on a command line; empty where they were not given."""

    levels: str
    weights: str
    codes: str
    steps: str
    lanes: str
    chips: str
    targets: str

    def parse(self) -> Axes:
        """The lists; raises SnnccError for what is in none."""
        files = [name.strip() for name in self.chips.split(",") if name.strip().endswith(DESCRIPTION)]
        every = range(1, MOST_NUMBER + 1)
        return Axes(
            level_bits=numbers(self.levels, "--levels", range(LEVEL_BITS[0], LEVEL_BITS[-1] + 1)),
            weight_bits=numbers(self.weights, "--weights", WEIGHT_BITS),
            codes=names(self.codes, "--codes", tuple(option.value for option in CodeOption)),
            steps=numbers(self.steps, "--steps", every),
            lanes=numbers(self.lanes, "--lanes", every) if self.lanes else (),
            chips=names(self.chips, "--chips", (*chip_names(), *files)) if self.chips else (),
            targets=names(self.targets, "--targets", target_names()) if self.targets else (),
        )
