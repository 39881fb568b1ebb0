"""What memories are built of, and how an estimate grows."""

from __future__ import annotations

import pytest

from snncc_backends.fpga.capacity import Mapped, Shape, mapped, slices_of
from snncc_backends.fpga.estimate import estimate
from snncc_backends.fpga.tables.assemble import build_tables
from support.fpga import little


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (Shape(words=3881, bits=64), Mapped(blocks=15)),  # two slices of 2,048 x 9, which share a block
        (Shape(words=1809, bits=256), Mapped(blocks=29)),
        (Shape(words=32, bits=132), Mapped(rom_bits=4224)),
        (Shape(words=72, bits=33), Mapped(blocks=1)),
        (Shape(words=200, bits=64, written=True), Mapped(blocks=2)),
        (Shape(words=700, bits=64, written=True), Mapped(blocks=4)),
        (Shape(words=16, bits=76, written=True), Mapped(lut_rams=19)),
    ],
)
def test_memories_are_built_as_yosys_builds_them(shape: Shape, expected: Mapped) -> None:
    """Each was seen in the log of Yosys 0.70 for the digits network."""
    assert mapped(shape) == expected


def test_slices() -> None:
    assert (slices_of(3881, 64), slices_of(1809, 256), slices_of(4, 8)) == (2, 1, 1)


def test_more_lanes_take_more() -> None:
    found = [estimate(build_tables(little(15), lanes)) for lanes in (8, 16, 32, 64)]
    assert [item.multipliers for item in found] == [8, 16, 32, 64]
    for name in ("luts", "flip_flops"):
        values = [getattr(item, name) for item in found]
        assert values == sorted(set(values))
