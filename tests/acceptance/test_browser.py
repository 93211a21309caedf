"""A page of another origin in Debian's Chromium, which does what pages do with this API.

The browser starts once, for the sidecar in memory and the one on real services; the page tells what it could
see, and the tests look at that.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from scripts.installing import ensure_chromium
from tests.support.browser import run_page
from tests.support.house import House, embedded_house, real_house

PAGE = Path(__file__).parent / "pages" / "other_origin.html"
NAME = "Büro „Ωmega“"

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

Step = Mapping[str, Any]


async def given(house: House) -> dict[str, str]:
    """What the page is told of a sidecar: a conference with two people in it is running."""
    room = await house.create(name=NAME)
    await house.run_room(room, 2)
    return {
        "url": house.service.base_url,
        "token": house.tokens["boss"],
        "list": house.path(),
        "room": house.path(room),
        "unique": secrets.token_hex(6),
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def found(
    amqp_url: str, couchdb_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Mapping[str, Step]]:
    """What the page found out, by sidecar and step."""
    folder = tmp_path_factory.mktemp("browser")
    async with embedded_house() as memory, real_house(couchdb_url, amqp_url) as real:
        targets = {"embedded": await given(memory), "real": await given(real)}
        # Where it is missing, that takes minutes.
        browser = await asyncio.to_thread(ensure_chromium)
        return await run_page(browser, PAGE, targets, folder)


@pytest.fixture(params=["embedded", "real"])
def seen(request: pytest.FixtureRequest, found: Mapping[str, Mapping[str, Step]]) -> Mapping[str, Step]:
    """The same of one sidecar."""
    return found[request.param]


async def test_no_step_failed(seen: Mapping[str, Step]) -> None:
    """To a page, what its browser withholds looks like a network that is down."""
    assert {name: step["failed"] for name, step in seen.items() if "failed" in step} == {}
    assert len(seen) == 9


async def test_lists(seen: Mapping[str, Step]) -> None:
    """It names its request, sees the name again and the tag, and asks whether there is anything new."""
    whole, again = seen["list"]["whole"], seen["list"]["again"]
    assert (whole["status"], whole["headers"]["x-request-id"]) == (200, "page-1")
    assert [one["name"] for one in whole["json"]["data"]] == [NAME]
    assert "\n  " in whole["text"]
    assert again["status"] == 304


async def test_creates_and_changes(seen: Mapping[str, Step]) -> None:
    """It sees where the new conference is, changes it once only, and deletes it."""
    made, changed, stale, gone = (seen["create"][name] for name in ("made", "changed", "stale", "gone"))
    assert made["status"] == 201
    assert made["headers"]["location"].endswith(f"/conferences/{made['json']['data']['id']}")
    assert (changed["status"], stale["status"], gone["status"]) == (200, 412, 200)


async def test_sends_what_it_has_packed(seen: Mapping[str, Step]) -> None:
    """A body that the page's own gzip made."""
    assert seen["packed"]["status"] == 201
    assert seen["packed"]["name"].startswith("Packed ")


async def test_mutes_once_with_a_key(seen: Mapping[str, Step]) -> None:
    """It sees that its second request was the first one again."""
    first, second = seen["mute"]["first"], seen["mute"]["second"]
    assert (first["status"], second["status"], seen["mute"]["undone"]["status"]) == (202, 202, 202)
    assert "idempotency-replayed" not in first["headers"]
    assert second["headers"]["idempotency-replayed"] == "true"


async def test_follows_events_with_fetch(seen: Mapping[str, Step]) -> None:
    """From an event on that it names, with its token in a header; what happens meanwhile comes at once."""
    stream = seen["fetch_stream"]
    assert (stream["status"], stream["headers"]["content-type"]) == (200, "text/event-stream")
    assert stream["names"] == ["snapshot", "mute-member", "unmute-member"]
    assert stream["ids"] == sorted(stream["ids"])
    assert stream["headers"]["x-request-id"]


async def test_follows_events_with_an_event_source(seen: Mapping[str, Step]) -> None:
    """Which can send no header of its own: the token stands in the query."""
    snapshot, event = seen["event_source"]["snapshot"], seen["event_source"]["event"]
    assert len(snapshot["data"]["participants"]) == 2
    assert event["data"]["event"] == "mute-member"
    assert int(event["id"]) > int(snapshot["id"])


async def test_downloads_a_calendar_file(seen: Mapping[str, Step]) -> None:
    """And sees the name that the file should have."""
    calendar = seen["calendar"]
    assert calendar["status"] == 200
    assert calendar["headers"]["content-disposition"] == 'attachment; filename="invite.ics"'
    assert calendar["text"].startswith("BEGIN:VCALENDAR\r\n")


async def test_reads_csv(seen: Mapping[str, Step]) -> None:
    """With the mark that a spreadsheet needs; an empty list is no failure."""
    spreadsheet, empty = seen["csv"]["spreadsheet"], seen["csv"]["empty"]
    assert spreadsheet["headers"]["content-type"] == "text/csv; charset=utf-8"
    assert spreadsheet["headers"]["content-disposition"].startswith("attachment; filename=")
    assert spreadsheet["text"].startswith('\ufeff"') and NAME in spreadsheet["text"]
    assert (empty["status"], empty["text"]) == (204, "")


async def test_reads_what_was_refused(seen: Mapping[str, Step]) -> None:
    """Errors are answers too: with their status, and their words where they have any."""
    refused = seen["refused"]
    statuses = {name: answer["status"] for name, answer in refused.items()}
    assert statuses == {"accept": 400, "type": 406, "nobody": 401, "verb": 405, "unknown": 404}
    for name, answer in refused.items():
        assert (answer["json"] or {}).get("status") == (None if name == "type" else "error")
        assert answer["headers"]["x-request-id"]
