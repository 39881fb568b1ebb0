"""Spike codes: how a level travels as spikes. A command line lists them, so numpy is not needed here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Code(Enum):
    """A spike code (ir/SPEC.md, sections 4 and 5)."""

    GRADED = "graded"
    RADIX = "radix"
    COUNT = "count"
    TTFS = "ttfs"
    RATE = "rate"
    STBIF = "stbif"

    @property
    def is_phased(self) -> bool:
        """Phased codes fire after they have integrated; streaming codes while they integrate."""
        return self not in (Code.RATE, Code.STBIF)


class CodeGoal(Enum):
    """What codes are chosen for: the least energy, time or number of cores."""

    ENERGY = "energy"
    TIME = "time"
    CORES = "cores"


class CodeOption(Enum):
    """What a compilation can be told of its codes: one for all populations, or what to choose them for."""

    GRADED = Code.GRADED.value
    RADIX = Code.RADIX.value
    COUNT = Code.COUNT.value
    TTFS = Code.TTFS.value
    RATE = Code.RATE.value
    STBIF = Code.STBIF.value
    AUTO = "auto"
    AUTO_ENERGY = f"auto:{CodeGoal.ENERGY.value}"
    AUTO_TIME = f"auto:{CodeGoal.TIME.value}"
    AUTO_CORES = f"auto:{CodeGoal.CORES.value}"


class Reset(Enum):
    """What a `rate` neuron does after a spike: subtract theta (soft) or go to zero (hard)."""

    SUBTRACT = "subtract"
    ZERO = "zero"


class Exchange(Enum):
    """A file format of others that rate networks are written in."""

    NIR = "nir"
    NETX = "netx"

    @property
    def suffix(self) -> str:
        """How names of such files end."""
        return ".net" if self is Exchange.NETX else ".nir"


PHASED_CODES = tuple(code for code in Code if code.is_phased)


@dataclass(frozen=True, slots=True)
class Strand:
    """The format of one spike train: its code, its level range, and the window slot it fires in.

    A value that concatenates populations of different formats has several strands.
    """

    code: Code
    lo: int
    hi: int
    slot: int = 0

    @property
    def top(self) -> int:
        """Greatest magnitude of a level, L."""
        return max(self.hi, -self.lo)

    @property
    def window(self) -> int:
        """Number of steps in which one level is sent."""
        return window(self.code, self.lo, self.hi)


def window(code: Code, lo: int, hi: int) -> int:
    """Steps that a phased code needs for one level of [lo, hi]; 1 for streaming codes."""
    top = max(hi, -lo)
    match code:
        case Code.RADIX:
            return top.bit_length()
        case Code.COUNT | Code.TTFS:
            return top
        case _:
            return 1


def magnitude(code: Code, lo: int, hi: int, step: int) -> int:
    """Levels that a spike of step `step` (0-based) of the window stands for; `graded` sends a payload."""
    match code:
        case Code.RADIX:
            return 1 << (window(code, lo, hi) - 1 - step)
        case Code.TTFS:
            return window(code, lo, hi) - step
        case _:
            return 1
