"""When everything happens: the timing of a graph, the strands of its values, its windows and latency."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from snncc_ir.codes import Code, Reset, Strand
from snncc_ir.errors import GraphError
from snncc_ir.neurons import Analog, Leaky, Quantiser, Staircase, Table
from snncc_ir.nodes import AnyNode, Input, MaxPool, Population
from snncc_ir.types import Levels

MAX_STEPS = 2**16
"""Most steps per image of a `rate` graph."""


@dataclass(frozen=True, slots=True)
class Phased:
    """Every population integrates for a window, then fires for a window; images are pipelined."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Every population runs `steps` steps per image and fires while it integrates."""

    steps: int
    reset: Reset = Reset.SUBTRACT

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise GraphError(f"rate coding needs at least one step, not {self.steps}")
        if self.steps > MAX_STEPS:
            raise GraphError(f"rate coding takes at most {MAX_STEPS} steps, not {self.steps}")


@dataclass(frozen=True, slots=True)
class Stbif:
    """The signed bipolar neuron runs until the network is silent."""


Timing = Phased | Rate | Stbif

TIMINGS: dict[str, type[Timing]] = {"phased": Phased, "rate": Rate, "stbif": Stbif}
"""Name in text and JSON of every timing."""

Strands = tuple[Strand, ...]


def check_codes(nodes: Iterable[AnyNode], timing: Timing) -> None:
    """Raise GraphError where a population's code or neuron does not go with the graph's timing."""
    for node in nodes:
        match node:
            case Population(neuron=Analog() | Quantiser()):
                continue
            case Population():
                _check_code(node, timing)
            case Input() if not node.code.is_phased:
                raise GraphError(f"an input cannot be sent as {node.code.value}", where=node.name)
            case Input() if not isinstance(timing, Phased) and node.code is not Code.GRADED:
                raise GraphError("streaming codes take a graded input", where=node.name)


def _check_code(node: Population, timing: Timing) -> None:
    match timing:
        case Phased():
            allowed = node.code.is_phased
        case Rate():
            allowed = node.code is Code.RATE
        case Stbif():
            allowed = node.code is Code.STBIF
    if not allowed:
        text = type(timing).__name__.lower()
        raise GraphError(f"code {node.code.value} in a graph with {text} timing", where=node.name)
    if isinstance(node.neuron, Table) and isinstance(timing, Rate):
        raise GraphError(
            "breakpoint tables need a phased code or stbif",
            where=node.name,
            hint="use a phased code such as radix; LeakyRelu, PRelu and uneven bounds become tables",
        )
    hard = isinstance(timing, Rate) and timing.reset is Reset.ZERO
    if hard and isinstance(node.neuron, Staircase) and node.neuron.lo < 0:
        raise GraphError("signed populations need reset subtract", where=node.name)
    if isinstance(node.neuron, Leaky) and not hard:
        raise GraphError("leaky neurons need code rate with reset zero", where=node.name)


def find_strands(nodes: Iterable[AnyNode]) -> dict[str, Strands]:
    """Strands of every node that gives levels, and of every drive (those it was computed from).

    A population or input has one strand; wiring passes strands on; a strand's slot is the window,
    counted from the image's first, in which it is sent.
    """
    found: dict[str, Strands] = {}
    for node in nodes:
        found[node.name] = _strands(node, found)
    return found


def _strands(node: AnyNode, found: Mapping[str, Strands]) -> Strands:
    incoming = tuple(dict.fromkeys(strand for source in node.sources for strand in found[source]))
    match node:
        case Input(type=Levels(lo=lo, hi=hi)):
            return (Strand(node.code, lo, hi),)
        case Population(neuron=Staircase(lo=lo, hi=hi) | Table(lo=lo, hi=hi) | Leaky(lo=lo, hi=hi)):
            return (Strand(node.code, lo, hi, 1 + max(strand.slot for strand in incoming)),)
        case MaxPool() if len(incoming) > 1:
            raise GraphError(
                "pools values of different codes, ranges or delays",
                where=node.name,
                hint="pool each of them, then concatenate",
            )
        case _:
            return incoming


def network_window(strands: Iterable[Strand]) -> int:
    """Steps of the network's window: the longest of its strands' windows."""
    return max(strand.window for strand in strands)
