"""Picking positions along one axis, in any order and repeatedly, by slices joined together."""

from __future__ import annotations

from collections.abc import Sequence

from snncc.frontend.calls import Call
from snncc.frontend.values import Operand, Signal, Step
from snncc.frontend.verdicts import Reject
from snncc_ir.nodes import Slice

MAX_PARTS = 64
"""Most slices that one axis may fall into."""

Run = tuple[int, int, int]


def picked(call: Call, value: Operand, axis: int, indices: Sequence[int]) -> Operand:
    """The value at `indices` (from 0) of one axis; raises Reject where they fall into too many slices."""
    runs = _runs(indices)
    if len(runs) == 1:
        return ranged(call, value, axis, *runs[0])
    if len(runs) > MAX_PARTS:
        raise Reject(
            f"picks {len(runs)} separate ranges of an axis; at most {MAX_PARTS} are supported, use Slice"
        )
    signal = call.builder.solid(call.as_signal(value))
    parts = tuple(_part(call, signal, axis, run) for run in runs)
    return call.builder.concat(parts, axis, call.origin)


def ranged(call: Call, value: Operand, axis: int, start: int, stop: int, step: int = 1) -> Operand:
    """Positions start, start + step, ... before stop of one axis."""
    starts, stops, steps = [0] * len(value.shape), list(value.shape), [1] * len(value.shape)
    starts[axis], stops[axis], steps[axis] = start, stop, step
    if (start, stop, step) == (0, value.shape[axis], 1):
        return value
    node = Slice(name="", source="", start=tuple(starts), stop=tuple(stops), step=tuple(steps))
    return call.wired(value, Step(node, call.origin))


def _part(call: Call, signal: Signal, axis: int, run: Run) -> Signal:
    return call.builder.solid(call.as_signal(ranged(call, signal, axis, *run)))


def _runs(indices: Sequence[int]) -> list[Run]:
    """The indices as ranges (start, stop, step) in a row, each as long as it gets."""
    runs: list[Run] = []
    at = 0
    while at < len(indices):
        start = indices[at]
        step = indices[at + 1] - start if at + 1 < len(indices) else 1
        end = at + 1
        while step > 0 and end < len(indices) and indices[end] == start + step * (end - at):
            end += 1
        runs.append((start, indices[end - 1] + 1, max(step, 1)))
        at = end
    return runs
