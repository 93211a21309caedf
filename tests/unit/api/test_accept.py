"""What an Accept header says (``api/accept.py``), beside the rules of Kazoo's web server (cowlib)."""

from __future__ import annotations

import time

import pytest

from crossbar_conferences.api.accept import read

#: Header -> what is accepted, the best first.
READ = {
    "*/*": "*/*",
    "application/json": "application/json",
    "Application/JSON": "application/json",
    # Java up to version 18.
    "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2": "text/html image/gif image/jpeg */* */*",
    "*;q=1": "*/*",
    "*; level=1": "*/*",
    "application/json;q=.9": "application/json",
    "application/json;q=.999": "application/json",
    "application/json;q=1.": "application/json",
    "application/json;q=0.": "",
    "application/json;q=.0": "",
    "application/json;q=0.000, text/csv": "text/csv",
    "application/json,": "application/json",
    ", application/json": "application/json",
    " \t, ,, application/json , ,\t,text/csv,,": "application/json text/csv",
    ",": "",
    " ": "",
    "*/json": "*/json",
    'a/b;q=0.2;extension;other=1;third="x, y;q", c/d;q=.3': "c/d a/b",
    'text/csv; header=present; charset="utf-8"; q=0.5, */*; q=0.1': "text/csv */*",
    "text/csv;charset=": "text/csv",
    # A large q is a parameter of the type, as any other name is.
    "text/csv;Q=7, */*": "text/csv */*",
    'a/b;x="\\"\\\\,\xe9"': "a/b",
    "text/*;q=.5, */*;q=.5, text/csv;q=.5": "text/csv text/* */*",
}

UNREADABLE = (
    *("*", "*,", "* ;q=1", "text", "text/", "/json", "text/html;", "text/html; ,", "text/html;level"),
    *("not a type", "a/b c/d", "a/b;q=", "a/b;q=.", "a/b;q=2", "a/b;q=1.5", "a/b;q=0.1234", "a/b;q=.1234"),
    *(
        "a/b;q=-1",
        "a/b;q=1e1",
        "a/b;q=0.5 x",
        "a/b;q=1;",
        "a/b;q=1;=x",
        'a/b;x="',
        'a/b;x="\x00"',
        "a/b;x=\xe9",
    ),
    *("a/b/c", "a/b;x==y", "(a)/b", "a/b;x=", "\xe9/b"),
)


@pytest.mark.parametrize("header", READ)
def test_what_can_be_read(header: str) -> None:
    """Every form that Kazoo's server takes gives the ranges that it means."""
    assert " ".join(one.name for one in read(header)) == READ[header]


@pytest.mark.parametrize("header", UNREADABLE)
def test_what_cannot_be_read(header: str) -> None:
    """What that server refuses is refused, in the midst of good members too."""
    for text in (header, f"application/json, {header}"):
        with pytest.raises(ValueError, match="media ranges"):
            read(text)


def test_parameters() -> None:
    """Names are in small letters, values as they are meant; the weight and what follows it are none."""
    (one,) = read('text/csv; Header=present; charset="UTF-8"; x="a\\"b"; q=0.5; y=1')
    assert dict(one.parameters) == {"header": "present", "charset": "UTF-8", "x": 'a"b'}


@pytest.mark.parametrize(
    "text",
    [
        "a/b;charset=x" * 600 + "!",
        "a/b" + ";charset=x" * 800 + ";!",
        "," * 8000 + "!",
        'a/b;x="' + "\\a" * 4000,
    ],
)
def test_no_header_takes_long(text: str) -> None:
    """The longest header that comes in is read in a moment, whatever it holds."""
    begun = time.perf_counter()
    with pytest.raises(ValueError, match="media ranges"):
        read(text)
    assert time.perf_counter() - begun < 0.5
