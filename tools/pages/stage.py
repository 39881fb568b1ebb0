"""Build the documentation site in build/site, or OUT/site for `stage.py OUT`; a warning is an error.

The pages of the repository are copied to `pages` beside it with their folders, so that their relative
links mean the same in both places; README.md becomes the first page. Pages made from the code, and the
order of all, are added.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import operators
import options

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = ROOT / "build"

LINK = re.compile(r"(!?\[[^\]]*\]\()(?![a-z]+:|#)([^)#\s]+)")

NAVIGATION = {
    "Start": ("docs/first-steps", "docs/idea", "docs/limits"),
    "Use": (
        "docs/accuracy",
        "docs/tuning",
        "docs/explain",
        "docs/report",
        "docs/methods",
        "docs/sweep",
        "docs/learning",
        "docs/cluster",
    ),
    "Targets": ("docs/targets", "docs/lava", "docs/cores", "docs/fpga", "docs/nir"),
    "Figures": (
        "docs/results",
        "benchmarks/RESULTS",
        "docs/engine",
        "examples/digits/README",
        "examples/single_step/README",
    ),
    "Reference": (
        "commands",
        "operators",
        "api",
        "docs/json",
        "docs/artefact",
        "ir/SPEC",
        "ir/vectors/README",
    ),
    "Extend": ("docs/backends", "CONTRIBUTING", "CHANGELOG"),
}
GENERATED = ("commands", "operators", "api")


def pages() -> list[Path]:
    """Every page of the repository that the site has, the first one first; relative to the root."""
    named = [f"{name}.md" for group in NAVIGATION.values() for name in group if name not in GENERATED]
    more = sorted(str(page.relative_to(ROOT)) for page in ROOT.glob("docs/*.md"))
    return [Path(name) for name in dict.fromkeys(["README.md", *named, *more])]


def staged(page: Path) -> Path:
    """Where a page of the repository lies in the site."""
    return Path("index.md") if page == Path("README.md") else page


def copy(page: Path, stage: Path) -> None:
    """Copy a page, its links to the first page turned, and the files and pictures that it links to."""
    text = (ROOT / page).read_text(encoding="utf-8")
    target = stage / staged(page)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(LINK.sub(lambda link: link[1] + _turned(page, link[2]), text), encoding="utf-8")
    for _, link in LINK.findall(text):
        file = (ROOT / page).parent / link
        if file.is_file() and file.suffix != ".md":
            copied = stage / file.resolve().relative_to(ROOT)
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copied)


def _turned(page: Path, link: str) -> str:
    first = ((ROOT / page).parent / link).resolve() == ROOT / "README.md"
    return str(Path(link).with_name("index.md")) if first else link


def contents() -> str:
    """The tables of contents behind the first page."""
    placed = {name for group in NAVIGATION.values() for name in group} | {"README"}
    rest = [str(page.with_suffix("")) for page in pages() if str(page.with_suffix("")) not in placed]
    groups = {**NAVIGATION, **({"More": tuple(rest)} if rest else {})}
    trees = (
        "\n".join(["```{toctree}", ":hidden:", f":caption: {caption}", ":maxdepth: 1", "", *names, "```"])
        for caption, names in groups.items()
    )
    return "\n\n" + "\n\n".join(trees) + "\n"


def lay_out(stage: Path) -> None:
    """Lay out everything that Sphinx reads."""
    shutil.rmtree(stage, ignore_errors=True)
    for page in pages():
        copy(page, stage)
    with (stage / "index.md").open("a", encoding="utf-8") as index:
        index.write(contents())
    (stage / "operators.md").write_text(operators.page(), encoding="utf-8")
    (stage / "commands.md").write_text(options.page(), encoding="utf-8")
    shutil.copyfile(HERE / "api.rst", stage / "api.rst")


def main() -> int:
    """Lay out the pages and build."""
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else BUILD
    stage, site = out / "pages", out / "site"
    lay_out(stage)
    shutil.rmtree(site, ignore_errors=True)
    build = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-E", "-b", "html", "-c", str(HERE)]
    done = subprocess.run([*build, "-d", out / "doctrees", stage, site], check=False)
    if done.returncode == 0:
        print(f"{site / 'index.html'}: {len(list(site.rglob('*.html')))} pages")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
