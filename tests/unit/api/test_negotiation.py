"""HTTP's own decisions (``api/negotiation.py``)."""

from __future__ import annotations

import pytest

from crossbar_conferences.api.errors import ApiError
from crossbar_conferences.api.negotiation import check_preconditions, choose, cors_headers, language


@pytest.mark.parametrize(
    "accept",
    [
        None,
        "",
        "*/*",
        "application/json",
        "application/x-json",
        "application/*",
        "text/html, application/json;q=0.1",
        "text/html, image/png, *; q=.3, */*; q=.3",
        "text/html;q=.9, application/json;q=.1,",
        "*;q=.1",
        ", ,",
    ],
)
def test_json_is_given_to_whoever_takes_it(accept: str | None) -> None:
    """Every form of accepting JSON, and no header at all, gives JSON."""
    assert not choose(accept, None).csv


@pytest.mark.parametrize(
    "accept", ["text/html", "application/json;q=0", "application/json;q=.000", "*/json", "*;q=0, text/html"]
)
def test_what_cannot_be_given_is_refused(accept: str) -> None:
    """A type that does not exist here is a 406 without a body (recorded)."""
    with pytest.raises(ApiError) as caught:
        choose(accept, None)
    assert (caught.value.entry.status, caught.value.entry.empty) == (406, True)


@pytest.mark.parametrize("accept", ["not a type", "*", "application/json, text/csv;", "a/b;q=7" + "x" * 4000])
def test_what_cannot_be_read_is_named(accept: str) -> None:
    """A broken header is a 400 that says which one, with the beginning of what it said; so is the parameter
    in its place."""
    for name, override in (("Accept", None), ("accept", "a/b c")):
        with pytest.raises(ApiError) as caught:
            choose(accept, override)
        assert caught.value.entry.status == 400
        assert caught.value.data[name]["invalid"]["value"] == (override or accept)[:256]


def test_csv_is_given_by_header_and_by_parameter() -> None:
    """The Accept header and the parameter both choose CSV; the parameter wins."""
    assert choose("text/csv", None).csv
    assert choose("application/json", "csv").csv
    assert not choose("text/csv", "application/json").csv


@pytest.mark.parametrize(
    ("accept", "marked"),
    [
        ("text/csv; header=present; charset=utf-8", True),
        ('text/csv;charset="UTF-8";Header=PRESENT;q=.5, */*;q=.1', True),
        ("text/html, text/csv;header=present;charset=utf8", True),
        ("text/csv", False),
        ("text/csv; charset=utf-8", False),
        ("text/csv; header=present", False),
        ("text/csv; header=absent; charset=utf-8", False),
        ("text/csv; header=present; charset=iso-8859-1", False),
        ("application/octet-stream; header=present; charset=utf-8", False),
        ("text/*; header=present; charset=utf-8", False),
        # What is better is given, whatever is said of the other.
        ("text/csv, text/csv; header=present; charset=utf-8; q=.5", False),
    ],
)
def test_csv_is_marked_for_who_says_so(accept: str, marked: bool) -> None:
    """With both parameters of text/csv; all others get Kazoo's bytes."""
    for asked in ((accept, None), ("application/json", accept)):
        representation = choose(*asked)
        assert (representation.csv, representation.marked) == (True, marked)


@pytest.mark.parametrize(
    ("header", "expected"),
    [(None, "en"), ("de-DE, de;q=0.9", "de-de"), ("*", "en"), ("fr;q=0.2, it;q=0.8", "it"), ("§", "en")],
)
def test_the_language_is_the_callers_first(header: str | None, expected: str) -> None:
    """The answer says the caller's first language, or English; it never refuses."""
    assert language(header) == expected


def test_cors_lists_the_paths_verbs() -> None:
    """Before the path is known every verb is listed, with OPTIONS twice as Kazoo does."""
    assert cors_headers(("GET", "PUT"))["access-control-allow-methods"] == "OPTIONS, GET, PUT"
    assert cors_headers(())["access-control-allow-methods"] == "OPTIONS"
    assert cors_headers(None)["access-control-allow-methods"].count("OPTIONS") == 2


def refused(verb: str, headers: dict[str, str], etag: str | None) -> int:
    with pytest.raises(ApiError) as caught:
        check_preconditions(verb, headers, etag)
    return caught.value.entry.status


def test_if_none_match_answers_304_only_to_get() -> None:
    """An equal tag saves a GET its body, stops other verbs, and never touches a PUT."""
    same = {"If-None-Match": 'W/"x", "1-a"'}
    assert check_preconditions("GET", same, '"1-a"')
    assert not check_preconditions("PUT", same, '"1-a"')
    assert refused("POST", same, '"1-a"') == 412
    assert not check_preconditions("GET", same, '"2-b"')


def test_if_match_is_an_optimistic_lock() -> None:
    """A stale revision is a 412; the document's revision matches beside a live tag."""
    assert refused("PATCH", {"If-Match": '"1-old"'}, '"2-new"') == 412
    assert not check_preconditions("PATCH", {"If-Match": '"2-new"'}, '"2-new"')
    assert not check_preconditions("PATCH", {"If-Match": '"2-rev"'}, '"2-live"', ["2-rev"])
    assert refused("PUT", {"If-Match": '"2-new"'}, '"2-new"') == 412
    assert refused("DELETE", {"If-Match": "*"}, None) == 412


def test_conditions_that_cannot_be_read_are_400() -> None:
    """A tag without quotes, or a star in a list, is a broken header (http.md 13)."""
    assert refused("PATCH", {"If-Match": "garbage"}, '"1-a"') == 400
    assert refused("GET", {"If-None-Match": '*, "1-a"'}, '"1-a"') == 400


def test_a_star_matches_even_an_ad_hoc_conference() -> None:
    """``If-None-Match: *`` on a conference without a tag is a 304 (http.md 13)."""
    assert check_preconditions("GET", {"If-None-Match": "*"}, None)
    assert refused("GET", {"If-None-Match": '"1-a"'}, None) == 412
