"""Check the documentation: links to files, and the make targets, snncc options and scripts of commands.

Commands are what stands in ```sh blocks, and between single backticks in the text. Prints one line per wrong
command, `file:line: what is wrong`, and exits 1 if there is any.
"""

from __future__ import annotations

import functools
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PAGES = ["README.md", "CONTRIBUTING.md", "docs/**/*.md"]

ENDS_COMMAND = re.compile(r"[|&;()<>]+")
ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
LINK = re.compile(r"\]\((?![a-z]+:|#)([^)#\s]+)[^)]*\)")
INLINE = re.compile(r"`((?:snncc|make|python) [^`]+)`")
OPTION = re.compile(r"(?<![\w-])(--?[A-Za-z][\w-]*)")


class Command(NamedTuple):
    """One simple command and where it stands."""

    page: Path
    line: int
    words: list[str]
    inline: bool

    @property
    def is_mention(self) -> bool:
        """True for what a sentence only names, without a file to work on: `snncc verify`."""
        return self.inline and self.words[0] == "snncc" and not any("." in word for word in self.words)


def lines(page: Path) -> Iterator[tuple[int, str, bool]]:
    """The commands of a page: number, text, and whether it stands in a sentence.

    A line ended by a backslash is joined with the next.
    """
    fenced, inside, start, pending = False, False, 0, ""
    for number, text in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        if text.lstrip().startswith("```"):
            fenced = not fenced
            inside = fenced and text.strip() in ("```sh", "```bash", "```shell", "```console")
            continue
        if not fenced:
            yield from ((number, command, True) for command in INLINE.findall(text))
        if not inside:
            continue
        start = start if pending else number
        pending += text.removesuffix("\\") + " "
        if not text.endswith("\\"):
            yield start, pending, False
            pending = ""


def split(line: str) -> list[list[str]]:
    """The simple commands of one shell line, without prompt, comment and variable assignments."""
    lexer = shlex.shlex(line.strip().removeprefix("$ "), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    commands: list[list[str]] = [[]]
    for word in lexer:
        if ENDS_COMMAND.fullmatch(word):
            commands.append([])
        elif commands[-1] or not ASSIGNMENT.match(word):
            commands[-1].append(word)
    return [command for command in commands if command]


def commands(page: Path) -> Iterator[Command]:
    """All commands of a page."""
    for number, line, inline in lines(page):
        try:
            found = split(line)
        except ValueError as error:
            found = [["unreadable", str(error)]]
        for words in found:
            yield Command(page, number, words, inline)


def pages() -> list[Path]:
    """All pages that have commands."""
    return sorted({page for pattern in PAGES for page in ROOT.glob(pattern)})


@functools.cache
def make_targets() -> frozenset[str]:
    """The targets that the Makefile names."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return frozenset(re.findall(r"^([A-Za-z][\w.-]*):(?!=)", text, re.MULTILINE))


@functools.cache
def options_of(*subcommands: str) -> frozenset[str] | None:
    """The options that `snncc SUBCOMMANDS --help` lists; None if there is no such command."""
    snncc = Path(sys.executable).parent / "snncc"
    plain = dict(os.environ, COLUMNS="1000", NO_COLOR="1", TERM="dumb")
    asked = subprocess.run(
        [snncc, *subcommands, "--help"], env=plain, capture_output=True, text=True, timeout=120, check=False
    )
    if asked.returncode == 0:
        return frozenset(OPTION.findall(asked.stdout)) | {"--help"}
    if "Traceback" in asked.stderr:
        sys.exit(f"snncc {' '.join(subcommands)} --help failed:\n{asked.stderr}")
    return None


def wrong_with_make(words: list[str]) -> Iterator[str]:
    """What is wrong with a `make` command of this project."""
    if "-C" in words or "-f" in words:
        return
    for word in words[1:]:
        if not word.startswith("-") and "=" not in word and word not in make_targets():
            yield f"make has no target {word!r}"


def wrong_with_snncc(words: list[str]) -> Iterator[str]:
    """What is wrong with a `snncc` command."""
    subcommand = next((word for word in words[1:] if not word.startswith("-")), None)
    place = words.index(subcommand, 1) if subcommand else len(words)
    known = options_of(subcommand) if subcommand else frozenset[str]()
    if known is None:
        yield f"snncc has no command {subcommand!r}"
        return
    common = options_of() or frozenset()
    for position, word in enumerate(words[1:], start=1):
        option = word.split("=", 1)[0]
        if OPTION.fullmatch(option) and option not in (common if position < place else known):
            yield f"snncc {subcommand or ''} has no option {option}".replace("  ", " ")


def wrong_with(words: list[str]) -> Iterator[str]:
    """What is wrong with a command; commands of others pass."""
    match Path(words[0]).name:
        case "make":
            yield from wrong_with_make(words)
        case "snncc":
            yield from wrong_with_snncc(words)
        case "python" if words[1].endswith(".py") and not (ROOT / words[1]).is_file():
            yield f"no such file: {words[1]}"
        case "unreadable":
            yield f"not a shell command: {words[1]}"


def broken_links(page: Path) -> Iterator[str]:
    """Relative links of a page that lead nowhere."""
    for number, text in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        for target in LINK.findall(text):
            if not (page.parent / target).exists():
                yield f"{page.relative_to(ROOT)}:{number}: no such file: {target}"


def main() -> int:
    """Check all pages."""
    found = [command for page in pages() for command in commands(page)]
    problems = [
        f"{command.page.relative_to(ROOT)}:{command.line}: {problem}"
        for command in found
        for problem in wrong_with(command.words)
    ]
    problems += [problem for page in pages() for problem in broken_links(page)]
    print(*problems, sep="\n", end="\n" if problems else "")
    print(f"{len(found)} commands on {len(pages())} pages: {len(problems)} wrong")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
