"""Machine descriptions: what a chip offers and where each number comes from."""

from __future__ import annotations

from dataclasses import dataclass

from snncc_ir.codes import Code, Reset
from snncc_ir.plan import Plan


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


@dataclass(frozen=True, slots=True)
class Quantity:
    """A measured number of a machine and its source; `assumed` where no primary source states it."""

    value: float
    source: str
    assumed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """What one core of a Loihi style chip has, and how it packs synapses (docs/cores.md).

    A neuron takes one of `compartments`, with reset `subtract` `soft_compartments`, each beyond the first
    with a synapse, an input axon and an output axon of its own. A pixel takes `input_compartments` (none
    where it is a bias, `pixels.bias_inputs`, and spikes have no payload), a pooling window
    `pool_compartments` (0: the chip cannot pool). Axons enter a list of synapses of at most
    `list_words` words; `partial_bits` is the width of a partial sum that one core can send to another (0:
    it cannot), `signed_spikes` is 1 where spikes have a sign.
    """

    compartments: Limit
    soft_compartments: Limit
    input_compartments: Limit
    pool_compartments: Limit
    synapse_words: Limit
    word_bits: Limit
    list_words: Limit
    entry_synapses: Limit
    entry_bits: Limit
    index_bits: Limit
    tail_bits: Limit
    input_axons: Limit
    output_axons: Limit
    crossing_axons: Limit
    populations: Limit
    projections: Limit
    partial_bits: Limit
    signed_spikes: Limit
    delay: Limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Mesh:
    """`columns` x `rows` routers of `router_cores` cores each; a link to the next chip counts `chip_hops`."""

    columns: Limit
    rows: Limit
    router_cores: Limit
    chip_hops: Limit

    @property
    def cores(self) -> int:
        """Cores of one chip."""
        return self.columns.value * self.rows.value * self.router_cores.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """Energy in picojoules and time in nanoseconds of one event; `mac` is the baseline's, of a MAC in 8 bits.

    An update is that of one compartment in one step, a spike a message that enters or leaves a core, a hop
    one router further (`column` along a row, `row` along a column), a link the way from one chip to the
    next, a step the barrier at its end.
    """

    synapse_energy: Quantity
    update_energy: Quantity
    spike_energy: Quantity
    column_energy: Quantity
    row_energy: Quantity
    link_energy: Quantity
    synapse_time: Quantity
    update_time: Quantity
    spike_time: Quantity
    hop_time: Quantity
    link_time: Quantity
    step_time: Quantity
    mac_energy: Quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
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
    An FPGA has a `fabric`, and `lanes` that work at once: a number for the user to choose. With a `chain` it
    has several cores in a row, each with lanes of its own. A chip of cores has `core`, `mesh` and `events`.
    With `lif` what is emitted has stock LIF neurons (`snncc_ir.lif`) and nothing else. With a `plan` of a
    network it is emitted slice by slice.
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
    lif: bool = False
    chain: tuple[Part, ...] = ()
    core: Core | None = None
    mesh: Mesh | None = None
    events: Events | None = None
    plan: Plan | None = None

    @property
    def input_code(self) -> Code:
        """How a phased graph sends its input: `graded` where there are payloads, else `radix`."""
        return Code.GRADED if self.payload_bits.value and Code.GRADED in self.codes else Code.RADIX
