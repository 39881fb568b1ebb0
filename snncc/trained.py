"""An artefact of a network that was trained here (docs/learning.md)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from snncc import ready
from snncc.driver import Compiled
from snncc.learn.engine import Weights
from snncc.learn.graph import OUTPUT, to_graph
from snncc.learn.network import Network
from snncc.learn.trains import Pixels
from snncc.options import CompileOptions
from snncc_ir.errors import TargetError


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A network of form RATE and what it has learnt from images of `pixels`; `name` is its graph's."""

    network: Network
    weights: Weights
    pixels: Pixels
    name: str = "trained"

    @property
    def digest(self) -> str:
        """Of everything that decides what it computes."""
        found = hashlib.sha256(repr((self.network, self.pixels)).encode())
        for array in self.weights:
            found.update(array.tobytes())
        return found.hexdigest()


def compile_trained(
    trained: Trained,
    output: Path,
    *,
    target: str,
    chip: str | None = None,
    lanes: int | None = None,
    force: bool = False,
) -> Compiled:
    """Write an artefact of a network that was trained; the options are those of `snncc compile`.

    Its graph is that of `snncc.learn.graph.to_graph`, with one threshold per layer where the chip has stock
    neurons. Raises SnnccError for what the IR does not have, TargetError for what the chip does not.
    """
    options = CompileOptions(
        output=output, target=target, machine=chip, lanes=lanes, code="rate", force=force
    )
    begun = ready.begin(options)
    machine = begun.chosen.machine
    if machine.lif and not trained.pixels.spiking:
        raise TargetError(
            "its spikes have no payload, which the pixels need",
            where=machine.name,
            hint="train with Pixels(spiking=True)",
        )
    graph = to_graph(trained.network, trained.weights, trained.pixels, shared=machine.lif, name=trained.name)
    made = ready.Ready(
        graph=graph,
        source={"file": trained.name, "sha256": trained.digest, "external": {}},
        outputs={OUTPUT: OUTPUT},
        input="as the network was trained on",
    )
    return ready.write(made, begun, options)
