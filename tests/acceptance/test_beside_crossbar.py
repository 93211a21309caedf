"""What a client sees that is answered now by crossbar, now by the sidecar, through one address.

Source: beside-kazoo.md 5, 10; real-clients.md F; http.md 4; issue "True on the real switch" 14 and 15.
"""

from __future__ import annotations

import csv
import io
from typing import Any
from urllib.parse import quote

import pytest

from tests.support.answers import Answer
from tests.support.house import House

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def names(house: House, query: str) -> list[str]:
    """The names of the conferences that a query means, in order."""
    answer = await house.get(f"{house.path()}?ascending=true&{query}")
    assert answer.status == 200, answer.text
    return sorted(item["name"] for item in answer.data)


@pytest.mark.parametrize(
    ("query", "meant"),
    [
        ("filter_colour=red&filter_colour=blue", ""),
        ("filter_not_colour=red&filter_not_colour=blue", "three"),
        ("filter_colour=red&filter_colour=red", "one"),
        ("filter_=", "one two three"),
        ("filter_=x", ""),
        ("filter_max_participants=[5]", ""),
        ('filter_max_participants=["5"]', "two"),
        ("filter_flags=vip", "two"),
        ("filter_flags=vipx", "one"),
        ("filter_flags.1=vip", "one two"),
        ('filter_array_intersect_none_flags=["vip"]', "three"),
        ('filter_array_intersect_none_flags=["vip","x"]', "two three"),
        ("filter_array_intersect_none_flags=[]", ""),
        ("filter_not_colour.x=y", "three"),
        ("filter_any_colour", ""),
        ("created_from=x", ""),
        ("has_key=colour&has_key=max_participants", "two"),
        ("has_key=max_participants&has_key=colour", "two"),
        ("page_size=1&page_size=2&filter_colour=red", "one"),
        ("fields=[]&filter_colour=red", "one"),
    ],
)
async def test_filters_mean_what_they_mean_on_crossbar(house: House, query: str, meant: str) -> None:
    """Repeated, empty and odd ones too."""
    if not await names(house, 'filter_any_name=["one"]'):
        await house.empty()
        await house.create(name="one", colour="red", flags=["vip", "x"])
        await house.create(name="two", colour="blue", flags=["vip"], max_participants=5)
        await house.create(name="three", flags=[])
    key, _, value = query.rpartition("=")
    asked = f"{key}={quote(value)}" if key else query
    assert await names(house, asked) == sorted(meant.split())


async def test_the_first_of_equal_parameters_counts(house: House) -> None:
    """As in crossbar, for everything but filters."""
    await house.empty()
    for number in range(3):
        await house.create(name=f"Room {number}")
    answer = await house.get(house.path() + "?page_size=2&page_size=1")
    assert len(answer.data) == 2


@pytest.mark.parametrize("fields", ["name", "5", '{"name":1}', '["name",5]', "true", ""])
async def test_fields_that_are_no_list(house: House, fields: str) -> None:
    """A 404 in Kazoo's words."""
    answer = await house.get(f"{house.path()}?fields={quote(fields)}")
    assert (answer.status, answer.message, answer.data) == (
        404,
        "faulty_request",
        {"message": "invalid fields query string"},
    )


async def as_csv(house: House, *parts: str) -> tuple[Answer, list[dict[str, str]]]:
    """An answer as CSV, and its lines."""
    answer = await house.get(house.path(*parts), headers={"Accept": "text/csv"})
    return answer, list(csv.DictReader(io.StringIO(answer.text)))


async def test_one_conference_as_csv(house: House) -> None:
    """A table of one line; its participants one line each, and none at all an empty answer."""
    made = await house.create(name="Sales", member={"pins": ["11"]})
    answer, lines = await as_csv(house, made)
    assert (answer.status, answer.headers["content-type"]) == (200, "text/csv")
    assert answer.headers["content-disposition"].startswith('attachment; filename="')
    assert [(line["ID"], line["name"], line["member_pins"]) for line in lines] == [(made, "Sales", "11")]
    empty, _ = await as_csv(house, made, "participants")
    assert (empty.status, empty.text) == (204, "")
    await house.run_room(made, members=2)
    _, people = await as_csv(house, made, "participants")
    assert [line["conference_name"] for line in people] == [made, made]
    _, one = await as_csv(house, made, "participants", people[0]["participant_id"])
    assert [line["call_id"] for line in one] == [people[0]["call_id"]]
    await house.call("DELETE", house.path(made))


SPREADSHEET = "text/csv; header=present; charset=utf-8"


@pytest.mark.parametrize(
    ("query", "accept", "is_marked"),
    [
        ("", SPREADSHEET, True),
        ("?csv_bom=true", "text/csv", True),
        ("?accept=csv&csv_bom=true", "*/*", True),
        ("?accept=" + quote(SPREADSHEET), "*/*", True),
        ("?csv_bom=false", "text/csv", False),
        ("?accept=csv", "application/json", False),
        ("", "text/csv; charset=utf-8", False),
        ("", "application/octet-stream", False),
    ],
)
async def test_csv_for_spreadsheets(house: House, query: str, accept: str, is_marked: bool) -> None:
    """With a byte order mark and its character set for who asks so; the same bytes behind it as for all."""
    made = await house.create(name="Büro „Ωmega“ 会议")
    plain, _ = await as_csv(house, made)
    # Twice: the second answer comes from memory where it may.
    for _ in range(2):
        answer = await house.get(house.path(made) + query, headers={"Accept": accept})
        assert answer.status == 200
        assert answer.text == ("\ufeff" if is_marked else "") + plain.text
        assert answer.headers["Content-Type"] == ("text/csv; charset=utf-8" if is_marked else "text/csv")
    assert "Büro „Ωmega“ 会议" in plain.text
    # JSON never has one.
    answer = await house.get(house.path(made) + "?csv_bom=true")
    assert answer.text.startswith("{") and answer.headers["Content-Type"] == "application/json"
    await house.call("DELETE", house.path(made))


async def test_an_error_is_no_csv(house: House) -> None:
    """Nor is the answer to a write."""
    answer = await house.get(house.path("f" * 32), headers={"Accept": "text/csv"})
    assert (answer.status, answer.message) == (404, "bad_identifier")
    made = await house.create(name="Sales")
    answer = await house.call("DELETE", house.path(made), headers={"Accept": "text/csv"})
    assert (answer.status, answer.data["id"]) == (200, made)


async def test_a_deletion_is_marked_for_both_generations(house: House) -> None:
    """In the metadata as in Kazoo 5, and in the data as in the open core; nothing of it is stored."""
    made = await house.create(name="Sales")
    shown = await house.get(house.path(made) + "?verb=DELETE")
    gone = await house.call("DELETE", house.path(made))
    for answer in (shown, gone):
        assert (answer.metadata["deleted"], answer.data["_read_only"]) == (True, {"deleted": True})
    assert "_read_only" not in await house.stored(made)


async def test_a_listed_room_says_what_it_is(house: House) -> None:
    """The keys of crossbar's items, but for who is there."""
    made = await house.create(name="Sales")
    await house.run_room(made)
    listed = await house.get(house.path() + "?filter_name=Sales")
    shown: dict[str, Any] = listed.data[0]["_read_only"]
    assert (shown["conference_id"], shown["locked"], shown["members"]) == (made, False, 1)
    assert "participants" not in shown
    await house.call("DELETE", house.path(made))


async def test_figures_that_crossbar_stored_are_not_shown_and_go(house: House) -> None:
    """A list item posted whole to crossbar: the true figures are shown, the next save drops those."""
    made = await house.create(name="Sales", admins="a text of the client's own")
    listed = (await house.get(house.path() + "?filter_name=Sales")).data[0]
    stale = {"members": 9, "duration": 60, "is_locked": True}
    stored = await house.stored(made)
    await house.store.inner.put(house.database, {**stored, **stale})
    house.service.cache.flush(house.database, made)
    house.service.pages.flush(house.database)
    shown = await house.get(house.path(made))
    assert not stale.keys() & shown.data.keys()
    assert shown.data["admins"] == "a text of the client's own"
    again = (await house.get(house.path() + "?filter_name=Sales&full_docs=true")).data[0]
    assert (again["members"], again["is_locked"]) == (listed["members"], listed["is_locked"]) == (0, False)
    answer = await house.call("PATCH", house.path(made), {"data": {"name": "Sales", "custom": 1}})
    assert answer.status == 200
    kept = await house.stored(made)
    assert not stale.keys() & kept.keys() and kept["admins"] == "a text of the client's own"
    await house.call("DELETE", house.path(made))


async def test_a_page_size_that_is_a_text_is_none(house: House) -> None:
    """``sup kapps_config set_default`` stores texts, and crossbar goes on with its default."""
    await house.empty()
    for number in range(3):
        await house.create(name=f"Room {number}")
    for stored, shown in (("2", 3), (2, 2)):
        rev = {}
        if await _has_config(house):
            rev = {"_rev": (await house.store.inner.get("system_config", "crossbar"))["_rev"]}
        document = {"_id": "crossbar", "default": {"pagination_page_size": stored}, **rev}
        await house.store.inner.put("system_config", document)
        house.service.cache.flush("system_config", "crossbar")
        answer = await house.get(house.path())
        assert len(answer.data) == shown, stored
    rev = (await house.store.inner.get("system_config", "crossbar"))["_rev"]
    await house.store.inner.put("system_config", {"_id": "crossbar", "default": {}, "_rev": rev})
    house.service.cache.flush("system_config", "crossbar")


async def _has_config(house: House) -> bool:
    return "crossbar" in await house.store.inner.get_many("system_config", ["crossbar"])
