"""Reads the compiled files of the tz database. Pure. Source: RFC 9636 3."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from .posix import Change, LocalTime

_HEADER: Final = struct.Struct(">4sc15x6I")
_TYPE: Final = struct.Struct(">i?B")


@dataclass(frozen=True, slots=True)
class Compiled:
    """What a file says: the local time before all changes, the changes in their order, and the rules after
    them in POSIX's form (``""``: none are known, the last change holds on)."""

    first: LocalTime
    changes: tuple[Change, ...]
    rules: str


def read(data: bytes) -> Compiled:
    """The contents of a file of version 2 or later. Raises `ValueError` for anything else."""
    try:
        # The first block has 32 bits for a time; it is there for readers of before 2005.
        _, begin = _block(data, 0, width=4)
        counts, end = _block(data, begin, width=8)
        return _compiled(data, begin + _HEADER.size, counts, data[end:])
    except (struct.error, IndexError) as error:
        raise ValueError("a tz file is cut off") from error


def _block(data: bytes, begin: int, *, width: int) -> tuple[tuple[int, int, int], int]:
    """Counts of times, kinds and letters of a block, and where it ends."""
    magic, version, utc, std, leaps, times, kinds, letters = _HEADER.unpack_from(data, begin)
    if magic != b"TZif" or version < b"2":
        raise ValueError("no tz file of version 2 or later")
    size = times * (width + 1) + kinds * _TYPE.size + letters + leaps * (width + 4) + std + utc
    return (times, kinds, letters), begin + _HEADER.size + size


def _compiled(data: bytes, begin: int, counts: tuple[int, int, int], footer: bytes) -> Compiled:
    times, kinds, letters = counts
    instants = struct.unpack_from(f">{times}q", data, begin)
    which = data[begin + 8 * times : begin + 9 * times]
    table = begin + 9 * times
    names = data[table + kinds * _TYPE.size :][:letters]
    known = []
    for number in range(kinds):
        offset, is_dst, at = _TYPE.unpack_from(data, table + number * _TYPE.size)
        known.append(LocalTime(offset, is_dst, names[at : names.index(b"\0", at)].decode("ascii")))
    changes, before = [], known[0]
    for instant, kind in zip(instants, which, strict=True):
        after = known[kind]
        # Some entries change nothing, as the first of a file that was made for a span of years.
        if after != before:
            changes.append(Change(instant, before, after))
        before = after
    _, rules, *_ = footer.split(b"\n")[:-1]
    return Compiled(known[0], tuple(changes), rules.decode("ascii"))
