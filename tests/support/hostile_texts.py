"""Texts that would mean something on a media server's line, and the places that they can be put in."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from hypothesis import strategies as st

#: What took effect on a real switch, whole (real-switch.md D.3).
ATTACKS = (
    "${echo(owned)}",
    "$${hostname}",
    "x>null/zq1",
    "x}null/zq1",
    "x'}{zq1='owned",
    "v!zq1=owned",
    "v!execute_on_answer='set zq1=owned'",
    "i]loopback/1005/context_2",
    "5',zq1='owned",
    "k='1',zq1",
    "x|null/zq1",
    "x,null/zq1",
    "x:_:null/zq1",
    "a' 'b",
    "sip:loopback/1005@h",
    "sofia/gateway/carrier/1900",
    "a\nb",
)
_PARTS = (
    *(
        "$",
        "{",
        "}",
        "${",
        "<",
        ">",
        "[",
        "]",
        "|",
        "!",
        "'",
        '"',
        "\\",
        "`",
        "^",
        "^^!",
        ",",
        ":_:",
        ":",
        "_",
    ),
    *(
        "/",
        "@",
        ";",
        "=",
        "%",
        "*",
        "#",
        "(",
        ")",
        "&",
        "~",
        "?",
        "-",
        "+",
        ".",
        " ",
        "\n",
        "\r",
        "\0",
        "\u2028",
    ),
    *(
        "zq1=owned",
        "null/zq1",
        "loopback/",
        "sofia/gateway/",
        "sip:",
        "echo(owned)",
        "fs_path='",
        "x",
        "7",
        "é",
    ),
)
_GLUED = st.lists(st.sampled_from(_PARTS), min_size=1, max_size=6).map("".join)

#: Whole attacks, with something around them, and whatever hypothesis makes of their parts.
HOSTILE = st.one_of(
    st.sampled_from(ATTACKS),
    st.builds("{}{}{}".format, _GLUED, st.sampled_from(ATTACKS), _GLUED),
    _GLUED,
    st.text(max_size=8),
)

#: A way into a JSON value: keys and places of lists.
Way = tuple[str | int, ...]


def paths(value: Any, way: Way = ()) -> Iterator[tuple[Way, bool]]:
    """Every place of a text: each value that is one (``False``), each key of an object (``True``)."""
    if isinstance(value, Mapping):
        for key, member in value.items():
            yield (*way, key), True
            yield from paths(member, (*way, key))
    elif isinstance(value, list | tuple):
        for place, member in enumerate(value):
            yield from paths(member, (*way, place))
    elif isinstance(value, str):
        yield way, False


def replaced(value: Any, way: Way, new: Any, *, is_name: bool = False) -> Any:
    """A copy with something else at the end of a way, or under another name there."""
    changed = copy.deepcopy(value)
    holder = changed
    for step in way[:-1]:
        holder = holder[step]
    if is_name:
        held = holder.pop(way[-1])
        holder[new] = held
    else:
        holder[way[-1]] = new
    return changed
