"""Cores that a network needs at least, whatever the plan: what all neurons need, over what a core has."""

from __future__ import annotations

from math import ceil

import numpy as np

from snncc.cores.units import Network, Read, Unit
from snncc_ir.plan import Usage


def lower_bounds(network: Network, limits: Usage) -> Usage:
    """Cores by resource, for a network whose sums are not split: splitting them takes no less of anything."""
    placed = [unit for unit in network.units if unit.compartments]
    selves = sum(unit.size * unit.selves for unit in placed)
    compartments = sum(unit.size * unit.compartments for unit in placed)
    words = selves + sum(_words(network, read) for unit in placed for read in unit.reads)
    inputs = selves + sum(read.least for unit in placed for read in unit.reads)
    outputs = selves + _output_axons(network, placed)
    populations = len(placed)
    projections = sum(len(unit.reads) for unit in placed)
    needed = (compartments, words, inputs, outputs, populations, projections)
    found = [max(1, ceil(need / limit)) for need, limit in zip(needed, limits, strict=True)]
    return (found[0], found[1], found[2], found[3], found[4], found[5])


def _words(network: Network, read: Read) -> int:
    """Words of the weights of a read that are surely used, each stored once without any overhead."""
    if read.same:
        return 0
    taps = len({tap for _, _, tap in read.rows.taps(0, read.rows.size)})
    taps *= len({tap for _, _, tap in read.columns.taps(0, read.columns.size)})
    if read.rows.averaged:
        taps = 1
    whole = (read.elements >= 0).all(axis=(1, 2))
    some = (read.used >= 0).any(axis=(1, 2)) & ~whole  # they use one tap at least
    weights = read.outputs_per_group * (taps * int(whole.sum()) + int(some.sum()))
    return weights * read.bits * read.copies // network.core.word_bits.value


def _output_axons(network: Network, placed: list[Unit]) -> int:
    """One axon of each neuron on a core to each projection that reads it."""
    on_core = np.zeros(network.neurons, dtype=bool)
    for unit in placed:
        on_core[unit.first : unit.first + unit.size] = True
    found = 0
    for unit in placed:
        for read in unit.reads:
            found += int(on_core[read.used[read.used >= 0]].sum())
    return found
