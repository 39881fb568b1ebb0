"""How a network lies on chips of cores: what is where, how full it is, and which links are busy."""

from __future__ import annotations

from collections.abc import Iterator

from snncc import fit_report
from snncc.cores.place import Link
from snncc.cores.planning import Planned
from snncc.fit import Fit, limits_of_machine
from snncc.report.content import Cores, Mesh, MeshCore, MeshLink, Mood, Statement, Use, table
from snncc_ir.plan import RESOURCES, CoreUse, Place


def cores(found: Fit) -> Cores:
    """The fit on a chip of cores."""
    tables = {
        "An image by unit": fit_report.units(found),
        "An image by code": fit_report.codes(found),
        "Cores": fit_report.cores(found),
    }
    planned = found.planned
    return Cores(
        headline=Statement(text=fit_report.headline(found), mood=Mood.GOOD if planned else Mood.BAD),
        traffic=_traffic(planned) if planned else "",
        units=_units(planned) if planned else (),
        meshes=_meshes(found),
        uses=tuple(_uses(found)),
        tables={title: table(*each) for title, each in tables.items() if each[1]},
        notes=tuple(fit_report.lines(found)),
    )


def _units(planned: Planned) -> tuple[str, ...]:
    """What lies on cores, in the order of the network."""
    there = {item.unit for core in planned.plan.cores for item in core.slices}
    return tuple(unit.name for unit in planned.network.units if unit.name in there)


def _traffic(planned: Planned) -> str:
    """The busiest link in words."""
    links = planned.placement.links
    if not links:
        return "No spike leaves its router: no link carries any."
    busiest = max(links, key=lambda link: link.spikes)
    return (
        f"The busiest of {len(links):,} links that carry spikes leads from {_router(busiest.start)} to "
        f"{_router(busiest.stop)}: {busiest.spikes:,.0f} spikes per image."
    )


def _router(place: Place) -> str:
    return f"chip {place.chip}, router {place.column},{place.row}"


def _uses(found: Fit) -> Iterator[Use]:
    if found.planned is None:
        return
    used = [core.usage for core in found.planned.plan.cores]
    for index, (resource, limit) in enumerate(zip(RESOURCES, limits_of_machine(found.machine), strict=True)):
        shares = [usage[index] / limit for usage in used]
        yield Use(name=resource.value, all=sum(shares) / len(shares), most=max(shares))


def _meshes(found: Fit) -> tuple[Mesh, ...]:
    """Every chip with its cores and its links."""
    mesh = found.machine.mesh
    if found.planned is None or mesh is None:
        return ()
    plan, limits = found.planned.plan, limits_of_machine(found.machine)
    chips: dict[int, list[MeshCore]] = {}
    at_router: dict[Place, int] = {}
    for index, (core, place) in enumerate(zip(plan.cores, plan.places, strict=True)):
        slot = at_router.get(place, 0)
        at_router[place] = slot + 1
        chips.setdefault(place.chip, []).append(_core(index, core, place, slot, limits))
    links = _links(found.planned.placement.links)
    return tuple(
        Mesh(
            chip=chip,
            columns=mesh.columns.value,
            rows=mesh.rows.value,
            slots=mesh.router_cores.value,
            cores=tuple(made),
            links=tuple(links.get(chip, ())),
        )
        for chip, made in sorted(chips.items())
    )


def _core(index: int, core: CoreUse, place: Place, slot: int, limits: tuple[int, ...]) -> MeshCore:
    fills = [used / most for used, most in zip(core.usage, limits, strict=True)]
    fill = max(fills)
    sizes: dict[str, int] = {}
    for item in core.slices:
        sizes[item.unit] = sizes.get(item.unit, 0) + item.size
    total = sum(sizes.values())
    tip = f"core {index}: {', '.join(sizes)}; {fill:.0%} of its {RESOURCES[fills.index(fill)].value}"
    return MeshCore(
        column=place.column,
        row=place.row,
        slot=slot,
        fill=min(fill, 1.0),
        units={name: size / total for name, size in sizes.items()},
        tip=tip,
    )


def _links(links: tuple[Link, ...]) -> dict[int, list[MeshLink]]:
    """The links of every chip, both directions together; one between chips is in both their pictures."""
    busiest = max((link.spikes for link in links), default=1.0)
    both: dict[tuple[Place, Place], list[float]] = {}
    for link in links:
        first, last = sorted((link.start, link.stop), key=lambda at: (at.chip, at.column, at.row))
        both.setdefault((first, last), [0.0, 0.0])[link.start != first] += link.spikes
    found: dict[int, list[MeshLink]] = {}
    for (first, last), (there, back) in both.items():
        places = [(first.chip, first.column)]
        if last.chip != first.chip:
            places.append((last.chip, -1))
        for chip, column in places:
            made = MeshLink(
                column=column,
                row=first.row,
                right=first.row == last.row,
                there=there,
                back=back,
                share=max(there, back) / busiest,
            )
            found.setdefault(chip, []).append(made)
    return found
