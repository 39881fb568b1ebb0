"""The fit of a network on a chip, as tables and lines for people."""

from __future__ import annotations

from snncc.fit import Fit, costs_by_name, counted, limits_of_machine
from snncc_ir.plan import RESOURCES

SHOWN = 24
"""Cores in a table; of more, those that are the fullest."""

Table = tuple[list[str], list[list[str]]]


def headline(found: Fit) -> str:
    """The verdict in one line."""
    name = found.machine.name
    if found.planned is None:
        return f"{name}: does not fit: {found.reason}"
    plan = found.planned.plan
    return (
        f"{name}: {counted(len(plan.cores), 'core')} on {counted(plan.chips, 'chip')}; "
        f"no plan has fewer than {plan.bound}"
    )


def cores(found: Fit) -> Table:
    """What each core uses of its limits; the fullest ones where there are many, and all together."""
    if found.planned is None:
        return [], []
    plan, limits = found.planned.plan, limits_of_machine(found.machine)
    fills = [max(u / most for u, most in zip(core.usage, limits, strict=True)) for core in plan.cores]
    order = sorted(range(len(fills)), key=lambda index: -fills[index])[:SHOWN]
    rows = []
    for index in sorted(order):
        core, place = plan.cores[index], plan.places[index]
        names = ", ".join(dict.fromkeys(item.unit for item in core.slices))
        where = f"{place.chip}:{place.column},{place.row}"
        rows.append([str(index), where, *(str(used) for used in core.usage), names])
    totals = [sum(core.usage[i] for core in plan.cores) for i in range(len(limits))]
    have = [limit * len(plan.cores) for limit in limits]
    rows.append(["all", "", *(f"{used / most:.0%}" for used, most in zip(totals, have, strict=True)), ""])
    rows.append(["limit", "", *(str(limit) for limit in limits), ""])
    return ["core", "chip:column,row", *(resource.value for resource in RESOURCES), "holds"], rows


def units(found: Fit) -> Table:
    """Every unit: its slices, what bound them, and what an image costs there in the network's own code."""
    if found.planned is None or found.own is None:
        return [], []
    plan = found.planned.plan
    slices: dict[str, int] = {}
    for core in plan.cores:
        for item in core.slices:
            slices[item.unit] = slices.get(item.unit, 0) + 1
    rows = [
        [
            name,
            str(slices[name]),
            found.planned.limits[name].value,
            f"{cost.synops:.0f}",
            f"{cost.updates:.0f}",
            f"{cost.spikes:.0f}",
            f"{cost.hops:.0f}",
            f"{cost.links:.0f}",
            f"{cost.energy:.1f}",
            f"{cost.mac_energy:.1f}",
        ]
        for name, cost in found.own.units.items()
    ]
    heads = [
        "unit",
        "slices",
        "bound by",
        "synops",
        "updates",
        "spikes in",
        "hops",
        "links",
        "nJ",
        "nJ of MACs",
    ]
    return heads, rows


def codes(found: Fit) -> Table:
    """What an image costs in every code that the chip offers."""
    rows = []
    for name, each in costs_by_name(found).items():
        total = each.total
        rows.append(
            [
                name,
                str(each.steps),
                f"{total.synops:.0f}",
                f"{total.spikes:.0f}",
                f"{total.energy / 1000:.2f}",
                f"{each.latency:.1f}",
                f"{each.interval:.1f}",
                f"{total.mac_energy / 1000:.2f}",
            ]
        )
    return ["code", "steps", "synops", "spikes in", "uJ", "us", "us between images", "uJ of MACs"], rows


def lines(found: Fit) -> list[str]:
    """What stands below the tables."""
    said = [*found.notes, *found.changes]
    if found.planned is not None:
        placement = found.planned.placement
        said.append(
            f"spikes times hops per image: {placement.hops:.0f}, in row-major order "
            f"{placement.row_major_hops:.0f}; busiest link {placement.busiest:.0f} spikes"
        )
        said.append(
            "energy and time are estimates from counted events and the figures in the chip's description "
            "(docs/cores.md); MACs are arithmetic alone"
        )
    return said
