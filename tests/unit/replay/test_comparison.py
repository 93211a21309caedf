"""The wire contract's rules, applied to answers, messages and frames."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from crossbar_conferences.replay.comparison import (
    Answer,
    Published,
    compare_frames,
    compare_messages,
    compare_response,
)
from crossbar_conferences.replay.model import Expectation, ExpectedMessage, ExpectedResponse, HttpStep
from crossbar_conferences.replay.placeholders import Bindings

U = "/v2/accounts/{A}/conferences"


def wheres(
    expected: ExpectedResponse,
    answer: Answer,
    path: str = f"{U}/{{C}}",
    untrusted: tuple[str, ...] = (),
    method: str = "GET",
) -> list[str]:
    """The places where an answer differs."""
    step = HttpStep(1, method, path, expected=Expectation(response=expected, untrusted=untrusted))
    return [difference.where() for difference in compare_response(expected, answer, step, Bindings())]


def test_status_alone_is_told() -> None:
    """With another status only that is told, with the body as the reason."""
    step = HttpStep(1, "GET", U)
    found = compare_response(
        ExpectedResponse(200, body={"a": 1}), Answer(500, text='{"b":2}', body={"b": 2}), step, Bindings()
    )
    assert [difference.where() for difference in found] == ["status"]
    assert found[0].note == '{"b":2}'


@pytest.mark.parametrize(
    ("path", "expected", "actual"),
    [
        (f"{U}/{{C}}", {"metadata": {}}, {"metadata": {"as_of": 1, "source": "events"}}),
        (f"{U}/{{C}}", {"data": {"id": 1}}, {"data": {"id": 1, "_read_only": {"members": 1}}}),
        (f"{U}?x=1", {"data": [{"id": 1}]}, {"data": [{"id": 1, "members": 0, "admins": 0}]}),
        (
            U,
            {"data": [{"_read_only": {"members": 1}}]},
            {"data": [{"_read_only": {"members": 1, "admins": 1}}]},
        ),
        (
            f"{U}/{{C}}/participants",
            {"data": [{"participant_id": 1}]},
            {"data": [{"participant_id": 1, "hear": True}]},
        ),
        (f"{U}/{{C}}/participants/1", {"data": {"call_id": "x"}}, {"data": {"call_id": "x", "hear": True}}),
    ],
)
def test_superset(path: str, expected: dict[str, Any], actual: dict[str, Any]) -> None:
    """Where the contract shows more than Kazoo, more is no difference."""
    assert wheres(ExpectedResponse(200, body=expected), Answer(200, body=actual), path) == []


@pytest.mark.parametrize(
    ("path", "expected", "actual", "where"),
    [
        (f"{U}/{{C}}", {"a": 1}, {"a": 1, "b": 2}, "b"),
        (f"{U}/{{C}}", {"data": {"id": 1}}, {"data": {"id": 1, "hear": True}}, "data.hear"),
        (f"{U}?fields=x", {"data": [{"id": 1}]}, {"data": [{"id": 1, "members": 0}]}, "data[0].members"),
        (f"{U}/{{C}}", {"metadata": {"members": 1}}, {"metadata": {"members": 2}}, "metadata.members"),
        (f"{U}/{{C}}", {"metadata": {"members": 1}}, {"metadata": {}}, "metadata.members"),
        (f"{U}/{{C}}", {"data": {"video": True}}, {"data": {}}, "data.video"),
    ],
)
def test_not_superset(path: str, expected: dict[str, Any], actual: dict[str, Any], where: str) -> None:
    """Elsewhere more is a difference, and missing or other values always are."""
    assert wheres(ExpectedResponse(200, body=expected), Answer(200, body=actual), path) == [where]


def test_what_the_switch_says_of_itself() -> None:
    """Host names, energy and made-up callers are not compared; flags and names that were given are."""
    member = {
        "participant_id": 1,
        "caller_id_name": "Caller 1",
        "switch_hostname": "a",
        "conference_channel_vars": {"floor": True, "speak": True},
    }
    other = {
        "participant_id": 1,
        "caller_id_name": "Somebody",
        "conference_channel_vars": {"floor": False, "speak": True},
    }
    expected = ExpectedResponse(200, body={"data": [member]})
    path = f"{U}/{{C}}/participants"
    assert wheres(expected, Answer(200, body={"data": [other]}), path) == []
    deaf = {**other, "conference_channel_vars": {"speak": False}}
    assert wheres(expected, Answer(200, body={"data": [deaf]}), path) == [
        "data[0].conference_channel_vars.speak"
    ]


def test_participants_come_in_any_order() -> None:
    """The order of participants is the media server's own."""
    expected = ExpectedResponse(
        200, body={"metadata": {"participants": [{"participant_id": 1}, {"participant_id": 2}]}}
    )
    answer = Answer(200, body={"metadata": {"participants": [{"participant_id": 2}, {"participant_id": 1}]}})
    assert wheres(expected, answer) == []


def test_headers_that_hold_lists_are_sets() -> None:
    """Members of list-like headers may come in any order and number."""
    expected = ExpectedResponse(405, headers={"access-control-allow-methods": "GET, OPTIONS, OPTIONS"})
    assert wheres(expected, Answer(405, {"access-control-allow-methods": "OPTIONS,GET"})) == []
    assert wheres(expected, Answer(405, {"access-control-allow-methods": "GET"})) == [
        "headers.access-control-allow-methods"
    ]


def test_more_may_be_sent_and_seen() -> None:
    """What a page may send and see is at least what was recorded; a placeholder stands for a part of it."""
    name = "access-control-allow-headers"
    for wanted, got in (("a, B", "b,a,c"), ("<text>b<text>", "a, b, c"), ("a", "a")):
        assert wheres(ExpectedResponse(200, headers={name: wanted}), Answer(200, {name: got})) == []
    for wanted, got in (("a, b", "a"), ("<text>b<text>", "a, c"), ("a", "ab")):
        assert wheres(ExpectedResponse(200, headers={name: wanted}), Answer(200, {name: got})) == [
            f"headers.{name}"
        ]


def test_unasked_headers() -> None:
    """CORS, ETag and location may not appear where the recording has none; others may."""
    expected = ExpectedResponse(200, headers={}, all_headers=True)
    assert wheres(expected, Answer(200, {"server": "x", "expires": "x"})) == []
    assert wheres(expected, Answer(200, {"etag": '"x"'})) == ["headers.etag"]
    assert wheres(replace(expected, all_headers=False), Answer(200, {"etag": '"x"'})) == []
    gone = ExpectedResponse(200, headers={"allow": None})
    assert wheres(gone, Answer(200, {"allow": "GET"})) == ["headers.allow"]


def test_etag_of_a_live_answer() -> None:
    """The tag of a live answer is any strong one; an idle one is the revision."""
    rev = "1-" + "a" * 32
    expected = ExpectedResponse(200, headers={"etag": '"<rev1:1>"'}, body={"metadata": "<any>"})
    live = {"metadata": {"members": 1}}
    assert wheres(expected, Answer(200, {"etag": '"live-1"'}, body=live)) == []
    assert wheres(expected, Answer(200, {"etag": 'W/"x"'}, body=live)) == ["headers.etag"]
    idle = {"metadata": {"members": 0}}
    assert wheres(expected, Answer(200, {"etag": '"live-1"'}, body=idle)) == ["headers.etag"]
    assert wheres(expected, Answer(200, {"etag": f'"{rev}"'}, body=idle)) == []


def test_untrusted_parts() -> None:
    """What a recording marks as no model is not compared; the rest is."""
    expected = ExpectedResponse(200, body={"page_size": 1, "data": [{"id": 1, "flags": []}]})
    answer = Answer(200, body={"page_size": 2, "data": [{"id": 1}]})
    assert wheres(expected, answer, U, ("list paging", "fields of a list item")) == []
    assert wheres(expected, answer, U) == ["page_size", "data[0].flags"]
    other = Answer(200, body={"page_size": 2, "data": [{"id": 2}]})
    assert wheres(expected, other, U, ("list paging", "fields of a list item")) == ["data[0].id"]


def test_text_body() -> None:
    """An empty body is compared as text; CSV of untrusted items is not."""
    empty = ExpectedResponse(412, text="")
    assert wheres(empty, Answer(412, text="")) == []
    assert wheres(empty, Answer(412, text="x")) == ["text"]
    csv = ExpectedResponse(200, text='"name"')
    assert wheres(csv, Answer(200, text='"id"'), U, ("fields of a list item",)) == []


def test_jsonp() -> None:
    """A JSONP answer is compared inside and around."""
    expected = ExpectedResponse(200, body={"a": 1}, text="cb(…body…);")
    assert wheres(expected, Answer(200, text='cb({"a":1});', body={"a": 1})) == []
    assert wheres(expected, Answer(200, text='{"a":1}', body={"a": 1})) == ["text"]


def test_indentation_and_order() -> None:
    """Pretty print and the order of ids are seen."""
    pretty = ExpectedResponse(200, indented=True)
    assert wheres(pretty, Answer(200, text='{"a":1}')) == ["text"]
    assert wheres(pretty, Answer(200, text='{\n "a":1}')) == []
    falling = ExpectedResponse(200, order_of_ids="descending")
    assert wheres(falling, Answer(200, body={"data": [{"id": "b"}, {"id": "a"}]}), U) == []
    assert wheres(falling, Answer(200, body={"data": [{"id": "a"}, {"id": "b"}]}), U) == ["data"]


LOCK = {"Application-Name": "lock", "Event-Name": "command", "App-Name": "kapps_conference"}


def published(body: dict[str, Any], exchange: str = "conference") -> Published:
    """A message as it was seen."""
    return Published(exchange, "conference.command.c", body)


def test_messages_in_any_order() -> None:
    """Messages are paired whatever their order; what is missing or too much is told."""
    expected = [
        ExpectedMessage("conference", "conference.command.c", {**LOCK, "Msg-ID": f"<rid:{number}>"})
        for number in (1, 2)
    ]
    seen = [published({**LOCK, "Msg-ID": "b"}), published({**LOCK, "Msg-ID": "a"})]
    assert compare_messages(expected, seen, Bindings()) == []
    assert [item.where() for item in compare_messages(expected, seen[:1], Bindings())] == ["published[1]"]
    assert [item.where() for item in compare_messages(expected[:1], seen, Bindings())] == ["published"]


def test_one_wrong_header() -> None:
    """A wrong header is told as such, not as a missing and an extra message."""
    expected = [ExpectedMessage("conference", "conference.command.c", LOCK)]
    found = compare_messages(expected, [published({**LOCK, "Application-Name": "unlock"})], Bindings())
    assert [item.where() for item in found] == ["published[0].body.Application-Name"]


def test_the_switch_and_searches_are_left_out() -> None:
    """What the media side publishes, and searches of the API, are not compared."""
    seen = [
        published({"App-Name": "freeswitch", "Event-Name": "event"}),
        published({"App-Name": "crossbar", "Event-Name": "search_req"}),
        published({"App-Name": "ecallmgr", "Event-Name": "search_resp"}),
    ]
    expected = [ExpectedMessage("conference", "x", {"Event-Name": "event"}, "switch")]
    assert compare_messages(expected, seen, Bindings()) == []


def test_frames_may_say_more() -> None:
    """A frame may have a sequence number and flat flags, in any order of frames."""
    expected = [
        {"action": "reply", "data": {"subscribed": ["a"]}},
        {"action": "event", "data": {"event": "lock"}},
    ]
    seen: list[dict[str, Any]] = [
        {"action": "event", "seq": 1, "data": {"event": "lock", "hear": True}},
        {"action": "reply", "data": {"subscribed": ["a"]}},
    ]
    assert compare_frames(expected, seen, Bindings()) == []
    seen[0] = {"action": "event", "data": {"event": "unlock"}}
    assert [item.where() for item in compare_frames(expected, seen, Bindings())] == ["frames[1].data.event"]
