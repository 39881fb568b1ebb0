"""The descriptors of the event core's passes: 16 words each (docs/fpga.md, section 9)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from snncc_ir.tensors import Ints


class Op(IntEnum):
    """What a pass does with every word that it visits."""

    ADD = 0
    FIRE = 1
    LOAD = 2
    READ = 3
    POOL = 4
    END = 5


class When(IntEnum):
    """In which steps a pass runs."""

    ALWAYS = 0
    STEP_ONE = 1
    NOT_STEP_ZERO = 2


@dataclass(frozen=True, kw_only=True)
class Descriptor:
    """One pass. END takes `loop`, its first pass of a step, from `potentials` and the steps from `target`.

    `words` of every pixel are visited, of `words` + `skip`; a tap reaches `blocks` words of potentials.
    `close` is where a word's own potential, or what a pool has sent, lies. FIRE has the decays, ADD the gain.
    """

    op: Op
    when: When = When.ALWAYS
    from_input: bool = False
    own: bool = False
    half: bool = False
    bias: bool = False
    zero: bool = False
    signed: bool = False
    current: bool = False
    weight_bits: int = 0
    rows: int = 1
    columns: int = 1
    words: int = 1
    skip: int = 0
    row_windows: int = 0
    column_windows: int = 0
    target: int = 0
    potentials: int = 0
    table: int = 0
    step: int = 0
    blocks: int = 1
    gain: int = 0
    decay_u: int = 0
    decay_v: int = 0
    close: int = 0
    lo: int = 0
    hi: int = 0

    @property
    def flags(self) -> int:
        """The low bits of word 0, above OP and WHEN."""
        bits = (self.from_input, self.own, self.half, self.bias, self.zero, self.signed, self.current)
        return sum(bit << place for place, bit in enumerate(bits))

    def encode(self) -> list[int]:
        """The 16 words."""
        return [
            self.op | self.when << 4 | self.flags << 8 | self.weight_bits << 16,
            self.rows | self.columns << 16,
            self.words | self.skip << 16,
            self.row_windows,
            self.column_windows,
            self.target,
            self.potentials,
            self.table,
            self.step,
            self.blocks,
            self.gain if self.op is Op.ADD else self.decay_u | self.decay_v << 16,
            self.close,
            (self.lo & 0xFFFF) | (self.hi & 0xFFFF) << 16,
            0,
            0,
            0,
        ]


def read_descriptor(words: Ints) -> Descriptor:
    """The fields of 16 words."""
    w = [int(word) for word in words]
    flag = [bool(w[0] >> place & 1) for place in range(8, 15)]
    op = Op(w[0] & 15)
    adds = op is Op.ADD
    return Descriptor(
        op=op,
        when=When(w[0] >> 4 & 15),
        from_input=flag[0],
        own=flag[1],
        half=flag[2],
        bias=flag[3],
        zero=flag[4],
        signed=flag[5],
        current=flag[6],
        weight_bits=w[0] >> 16 & 255,
        rows=w[1] & 0xFFFF,
        columns=w[1] >> 16,
        words=w[2] & 0xFFFF,
        skip=w[2] >> 16,
        row_windows=w[3],
        column_windows=w[4],
        target=w[5],
        potentials=w[6],
        table=w[7],
        step=w[8],
        blocks=w[9],
        gain=w[10] if adds else 0,
        decay_u=0 if adds else w[10] & 0xFFFF,
        decay_v=0 if adds else w[10] >> 16,
        close=w[11],
        lo=_signed(w[12] & 0xFFFF),
        hi=_signed(w[12] >> 16),
    )


def _signed(value: int) -> int:
    return value - ((value & 0x8000) << 1)
