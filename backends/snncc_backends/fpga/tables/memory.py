"""Memories: tables of records with fields of stated widths, and their text for `$readmemh`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from snncc_ir.tensors import Ints


@dataclass(frozen=True, slots=True)
class Field:
    """Bits of a word; `signed` ones are two's complement. `wraps` ones keep their low bits only."""

    name: str
    bits: int
    signed: bool = False
    wraps: bool = False

    def encode(self, values: Ints) -> Ints:
        """The values as unsigned numbers; ValueError where one does not fit."""
        span = 1 << self.bits
        low, high = (-span // 2, span // 2) if self.signed else (0, span)
        if not self.wraps and values.size and not (low <= values.min() and values.max() < high):
            raise ValueError(f"{self.name} {values.min()}..{values.max()} does not fit {self.bits} bits")
        return values & (span - 1)

    def decode(self, values: Ints) -> Ints:
        """What `encode` was given."""
        return values - ((values >> (self.bits - 1)) << self.bits) if self.signed else values


@dataclass(frozen=True, eq=False)
class Memory:
    """Words of fields, `values[field][words, repeats]`: repeat after repeat, low bits first."""

    name: str
    fields: tuple[Field, ...]
    values: Mapping[str, Ints]

    @property
    def words(self) -> int:
        """Number of words."""
        return len(self.values[self.fields[0].name])

    @property
    def bits(self) -> int:
        """Width of a word."""
        return sum(field.bits for field in self.fields) * self.values[self.fields[0].name].shape[1]

    def pattern(self) -> NDArray[np.uint8]:
        """`[words, bits]`: every bit, the lowest first; ValueError where a value does not fit its field."""
        parts = [_bits(field.encode(self.values[field.name]), field.bits) for field in self.fields]
        return np.concatenate(parts, axis=2).reshape(self.words, -1)

    def flipped(self, word: int, bit: int) -> Memory:
        """The same with one bit of a word flipped; bit 0 is the lowest."""
        values = dict(self.values)
        repeat, place = divmod(bit, sum(field.bits for field in self.fields))
        for field in self.fields:
            if place < field.bits:
                found = values[field.name] = values[field.name].copy()
                found[word, repeat] = field.decode(field.encode(found[word, repeat]) ^ (1 << place))
                return Memory(self.name, self.fields, values)
            place -= field.bits
        raise IndexError(bit)

    def text(self) -> bytes:
        """One word per line in lower case hexadecimal digits."""
        bits = self.pattern()
        digits = -(-bits.shape[1] // 4)
        padded = np.zeros((self.words, digits * 4), dtype=np.uint8)
        padded[:, : bits.shape[1]] = bits
        nibbles = padded.reshape(self.words, digits, 4) @ np.array([1, 2, 4, 8], dtype=np.uint8)
        characters = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)[nibbles[:, ::-1]]
        lines = np.full((self.words, digits + 1), ord("\n"), dtype=np.uint8)
        lines[:, :digits] = characters
        return lines.tobytes()


def memory(name: str, fields: Iterable[Field], rows: Mapping[str, Ints]) -> Memory:
    """A memory of fields without repeats, from one vector per field."""
    fields = tuple(fields)
    return Memory(
        name,
        fields,
        {field.name: np.asarray(rows[field.name], dtype=np.int64).reshape(-1, 1) for field in fields},
    )


def record_memories(
    fields: Mapping[str, tuple[Field, ...]], records: Mapping[str, Sequence[tuple[int, ...]]]
) -> dict[str, Memory]:
    """Memories of one record a word, by name; a record has a number for each field."""
    found = {}
    for name, rows in records.items():
        columns = np.array(rows, dtype=np.int64).T
        named = {item.name: column for item, column in zip(fields[name], columns, strict=True)}
        found[name] = memory(name, fields[name], named)
    return found


def lane_memories(
    fields: Mapping[str, tuple[Field, ...]], lanes: int, weights: Sequence[Ints], neurons: Sequence[Ints]
) -> dict[str, Memory]:
    """The memories `weights`, from parts `[words, lanes]`, and `neurons`, from parts `[words, repeats, 2]`.

    A network without weights has one word of zeros; a neuron is a threshold and a bias.
    """
    slots = np.concatenate(weights or [np.zeros((1, lanes), dtype=np.int64)])
    theta, bias = np.moveaxis(np.concatenate(neurons), 2, 0)
    return {
        "weights": Memory("weights", fields["weights"], {"slot": slots}),
        "neurons": Memory("neurons", fields["neurons"], {"theta": theta, "bias": bias}),
    }


def read_memory(text: bytes, name: str, fields: tuple[Field, ...], repeats: int = 1) -> Memory:
    """The memory that `text` holds; ValueError where it is no such text."""
    width = sum(field.bits for field in fields) * repeats
    lines = text.split()
    numbers = [int(line, 16) for line in lines]
    raw = b"".join(number.to_bytes(-(-width // 8), "little") for number in numbers)
    bits = np.unpackbits(
        np.frombuffer(raw, dtype=np.uint8).reshape(len(lines), -1), axis=1, bitorder="little"
    )[:, :width].reshape(len(lines), repeats, -1)
    values: dict[str, Ints] = {}
    first = 0
    for field in fields:
        part = bits[:, :, first : first + field.bits].astype(np.int64)
        values[field.name] = field.decode((part << np.arange(field.bits)).sum(axis=2))
        first += field.bits
    return Memory(name, fields, values)


def _bits(values: Ints, width: int) -> NDArray[np.uint8]:
    """`[words, repeats, width]` single bits, lowest first."""
    return ((values[..., None] >> np.arange(width)) & 1).astype(np.uint8)
