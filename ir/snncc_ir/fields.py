"""Fields of the IR's dataclasses that its written forms leave out where they hold their default."""

from __future__ import annotations

from dataclasses import Field, field, fields
from typing import Any, TypeVar

T = TypeVar("T")

_SPARSE = "sparse"


def sparse(default: T) -> T:
    """A field with a default, which text and JSON leave out where it has that value."""
    made: T = field(default=default, metadata={_SPARSE: True})
    return made


def written_fields(value: Any) -> list[Field[Any]]:
    """The fields of a dataclass that its written forms show."""
    return [item for item in fields(value) if not _is_silent(item, value)]


def _is_silent(item: Field[Any], value: Any) -> bool:
    held = getattr(value, item.name)
    return _SPARSE in item.metadata and type(held) is type(item.default) and held == item.default
