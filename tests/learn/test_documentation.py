"""The example of docs/learning.md that ends in an artefact runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from snncc.learn.network import Network
from support.native import needs_native

pytestmark = needs_native

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_the_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs" / "learning.md").read_text(encoding="utf-8")
    (code,) = (
        block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "compile_trained" in block
    )
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(code, "learning.md", "exec"), names)
    assert isinstance(names["network"], Network)
    assert names["state"].history[-1].accuracy > 0.9
    assert (tmp_path / "trained.snncc" / "fpga").is_dir()
