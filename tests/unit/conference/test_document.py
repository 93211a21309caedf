"""What becomes of a document: create, replace, patch, delete (data.md 2, http.md 6)."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_conferences.conference import document as documents
from crossbar_conferences.conference.document import Author

NOW = 63_903_000_000
ACCOUNT = "a1b2c3d4e5f60718293a4b5c6d7e8f90"
USER = "11112222333344445555666677778888"
AUTHOR = Author(ACCOUNT, "9d8c7b6a5f4e3d2c1b0a9f8e7d6c5b4a", ACCOUNT, USER)
ID = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
_OBJECTS = st.dictionaries(st.sampled_from(["a", "b", "c", "name"]), _VALUES, max_size=4)


def _stored(**fields: Any) -> dict[str, Any]:
    made = documents.created(ID, {"name": "Sales Weekly", **fields}, AUTHOR, NOW)
    return {**made, "_rev": "1-abc"}


def test_private_fields_of_a_new_document() -> None:
    """Exactly those of the sample, no more (data.md 2.1)."""
    made = documents.created(ID, {"name": "Sales Weekly", "play_name": False}, AUTHOR, NOW)
    assert made == {
        "_id": ID,
        "name": "Sales Weekly",
        "play_name": False,
        "pvt_type": "conference",
        "pvt_vsn": "1",
        "pvt_account_id": ACCOUNT,
        "pvt_account_db": "account%2Fa1%2Fb2%2Fc3d4e5f60718293a4b5c6d7e8f90",
        "pvt_created": NOW,
        "pvt_modified": NOW,
        "pvt_request_id": AUTHOR.request_id,
        "pvt_is_authenticated": True,
        "pvt_auth_account_id": ACCOUNT,
        "pvt_auth_user_id": USER,
        "pvt_alphanum_name": "salesweekly",
    }


def test_a_masquerade_leaves_the_original() -> None:
    """Who really wrote stays visible."""
    author = Author(ACCOUNT, "r", ACCOUNT, USER, "b" * 32, "c" * 32)
    made = documents.created(ID, {"name": "n"}, author, NOW)
    assert made["pvt_original_auth_account_id"] == "b" * 32
    assert made["pvt_original_auth_owner_id"] == "c" * 32


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Sales Weekly 2", "salesweekly2"), ("Größe", "gre"), ("\N{KELVIN SIGN}\N{PARTY POPPER}", "")],
)
def test_alphanum_name(name: str, expected: str) -> None:
    """Lower-cased, everything but ASCII letters and digits removed; may be empty."""
    assert documents.created(ID, {"name": name}, AUTHOR, NOW)["pvt_alphanum_name"] == expected


def test_a_client_writes_no_private_field() -> None:
    """Not by create, not by replace, not by patch (recordings doc-replace-echo, patch-private)."""
    echo = {"id": "other", "_id": "x", "_rev": "9-x", "pvt_type": "user", "_read_only": {"members": 9}}
    stored = _stored()
    for fresh in (
        documents.created(ID, {"name": "n", **echo}, AUTHOR, NOW),
        documents.replaced(stored, {"name": "n", **echo}, AUTHOR, NOW),
        documents.replaced(stored, documents.patched_fields(stored, echo), AUTHOR, NOW),
    ):
        assert fresh["_id"] == ID
        assert fresh.get("_rev") in (None, "1-abc")
        assert fresh["pvt_type"] == "conference"
        assert "_read_only" not in fresh
        assert "id" not in fresh


def test_replacing_keeps_what_is_private_and_nothing_else() -> None:
    """Public keys that aren't sent are gone; created stays, modified moves."""
    stored = _stored(language="de", custom=1)
    later = Author(ACCOUNT, "second", "b" * 32)
    fresh = documents.replaced(stored, {"name": "New"}, later, NOW + 5)
    assert documents.public_fields(fresh) == {"name": "New"}
    assert (fresh["pvt_created"], fresh["pvt_modified"]) == (NOW, NOW + 5)
    assert fresh["pvt_request_id"] == "second"
    assert fresh["pvt_auth_account_id"] == "b" * 32
    # Setting nothing is nothing: an account's token leaves the last user in place (data.md 2.1).
    assert fresh["pvt_auth_user_id"] == USER


def test_a_soft_deletion_is_one_more_revision() -> None:
    """Everything stays, signed by who deleted it."""
    stored = _stored(language="de")
    gone = documents.deleted(stored, Author(ACCOUNT, "third", ACCOUNT), NOW + 9)
    assert gone["pvt_deleted"] is True
    assert (gone["_rev"], gone["language"], gone["pvt_modified"]) == ("1-abc", "de", NOW + 9)
    assert "pvt_deleted" not in stored


def test_an_unauthenticated_writer_is_marked() -> None:
    """No auth document, no auth account."""
    made = documents.created(ID, {"name": "n"}, Author(ACCOUNT, "r"), NOW)
    assert made["pvt_is_authenticated"] is False
    assert "pvt_auth_account_id" not in made


@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        ({"custom": {"a": {"b": None, "d": 3}}}, {"l": [1, 2], "a": {"c": 2, "d": 3}}),
        ({"custom": {"l": [3]}}, {"l": [3], "a": {"b": 1, "c": 2}}),
        ({"custom": {}}, {}),
        ({"custom": "text"}, "text"),
        ({"custom": {"a": {}}}, {"l": [1, 2], "a": {}}),
        ({"custom": {"l": {"x": 1}}}, {"l": {"x": 1}, "a": {"b": 1, "c": 2}}),
        ({}, {"l": [1, 2], "a": {"b": 1, "c": 2}}),
    ],
)
def test_patching(patch: dict[str, Any], expected: Any) -> None:
    """Objects merge, null removes, an empty object empties, the rest replaces (recording patch-deep)."""
    stored = _stored(custom={"l": [1, 2], "a": {"b": 1, "c": 2}})
    assert documents.patched_fields(stored, patch)["custom"] == expected


def test_null_removes_a_key() -> None:
    """Also one that isn't there."""
    fields = documents.patched_fields(_stored(language="de"), {"language": None, "nothing": None})
    assert fields == {"name": "Sales Weekly"}


@given(_OBJECTS, _OBJECTS)
def test_patch_laws(fields: dict[str, Any], patch: dict[str, Any]) -> None:
    """Twice is once, nothing changes nothing, inputs are left alone, null never survives on top."""
    stored = {**fields, "_id": ID, "pvt_type": "conference"}
    before = copy.deepcopy((stored, patch))
    once = documents.patched_fields(stored, patch)
    assert documents.patched_fields(once, patch) == once
    assert documents.patched_fields(stored, {}) == documents.public_fields(stored)
    assert (stored, patch) == before
    for key, value in patch.items():
        if value is None:
            assert key not in once
        elif not isinstance(value, dict):
            assert once[key] == value
    assert all(once[key] == value for key, value in fields.items() if key not in patch)


@given(_OBJECTS, _OBJECTS)
def test_a_patched_document_shares_nothing_with_the_patch(
    fields: dict[str, Any], patch: dict[str, Any]
) -> None:
    """Whoever changes the request afterwards doesn't change the document."""
    once = documents.patched_fields(fields, patch)
    frozen = copy.deepcopy(once)
    for value in patch.values():
        if isinstance(value, list):
            value.append("later")
    assert once == frozen


@given(_OBJECTS, _OBJECTS)
def test_public_and_private_are_a_partition(public: dict[str, Any], private: dict[str, Any]) -> None:
    """Each top-level key is in exactly one half."""
    document = {**public, **{f"pvt_{key}": value for key, value in private.items()}, "_rev": "1-a"}
    halves = documents.public_fields(document), documents.private_fields(document)
    assert {**halves[0], **halves[1]} == document
    assert not set(halves[0]) & set(halves[1])


def test_adhoc() -> None:
    """Defaults, the id of the path, and what the request says; no revision (http.md 3.6)."""
    made = documents.adhoc("nope", {"id": "x", "member": {"pins": ["1"]}, "topic": "t", "pvt_x": 1})
    assert made == {
        "_id": "nope",
        "allow_shareable_link": False,
        "conference_numbers": [],
        "member": {"join_deaf": False, "join_muted": True, "numbers": [], "pins": ["1"]},
        "moderator": {"join_deaf": False, "join_muted": False, "numbers": [], "pins": []},
        "play_name": False,
        "topic": "t",
    }


def test_numbers_of_all_three_lists() -> None:
    """In the order in which Kazoo looks; nonsense is passed over."""
    document = {
        "conference_numbers": ["1", 5, None],
        "member": {"numbers": ["2"]},
        "moderator": {"numbers": ["3", "1"]},
    }
    assert documents.numbers(document) == ["1", "2", "3", "1"]
    assert documents.numbers({"member": [], "moderator": None, "conference_numbers": {}}) == []


def test_a_number_twice_in_one_document() -> None:
    """Whoever dials it would not get in: refused like a clash (compatibility, number-twice)."""
    document = {"conference_numbers": ["4", "5"], "member": {"numbers": ["5", "4"]}}
    assert documents.repeated_numbers(document) == ["5", "4"]
    assert documents.repeated_numbers({"conference_numbers": ["4"]}) == []


def test_clashes_in_kazoos_words() -> None:
    """Examples 41 and 42."""
    assert documents.numbers_taken(["1000", "1001"]) == {
        "numbers": {"unique": {"message": "Numbers already in use", "cause": "1000, 1001"}}
    }
    assert documents.name_taken("Sales") == {
        "name": {"unique": {"message": "public conference needs a system-wide unique name", "cause": "Sales"}}
    }


def test_new_ids() -> None:
    """32 lower-case hex digits, never the same."""
    made = {documents.new_document_id() for _ in range(100)}
    assert len(made) == 100
    assert all(len(one) == 32 and set(one) <= set("0123456789abcdef") for one in made)


def test_live_figures_sent_back_are_not_stored() -> None:
    """A listed item may be saved as it is: its figures go, a client's own field of such a name stays."""
    listed = {"name": "x", "members": 3, "admins": 1, "duration": 60, "is_locked": False, "_read_only": {}}
    made = documents.created("c1", listed, AUTHOR, 1)
    assert documents.public_fields(made) == {"name": "x"}
    own = {"name": "x", "members": ["a"], "duration": "1h"}
    assert documents.public_fields(documents.created("c1", own, AUTHOR, 1)) == own


def test_auto_record_is_mirrored_into_the_profile() -> None:
    """The seed's key at the root reaches Kazoo's conference application, and goes with its key."""
    made = documents.created("c", {"name": "a", "auto_record": True, "profile": {"rate": 8000}}, AUTHOR, NOW)
    assert (made["auto_record"], made["profile"]) == (True, {"rate": 8000, "auto-record": True})
    off = documents.replaced(made, {**documents.public_fields(made), "auto_record": False}, AUTHOR, NOW)
    assert off["profile"]["auto-record"] is False
    patched = documents.patched_fields(made, {"auto_record": None})
    assert documents.replaced(made, patched, AUTHOR, NOW)["profile"] == {"rate": 8000}
    plain = documents.created("c", {"name": "a", "profile": {"auto-record": True}}, AUTHOR, NOW)
    assert "auto_record" not in plain and plain["profile"] == {"auto-record": True}
