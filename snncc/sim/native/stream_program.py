"""A graph of a streaming code as a program: its maps are the steps of one image."""

from __future__ import annotations

import numpy as np

from snncc.sim.native.library import NativeError, PoolShape
from snncc.sim.native.program import NARROW, Lowering, reach_of, spread, spread_classes
from snncc.sim.native.storage import Stored
from snncc_ir.certificates import certify_widths, drive_interval
from snncc_ir.codes import Code, Reset
from snncc_ir.graph import Graph
from snncc_ir.neurons import Leaky, Staircase, Table
from snncc_ir.nodes import Input, MaxPool, Population, Readout
from snncc_ir.timing import Rate
from snncc_ir.types import Levels

CHUNK = 32
"""Steps that go through the network together."""


class StreamLowering(Lowering):
    """Codes are spikes, and the levels that the input sends; `sums` are the slots of the spikes' sums."""

    def __init__(self, graph: Graph) -> None:
        """A program for a chunk of steps, and the last step before it."""
        super().__init__(graph, CHUNK + 1)
        self.rate = graph.timing if isinstance(graph.timing, Rate) else None
        self.widths = certify_widths(graph)
        self.sums: dict[str, int] = {}

    def is_lasting(self, name: str) -> bool:
        """True for what a `rate` graph's inputs send in every step."""
        return self.rate is not None and self.graph.strands[name][0].code is not Code.RATE

    def range(self, name: str) -> Levels:
        """The spikes of the strands: -1 where a strand has them, the levels of a graded one."""
        strands = self.graph.strands[name]
        if self.rate and len({(s.code, s.top if s.code is Code.RATE else 0) for s in strands}) > 1:
            raise NativeError("joins spikes that stand for different numbers of levels")
        lows = [s.lo if s.code is Code.GRADED else -int(s.lo < 0 or self.rate is None) for s in strands]
        tops = [s.hi if s.code is Code.GRADED else 1 for s in strands]
        if max(tops) - min(lows) > 255:
            raise NativeError("an input of more than 8 bits in a streaming code")
        return Levels(self.graph.types[name].shape, min(lows), max(tops))

    def gain(self, source: str) -> int:
        """W_r = W * L of the source."""
        strand = self.graph.strands[source][0]
        return strand.top if strand.code is Code.RATE else 1

    def _store(self, name: str) -> Stored:
        value = super()._store(name)
        if self.is_lasting(name):
            self.program("lasting", value.buffers.low)
        return value

    def input(self, node: Input, value: Stored) -> tuple[int, ...]:
        """Sent in every step, or in step 0."""
        return (self.program("stream_input", value.buffers.low),)

    def pool(self, node: MaxPool, source: Stored, result: Stored, shape: PoolShape) -> None:
        """What lasts has the same greatest member in every step."""
        if self.is_lasting(node.name):
            self.program("max_pool", source.buffers, result.buffers, shape)
        else:
            self.program("stream_pool", source.buffers.low, result.buffers.low, shape)

    def stairs(self, node: Population, neuron: Staircase, result: Stored) -> None:
        """`rate`: theta_r = theta * L, the bias in every step. `stbif`: v starts at b + h."""
        self._begin(node, self.widths[node.name].bits)
        offsets, classes = spread(neuron.bias)
        if self.rate:
            theta = neuron.theta.data * max(neuron.hi, -neuron.lo)
            ends = (int(neuron.lo < 0), int(self.rate.reset is Reset.ZERO))
            function = "end_rate"
        else:
            theta, ends, function = neuron.theta.data, (neuron.lo, neuron.hi), "end_stbif"
            offsets = offsets + theta // 2
        buffer = result.buffers.low
        theta = np.ascontiguousarray(theta)
        self.sums[node.name] = self.program(function, buffer, theta, offsets, len(offsets), classes, *ends)

    def table(self, node: Population, neuron: Table, result: Stored) -> None:
        """Breakpoints within the certified drives, which U does not leave."""
        drive = drive_interval(self.graph, node)
        values, classes = spread_classes(neuron.breakpoints.data, neuron.rows, neuron.columns)
        inside = np.ascontiguousarray(np.clip(values, drive.low[:, None], drive.high[:, None] + 1))
        self._begin(node, drive.bits)
        ends = (neuron.lo, neuron.hi - neuron.lo)
        self.sums[node.name] = self.program(
            "end_stbif_table", result.buffers.low, inside, len(inside), classes, *ends
        )

    def leaky(self, node: Population, neuron: Leaky, result: Stored) -> None:
        """u and v in 64ths of a drive, within 32 bits; a threshold beyond those is never reached."""
        self._begin(node, self.widths[node.name].bits)
        offsets, classes = spread(neuron.bias)
        given = (result.buffers.low, offsets, len(offsets), classes, neuron.du, neuron.dv, neuron.vth)
        self.sums[node.name] = self.program("end_leaky", *given)

    def readout(self, node: Readout) -> None:
        """The drive after every step: its bias is added in each (`rate`), or once."""
        self._begin(node, 0)
        offsets, classes = spread(node.bias)
        ends = (int(self.rate is not None), int(self.rate is None))
        self.readouts[node.name] = self.program("end_stream_readout", offsets, len(offsets), classes, *ends)

    def _begin(self, node: Population | Readout, bits: int) -> None:
        reach = reach_of(drive_interval(self.graph, node), np.zeros(1, np.int64))
        if bits > 32 or reach > NARROW:
            raise NativeError("a streaming neuron of more than 32 bits")
        self.begin(node, wide=False)
