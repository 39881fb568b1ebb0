"""The page: what it says, what it escapes, and where the boxes of its diagram are."""

from __future__ import annotations

import re

from snncc.report.content import Box, Content, Fact, Kind, Network, Overview, Statement, Table, Verified
from snncc.report.diagram import Diagram, layout
from snncc.report.page import render

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"


def box(name: str, *sources: str) -> Box:
    return Box(name=name, kind=Kind.POPULATION, sources=sources, lines=("8 neurons",))


def content(text: str) -> Content:
    table = Table(heads=("node", "neurons"), rows=((text, "1,024"),))
    return Content(
        title=text,
        version="1",
        overview=Overview(
            figures=(Fact(name=text, value=text),), statements=(Statement(text=text),), facts=()
        ),
        network=Network(boxes=(box(text), box("b", text)), table=table, timing=text),
        verified=Verified(verdict=Statement(text=text), table=table),
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
    table = Table(heads=("a", "b"), rows=(("x1", "1,024"), ("2", "-3.5%"), ("", "-")))
    assert table.numeric == (False, True)


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
