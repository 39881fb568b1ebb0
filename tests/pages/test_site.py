"""The documentation site: built without a warning, complete, and needing no network."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from snncc.cli import app
from snncc.frontend.refusals import FAMILIES
from snncc.frontend.registry import LOWERINGS, ML_LOWERINGS, QONNX_LOWERINGS
from support.tool_modules import tool

ROOT = Path(__file__).resolve().parents[2]

LOADS = re.compile(
    r"""<(?:script|img|iframe|source|audio|video|embed)\b[^>]*\bsrc\s*=\s*["']?(?:https?:)?//
      | <link\b(?![^>]*rel\s*=\s*["']?canonical)[^>]*\bhref\s*=\s*["']?(?:https?:)?//
      | @import\s+(?:url\()?["']?(?:https?:)?//
      | url\(\s*["']?(?:https?:)?//""",
    re.VERBOSE | re.IGNORECASE,
)
"""What makes a browser fetch something from elsewhere."""


@pytest.mark.slow
def test_the_site_builds_without_a_warning_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    build = [sys.executable, str(ROOT / "tools" / "pages" / "stage.py"), str(tmp_path)]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    files = [
        file for file in (tmp_path / "site").rglob("*") if file.suffix in (".html", ".css", ".js", ".svg")
    ]
    assert tmp_path / "site" / "index.html" in files
    assert [str(file) for file in files if LOADS.search(file.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize(
    "text",
    [
        '<script src="https://cdn.example/x.js"></script>',
        "<link rel='stylesheet' href='//fonts.example/css'>",
        '<img alt="x" src=http://example/x.png>',
        '@import "https://example/x.css";',
        "src: url(https://example/x.woff2)",
    ],
)
def test_loads_from_elsewhere_would_be_found(text: str) -> None:
    assert LOADS.search(text)
    assert not LOADS.search('<a href="https://example.org">a link</a> <script src="x.js"></script>')


def test_every_page_of_the_repository_is_on_the_site() -> None:
    found = {str(page) for page in tool("stage", "pages").pages()}
    assert {str(page.relative_to(ROOT)) for page in ROOT.glob("docs/*.md")} <= found
    assert {"README.md", "CONTRIBUTING.md", "ir/SPEC.md"} <= found


def test_links_to_the_readme_lead_to_the_first_page(tmp_path: Path) -> None:
    tool("stage", "pages").lay_out(tmp_path)
    text = (tmp_path / "docs" / "results.md").read_text(encoding="utf-8")
    assert "](../index.md)" in text
    assert "](../README.md)" not in text


def test_every_operator_has_a_row() -> None:
    page = tool("operators", "pages").page()
    for op in {**LOWERINGS, **QONNX_LOWERINGS, **ML_LOWERINGS}:
        assert f"\n| `{op}` | " in page
    assert all(f"`{op}`" in page for ops in FAMILIES for op in ops.split())
    assert "| `MaxPool` | MaxPool: wiring, before or after the neurons alike. | " in page
    assert "dilated pooling is not supported; use dilations=\\[1, 1\\]" in page


def test_every_command_has_its_options() -> None:
    page = tool("options", "pages").page()
    for command in app.registered_commands:
        assert command.callback is not None
        assert f"\n## snncc {command.name or command.callback.__name__}\n" in page
    assert "| `--code` `graded`, `radix`, " in page
    assert "| `--out`, `-o` `OUT` | The artefact; default: MODEL.snncc here. |  |" in page
    assert "| `--verify`, `--no-verify` | " in page
    assert "| `--target` `TEXT` | What to compile for; `snncc targets` lists them. | required |" in page


def test_the_pictures_are_those_of_the_reference() -> None:
    pictures = tool("pictures", "pages")
    for name, draw in pictures.PICTURES.items():
        stored = (ROOT / "docs" / "pictures" / name).read_text(encoding="utf-8")
        assert stored == draw(), f"{name} is out of date; run python tools/pages/pictures.py"
