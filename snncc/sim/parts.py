"""Evaluations of parts of a data set: as bytes, and as the evaluation of the whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc.sim.evaluate import Evaluation
from snncc.sim.trace import Trace, join
from snncc_ir.costs import NO_COUNTS, Counts
from snncc_ir.errors import ArtefactError
from snncc_ir.store import read_arrays, write_arrays

Array = NDArray[Any]

ABOUT, OUTPUT, TRACE = "about", "output.", "trace."

DIGEST = hashlib.sha256().digest_size
"""Bytes in front of the arrays that prove them whole."""


def to_bytes(part: Evaluation) -> bytes:
    """What an engine of this package made of its images; clocks, which others have, are left out."""
    about = {
        "engine": part.engine,
        "note": part.note,
        "images": part.images,
        "steps": part.steps,
        "seconds": part.seconds,
        "spikes": dict(part.counts.spikes),
        "synops": dict(part.counts.synops),
    }
    arrays = {ABOUT: np.frombuffer(json.dumps(about).encode(), np.uint8)}
    arrays |= {f"{OUTPUT}{name}": values for name, values in part.outputs.items()}
    if part.trace is not None:
        traced = {f"{TRACE}{field.name}": getattr(part.trace, field.name) for field in fields(Trace)}
        arrays |= {name: values for name, values in traced.items() if values is not None}
    content = write_arrays(arrays)
    return hashlib.sha256(content).digest() + content


def from_bytes(data: bytes, where: str) -> Evaluation:
    """What `to_bytes` wrote; raises ArtefactError with `where` if any of it has changed."""
    content = data[DIGEST:]
    if hashlib.sha256(content).digest() != data[:DIGEST]:
        raise ArtefactError("is damaged", where=where, hint="delete it, and it is computed again")
    arrays = read_arrays(content, where)
    about = json.loads(arrays[ABOUT].tobytes())
    traced = _under(TRACE, arrays)
    exact = traced.pop("exact", None)
    return Evaluation(
        engine=about["engine"],
        images=about["images"],
        outputs=_under(OUTPUT, arrays),
        steps=about["steps"],
        counts=Counts(about["spikes"], about["synops"]),
        seconds=about["seconds"],
        trace=Trace(exact=exact, **traced) if traced else None,
        note=about["note"],
    )


def _under(prefix: str, arrays: Mapping[str, Array]) -> dict[str, Array]:
    return {name[len(prefix) :]: values for name, values in arrays.items() if name.startswith(prefix)}


def merge(parts: Sequence[Evaluation], seconds: float) -> Evaluation:
    """The parts, in the order of their images, as one evaluation that took `seconds`."""
    traces = [part.trace for part in parts if part.trace is not None]
    return Evaluation(
        engine=_distinct(part.engine for part in parts),
        images=sum(part.images for part in parts),
        outputs={name: np.concatenate([part.outputs[name] for part in parts]) for name in parts[0].outputs},
        steps=max(part.steps for part in parts),
        counts=sum((part.counts for part in parts), NO_COUNTS),
        seconds=seconds,
        trace=join(traces) if traces else None,
        note=_distinct(part.note for part in parts),
    )


def _distinct(texts: Iterable[str]) -> str:
    return ", ".join(sorted({text for text in texts if text}))
