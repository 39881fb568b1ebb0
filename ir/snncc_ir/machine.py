"""Machine descriptions: what a chip offers and where each number comes from."""

from __future__ import annotations

from dataclasses import dataclass

from snncc_ir.codes import Code, Reset


@dataclass(frozen=True, slots=True)
class Limit:
    """A number of a machine and its source; `assumed` where no primary source states it."""

    value: int
    source: str
    assumed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fabric:
    """What an FPGA has: 4-input LUTs, block memories of `block_bits` bits, and 18 x 18 multipliers."""

    luts: Limit
    blocks: Limit
    block_bits: Limit
    multipliers: Limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """One of several cores in a row: so many `passes` of the network in their order, on so many lanes."""

    passes: int
    lanes: int


@dataclass(frozen=True, slots=True)
class Goal:
    """What cores in a row are for: so many images per second in the fewest LUTs, or the most within `luts`.

    No core has more than `lanes`, if there is such a bound.
    """

    images_per_second: float | None = None
    luts: int | None = None
    lanes: int | None = None


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A chip or simulator that a backend emits for.

    Widths are in bits: `weight_bits` of a synapse, `multiplier_bits` of an identity projection,
    `membrane_bits` of the membrane potential, `payload_bits` of a graded spike (0: binary spikes only).
    An FPGA has a `fabric`, and `lanes` that work at once: a number for the user to choose. With
    `cores` it has these in a row, each with lanes of its own.
    """

    name: str
    backend: str
    description: str
    codes: frozenset[Code]
    resets: frozenset[Reset]
    weight_bits: Limit
    multiplier_bits: Limit
    membrane_bits: Limit
    payload_bits: Limit
    fabric: Fabric | None = None
    lanes: int = 0
    cores: tuple[Core, ...] = ()

    @property
    def input_code(self) -> Code:
        """How a phased graph sends its input: `graded` where there are payloads, else `radix`."""
        return Code.GRADED if self.payload_bits.value and Code.GRADED in self.codes else Code.RADIX
