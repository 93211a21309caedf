from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_conferences.settings import SettingsError
from crossbar_conferences.settings.ini import MAX_BYTES, MAX_LINE, Ini, parse, read

EXAMPLE = b"""\
; a comment
[amqp]
uri = "amqp://guest:guest@127.0.0.1:5672"     ; single-zone form
[zone]
name = "east"
amqp_uri = "amqp://kz:pw@rabbit1.east:5672"
amqp_uri = "amqp://kz:p;w#1@rabbit2.east:5672"
[zone]
name = west # trailing
password = a#b;c
empty =
"""


def test_sections_and_keys_repeat() -> None:
    """Repeated sections and keys are all kept, in the file's order, with their lines."""
    ini = parse(EXAMPLE, "c.ini")
    east, west = ini.named("zone")
    assert [entry.value for entry in east.all("amqp_uri")] == [
        "amqp://kz:pw@rabbit1.east:5672",
        "amqp://kz:p;w#1@rabbit2.east:5672",
    ]
    assert [entry.origin for entry in east.all("amqp_uri")] == ["c.ini:6", "c.ini:7"]
    assert west.get("name") == "west"
    assert ini.named("amqp")[0].get("uri") == "amqp://guest:guest@127.0.0.1:5672"


def test_comment_signs_inside_a_word_belong_to_the_value() -> None:
    """A password may contain comment signs; an empty value counts as none."""
    west = parse(EXAMPLE).named("zone")[1]
    assert west.get("password") == "a#b;c"
    assert west.get("empty") is None
    assert west.entry("empty") is not None


def test_byte_order_mark_and_windows_line_ends() -> None:
    """A file from another editor reads the same."""
    assert parse(b'\xef\xbb\xbf[data]\r\nconfig = "couch3"\r\n').named("data")[0].get("config") == "couch3"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"key = value", "c.ini:1: a key stands before the first [section]"),
        (b"[a]\n\nkey value", "c.ini:3: expected key = value"),
        (b"[a]\n= value", "c.ini:2: expected key = value"),
        (b"[a\nx = 1", "c.ini:1: expected [section]"),
        (b"[]", "c.ini:1: expected [section]"),
        (b"[a] b", "c.ini:1: unexpected text at the end of the line"),
        (b'[a]\nx = "secret', "c.ini:2: the quoted value has no end"),
        (b'[a]\nx = "secret" more', "c.ini:2: unexpected text at the end of the line"),
        (b"[a]\nx = \xff", "c.ini:2: is not UTF-8"),
        (b"[a]\nx = a\x00b", "c.ini:2: the line contains control characters"),
        (b"[a]\nx = " + b"s" * MAX_LINE, f"c.ini:2: the line is longer than {MAX_LINE} characters"),
        (b" " * (MAX_BYTES + 1), f"c.ini: is larger than {MAX_BYTES} bytes"),
    ],
)
def test_a_broken_file_names_file_and_line(content: bytes, text: str) -> None:
    """Each fault is told with its place and without the value."""
    with pytest.raises(SettingsError) as caught:
        parse(content, "c.ini")
    assert str(caught.value) == text
    assert "secret" not in str(caught.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """A missing file and a folder are clear errors."""
    for path in (tmp_path / "none.ini", tmp_path):
        with pytest.raises(SettingsError, match=str(path)):
            read(path)


def test_values_stay_out_of_repr() -> None:
    """An entry that is logged by mistake does not show its value."""
    assert "rabbit1" not in repr(parse(EXAMPLE))


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_else(content: bytes) -> None:
    """Any bytes give a file or a SettingsError."""
    with suppress(SettingsError):
        assert isinstance(parse(content), Ini)


@given(st.text(alphabet='[]=;# "\n\tab\\', max_size=80))
def test_no_syntax_raises_anything_else(content: str) -> None:
    """Any arrangement of the signs that mean something gives a file or a SettingsError."""
    with suppress(SettingsError):
        assert isinstance(parse(content.encode()), Ini)


WORDS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1, max_size=12)


@given(st.lists(st.tuples(WORDS.filter(lambda word: '"' not in word), WORDS), max_size=5))
def test_what_is_written_is_read(pairs: list[tuple[str, str]]) -> None:
    """Quoted values come back as they were, whatever signs they hold."""
    lines = [f'k{index} = "{value}"' for index, (value, _) in enumerate(pairs)]
    (section,) = parse("\n".join(["[s]", *lines]).encode()).sections
    assert [entry.value for entry in section.entries] == [value for value, _ in pairs]
