"""Kazoo's ``config.ini``, as text to sections.

The form: ``[section]`` lines, ``key = value`` lines, both repeatable; a line or the rest of a
line after ``;`` or ``#`` is a comment, unless the sign stands inside double quotes or in the
middle of an unquoted word (passwords contain such signs). Surrounding double quotes are not part
of the value; nothing is escaped inside them. Source: data.md 5.1, amqp.md 1.1.

``configparser`` of the standard library cannot read it: it refuses repeated keys and sections.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .errors import SettingsError

#: A configuration file larger than this is not one.
MAX_BYTES = 1_000_000
MAX_LINE = 8_192

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
_COMMENT = re.compile(r"(?:^|(?<=\s))[;#]")


@dataclass(frozen=True, slots=True)
class Entry:
    """One ``key = value`` line; ``origin`` is ``file:line``."""

    key: str
    value: str = field(repr=False)
    origin: str


@dataclass(frozen=True, slots=True)
class Section:
    """One ``[name]`` with its entries in the file's order. The same name may come again."""

    name: str
    entries: tuple[Entry, ...]
    origin: str

    def entry(self, key: str) -> Entry | None:
        """The first entry of that key."""
        return next(self.all(key), None)

    def all(self, *keys: str) -> Iterator[Entry]:
        """Every entry of one of these keys, in the file's order."""
        return (entry for entry in self.entries if entry.key in keys)

    def get(self, key: str) -> str | None:
        """The first value of that key; an empty one counts as none."""
        found = self.entry(key)
        return (found.value or None) if found else None


@dataclass(frozen=True, slots=True)
class Ini:
    """A whole file."""

    sections: tuple[Section, ...] = ()
    path: str | None = None

    def named(self, name: str) -> tuple[Section, ...]:
        """The sections of that name, in the file's order."""
        return tuple(section for section in self.sections if section.name == name)


def read(path: Path) -> Ini:
    """Read and parse a file. Raises `SettingsError`."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise SettingsError(str(path), f"cannot be read: {error.strerror or 'input error'}") from error
    return parse(content, str(path))


def parse(content: bytes, name: str = "config.ini") -> Ini:
    """Parse the bytes of a file called ``name``. Raises `SettingsError` and nothing else."""
    if len(content) > MAX_BYTES:
        raise SettingsError(name, f"is larger than {MAX_BYTES} bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SettingsError(f"{name}:{line}", "is not UTF-8") from None
    return Ini(tuple(_sections(text, name)), name)


def _sections(text: str, name: str) -> Iterator[Section]:
    header: tuple[str, str] | None = None
    entries: list[Entry] = []
    for number, line in enumerate(text.split("\n"), start=1):
        origin = f"{name}:{number}"
        stripped = line.strip()
        _refuse_garbage(stripped, origin)
        if not stripped or stripped[0] in ";#":
            continue
        if stripped[0] == "[":
            if header:
                yield Section(header[0], tuple(entries), header[1])
            header, entries = (_section_name(stripped, origin), origin), []
        elif header is None:
            raise SettingsError(origin, "a key stands before the first [section]")
        else:
            entries.append(_entry(stripped, origin))
    if header:
        yield Section(header[0], tuple(entries), header[1])


def _refuse_garbage(line: str, origin: str) -> None:
    if len(line) > MAX_LINE:
        raise SettingsError(origin, f"the line is longer than {MAX_LINE} characters")
    if _CONTROL.search(line):
        raise SettingsError(origin, "the line contains control characters")


def _section_name(line: str, origin: str) -> str:
    inside, bracket, rest = line[1:].partition("]")
    name = inside.strip().strip('"').strip()
    if not bracket or "[" in inside or not name:
        raise SettingsError(origin, "expected [section]")
    _expect_nothing(rest, origin)
    return name


def _entry(line: str, origin: str) -> Entry:
    key, equals, rest = line.partition("=")
    key = key.strip()
    if not equals or not key:
        raise SettingsError(origin, "expected key = value")
    return Entry(key, _value(rest.strip(), origin), origin)


def _value(text: str, origin: str) -> str:
    if text.startswith('"'):
        value, quote, rest = text[1:].partition('"')
        if not quote:
            raise SettingsError(origin, "the quoted value has no end")
        _expect_nothing(rest, origin)
        return value
    comment = _COMMENT.search(text)
    return (text[: comment.start()] if comment else text).strip()


def _expect_nothing(rest: str, origin: str) -> None:
    rest = rest.strip()
    if rest and rest[0] not in ";#":
        raise SettingsError(origin, "unexpected text at the end of the line")
