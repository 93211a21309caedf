"""Every action of the seed, as recorded, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossbar_conferences.conference.actions import (
    CONFERENCE_ACTIONS,
    needs_live_state,
    plan_conference_action,
    plan_participant_action,
    plan_participants_action,
)
from crossbar_conferences.conference.actions_dial import plan_dial, read_dial
from crossbar_conferences.conference.actions_plan import (
    ActionContext,
    ActionError,
    Plan,
    PublicDocument,
    conference_request,
    participants_request,
)
from crossbar_conferences.conference.actions_table import ACTIONS, ActionFact, Core, MediaSide
from crossbar_conferences.conference.confirmation import PROOFS, Confirmation
from crossbar_conferences.conference.endpoints import resolve
from crossbar_conferences.conference.rooms import Participant, Room
from crossbar_conferences.kapi.messages import Origin
from tests.support.schema_check import check

A = "acct0000000000000000000000000001"
C = "conf0000000000000000000000000001"
DOCUMENT = {"_id": C, "_rev": "1-x", "name": "Weekly"}
ORIGIN = Origin("crossbar", "4.0.0", "conf_api@host")


def member(number: int, **flags: bool) -> Participant:
    headers = {"moderator": "Is-Moderator", "speak": "Speak", "hear": "Hear", "talking": "Talking"}
    return Participant(
        participant_id=number,
        conference_channel_vars={headers[name]: value for name, value in flags.items()},
    )


#: The recordings' seven people in all states.
SEVEN = Room(
    C,
    account_id=A,
    participants=(
        member(1, moderator=True, speak=True, hear=True),
        member(2, moderator=False, speak=True, hear=True),
        member(3, moderator=False, speak=True, hear=True),
        member(4, moderator=False, speak=False, hear=True),
        member(5, moderator=False, speak=True, hear=False),
        member(6, moderator=False, speak=False, hear=False),
        member(7, moderator=True, speak=False, hear=True),
    ),
)


def context(room: Room | None = None, *, known: bool | None = None, **changes: Any) -> ActionContext:
    return ActionContext(
        account_id=changes.get("account_id", A),
        conference_id=changes.get("conference_id", C),
        document=changes.get("document", DOCUMENT),
        origin=ORIGIN,
        check=check,
        room=room,
        is_live_known=room is not None if known is None else known,
        new_recording="new.mp3",
        last_recording=changes.get("last_recording"),
    )


def on_conference(
    body: Mapping[str, Any], query: Mapping[str, Any] | None = None, where: ActionContext | None = None
) -> Plan:
    return plan_conference_action(conference_request(body.get("data"), query or {}, body), where or context())


def outcome(
    body: Mapping[str, Any], query: Mapping[str, Any] | None = None, where: ActionContext | None = None
) -> Plan | ActionError:
    try:
        return on_conference(body, query, where)
    except ActionError as error:
        return error


def on_participants(
    body: Mapping[str, Any], query: Mapping[str, Any] | None = None, where: ActionContext | None = None
) -> Plan:
    request = participants_request(body.get("data"), query or {}, body)
    return plan_participants_action(request, where or context(SEVEN))


def on_one(body: Mapping[str, Any], participant: str = "2", where: ActionContext | None = None) -> Plan:
    request = participants_request(body.get("data"), {}, body)
    return plan_participant_action(request, where or context(SEVEN), participant)


def headers(plan: Plan) -> list[dict[str, Any]]:
    """What is sent, without the headers that every message has."""
    common = {"App-Version", "Event-Category", "Event-Name", "Msg-ID", "Node", "Conference-ID"}
    return [{key: value for key, value in m.body.items() if key not in common} for m in plan.messages]


def refused(error: pytest.ExceptionInfo[ActionError]) -> tuple[str, Any]:
    return error.value.kind, error.value.data


@pytest.mark.parametrize("action", ["lock", "unlock"])
@pytest.mark.parametrize("is_inside", [False, True])
def test_lock_and_unlock(action: str, is_inside: bool) -> None:
    """Both nestings send one command, exactly Kazoo's."""
    plan = on_conference({"data": {"action": action}} if is_inside else {"action": action, "data": {}})
    (message,) = plan.messages
    assert (message.exchange, message.routing_key) == ("conference", f"conference.command.{C}")
    body = dict(message.body)
    assert body.pop("Msg-ID")
    assert body == {
        "Application-Name": action,
        "Conference-ID": C,
        "Event-Category": "conference",
        "Event-Name": "command",
        "App-Name": "kapps_conference",
        "App-Version": "1.0.0",
        "Node": "conf_api@host",
    }
    assert (plan.status, plan.data) == (202, "ok")
    assert plan.confirms == (Confirmation(action, C),)


@pytest.mark.parametrize("value", ["jackson", None, "", 5, ["lock"], {}])
def test_unknown_action(value: Any) -> None:
    """The error lists Kazoo's six, and the value only when one was sent."""
    with pytest.raises(ActionError) as error:
        on_conference({"action": value, "data": {}}, {"action": "lock"})
    kind, data = refused(error)
    details = data["action"]["enum"]
    assert kind == "validation_error"
    assert (
        details["target"] == ["lock", "unlock", "play", "dial", "record", "vars"] == list(CONFERENCE_ACTIONS)
    )
    assert details.get("value") == (value or None) or value == {}
    assert details["message"] == "Value not found in enumerated list of values"


PLAY_FORMS = [
    ({"action": "play", "data": {"media_id": "m1"}}, {}),
    ({"action": "play", "data": {"data": {"media_id": "m1"}}}, {}),
    ({"data": {"action": "play", "media_id": "m1"}}, {}),
    ({"data": {"action": "play", "data": {"media_id": "m1"}}}, {}),
]
NOT_PLAY_FORMS = [
    ({"action": "play", "data": {}}, {}),
    ({"action": "play", "media_id": "m1", "data": {}}, {}),
    ({"action": "play", "data": {}}, {"media_id": "m1"}),
    ({"action": "play", "data": {"media_id": "m1", "data": {}}}, {}),
]


@pytest.mark.parametrize(("body", "query"), PLAY_FORMS)
def test_play(body: dict[str, Any], query: dict[str, Any]) -> None:
    """A media id is played from the account."""
    plan = on_conference(body, query)
    assert headers(plan) == [
        {"Application-Name": "play", "Media-Name": f"/{A}/m1", "App-Name": "kapps_conference"}
    ]
    assert (plan.status, plan.data, plan.confirms) == (202, "ok", ())


@pytest.mark.parametrize(("body", "query"), NOT_PLAY_FORMS)
def test_play_without_media(body: dict[str, Any], query: dict[str, Any]) -> None:
    """A media id in another place is none."""
    with pytest.raises(ActionError) as error:
        on_conference(body, query)
    message = "action 'play' requires a media ID or URL"
    assert refused(error) == (
        "validation_error",
        {"data.media_id": {"required": {"message": message}}},
    )


NUMBERS = [f"media_ids.{place}" for place in range(21)]


@pytest.mark.parametrize("form", [on_conference, on_participants, on_one])
def test_a_list_is_played_as_one_command(form: Any) -> None:
    """Each element is sent as it would be alone, in the order of the list, to everybody or to one."""
    media_ids = ["m1", "conf-welcome", "tone_stream://%(500,0,440)", "/system_media/x", "https://a.example/b"]
    (sent,) = headers(form({"data": {"action": "play", "data": {"media_ids": media_ids}}}))
    alone = [
        headers(on_conference({"action": "play", "data": {"media_id": media_id}}))[0]["Media-Name"]
        for media_id in media_ids
    ]
    assert alone[:2] == [f"/{A}/m1", f"prompt://{A}/conf-welcome"]
    who = {"Participant-ID": 2} if form is on_one else {}
    assert sent == {
        "Application-Name": "play_macro",
        "Media-Macro": alone,
        **who,
        "App-Name": "kapps_conference",
    }


@pytest.mark.parametrize(
    ("data", "kind", "named"),
    [
        ({"media_ids": []}, "validation_error", ["media_ids"]),
        ({"media_ids": "m1"}, "validation_error", ["media_ids"]),
        ({"media_ids": {"0": "m1"}}, "validation_error", ["media_ids"]),
        ({"media_ids": ["m1", 7]}, "validation_error", ["media_ids.1"]),
        ({"media_ids": ["m1", ""]}, "validation_error", ["media_ids.1"]),
        ({"media_ids": ["m1", None]}, "validation_error", ["media_ids.1"]),
        ({"media_ids": ["m1", ["m2"]]}, "validation_error", ["media_ids.1"]),
        ({"media_ids": ["m1"] * 21}, "validation_error", ["media_ids"]),
        ({"media_ids": [*["m1"] * 20, 7, 7]}, "validation_error", ["media_ids", "media_ids.20"]),
        ({"media_ids": [7] * 20_000}, "validation_error", ["media_ids", *NUMBERS]),
        ({"media_ids": ["a" * 128] * 20, "media_id": None}, None, None),
        ({"media_ids": [f"https://a.example/{'b' * 200}"] * 20}, "validation_error", ["media_ids"]),
        ({"media_ids": ["a" * 2049]}, "validation_error", ["media_ids.0"]),
        ({"media_ids": ["m1"], "media_id": "m1"}, "validation_error", ["media_ids"]),
        # What parts elements, ends a quote or is expanded; and what may not be played alone.
        ({"media_ids": ["m1", "a'b"]}, "validation_error", ["media_ids.1"]),
        ({"media_ids": ["m1", "${x}"]}, "validation_error", ["media_ids.1"]),
        ({"media_ids": ["m1", "a b"]}, "validation_error", ["media_ids.1"]),
        ({"media_ids": ["m1", "a!b"]}, "bad_media", ["a!b"]),
        ({"media_ids": ["m1", "https://a.example/b!/etc/passwd"]}, "bad_media", None),
        ({"media_ids": ["m1", "tone_stream://%(1,1,1)!/etc/passwd"]}, "bad_media", None),
        ({"media_ids": ["m1", "file_string://a!b"]}, "bad_media", ["file_string://a!b"]),
        ({"media_ids": ["m1", f"/{'b' * 32}/x"]}, "bad_media", [f"/{'b' * 32}/x"]),
        ({"media_ids": ["http://10.0.0.1/x", "m1"]}, "bad_media", ["http://10.0.0.1/x"]),
        ({"media_ids": ["tone_stream://l=-1;%(1,1,1)"]}, "bad_media", None),
    ],
)
def test_each_element_is_held_to_what_one_medium_is(
    data: dict[str, Any], kind: str | None, named: list[str] | None
) -> None:
    """A list that is wrong anywhere is refused as a whole, and the error names the element."""
    made = outcome({"action": "play", "data": data})
    assert (made.kind if isinstance(made, ActionError) else None) == kind
    if isinstance(made, ActionError) and named is not None:
        assert sorted(made.data) == sorted(named)


def test_a_bare_prompt_is_played_in_the_language_of_the_conference() -> None:
    """A name that is a prompt's is no document of the account's; an id is one, whatever the language."""
    where = context(document={**DOCUMENT, "language": "fr-fr"})
    for text, media in (("conf-welcome", f"prompt://{A}/conf-welcome/fr-fr"), ("welcome", f"/{A}/welcome")):
        (sent,) = headers(on_conference({"action": "play", "data": {"media_id": text}}, where=where))
        assert sent["Media-Name"] == media


def test_play_without_data() -> None:
    """A request without any data object says that it needs one."""
    with pytest.raises(ActionError) as error:
        plan_participants_action(participants_request(None, {"action": "play"}, {}), context(SEVEN))
    message = "action 'play' requires a data object"
    assert refused(error) == ("validation_error", {"data": {"required": {"message": message}}})


@pytest.mark.parametrize("data", [[], ["x"], "text", 5])
def test_data_of_another_type(data: Any) -> None:
    """Where Kazoo crashes over a list or a text, the type is told."""
    with pytest.raises(ActionError) as error:
        on_conference({"action": "play", "data": {"data": data}})
    assert refused(error)[1]["data"]["type"]["target"] == "object"


@pytest.mark.parametrize(
    ("toggle", "command", "answer"),
    [("start", "record", "starting recording"), ("stop", "recordstop", "stopping recording")],
)
@pytest.mark.parametrize(
    "form",
    [
        lambda toggle: {"action": "record", "data": {"action": toggle}},
        lambda toggle: {"data": {"action": "record", "data": {"action": toggle}}},
        lambda toggle: {"action": "record", "data": {"data": {"action": toggle}}},
    ],
)
def test_record(toggle: str, command: str, answer: str, form: Any) -> None:
    """A start has a file of its own, and a stop names the one that was started last."""
    plan = on_conference(form(toggle), where=context(last_recording="last.mp3"))
    media = "new.mp3" if toggle == "start" else "last.mp3"
    assert headers(plan) == [
        {"Application-Name": command, "Media-Name": media, "App-Name": "kapps_conference"}
    ]
    assert plan.recording == (("new.mp3", None) if toggle == "start" else None)
    assert (plan.status, plan.data) == (202, answer)
    assert plan.confirms == (Confirmation(f"record_{toggle}", C),)


@pytest.mark.parametrize(("value", "shown"), [("pause", "pause"), (1, "1"), ("START", "START"), ([1], [1])])
def test_record_with_another_toggle(value: Any, shown: Any) -> None:
    """Anything but start and stop is named."""
    with pytest.raises(ActionError) as error:
        on_conference({"action": "record", "data": {"action": value}})
    assert refused(error)[1] == {
        "data.action": {
            "enum": {
                "message": "Value not found in enumerated list of values",
                "target": ["start", "stop"],
                "value": shown,
            }
        }
    }


def test_record_with_the_wrong_nesting() -> None:
    """Inside ``data`` the action of the action is the action itself."""
    with pytest.raises(ActionError) as error:
        on_conference({"data": {"action": "record"}})
    assert refused(error)[1]["data.action"]["enum"]["value"] == "record"


@pytest.mark.parametrize("data", [{}, {"action": ""}, {"action": None}])
def test_record_without_toggle(data: dict[str, Any]) -> None:
    """A missing toggle is required."""
    with pytest.raises(ActionError) as error:
        on_conference({"action": "record", "data": data})
    assert refused(error)[1] == {"data.action": {"required": {"message": "recording requires an action"}}}


STOP = {"action": "record", "data": {"action": "stop"}}


def test_a_stop_names_what_is_recorded() -> None:
    """What an event told goes before what was begun here; what nobody knows is not guessed at."""
    told = Room(C, recording=True, recording_file="told.mp3")
    for where, media in (
        (context(told, last_recording="last.mp3"), "told.mp3"),
        (context(replace(told, recording_file=None), last_recording="last.mp3"), "last.mp3"),
        (context(Room(C)), f"{A}_{C}.mp3"),
    ):
        assert [sent["Media-Name"] for sent in headers(on_conference(STOP, where=where))] == [media]
    with pytest.raises(ActionError) as error:
        on_conference(STOP, where=context(replace(told, recording_file=None)))
    assert refused(error)[0] == "recording_unknown"


def test_only_what_may_begin_is_noted() -> None:
    """In a conference that is known not to run no recording begins."""
    start = {"action": "record", "data": {"action": "start"}}
    assert on_conference(start, where=context(Room(C, instance_id="i1"))).recording == ("new.mp3", "i1")
    assert on_conference(start, where=context(None, known=False)).recording == ("new.mp3", None)
    assert on_conference(start, where=context(None, known=True)).recording is None


@pytest.mark.parametrize(("toggle", "recording"), [("start", True), ("stop", False)])
def test_record_twice(toggle: str, recording: bool) -> None:
    """What cannot be is said when the state is known, and sent when it is not."""
    body = {"action": "record", "data": {"action": toggle}}
    room = Room(C, recording=recording)
    with pytest.raises(ActionError) as error:
        on_conference(body, where=context(room))
    assert refused(error)[1]["data.action"]["state"]["value"] == toggle
    assert on_conference(body, where=context(room, known=False)).messages
    assert on_conference(body, where=context(Room(C, recording=None))).messages
    assert on_conference(body, where=context(None, known=True)).messages


def test_vars() -> None:
    """Variables are sent as crossbar, merged with the query string, without reserved names and tokens."""
    plan = on_conference(
        {"action": "vars", "data": {"custom_conference_vars": {"k": "v", "q": "body", "Account-ID": "x"}}},
        {"q": "query", "auth_token": "secret", "wait": "100", "random": True},
    )
    assert headers(plan) == [
        {
            "Application-Name": "vars",
            "Custom-Conference-Vars": {"k": "v", "q": "query", "random": True},
            "App-Name": "crossbar",
        }
    ]
    assert plan.messages[0].body["App-Version"] == "4.0.0"
    assert (plan.status, plan.data) == (202, "vars sent")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"data": {"custom_conference_vars": {"k": "v"}}}, {"k": "v"}),
        ({"custom_conference_vars": {"o": 1}, "data": {"custom_conference_vars": {"k": "v"}}}, {"o": 1}),
        ({"data": {}}, {}),
    ],
)
def test_vars_in_the_inner_data(data: dict[str, Any], expected: dict[str, Any]) -> None:
    """The outer data counts, the inner one where that has none; none at all are an empty object."""
    plan = on_conference({"action": "vars", "data": data})
    assert headers(plan)[0]["Custom-Conference-Vars"] == expected


@pytest.mark.parametrize(
    "values", ["x", 5, ["k"], {"a\nb": "c"}, {"a": "b\r\nVia: x"}, {"a;b": "c"}, {"": "x"}]
)
def test_vars_that_would_break_a_header(values: Any) -> None:
    """What is no object, or would end a SIP header, is refused."""
    with pytest.raises(ActionError) as error:
        on_conference({"action": "vars", "data": {"custom_conference_vars": values}})
    assert refused(error)[0] == "validation_error"


BULK = [
    ("mute", "mute_participant", [2, 3, 5]),
    ("unmute", "unmute_participant", [4, 6]),
    ("deaf", "deaf_participant", [2, 3, 4]),
    ("undeaf", "undeaf_participant", [5, 6]),
    ("kick", "kick", [1, 2, 3, 4, 5, 6, 7]),
]


@pytest.mark.parametrize(("action", "command", "numbers"), BULK)
def test_bulk(action: str, command: str, numbers: list[int]) -> None:
    """Exactly the members whose state would change; a kick takes all."""
    plan = on_participants({"data": {"action": action}})
    assert headers(plan) == [
        {"Application-Name": command, "Participant-ID": number, "App-Name": "kapps_conference"}
        for number in numbers
    ]
    assert (plan.status, plan.data) == (201, PublicDocument.DOCUMENT)
    assert plan.confirms == tuple(Confirmation(action, C, number) for number in numbers)


@pytest.mark.parametrize("body", [{"action": "kick", "data": {}}, {"data": {"action": "kick"}}])
def test_bulk_in_an_empty_room(body: dict[str, Any]) -> None:
    """Nobody there is a success too."""
    plan = on_participants(body, where=context(None))
    assert (plan.messages, plan.status) == ((), 201)


def test_bulk_by_query() -> None:
    """On participants the query's action counts."""
    assert len(on_participants({"data": {}}, {"action": "kick"}).messages) == 7


def test_nobody_is_forgotten_for_want_of_a_flag() -> None:
    """A missing flag means a member who speaks and hears; Kazoo skips such people."""
    room = Room(C, participants=(member(1), member(2, speak=False), member(3, moderator=True)))
    numbers = {}
    for action in ("mute", "unmute", "deaf", "undeaf"):
        plan = on_participants({"data": {"action": action}}, where=context(room))
        numbers[action] = [message.body["Participant-ID"] for message in plan.messages]
    assert numbers == {"mute": [1], "unmute": [2], "deaf": [1, 2], "undeaf": []}


def test_bulk_play_is_for_the_conference() -> None:
    """Playing to all participants is playing to the conference."""
    plan = on_participants({"data": {"action": "play", "data": {"media_id": "m1"}}})
    assert headers(plan) == [
        {"Application-Name": "play", "Media-Name": f"/{A}/m1", "App-Name": "kapps_conference"}
    ]
    assert (plan.status, plan.data) == (202, "ok")


@pytest.mark.parametrize("action", ["dance", None, "lock", "record", 5, ["mute"], "tones"])
def test_unknown_bulk_action(action: Any) -> None:
    """Kazoo's answer to nonsense here is a faulty request."""
    with pytest.raises(ActionError) as error:
        on_participants({"data": {"action": action}})
    assert refused(error) == ("faulty_request", {"message": "faulty request"})


@pytest.mark.parametrize("nested", [True, False])
def test_selector_and_report(nested: bool) -> None:
    """A selector names exactly whom it names, and everybody named is reported."""
    selector = {"where": {"moderator": False, "hear": True}, "except": [3]}
    data = {"action": "mute", "data": selector} if nested else {"action": "mute", **selector}
    plan = on_participants({"data": data})
    assert [m.body["Participant-ID"] for m in plan.messages] == [2]
    assert plan.status == 202
    assert plan.data == {
        "action": "mute",
        "participants": [
            {"participant_id": 2, "result": "sent"},
            {"participant_id": 4, "result": "unchanged"},
        ],
    }
    assert plan.confirms == (Confirmation("mute", C, 2),)


def test_selector_of_ids() -> None:
    """Ids reach moderators too; who is not there is told."""
    plan = on_participants({"data": {"action": "mute", "ids": [7, 1, 99, 1]}})
    assert plan.data["participants"] == [
        {"participant_id": 1, "result": "sent"},
        {"participant_id": 7, "result": "unchanged"},
        {"participant_id": 99, "result": "not_found"},
    ]


def test_selector_for_sound() -> None:
    """With a selector, play and say go to each one, and levels always do."""
    plan = on_participants({"data": {"action": "play", "media_id": "m1", "ids": [2, 3]}})
    assert [m.body["Participant-ID"] for m in plan.messages] == ["2", "3"]
    plan = on_participants({"data": {"action": "volume_in", "level": -2, "where": {"speak": False}}})
    assert [(m.body["Participant-ID"], m.body["Volume-In-Level"]) for m in plan.messages] == [
        (4, "-2"),
        (6, "-2"),
        (7, "-2"),
    ]
    assert len(on_participants({"data": {"action": "energy", "level": 30}}).messages) == 7


def test_wrong_level_in_an_empty_room() -> None:
    """A request that is wrong is refused whoever is there."""
    with pytest.raises(ActionError):
        on_participants({"data": {"action": "energy", "level": "loud"}}, where=context(None))


@pytest.mark.parametrize(
    ("selector", "path"),
    [
        ({"where": {"shape": True}}, "where"),
        ({"where": {"speak": "yes"}}, "where.speak"),
        ({"ids": ["all"]}, "ids.0"),
        ({"ids": "non_moderator"}, "ids"),
        ({"except": [-1]}, "except.0"),
        ({"where": None}, "where"),
    ],
)
def test_bad_selector(selector: dict[str, Any], path: str) -> None:
    """A selector that is none is a validation error, and nothing is sent."""
    with pytest.raises(ActionError) as error:
        on_participants({"data": {"action": "mute", **selector}})
    assert path in refused(error)[1]


@pytest.mark.parametrize(
    "body",
    [
        {"data": {"action": "relate", "data": {"participant_id": 1, "other_participant": 2}}},
        {"data": {"action": "relate", "participant_id": 1, "other_participant": 2}},
        {"action": "relate", "data": {"participant_id": "1", "other_participant": "2"}},
    ],
)
def test_relate(body: dict[str, Any]) -> None:
    """Two people are related; ids as text are numbers on the wire."""
    plan = on_participants(body)
    assert headers(plan) == [
        {
            "Application-Name": "relate_participants",
            "Participant-ID": 1,
            "Other-Participant": 2,
            "Relationship": "clear",
            "App-Name": "kapps_conference",
        }
    ]
    assert (plan.status, plan.data) == (202, "relating participants")


@pytest.mark.parametrize("relationship", ["mute", "deaf", "clear"])
def test_relationships(relationship: str) -> None:
    """The relationship is sent as given."""
    data = {"participant_id": 2, "other_participant": 3, "relationship": relationship}
    assert (
        headers(on_participants({"data": {"action": "relate", "data": data}}))[0]["Relationship"]
        == relationship
    )


@pytest.mark.parametrize(
    ("first", "other", "named"),
    [(1, 8, 8), (8, 1, 8), (8, 9, 9), (2, 2, 2), (1, "x", "x"), ("1.5", 2, "1.5")],
)
def test_relate_with_somebody_absent(first: Any, other: Any, named: Any) -> None:
    """The id that nobody has is named; of two, the last."""
    with pytest.raises(ActionError) as error:
        on_participants(
            {"data": {"action": "relate", "data": {"participant_id": first, "other_participant": other}}}
        )
    assert refused(error) == ("bad_identifier", {"id": named, "message": "bad identifier"})


def test_relate_without_ids() -> None:
    """Ids in the query string are not read."""
    with pytest.raises(ActionError) as error:
        on_participants({"data": {"action": "relate"}}, {"participant_id": "1", "other_participant": "3"})
    assert refused(error)[1] == {
        key: {"required": {"message": "Field is required but missing", "value": key}}
        for key in ("participant_id", "other_participant")
    }


def test_relate_with_a_bad_relationship() -> None:
    """The three relationships are named."""
    data = {"participant_id": 1, "other_participant": 2, "relationship": "love"}
    with pytest.raises(ActionError) as error:
        on_participants({"data": {"action": "relate", "data": data}})
    assert refused(error)[1]["relationship"]["enum"]["target"] == ["deaf", "clear", "mute"]


@pytest.mark.parametrize(
    ("action", "command"),
    [
        ("mute", "mute_participant"),
        ("unmute", "unmute_participant"),
        ("deaf", "deaf_participant"),
        ("undeaf", "undeaf_participant"),
        ("kick", "kick"),
    ],
)
def test_one_participant(action: str, command: str) -> None:
    """One command with the number as an integer."""
    plan = on_one({"data": {"action": action}})
    assert headers(plan) == [
        {"Application-Name": command, "Participant-ID": 2, "App-Name": "kapps_conference"}
    ]
    assert (plan.status, plan.data) == (202, "ok")
    assert plan.confirms == (Confirmation(action, C, 2),)


def test_play_to_one() -> None:
    """Here alone the number is text on the wire (recorded)."""
    plan = on_one({"data": {"action": "play", "data": {"media_id": "https://media.example.com/x.mp3"}}})
    assert headers(plan) == [
        {
            "Application-Name": "play",
            "Media-Name": "https://media.example.com/x.mp3",
            "Participant-ID": "2",
            "App-Name": "kapps_conference",
        }
    ]


def test_one_who_is_not_there() -> None:
    """A 404 when the state is known, Kazoo's 202 when it is not."""
    for where in (context(SEVEN), context(None, known=True)):
        with pytest.raises(ActionError) as error:
            on_one({"data": {"action": "mute"}}, "99", where)
        assert refused(error) == ("bad_identifier", {"id": 99, "message": "bad identifier"})
    assert len(on_one({"data": {"action": "mute"}}, "99", context(None, known=False)).messages) == 1


@pytest.mark.parametrize(
    "participant", ["abc", "all", "non_moderator", "-1", "1.0", " ", "2 x", "9" * 30, "\u0662"]
)
def test_ids_that_are_no_integers(participant: str) -> None:
    """No text reaches the switch in place of a number."""
    for known, kind in ((True, "bad_identifier"), (False, "live_unknown")):
        with pytest.raises(ActionError) as error:
            on_one({"data": {"action": "kick"}}, participant, context(None, known=known))
        # Whom it names is not known where nobody knows who is there.
        assert refused(error)[0] == kind


@pytest.mark.parametrize("action", ["dance", None, "relate", 5])
def test_unknown_action_on_one(action: Any) -> None:
    """A 500 of Kazoo's is an enum error here."""
    with pytest.raises(ActionError) as error:
        on_one({"data": {"action": action}})
    details = refused(error)[1]["action"]["enum"]
    assert details["target"] == ["mute", "unmute", "deaf", "undeaf", "kick", "play"]


def test_say() -> None:
    """A text is spoken to all, or to one."""
    body = {"action": "say", "data": {"text": 'It\'s "time"', "language": "en-us", "voice": "female"}}
    common = {
        "Application-Name": "say",
        "Text": "It\u2019s \u2019time\u2019",
        "Language": "en-us",
        "Voice": "female",
        "Call-ID": C,
        "App-Name": "kapps_conference",
    }
    assert headers(on_conference(body)) == [common]
    assert headers(on_one(body)) == [{**common, "Participant-ID": 2}]


def test_stop_play() -> None:
    """All sounds, or the current one; for all, or for one."""
    assert headers(on_conference({"data": {"action": "stop_play"}}))[0]["Affects"] == "all"
    sent = headers(on_one({"data": {"action": "stop_play", "affects": "current"}}))[0]
    assert (sent["Affects"], sent["Participant-ID"]) == ("current", 2)


TONE = {"frequencies": [440, 480], "duration_on": 500, "duration_off": 200, "volume": -7, "repeat": 2}


def test_tones() -> None:
    """Tones are texts on the wire."""
    assert headers(on_conference({"action": "tones", "data": {"tones": [TONE]}})) == [
        {
            "Application-Name": "tones",
            "Call-ID": C,
            "Tones": [
                {
                    "Frequencies": ["440", "480"],
                    "Duration-ON": "500",
                    "Duration-OFF": "200",
                    "Volume": "-7",
                    "Repeat": "2",
                }
            ],
            "App-Name": "kapps_conference",
        }
    ]


@pytest.mark.parametrize(
    ("action", "command", "header"),
    [
        ("energy", "participant_energy", "Energy-Level"),
        ("volume_in", "participant_volume_in", "Volume-In-Level"),
        ("volume_out", "participant_volume_out", "Volume-Out-Level"),
    ],
)
def test_levels(action: str, command: str, header: str) -> None:
    """Levels carry the right name; Kazoo's own volume command does not."""
    sent = headers(on_one({"data": {"action": action, "level": 3}}))
    assert sent == [
        {"Application-Name": command, header: "3", "Participant-ID": 2, "App-Name": "kapps_conference"}
    ]


@pytest.mark.parametrize("row", ACTIONS, ids=lambda row: row.name)
@pytest.mark.parametrize("core", ["5", "master"])
def test_what_no_core_carries_out_is_refused(row: ActionFact, core: Core) -> None:
    """An action is a 501 exactly where the table gives it to no core that is there; nothing is planned."""
    where = replace(context(), media_side=MediaSide(core))
    try:
        body = {"action": row.name, "data": {"max_members": 10}}
        made: Plan | ActionError = on_conference(body, where=where)
    except ActionError as error:
        made = error
    refused_by_table = isinstance(made, ActionError) and made.kind == "not_supported"
    assert refused_by_table is (core not in row.cores)
    if isinstance(made, ActionError) and refused_by_table:
        assert made.data["action"] == row.name
        assert made.data["message"]


def test_the_table_names_the_events_that_are_waited_for() -> None:
    """What the table calls the proof of an action is what ``?wait=`` waits for."""
    proofs: dict[str, set[str]] = {}
    for name, proof in PROOFS.items():
        proofs.setdefault(name.partition("_")[0] if name.startswith("record") else name, set()).update(
            proof.events
        )
    assert {row.name: set(row.events) for row in ACTIONS if row.events} == proofs


def test_set() -> None:
    """Each limit is a command of its own, where an operator says that it has an effect."""
    where = replace(context(), media_side=MediaSide(takes_set=True))
    body = {"action": "set", "data": {"max_members": 10, "endconf_grace_time": 30}}
    plan = on_conference(body, where=where)
    assert [(m.body["Parameter"], m.body["Value"]) for m in plan.messages] == [
        ("Max-Members", "10"),
        ("endconference_grace_time", "30"),
    ]
    with pytest.raises(ActionError) as error:
        on_conference({"data": {"action": "set"}}, where=where)
    assert "max_members" in refused(error)[1]


@pytest.mark.parametrize(
    "body",
    [
        {"action": "say", "data": {}},
        {"action": "say", "data": {"text": ""}},
        {"action": "say", "data": {"text": "   "}},
        {"action": "say", "data": {"text": "x" * 1001}},
        {"action": "stop_play", "data": {"affects": "some"}},
        {"action": "tones", "data": {"tones": []}},
        {
            "action": "tones",
            "data": {"tones": [{"frequencies": ["440;x"], "duration_on": 1, "duration_off": 0}]},
        },
        {"action": "set", "data": {"max_members": "10 \nlock"}},
        {"action": "set", "data": {"max_members": 1}},
    ],
)
def test_extra_actions_are_checked(body: dict[str, Any]) -> None:
    """Each has a schema, and what breaks it is a validation error."""
    with pytest.raises(ActionError) as error:
        on_conference(body, where=replace(context(), media_side=MediaSide(takes_set=True)))
    assert refused(error)[0] == "validation_error"


ATTACKS = [
    "hello' \nconference other hup all",
    "x'; system rm -rf /",
    "a\r\nb",
    "a\x00b",
    "a\u2028b",
    "${system(id)}",
    "$${password}",
    "back\\slash",
    "`id`",
    "a|b",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_texts_cannot_break_out(attack: str) -> None:
    """No attack on the command line gets a quote, an expansion or a line break through."""
    for body in (
        {"action": "say", "data": {"text": attack}},
        {"action": "say", "data": {"text": "x", "voice": attack}},
        {"action": "say", "data": {"text": "x", "language": attack}},
        {"action": "play", "data": {"media_id": attack}},
        {"action": "play", "data": {"media_id": f"https://h/{attack}"}},
    ):
        made = outcome(body)
        if isinstance(made, ActionError):
            assert made.kind == "validation_error"
            continue
        (sent,) = headers(made)
        for text in (sent.get("Text", ""), sent.get("Media-Name", "")):
            assert not set(text) & set("'\"\\`\n\r\x00\u2028|{}")


@pytest.mark.parametrize(
    "media_id",
    [
        "/etc/passwd",
        "/tmp/other_conf.mp3",
        f"/{'b' * 32}/secret",
        f"/{A}/../{'b' * 32}/secret",
        "file:///etc/passwd",
        "file_string://a.wav!/etc/passwd",
        "../../etc/passwd",
        "//etc/passwd",
        "local_stream://default",
        "en-us/foo",
        f"file_string:///{A}/a!/{A}/b",
        "http://127.0.0.1:5984/_all_dbs",
    ],
)
def test_media_of_others_is_out_of_reach(media_id: str) -> None:
    """Neither files of the switch nor media of another account are played."""
    with pytest.raises(ActionError) as error:
        on_conference({"action": "play", "data": {"media_id": media_id}})
    assert refused(error) == ("bad_media", [media_id])


@pytest.mark.parametrize(
    "media_id",
    [
        f"/{A}/mine",
        "/system_media/en-us%2Fqueue",
        "system_media/x",
        "silence_stream://100",
        "tone_stream://%(500,0,440);loops=2",
        f"prompt://{A}/welcome/en-us",
        "https://media.example.com/x.mp3?a=b&c=d",
    ],
)
def test_media_addresses_pass(media_id: str) -> None:
    """Addresses, prompts and own media go out as they are."""
    assert (
        headers(on_conference({"action": "play", "data": {"media_id": media_id}}))[0]["Media-Name"]
        == media_id
    )


def test_what_needs_live_state() -> None:
    """Only recording and participants ask for it."""
    lock = conference_request({"action": "lock"}, {}, {})
    record = conference_request({"action": "record"}, {}, {})
    assert not needs_live_state(lock, is_about_participants=False)
    assert needs_live_state(record, is_about_participants=False)
    assert needs_live_state(lock, is_about_participants=True)


RECORDINGS = Path(__file__).parents[3] / "fixtures" / "recorded" / "new"


def recorded(area: str) -> list[Any]:
    """Every recorded action without a running room, with its answer and what was published."""
    cases: list[Any] = []
    recording = RECORDINGS / f"{area}.jsonl"
    for line in recording.read_text().splitlines() if recording.is_file() else ():
        case = json.loads(line)
        if any("switch" in step for step in case["steps"]) or case["id"] == "part-one-absent":
            continue
        for step in case["steps"]:
            request = step.get("request")
            if request and request["method"] == "PUT" and not step.get("setup") and "data" in request["body"]:
                cases.append(pytest.param(step, id=f"{case['id']}-{step['n']}"))
    return cases


def named(value: Any) -> Any:
    """A recording with its variables given."""
    text = json.dumps(value)
    for name, text_for_it in {"A": A, "C": C, "HEX": "f" * 32}.items():
        text = text.replace("{{" + name + "}}", text_for_it)
    return json.loads(text)


@pytest.mark.parametrize("step", recorded("actions"))
def test_recorded_actions(step: dict[str, Any]) -> None:
    """Answer and messages are those of a real node."""
    step = named(step)
    path, _, query_string = step["request"]["path"].partition("?")
    query = dict(pair.split("=") for pair in query_string.split("&") if pair)
    where = context(conference_id=path.rpartition("/")[2])
    published = [message["body"] for message in step.get("amqp", []) if message["from"] == "api"]
    made = outcome(step["request"]["body"], query, where)
    if isinstance(made, ActionError):
        assert step["response"]["status"] == 400
        assert made.data == step["response"]["body"]["data"]
        assert published == []
        return
    assert (made.status, made.data) == (step["response"]["status"], step["response"]["body"]["data"])
    # The older core refuses messages about recording, so none was seen.
    if "recording" not in made.data:
        volatile = {"Msg-ID", "Node", "App-Version"}
        assert [{k: v for k, v in m.body.items() if k not in volatile} for m in made.messages] == [
            {k: v for k, v in body.items() if k not in volatile} for body in published
        ]


def test_recorded_errors_of_dial() -> None:
    """The schema's errors come with Kazoo's companion."""
    for data, keys in (
        ({"endpoints": []}, {"endpoints"}),
        ({}, {"endpoints"}),
        ({"endpoints": ["1000"], "timeout": 0}, {"timeout"}),
        (
            {"endpoints": ["1000"], "timeout": "30", "participant_flags": ["zap"]},
            {"timeout", "participant_flags.0"},
        ),
        ({"endpoints": [{"sip": {}}]}, {"endpoints.0"}),
        ({"endpoints": "1000"}, {"endpoints"}),
    ):
        with pytest.raises(ActionError) as error:
            read_dial(conference_request(data, {}, {"action": "dial", "data": data}), context())
        assert set(refused(error)[1]) == {*keys, "data.endpoints"}


BULK_ACTIONS = ["mute", "unmute", "deaf", "undeaf", "kick"]
SOUND_ACTIONS = ["play", "say", "stop_play", "tones", "energy", "volume_in", "volume_out"]
SELECTOR_KEYS = ["where", "ids", "except", "participant_id", "other_participant", "relationship"]
SOUND_KEYS = [
    "media_id",
    "media_ids",
    "announce",
    "text",
    "language",
    "level",
    "tones",
    "affects",
    "max_members",
]
DIAL_KEYS = ["endpoints", "timeout", "caller_id_name", "caller_id_number", "custom_application_vars"]
KEYS = ["data", "action", "custom_conference_vars", *SELECTOR_KEYS, *SOUND_KEYS, *DIAL_KEYS]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=15,
)
actions = st.sampled_from(
    [*BULK_ACTIONS, *SOUND_ACTIONS, "lock", "unlock", "record", "vars", "set", "relate"]
)
keys = st.sampled_from(KEYS)
bodies = st.recursive(
    st.dictionaries(keys, json_values, max_size=5),
    lambda inner: st.tuples(inner, inner).map(lambda pair: {**pair[0], "data": pair[1]}),
    max_leaves=3,
)


@settings(max_examples=300)
@given(
    body=bodies,
    action=actions | json_values,
    query=st.dictionaries(keys, st.text(max_size=8) | st.just(True), max_size=2),
    participant=st.text(max_size=6) | st.sampled_from(["1", "99"]),
    is_known=st.booleans(),
)
def test_no_request_raises_anything_else(
    body: dict[str, Any], action: Any, query: dict[str, Any], participant: str, is_known: bool
) -> None:
    """Whatever is sent, there is a plan or an `ActionError`, both of JSON."""
    envelope = {**body, "action": action}
    where = context(SEVEN if is_known else None, known=is_known)
    on_conf = conference_request(body.get("data"), query, envelope)
    on_many = participants_request(body.get("data"), query, envelope)
    for attempt in (
        lambda: plan_conference_action(on_conf, where),
        lambda: plan_participants_action(on_many, where),
        lambda: plan_participant_action(on_many, where, participant),
        lambda: dial(on_conf, where),
    ):
        try:
            plan = attempt()
        except ActionError as error:
            json.dumps(error.data)
        else:
            for message in plan.messages:
                json.dumps(message.body)


def dial(request: Any, where: ActionContext) -> Plan:
    asked = read_dial(request, where)
    found = resolve(
        asked.elements,
        {A: {"pvt_type": "account", "realm": "r"}},
        account_id=A,
        conference_id=C,
        conference=where.document,
    )
    return Plan((plan_dial(asked, found, where, lambda: "c" * 32).message("local"),), None)
