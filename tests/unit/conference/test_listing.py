"""What a list request asks for, and what its items show (http.md 4, data.md 3.4)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_conferences.conference import listing, start_keys
from crossbar_conferences.conference.listing import ListingError, ListQuery, item, matches

NOW = 63_903_000_000
SUMMARY = {"id": "c1", "name": "Sales", "flags": [], "member": {"pins": ["1"], "numbers": []}}
READ_ONLY = {"members": 1, "moderators": 2, "duration": 3, "is_locked": False}
FLAT = {"members": 1, "admins": 2, "duration": 3, "is_locked": False}


def _parse(values: dict[str, Any] | None = None, /, **query: Any) -> ListQuery:
    found = {**query, **(values or {})}
    return listing.parse(
        query,
        found.get,
        default_page_size=50,
        max_page_size=200,
        full_docs_allowed=True,
        now_gregorian=NOW,
    )


def test_nothing_asked() -> None:
    """The first page, newest id first, from summaries alone, with live data."""
    query = _parse()
    assert query == ListQuery(page_size=50)
    assert (query.paginate, query.descending, query.start) == (True, True, None)
    assert query.wants_read_only
    assert not query.needs_documents


@pytest.mark.parametrize(
    ("value", "expected"),
    [("2", 2), (2, 2), ("1.5", 2), (2.4, 2), ("200", 200), ("5000", 200), ("9" * 300, 200)],
)
def test_page_size(value: Any, expected: int) -> None:
    """From query or body, bounded by the operator."""
    assert _parse(page_size=value).page_size == expected
    assert _parse({"page_size": value}).page_size == expected


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"page_size": "0"}, "page size must be at least 1"),
        ({"page_size": "-1"}, "page size must be at least 1"),
        ({"page_size": "x"}, "invalid page size"),
        ({"page_size": ""}, "invalid page size"),
        ({"page_size": "1.x"}, "invalid page size"),
        ({"page_size": "0.4"}, "page size must be at least 1"),
        ({"page_size": True}, "invalid page size"),
        ({"page_size": "9" * 5000}, "invalid page size"),
        ({"chunk_size": "0"}, "chunk size must be at least 1"),
        ({"chunk_size": "x"}, "invalid chunk size"),
        ({"chunk_size": "51"}, "chunk size must be lower than 50"),
        ({"batch_size": "-1"}, "chunk size must be at least 1"),
        ({"batch_size": "51", "chunk_size": "1"}, "chunk size must be lower than 50"),
        ({"fields": "name"}, "invalid fields query string"),
        ({"fields": True}, "invalid fields query string"),
        ({"fields": "5"}, "invalid fields query string"),
        ({"fields": "[1]"}, "invalid fields query string"),
        ({"fields": ""}, "invalid fields query string"),
        ({"fields": "true"}, "invalid fields query string"),
        ({"fields": "null"}, "invalid fields query string"),
        ({"fields": '["name",[]]'}, "invalid fields query string"),
        ({"fields": '["name",{"flags":true}]'}, "invalid fields query string"),
        ({"fields": '[{"flags":true},"name"]'}, "invalid fields query string"),
        ({"fields": '{"name":1}'}, "invalid fields query string"),
        ({"fields": '{"name":"yes"}'}, "invalid fields query string"),
        ({"fields": '{"name":{"deep":null}}'}, "invalid fields query string"),
        ({"fields": "\ud800"}, "invalid fields query string"),
    ],
)
def test_bad_parameters(parameters: dict[str, Any], message: str) -> None:
    """A 404 with Kazoo's words, never a 500 (chunk_size=0 is one in Kazoo)."""
    with pytest.raises(ListingError) as caught:
        _parse(**parameters)
    assert (caught.value.kind, caught.value.data) == ("faulty_request", {"message": message})


@pytest.mark.parametrize(
    ("query", "descending"),
    [
        ({}, True),
        ({"ascending": "true"}, False),
        ({"descending": "false"}, False),
        ({"descending": "true", "ascending": "true"}, True),
        ({"ascending": "false"}, True),
        ({"ascending": "1"}, True),
        ({"descending": "false", "ascending": "false"}, False),
        ({"ascending": True}, False),
        ({"descending": True}, True),
        ({"descending": "1"}, False),
        ({"descending": "True"}, False),
    ],
)
def test_order(query: dict[str, Any], descending: bool) -> None:
    """``descending`` is looked at first (recording list-order-forms)."""
    assert _parse(**query).descending is descending


@pytest.mark.parametrize(
    ("value", "paginate"),
    [
        ("false", False),
        ("no", False),
        ("1", False),
        ("True", False),
        (False, False),
        ("true", True),
        (True, True),
    ],
)
def test_unpaged(value: Any, paginate: bool) -> None:
    """``paginate=false`` in its forms (recording list-unpaged-forms)."""
    assert _parse(paginate=value).paginate is paginate


@given(st.text(min_size=1, max_size=60))
def test_cursor_round_trip(doc_id: str) -> None:
    """What a page hands out, the next one begins with; it survives a URL as it stands."""
    key = start_keys.encoded(doc_id)
    assert key.replace("-", "").replace("_", "").isalnum()
    query = _parse(start_key=key)
    assert (query.start, query.given_start_key) == (doc_id, key)


def test_a_long_id_is_paged_over() -> None:
    """A key that is given out but not read back would show the first page for ever."""
    doc_id = "é" * 2000
    assert _parse(start_key=start_keys.encoded(doc_id)).start == doc_id


@given(st.text(max_size=40) | st.integers() | st.booleans() | st.lists(st.text(), max_size=2))
def test_any_other_cursor_is_ignored(key: Any) -> None:
    """The list then begins at its beginning (data.md 3.4), or at the id that the key is."""
    query = _parse({"start_key": key})
    assert query.start in (None, key) or start_keys.decoded(key) == query.start


@pytest.mark.parametrize(
    "key",
    [
        "g20AAAAgYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE",
        "g2wAAAABbQAAACBhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWo",
        "WyJhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYSJd",
        "a" * 32,
    ],
    ids=["crossbar's", "crossbar's in a list", "an older sidecar's", "a plain id"],
)
def test_keys_of_every_side_are_read(key: str) -> None:
    """A client that walks pages may come from crossbar, and may go there: ours are in its form."""
    assert _parse(start_key=key).start == "a" * 32
    assert start_keys.encoded("a" * 32) == "g20AAAAgYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE"


def test_a_bookmark_wins() -> None:
    """Kazoo 5 reads both names."""
    assert _parse(bookmark=start_keys.encoded("a"), start_key=start_keys.encoded("b")).start == "a"
    assert _parse(bookmark="!", start_key=start_keys.encoded("b")).start is None


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ('["name","id"]', ("name", "id")),
        ('{"name":true,"flags":false}', ("name",)),
        ('"name, flags"', ("name", "flags")),
        ('["pvt_type","_rev","name","name"]', ("name",)),
        ('["_read_only.members"]', ("_read_only.members",)),
        ('{"name":"true","member":{"pins":true,"numbers":false}}', ("name", "member.pins")),
        ('[{"name":true},{"flags":true}]', ("name", "flags")),
        ('["name","member.","",".pins"]', ("name",)),
        # With nothing to choose by, nobody has chosen.
        ("[]", None),
        ("{}", None),
        ('""', None),
        ('["pvt_type"]', None),
    ],
)
def test_fields(text: str, fields: tuple[str, ...] | None) -> None:
    """A list, an object of booleans or a quoted text; nothing private."""
    assert _parse(fields=text).fields == fields


def test_an_item() -> None:
    """Kazoo 5's form and the seed's in one; nothing private."""
    shown = item({**SUMMARY, "_rev": "1-a", "pvt_type": "conference"}, ListQuery(50), READ_ONLY, FLAT)
    assert shown == {**SUMMARY, **FLAT, "_read_only": READ_ONLY}


def test_an_item_of_full_docs() -> None:
    """The document's public fields under its id."""
    shown = item({"_id": "c1", "custom": 1, "pvt_type": "conference"}, ListQuery(50), READ_ONLY, FLAT)
    assert shown == {"id": "c1", "custom": 1, **FLAT, "_read_only": READ_ONLY}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (["name"], {"id": "c1", "name": "Sales"}),
        (["id"], {"id": "c1"}),
        (["nope", "name.deep", "member.nope"], {"id": "c1"}),
        (["member.pins"], {"id": "c1", "member": {"pins": ["1"]}}),
        (["_read_only.members"], {"id": "c1", "_read_only": {"members": 1}}),
        (["_read_only"], {"id": "c1", "_read_only": READ_ONLY}),
        (["member", "member.pins"], {"id": "c1", "member": SUMMARY["member"]}),
    ],
)
def test_fields_keep_what_they_name(fields: list[str], expected: dict[str, Any]) -> None:
    """And the id, always."""
    query = _parse(fields=json.dumps(fields))
    assert item(SUMMARY, query, READ_ONLY, FLAT) == expected
    assert query.wants_read_only is any(name.startswith("_read_only") for name in fields)
    assert SUMMARY["member"] == {"pins": ["1"], "numbers": []}


def test_full_docs_only_where_allowed() -> None:
    """The operator's switch; else the parameter has no effect."""
    assert _parse(full_docs="true").needs_documents
    refused = listing.parse(
        {"full_docs": "true"},
        lambda name: None,
        default_page_size=50,
        max_page_size=50,
        full_docs_allowed=False,
        now_gregorian=NOW,
    )
    assert not refused.full_docs
    assert not refused.needs_documents


@pytest.mark.parametrize(
    ("query", "message", "cause"),
    [
        ({"created_from": "1"},
         f"created_to {NOW} is more than 2682000 seconds from created_from 1", NOW),
        ({"created_from": "100", "created_to": "2682101"},
         "created_to 2682101 is more than 2682000 seconds from created_from 100", 2_682_101),
        ({"created_from": "20", "created_to": "10"},
         "created_to 10 is prior to created_from 20", 20),
        ({"created_from": str(NOW + 1)},
         f"created_to {NOW} is prior to created_from {NOW + 1}", NOW + 1),
    ],
)  # fmt: skip
def test_created_ranges_that_make_no_sense(query: dict[str, str], message: str, cause: int) -> None:
    """A 400 in Kazoo's words (example 30)."""
    with pytest.raises(ListingError) as caught:
        _parse(**query)
    assert caught.value.kind == "validation_error"
    assert caught.value.data == {"created_from": {"date_range": {"message": message, "cause": cause}}}


def test_ranges() -> None:
    """Inclusive at both ends, on private fields, ANDed with everything else."""
    query = _parse(created_from=str(NOW - 10), created_to=str(NOW), filter_name="Sales")
    assert query.needs_documents
    for created, name, expected in (
        (NOW - 10, "Sales", True),
        (NOW, "Sales", True),
        (NOW - 11, "Sales", False),
        (NOW + 1, "Sales", False),
        (NOW, "Ops", False),
    ):
        assert matches({"pvt_created": created, "name": name}, query) is expected
    assert not matches({"name": "Sales"}, query)
    assert matches({"pvt_modified": NOW}, _parse(modified_from="1"))


@pytest.mark.parametrize("name", ["created_from", "created_to", "modified_from", "modified_to"])
def test_a_bound_that_is_no_number_means_nobody(name: str) -> None:
    """Kazoo's filter crashes on it, and a filter that crashes matches nothing (http.md 4.4)."""
    assert not matches({"pvt_created": NOW, "pvt_modified": NOW}, _parse(**{name: "x"}))


@given(
    st.dictionaries(
        st.sampled_from(
            ["page_size", "paginate", "start_key", "bookmark", "fields", "full_docs", "ascending",
             "descending", "created_from", "created_to", "modified_to", "chunk_size", "filter_x", "has_key"]
        ),
        st.text(max_size=12) | st.just(True) | st.sampled_from(["1", "-5", '["a"]', "9" * 30, "{}"]),
    ),
    st.dictionaries(
        st.sampled_from(["page_size", "paginate", "start_key", "created_from", "created_to"]),
        st.none() | st.booleans() | st.integers() | st.floats() | st.lists(st.integers()) | st.text(),
    ),
)  # fmt: skip
def test_no_parameter_is_a_crash(query: dict[str, Any], body: dict[str, Any]) -> None:
    """Every request is a query or an error of the catalogue."""
    try:
        parsed = _parse(body, **query)
    except ListingError as error:
        assert error.kind in ("faulty_request", "validation_error")
        return
    assert 1 <= parsed.page_size <= 200
    assert matches({"x": "1", "pvt_created": NOW}, parsed) in (True, False)
    item(SUMMARY, parsed, READ_ONLY, FLAT)
