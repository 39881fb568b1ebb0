"""What a chain takes of a device, before any tool has run: its cores, and the links between them."""

from __future__ import annotations

from snncc_backends.fpga.capacity import Mapped, Shape, block_memories, mapped
from snncc_backends.fpga.chain.tables import Chain
from snncc_backends.fpga.estimate import estimate
from snncc_backends.fpga.planning.maps import WORD
from snncc_backends.fpga.tables.tables import Widths
from snncc_ir.hardware import Resources

LINK_LUTS, LINK_FLIP_FLOPS = 60, 90
"""What a link takes beside its memories: counters, states and the registers of a word."""


def link_blocks(words: int, bits: int) -> int:
    """Block memories of a double buffer of `words` words an image, levels of `bits` bits."""
    return mapped(Shape(words=2 * words, bits=WORD * bits, written=True)).blocks


def chain_memories(chain: Chain) -> dict[str, int]:
    """Block memories of every memory of a chain, by the core that it is in or before."""
    found: dict[str, int] = {}
    for number, core in enumerate(chain.cores):
        own = block_memories(core.tables)
        words = len(core.link.words)
        own |= {
            "link": link_blocks(words, core.link.format.bits),
            "arrivals": arrivals_of(words, core.tables.widths).blocks,
        }
        found |= {f"{name} of core {number}": blocks for name, blocks in own.items()}
    return found


def arrivals_of(words: int, widths: Widths) -> Mapped:
    """What the table of a link is made of, that says where each word goes."""
    return mapped(
        Shape(words=1 << max(1, (words - 1).bit_length()), bits=2 + widths.bank_bits + widths.map_address)
    )


def chain_estimate(chain: Chain) -> Resources:
    """LUTs, flip-flops, block memories, multipliers and clock of a chain with its pins."""
    parts = [estimate(core.tables) for core in chain.cores]
    constants = sum(
        arrivals_of(len(core.link.words), core.tables.widths).rom_bits // 16 for core in chain.cores
    )
    count = len(parts)
    return Resources(
        luts=sum(part.luts or 0 for part in parts) + constants + LINK_LUTS * count,
        flip_flops=sum(part.flip_flops or 0 for part in parts) + LINK_FLIP_FLOPS * count,
        brams=sum(chain_memories(chain).values()),
        multipliers=sum(part.multipliers or 0 for part in parts),
        fmax_mhz=min(part.fmax_mhz or 0.0 for part in parts),
    )
