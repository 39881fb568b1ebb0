"""The page: what it says, what it escapes, and where the boxes of its diagram are."""

from __future__ import annotations

import re

from snncc.report.content import (
    Box,
    Content,
    Fact,
    Kind,
    Mesh,
    MeshCore,
    MeshLink,
    Network,
    Overview,
    Statement,
    Table,
    Verified,
    table,
)
from snncc.report.diagram import Diagram, layout
from snncc.report.mesh import picture
from snncc.report.page import render

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"


def box(name: str, *sources: str) -> Box:
    return Box(name=name, kind=Kind.POPULATION, sources=sources, lines=("8 neurons",))


def content(text: str) -> Content:
    listed = Table(heads=("node", "neurons"), rows=((text, "1,024"),))
    return Content(
        title=text,
        version="1",
        overview=Overview(
            figures=(Fact(name=text, value=text),), statements=(Statement(text=text),), facts=()
        ),
        network=Network(boxes=(box(text), box("b", text)), table=listed, timing=text),
        verified=Verified(verdict=Statement(text=text), table=listed),
        manifest=text,
    )


def test_every_text_is_escaped() -> None:
    page = render(content(HOSTILE))
    assert HOSTILE not in page
    assert "<img" not in page
    assert page.count("<script") == 1
    assert page.count("&lt;script&gt;alert(1)") >= 8


def test_nothing_is_loaded_and_one_script_may_run() -> None:
    page = render(content("plain"))
    assert "default-src 'none'" in page
    assert re.search(r"script-src 'sha256-[\w+/]{43}='", page)
    assert not re.search(r"""(src|href)=["'](?!data:)|@import|url\((?!#)""", page)


def test_sections_without_data_are_left_out() -> None:
    found = content("plain")
    assert found.sections == ("overview", "network", "verify", "manifest")
    page = render(found)
    assert re.findall(r'role="tabpanel" id="(\w+)"', page) == list(found.sections)
    assert re.findall(r'aria-controls="(\w+)"', page) == list(found.sections)


def test_a_column_of_numbers_stands_to_the_right() -> None:
    listed = Table(heads=("a", "b"), rows=(("x1", "1,024"), ("2", "-3.5%"), ("", "-")))
    assert listed.numeric == (False, True)


def test_long_numbers_have_commas() -> None:
    row = ("1234", "-12345.60", "999", "0..1500", "x1234", "12%")
    assert table(("a",) * 6, [row]).rows == (("1,234", "-12,345.60", "999", "0..1500", "x1234", "12%"),)


def check_apart(diagram: Diagram) -> None:
    for a in diagram.boxes:
        assert 0 <= a.x <= a.x + a.width <= diagram.width
        assert 0 <= a.y <= a.y + a.height <= diagram.height
        for b in diagram.boxes:
            beside = a.x + a.width <= b.x or b.x + b.width <= a.x
            assert a is b or beside or a.y + a.height <= b.y or b.y + b.height <= a.y


def test_boxes_do_not_overlap_and_skips_run_beside_them() -> None:
    boxes = (
        box("in"), box("left", "in"), box("a_long_name_of_a_node", "in"), box("next", "left"),
        box("sum", "next", "left", "in"), box("out", "sum", "a_long_name_of_a_node"),
    )  # fmt: skip
    diagram = layout(boxes)
    check_apart(diagram)
    skips = [link for link in diagram.links if link.skips]
    assert len(skips) == 3
    right = max(placed.x + placed.width for placed in diagram.boxes)
    for link in skips:
        assert max(float(number) for number in re.findall(r"[LQ]([\d.]+) ", link.path)) > right


def test_cores_and_links_have_their_places() -> None:
    core = MeshCore(column=1, row=0, slot=3, fill=0.5, units={"a": 0.75, "b": 0.25}, tip="core 7")
    links = (
        MeshLink(column=0, row=0, right=True, there=8.0, back=2.0, share=1.0),
        MeshLink(column=1, row=1, right=True, there=0.0, back=4.0, share=0.5),
        MeshLink(column=-1, row=1, right=True, there=1.0, back=0.0, share=0.125),
        MeshLink(column=0, row=0, right=False, there=3.0, back=1.0, share=0.375),
    )
    chip = picture(Mesh(chip=1, columns=2, rows=2, slots=4, cores=(core,), links=links))
    (tile,) = chip.tiles
    x, y = chip.routers[1]
    assert (tile.x - x, tile.y - y) == (28, 28)
    assert [(part.unit, part.width, part.height, part.y) for part in tile.parts] == [
        ("a", 18, 12, 12), ("b", 6, 12, 12),
    ]  # fmt: skip
    assert [line.tip for line in chip.lines] == [
        "chip 0 to chip 1: 1 spikes on, 0 back",
        "0,0 to 0,1: 3 spikes down, 1 up",
        "chip 1 to chip 2: 0 spikes on, 4 back",
        "0,0 to 1,0: 8 spikes right, 2 left",
    ]
    assert all(0 <= line.x1 <= line.x2 <= chip.width for line in chip.lines)
    assert chip.lines[-1].width == max(line.width for line in chip.lines)
