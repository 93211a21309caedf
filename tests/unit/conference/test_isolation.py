"""Harmless ids, and whose a conference is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_conferences.conference.isolation import (
    Access,
    conference_access,
    is_conference_id,
    is_document_id,
    participant_id,
)

A, B = "a" * 32, "b" * 32
C = "c" * 32


@pytest.mark.parametrize(
    "text",
    [
        C,
        "nope",
        "my-adhoc",
        "room_7",
        "3000",
        "Größe",
        "a:b",
        "会議",
        "bridge",
        "lists",
        "tilde~3",
        "x" * 128,
    ],
)
def test_harmless(text: str) -> None:
    """Ids that mean nothing to a store path, a routing key or a command line."""
    assert is_conference_id(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "_design",
        "_design/conference",
        "_all_docs",
        "_",
        "a/b",
        "..",
        "a.b",
        "*",
        "#",
        "conference.event.#",
        "a b",
        "a\nb",
        "a\r\nb",
        "a\tb",
        "a\x00b",
        "a\x7fb",
        "a\u2028b",
        "a\xa0b",
        "a\u202eb",
        "a\u200bb",
        "\ud800",
        "a?b",
        "a%2Fb",
        "a'b",
        'a"b',
        "a;b",
        "a@b",
        "a+1",
        "@",
        "a=b",
        ":a",
        "~a",
        "bridge:a:b",
        # A mark belongs to what stands before it.
        "\u0301abc",
        "BRIDGE:a",
        "Bridge:",
        *("list", "count", "help", "commands", "xml_list", "json_list", "LIST", "Xml_List", "hElP"),
        "\u3164",
        "a\ufe0f",
        "\U0001f600",
        "a\uff20b",
        "a\u20acb",
        "a|b",
        "${x}",
        "a\\b",
        "a,b",
        "x" * 129,
        "é" * 65,
        "-v",
        None,
        5,
        ["a"],
    ],
)
def test_hostile(text: object) -> None:
    """Design documents, wildcards, dots, blanks, line breaks, quotes, overlong ids, and no texts."""
    assert not is_conference_id(text)


@pytest.mark.parametrize("text", ["joe@example", "a+b", "x=y", "list", "bridge:a", "-v", "会議", "मीटिंग"])
def test_documents_have_wider_ids(text: str) -> None:
    """What is no room's id may still be a user's or a device's."""
    assert is_document_id(text)


#: What begins a profile, a PIN, flags, an argument or a wildcard behind a conference's name.
_SEPARATORS = set("@+!\"#$%&'()*,./;<=>?[\\]^`{|}")
_WORDS = {"list", "count", "xml_list", "json_list", "help", "commands"}


@given(
    st.text(max_size=20)
    | st.text(alphabet="aB1:_-~@+ =.", max_size=6)
    | st.sampled_from(["bridge:x", "BRIDGE:x", "list", "Help", "XML_LIST"])
)
def test_what_passes_names_that_room_alone(text: str) -> None:
    """What FreeSWITCH would make of an id is the id itself."""
    if not is_conference_id(text):
        return
    assert not set(text) & _SEPARATORS
    assert text == text.strip() and text.isprintable()
    assert text.lower() not in _WORDS
    assert text.lower().partition(":")[0] != "bridge"
    assert not text.startswith(("-", "_"))


@given(st.text())
def test_what_passes_is_one_word(text: str) -> None:
    """Whatever passes is one word of a routing key and one segment of a path."""
    if is_document_id(text):
        assert len(text.encode()) <= 128
        assert not set(text) & set("./*# \t\r\n'\"\\")
        assert text.isprintable()
        assert not text.startswith("_")


@pytest.mark.parametrize(
    ("facts", "access"),
    [
        ({"has_document": True}, Access.OWN),
        ({"has_document": True, "is_running": True}, Access.OWN),
        ({"has_document": True, "is_running": True, "running_for": A}, Access.OWN),
        ({"has_document": True, "is_running": True, "running_for": B}, Access.FOREIGN),
        # The record decides, whatever runs and whatever legs say.
        ({"has_document": True, "owner": A, "is_running": True, "running_for": B}, Access.OWN),
        ({"has_document": True, "owner": A, "is_running": True, "legs_for": B}, Access.OWN),
        ({"has_document": True, "owner": B}, Access.FOREIGN),
        ({"has_document": True, "owner": B, "is_running": True, "running_for": A}, Access.FOREIGN),
        ({"has_document": False, "owner": B, "is_running": True, "running_for": A}, Access.FOREIGN),
        ({"has_document": False, "owner": A, "is_running": True}, Access.OWN),
        ({"has_document": False, "owner": A, "is_running": True, "running_for": B}, Access.FOREIGN),
        ({"has_document": False, "owner": A}, Access.ABSENT),
        # What legs say makes no conference an account's, and takes one from nobody but a document.
        ({"has_document": False, "is_running": True, "legs_for": A}, Access.FOREIGN),
        ({"has_document": True, "is_running": True, "legs_for": A}, Access.OWN),
        ({"has_document": True, "is_running": True, "legs_for": B}, Access.FOREIGN),
        ({"has_document": True, "is_running": True, "running_for": A, "legs_for": B}, Access.OWN),
        ({"has_document": False, "is_running": True, "running_for": A}, Access.OWN),
        ({"has_document": False, "is_running": True, "running_for": B}, Access.FOREIGN),
        ({"has_document": False, "is_running": True}, Access.FOREIGN),
        ({"has_document": False, "owner": B}, Access.FOREIGN),
        ({"has_document": False}, Access.ABSENT),
    ],
)
def test_whose(facts: dict[str, object], access: Access) -> None:
    """One function decides from the record, the running conference, the document, and what legs say."""
    assert conference_access(A, C, **facts) is access  # type: ignore[arg-type]
    assert access.is_allowed == (access in (Access.OWN, Access.FREE))


@pytest.mark.parametrize(
    ("text", "access"),
    [
        ("room", Access.FREE),
        ("c" * 31, Access.FREE),
        ("c" * 33, Access.FREE),
        ("g" * 32, Access.FREE),
        ("-".join("c" * 8), Access.FREE),
        ("\u0661" * 32, Access.FREE),
        ("c" * 32, Access.ABSENT),
        ("C" * 32, Access.ABSENT),
        ("0123456789abcdefABCDEF0123456789", Access.ABSENT),
    ],
)
def test_ids_of_kazoos_form_are_not_begun(text: str, access: Access) -> None:
    """32 hex digits, in any case, name somebody's conference, if anybody's."""
    assert conference_access(A, text, has_document=False) is access
    assert conference_access(A, text, has_document=False, is_running=True, running_for=A) is Access.OWN


@given(
    st.booleans(),
    st.sampled_from([None, A, B]),
    st.sampled_from([None, A, B]),
    st.sampled_from([None, A, B]),
    st.sampled_from([C, "room"]),
)
def test_one_account_at_most(
    document: bool, owner: str | None, running_for: str | None, legs_for: str | None, conference_id: str
) -> None:
    """Of two accounts without documents at most one may have what runs, and legs change nothing."""
    facts = {"owner": owner, "running_for": running_for, "is_running": True}
    found = [conference_access(each, conference_id, has_document=False, **facts) for each in (A, B)]  # type: ignore[arg-type]
    assert [each.is_allowed for each in found].count(True) <= 1
    with_legs = [
        conference_access(each, conference_id, has_document=False, legs_for=legs_for, **facts)  # type: ignore[arg-type]
        for each in (A, B)
    ]
    assert with_legs == found
    if owner == B:
        taken = conference_access(A, conference_id, has_document=document, legs_for=legs_for, **facts)  # type: ignore[arg-type]
        assert not taken.is_allowed


def test_a_hostile_id_is_nobody_s() -> None:
    """An id that could do harm is invalid whatever is known of it."""
    found = conference_access(A, "_design/x", has_document=True, running_for=A, is_running=True)
    assert found is Access.INVALID
    assert not found.is_allowed


@pytest.mark.parametrize(
    ("text", "number"), [("7", 7), ("007", 7), (7, 7), ("0", 0), (4294967295, 4294967295)]
)
def test_participant_numbers(text: object, number: int) -> None:
    """Integers, also as text."""
    assert participant_id(text) == number


@pytest.mark.parametrize(
    "text",
    [
        "all",
        "last",
        "non_moderator",
        "-1",
        "+1",
        "1.0",
        "1 ",
        "",
        "\u0667",
        True,
        None,
        7.0,
        -1,
        2**32,
        "9" * 11,
    ],
)
def test_no_participant_numbers(text: object) -> None:
    """The switch's own words for several people are not for clients."""
    assert participant_id(text) is None
