"""The marks that stand before blocks of code in the operators' pages, and what they say must hold.

A mark is a comment before a block: ``<!-- walk: KIND; CONDITION; … -->``. Kinds:

- ``run``: the lines are typed into a shell;
- ``append PATH``: the lines are added to a file;
- ``a line of the log``: the service has logged a line with these fields;
- ``not run, REASON``: nothing is typed.

Conditions: ``status 0 or 1``, ``prints "TEXT"``, ``prints no "TEXT"``, ``file PATH``, ``no file PATH``,
``in a shell of its own`` (its variables end with it), ``at the end`` (of the whole walk), and
``instead ACTION``: what is done in place of lines that are not run.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"
#: In the order in which an operator reads them.
PAGES = (
    "install",
    "configure",
    "drop-in",
    "operations",
    "alarms",
    "troubleshooting",
    "support",
    "upgrade",
)
ACTIONS = (
    "start the unit",
    "restart the unit",
    "reload the unit",
    "stop the unit",
    "start haproxy",
    "scrape",
)

_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\n(?P<code>.*?)^(?P=indent)```", re.M | re.S)
_MARK = re.compile(r"<!-- walk: (?P<text>(?:[^\"\n]|\"(?:[^\"\\\n]|\\.)*\")+?) -->\s*\Z")
_PART = re.compile(r"\s*((?:[^;\"]|\"(?:[^\"\\]|\\.)*\")+)(?:;|\Z)")


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code with what its mark says. ``place``: page and line."""

    place: str
    code: str
    kind: str
    #: The path of ``append``, the reason of ``not run``.
    argument: str = ""
    statuses: tuple[int, ...] = (0,)
    prints: tuple[str, ...] = ()
    prints_no: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    no_files: tuple[str, ...] = ()
    own_shell: bool = False
    last: bool = False
    instead: str = ""


def blocks(page: str, text: str) -> Iterator[Block]:
    """The blocks of a page. Raises `ValueError` for one without a mark, or with one that says nothing."""
    for found in _FENCE.finditer(text):
        place = f"{page}.md:{text.count(chr(10), 0, found.start()) + 1}"
        mark = _MARK.search(text[: found.start()].rstrip() + "\n")
        if mark is None:
            raise ValueError(f"{place}: the block has no mark <!-- walk: … --> before it")
        yield _block(place, textwrap.dedent(found["code"]), mark["text"])


def in_order() -> list[Block]:
    """All blocks of all pages; those for the end of the walk come last, page by page on the way back."""
    read = {page: list(blocks(page, (DOCS / f"{page}.md").read_text())) for page in PAGES}
    there = [block for page in PAGES for block in read[page] if not block.last]
    return there + [block for page in reversed(PAGES) for block in read[page] if block.last]


def _block(place: str, code: str, text: str) -> Block:
    kind, *conditions = (part.strip() for part in _PART.findall(text))
    argument = ""
    for name, between in (("append", " "), ("not run", ", ")):
        if kind.startswith(name + between):
            kind, argument = name, kind.removeprefix(name + between)
    if kind not in ("run", "append", "a line of the log", "not run") or (
        kind in ("append", "not run") and not argument
    ):
        raise ValueError(f"{place}: there is no mark {text!r}")
    said: dict[str, list[str]] = {"prints": [], "prints no": [], "file": [], "no file": []}
    statuses, flags, instead = (0,), set(), ""
    for condition in conditions:
        if condition in ("in a shell of its own", "at the end"):
            flags.add(condition)
        elif match := re.fullmatch(r"(prints|prints no) (\".*\")", condition):
            said[match[1]].append(json.loads(match[2]))
        elif match := re.fullmatch(r"(file|no file) (/\S+)", condition):
            said[match[1]].append(match[2])
        elif match := re.fullmatch(r"status (\d+(?: or \d+)*)", condition):
            statuses = tuple(int(one) for one in match[1].split(" or "))
        elif condition.removeprefix("instead ") in ACTIONS and condition.startswith("instead "):
            instead = condition.removeprefix("instead ")
        else:
            raise ValueError(f"{place}: there is no condition {condition!r}")
    return Block(
        place,
        code,
        kind,
        argument,
        statuses,
        tuple(said["prints"]),
        tuple(said["prints no"]),
        tuple(said["file"]),
        tuple(said["no file"]),
        "in a shell of its own" in flags,
        "at the end" in flags,
        instead,
    )
