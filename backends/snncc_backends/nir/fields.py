"""The nodes of a NIR file with their entries checked: types, shapes and sizes as NIR 1.0.8 writes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc_backends.nir.hdf5 import Tree, read_tree
from snncc_ir.errors import ModelError
from snncc_ir.tensors import Reals
from snncc_ir.types import MAX_ELEMENTS, Shape

SHAPE_AXES = 4


@dataclass(frozen=True, kw_only=True)
class Entries:
    """A node's entries by name, and the node's own name for messages."""

    name: str
    tree: Tree

    @property
    def kind(self) -> str:
        """NIR's name of the node's type."""
        return self.text("type") or ""

    @property
    def metadata(self) -> Entries:
        """The entries of its metadata."""
        found = self.tree.get("metadata", {})
        return Entries(name=self.name, tree=found if isinstance(found, Mapping) else {})

    def refuse(self, what: str, hint: str = "") -> ModelError:
        """The error of this node."""
        return ModelError(what, where=self.name, hint=hint)

    def text(self, name: str) -> str | None:
        """A text, or None."""
        found = self.tree.get(name)
        return found if isinstance(found, str) else None

    def reals(self, name: str) -> Reals:
        """An array of finite numbers."""
        found = self.optional(name)
        if found is None:
            raise self.refuse(f"has no numbers called {name}")
        return found

    def optional(self, name: str) -> Reals | None:
        """An array of finite numbers, or None."""
        found = self.tree.get(name)
        if not isinstance(found, np.ndarray):
            return None
        values = found.astype(np.float64)
        if values.size == 0 or not np.isfinite(values).all():
            raise self.refuse(f"{name} is empty or holds NaN or infinity")
        return values

    def whole(self, name: str, count: int) -> tuple[int, ...]:
        """So many whole numbers from 0 to 2^28; one number stands for all."""
        values = self.reals(name).ravel()
        values = np.repeat(values, count) if values.size == 1 else values
        if values.size != count or (values != np.rint(values)).any() or not _small(values):
            raise self.refuse(f"{name} must be {count} whole numbers from 0 to {MAX_ELEMENTS}")
        return tuple(int(value) for value in values)

    def number(self, name: str) -> float:
        """One number."""
        values = self.reals(name)
        if values.size != 1:
            raise self.refuse(f"{name} must be one number")
        return float(values.ravel()[0])

    def shape(self) -> Shape:
        """The shape of an input or output."""
        values = self.reals("shape")
        if values.ndim != 1 or values.size > SHAPE_AXES:
            raise self.refuse(f"its shape must be a list of at most {SHAPE_AXES} sizes")
        return self.whole("shape", values.size)


def _small(values: NDArray[Any]) -> bool:
    return bool((values >= 0).all() and (values <= MAX_ELEMENTS).all())


@dataclass(frozen=True, kw_only=True)
class File:
    """A feed-forward NIR graph: its nodes, sources before readers, the sources of each, and its metadata."""

    nodes: tuple[Entries, ...]
    sources: Mapping[str, tuple[str, ...]]
    metadata: Entries


def read_file(path: Path) -> File:
    """The NIR graph in a file; raises ModelError where it holds none, or one with a loop."""
    top = read_tree(path).get("node")
    if not isinstance(top, Mapping) or Entries(name=str(path), tree=top).text("type") != "NIRGraph":
        raise ModelError("holds no NIR graph", where=str(path), hint="write it with nir.write")
    nodes, edges = top.get("nodes"), top.get("edges", ())
    if not isinstance(nodes, Mapping) or not isinstance(edges, tuple) or len(edges) % 2:
        raise ModelError("holds a NIR graph without nodes and edges", where=str(path))
    sources: dict[str, list[str]] = {name: [] for name in nodes}
    for source, reader in zip(edges[::2], edges[1::2], strict=True):
        if source not in nodes or reader not in nodes:
            raise ModelError(
                f"has an edge {source!r} to {reader!r} between nodes that it lacks", where=str(path)
            )
        sources[reader].append(source)
    listed = [Entries(name=name, tree=_mapping(nodes[name], name)) for name in _ordered(sources, path)]
    metadata = Entries(name=str(path), tree=top).metadata
    found = {name: tuple(names) for name, names in sources.items()}
    return File(nodes=tuple(listed), sources=found, metadata=metadata)


def _mapping(found: object, name: str) -> Tree:
    if not isinstance(found, Mapping):
        raise ModelError("is no node", where=name)
    return found


def _ordered(sources: Mapping[str, list[str]], path: Path) -> list[str]:
    """Sources before readers."""
    readers: dict[str, list[str]] = {name: [] for name in sources}
    missing = {name: len(found) for name, found in sources.items()}
    for name, found in sources.items():
        for source in found:
            readers[source].append(name)
    ready = [name for name, count in missing.items() if not count]
    for name in ready:  # grows while it is read
        for reader in readers[name]:
            missing[reader] -= 1
            if not missing[reader]:
                ready.append(reader)
    if len(ready) < len(sources):
        loop = next(name for name in sources if missing[name])
        raise ModelError(
            f"is recurrent: {loop!r} is part of a loop or behind one",
            where=str(path),
            hint="only feed-forward networks are taken",
        )
    return ready
