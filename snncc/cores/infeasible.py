"""Why one neuron fits no core: by how much, and what would help."""

from __future__ import annotations

from snncc.cores.units import Network, Unit
from snncc_ir.errors import TargetError
from snncc_ir.plan import RESOURCES, Resource, Usage

ADVICE = {
    Resource.COMPARTMENTS: "use reset zero, or a chip with more compartments",
    Resource.SYNAPSE_WORDS: "use fewer weight bits, or a chip with more synaptic memory or partial sums",
    Resource.INPUT_AXONS: "use a layer with fewer inputs, or a chip that sends partial sums (partial_bits)",
    Resource.OUTPUT_AXONS: "use layers with fewer outputs, or a chip with more output axons",
    Resource.POPULATIONS: "use a chip with more populations per core",
    Resource.PROJECTIONS: "add fewer branches at once, or use a chip with more projections per core",
}


SPLIT_ADVICE = (
    "its sum is split over cores already: use a layer with fewer inputs, or a chip with larger cores"
)


def infeasible(network: Network, unit: Unit, usage: Usage, limits: Usage, longest: int) -> TargetError:
    """Why one neuron of a unit fits no core: by how much, and what would help."""
    split = any(part.owner == unit.name for part in network.partials)
    for resource, used, limit in zip(RESOURCES, usage, limits, strict=True):
        if used > limit:
            return TargetError(
                f"one neuron takes {used} {resource.value}, {used - limit} more than a core has",
                where=unit.name,
                hint=SPLIT_ADVICE if split else ADVICE[resource],
            )
    most = network.core.list_words.value
    return TargetError(
        f"the synapses of one axon take {longest} words, {longest - most} more than a list may have",
        where=unit.name,
        hint="use fewer weight bits, or a chip with longer lists (list_words)",
    )
