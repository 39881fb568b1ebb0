"""`--pick "loss<=0.5, min energy"`: conditions and one goal, and the point that they choose."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from snncc.sweep.points import Quantity, Row, value_of, written
from snncc_ir.errors import SnnccError

CONDITION = re.compile(r"([a-z]+)\s*(<=|>=|<|>|=)\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)")
GOAL = re.compile(r"(min|max)\s+([a-z]+)")
EXAMPLE = 'write conditions and one goal, as in "loss<=0.5, min energy"'


class Relation(Enum):
    """How a figure must stand to a bound."""

    AT_MOST = "<="
    AT_LEAST = ">="
    BELOW = "<"
    ABOVE = ">"
    EQUAL = "="

    def holds(self, value: float, bound: float) -> bool:
        """Whether it does."""
        known: dict[Relation, Callable[[], bool]] = {
            Relation.AT_MOST: lambda: value <= bound,
            Relation.AT_LEAST: lambda: value >= bound,
            Relation.BELOW: lambda: value < bound,
            Relation.ABOVE: lambda: value > bound,
            Relation.EQUAL: lambda: value == bound,
        }
        return known[self]()


@dataclass(frozen=True)
class Condition:
    """A figure and its bound."""

    quantity: Quantity
    relation: Relation
    bound: float

    def __str__(self) -> str:
        return f"{self.quantity.value}{self.relation.value}{self.bound:g}"

    def holds(self, row: Row) -> bool:
        """Whether a point has the figure and keeps the bound."""
        value = value_of(row, self.quantity)
        return value is not None and self.relation.holds(value, self.bound)


@dataclass(frozen=True)
class Pick:
    """Conditions, and the figure that is to be least or greatest."""

    conditions: tuple[Condition, ...]
    goal: Quantity
    greatest: bool

    def __str__(self) -> str:
        goal = f"{'max' if self.greatest else 'min'} {self.goal.value}"
        return ", ".join((*map(str, self.conditions), goal))


@dataclass(frozen=True)
class Choice:
    """The row that was picked, or where none fits the one that comes nearest with what it `misses`."""

    row: Row | None
    misses: tuple[str, ...] = ()

    @property
    def fits(self) -> bool:
        """Whether a point keeps all conditions."""
        return self.row is not None and not self.misses


def parse_pick(text: str) -> Pick:
    """The conditions and the goal of a text; raises SnnccError where it says none, or more than one."""
    conditions, goals = [], []
    for part in (part.strip() for part in text.split(",")):
        if goal := GOAL.fullmatch(part):
            goals.append((_quantity(goal[2]), goal[1] == "max"))
        elif found := CONDITION.fullmatch(part):
            conditions.append(Condition(_quantity(found[1]), Relation(found[2]), _bound(found[3])))
        else:
            raise SnnccError(f"cannot read {part!r}", where="--pick", hint=EXAMPLE)
    if len(goals) != 1:
        what = f"names {len(goals)} goals" if goals else "names no goal"
        raise SnnccError(f"{what}, it takes one", where="--pick", hint=EXAMPLE)
    return Pick(tuple(conditions), *goals[0])


def _quantity(name: str) -> Quantity:
    known = [quantity.value for quantity in Quantity]
    if name not in known:
        raise SnnccError(f"nothing is called {name!r}", where="--pick", hint=f"there are {', '.join(known)}")
    return Quantity(name)


def _bound(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise SnnccError(f"{text} is too large a number", where="--pick", hint="give a smaller one")
    return value


def choose(pick: Pick, rows: Sequence[Row]) -> Choice:
    """The best point that keeps all conditions; of equal ones that of least loss, then the first.

    Where none does it is the one whose figures lie nearest to the bounds, each in units of the range that
    the points have; None where no point has all the figures.
    """
    asked = (pick.goal, *(condition.quantity for condition in pick.conditions))
    known = [row for row in rows if all(value_of(row, quantity) is not None for quantity in asked)]
    fitting = [row for row in known if all(condition.holds(row) for condition in pick.conditions)]
    if fitting:
        return Choice(min(fitting, key=lambda row: _rank(pick, row)))
    if not known:
        return Choice(None)
    nearest = min(known, key=lambda row: (_distance(pick, row, known), *_rank(pick, row)))
    return Choice(nearest, tuple(_miss(c, nearest) for c in pick.conditions if not c.holds(nearest)))


def _number(row: Row, quantity: Quantity) -> float:
    value = value_of(row, quantity)
    return math.nan if value is None else value


def _rank(pick: Pick, row: Row) -> tuple[float, float]:
    goal = _number(row, pick.goal)
    return (-goal if pick.greatest else goal, _number(row, Quantity.LOSS))


def _distance(pick: Pick, row: Row, rows: Sequence[Row]) -> float:
    found = 0.0
    for condition in pick.conditions:
        if not condition.holds(row):
            values = [_number(other, condition.quantity) for other in rows]
            found += abs(_number(row, condition.quantity) - condition.bound) / (
                max(values) - min(values) or 1.0
            )
    return found


def _miss(condition: Condition, row: Row) -> str:
    value = value_of(row, condition.quantity)
    return f"{condition.quantity.value} {written(condition.quantity, value)} is not {condition}"
