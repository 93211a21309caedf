"""Kazoo's own checklists and Monster UI's cycle, over real HTTP, store and broker.

Source: realtime-ui-tests.md B.1-B.3, C.1-C.3, C.6; names of the cases are that sheet's.
"""

from __future__ import annotations

import secrets
from typing import Any
from urllib.parse import quote

import pytest

from crossbar_conferences.store.port import Document
from tests.support.brokers import eventually
from tests.support.house import Answer, House

pytestmark = pytest.mark.asyncio(loop_scope="module")

JSON = "application/json"
#: What a client of the schema's defaults sends (http.md 3.6).
DEFAULTS: dict[str, Any] = {
    "conference_numbers": [],
    "member": {"join_deaf": False, "join_muted": True, "numbers": [], "pins": []},
    "moderator": {"join_deaf": False, "join_muted": False, "numbers": [], "pins": []},
    "play_name": False,
}


def a_name() -> str:
    """A name that no other conference has."""
    return f"Room {secrets.token_hex(6)}"


def succeeds(answer: Answer, status: int = 200) -> Any:
    """The data of a success."""
    assert answer.status == status, answer.text
    assert answer.headers["Content-Type"] == JSON
    assert answer.body["status"] == "success"
    assert isinstance(answer.body["request_id"], str)
    return answer.data


def refused(answer: Answer) -> Any:
    """The errors of a validation error."""
    assert answer.status == 400, answer.text
    assert answer.headers["Content-Type"] == JSON
    assert (answer.body["status"], answer.body["error"]) == ("error", "400")
    assert answer.body["message"] == "validation error"
    return answer.data


async def test_r1_to_r6_a_conference_lives_and_dies(house: House) -> None:
    """R1-R6: an empty list, a create by defaults, a patch with an unknown key, one item, deleted again."""
    await house.empty()
    empty = await house.get(house.path())
    assert succeeds(empty) == [] and empty.body["page_size"] == 0
    made = succeeds(await house.put(house.path(), {"name": a_name(), **DEFAULTS}), 201)
    patched = await house.call("PATCH", house.path(made["id"]), {"data": {"custom": "value"}})
    assert succeeds(patched)["custom"] == "value"
    assert [item["id"] for item in succeeds(await house.get(house.path()))] == [made["id"]]
    succeeds(await house.call("DELETE", house.path(made["id"])))
    assert succeeds(await house.get(house.path())) == []


async def test_s1_to_s5_and_s9_the_newer_tree_does_the_same(house: House) -> None:
    """S1-S5, S9: video is kept by a patch and shown by the list; a name is given once only."""
    await house.empty()
    assert succeeds(await house.get(house.path())) == []
    name = a_name()
    made = succeeds(await house.put(house.path(), {"name": name, "video": True, **DEFAULTS}), 201)
    assert made["video"] is True
    again = refused(await house.put(house.path(), {"name": name, "video": True, **DEFAULTS}))
    assert again["name"]["unique"]["cause"] == name
    patched = succeeds(await house.call("PATCH", house.path(made["id"]), {"data": {"custom": "kept"}}))
    assert (patched["video"], patched["custom"]) == (True, "kept")
    [item] = succeeds(await house.get(house.path()))
    assert (item["id"], item["video"]) == (made["id"], True)
    succeeds(await house.call("DELETE", house.path(made["id"])))
    assert succeeds(await house.get(house.path())) == []


async def test_s6_full_docs_when_the_operator_allows_it(house: House) -> None:
    """S6: with allow_fetch_full_docs the list shows whole documents, but nothing private."""
    made = await house.create(video=True, custom="shown")
    before = await _configure(house, {"allow_fetch_full_docs": True})
    try:
        listed = succeeds(await house.get(house.path() + "?full_docs=true"))
    finally:
        await _configure(house, before)
    [item] = [item for item in listed if item["id"] == made]
    assert (item["play_name"], item["video"], item["custom"]) == (False, True, "shown")
    assert {key for key in item if key.startswith(("_", "pvt_"))} == {"_read_only"}


async def test_s7_fields_are_the_only_keys(house: House) -> None:
    """S7: with fields each item has exactly those keys and its id."""
    await house.create()
    fields = quote('["conference_numbers","name"]')
    for item in succeeds(await house.get(house.path() + f"?fields={fields}")):
        assert set(item) == {"id", "conference_numbers", "name"}
        assert item["conference_numbers"] == []


async def test_s8_an_unknown_action_is_an_enum_error(house: House) -> None:
    """S8: an action that there is not gets the list of those that there are."""
    made = await house.create()
    for body in ({"action": "jackson", "data": {}}, {"data": {"action": "jackson"}}):
        errors = refused(await house.call("PUT", house.path(made), body))
        assert errors["action"]["enum"] == {
            "message": "Value not found in enumerated list of values",
            "target": ["lock", "unlock", "play", "dial", "record", "vars"],
            "value": "jackson",
        }


async def test_l1_to_l4_variables_of_a_live_room_are_merged(house: House) -> None:
    """L1-L4: variables that are set one after the other are both in the metadata of a GET."""
    name = a_name()
    made = await house.put(house.path(), {"name": name})
    conference_id = succeeds(made, 201)["id"]
    assert made.metadata["id"] == conference_id
    await house.run_room(conference_id)
    for variables in ({"k1": "v1"}, {"k2": "v2"}):
        body = {"action": "vars", "data": {"custom_conference_vars": variables}}
        answer = await house.call("PUT", house.path(conference_id) + "?wait=0", body)
        assert answer.status in (200, 202), answer.text
    # Nothing tells of variables but a search.
    answer = await house.get(house.path(conference_id) + "?fresh=true")
    data = succeeds(answer)
    assert (data["name"], data["id"]) == (name, conference_id)
    assert answer.metadata["id"] == answer.metadata["conference_id"] == conference_id
    assert answer.metadata["custom_conference_vars"] == {"k1": "v1", "k2": "v2"}


async def test_l3_says_that_variables_were_sent(house: House) -> None:
    """L3: the action is accepted with a 202 that says so."""
    made = await house.create()
    await house.run_room(made)
    body = {"action": "vars", "data": {"custom_conference_vars": {"k1": "v1"}}}
    assert succeeds(await house.call("PUT", house.path(made), body), 202) == "vars sent"


async def test_x1_a_slash_at_the_end_changes_nothing(house: House) -> None:
    """X1: every path may end in a slash."""
    made = succeeds(await house.put(house.path() + "/", {"name": a_name()}), 201)
    assert succeeds(await house.get(house.path(made["id"]) + "/"))["id"] == made["id"]
    assert succeeds(await house.get(house.path(made["id"], "participants") + "/")) == []
    succeeds(await house.call("DELETE", house.path(made["id"]) + "/"))


async def test_x2_what_was_shown_may_come_back(house: House) -> None:
    """X2: a POST of a GET's answer is accepted; live data is not stored, ui_metadata is."""
    made = await house.create()
    await house.run_room(made)
    shown = succeeds(await house.get(house.path(made)))
    marked = {**shown, "ui_metadata": {"version": [{"xhr": 1}], "ui": "monster-ui", "origin": "callflows"}}
    answer = succeeds(await house.call("POST", house.path(made), {"data": marked}))
    assert answer["ui_metadata"] == marked["ui_metadata"]
    stored = await house.stored(made)
    assert "_read_only" not in stored and "id" not in stored
    assert stored["ui_metadata"] == marked["ui_metadata"]


async def test_x3_a_delete_may_have_a_body(house: House) -> None:
    """X3: a DELETE with a body is a DELETE, and answers with one."""
    made = await house.create()
    body = {"data": {"ui_metadata": {"version": "4.3", "ui": "monster-ui", "origin": "callflows"}}}
    answer = await house.call("DELETE", house.path(made), body)
    assert succeeds(answer)["id"] == made and answer.metadata["deleted"] is True


async def test_x4_every_error_is_plain_json(house: House) -> None:
    """X4: errors have exactly the type that Monster UI compares, and a status as text."""
    made = await house.create()
    for status, answer in (
        (400, await house.call("PUT", house.path(), b"{")),
        (401, await house.get(house.path(), who=None)),
        (403, await house.get(house.path(), who="other")),
        (404, await house.call("DELETE", house.path("0" * 32))),
        (405, await house.call("PATCH", house.path(), {"data": {}})),
        (404, await house.get(house.path(made, "nothing"))),
    ):
        assert answer.status == status, answer.text
        assert answer.headers["Content-Type"] == JSON
        assert (answer.body["status"], answer.body["error"]) == ("error", str(status))


async def test_x5_what_monster_ui_leaves_out_has_its_default_again(house: House) -> None:
    """X5: a POST without member.numbers and member.pins is read back with empty lists."""
    made = await house.create(member={"numbers": ["7001"], "pins": ["12"]})
    body = {"data": {"name": a_name(), "member": {"join_muted": False}}}
    posted = succeeds(await house.call("POST", house.path(made), body))
    shown = succeeds(await house.get(house.path(made)))
    for document in (posted, shown):
        assert document["member"]["numbers"] == document["member"]["pins"] == []
        assert document["conference_numbers"] == []


async def test_x6_both_places_of_live_data_agree(house: House) -> None:
    """X6: metadata and data._read_only of a running conference say the same."""
    made = await house.create()
    await house.cluster.perform(["create", made, house.account])
    await house.cluster.perform(["join", made, "m@example.com", "moderator=true"])
    await house.cluster.perform(["join", made, "n@example.com"])
    await house.cluster.perform(["lock", made])
    # A search, so that nobody has to wait for the events.
    answer = await house.get(house.path(made) + "?fresh=true")
    shown = succeeds(answer)["_read_only"]
    for key in ("members", "moderators", "duration", "is_locked", "participants"):
        assert shown[key] == answer.metadata[key], key
    assert (shown["members"], shown["moderators"], shown["is_locked"]) == (1, 1, True)
    assert len(shown["participants"]) == 2


async def test_x12_a_cache_buster_filters_nothing(house: House) -> None:
    """X12: unknown keys of the query are no filters."""
    made = await house.create()
    listed = succeeds(await house.get(house.path() + "?_=1700000000000&paginate=false"))
    assert made in [item["id"] for item in listed]


async def test_x13_and_x16_the_action_may_be_inside_the_data(house: House) -> None:
    """X13, X16: both places of an action are read, and both are answered with 202."""
    made = await house.create()
    await house.run_room(made)
    for action, body in (
        ("lock", {"data": {"action": "lock"}}),
        ("unlock", {"action": "unlock", "data": {}}),
    ):
        before = len(house.cluster.told.heard)
        succeeds(await house.call("PUT", house.path(made), body), 202)
        await house.cluster.told.reached(before + 1)
        room = house.cluster.room(made)
        assert room is not None and room.locked is (action == "lock")


@pytest.mark.parametrize("place", ["conference_numbers", "member", "moderator"])
async def test_x14_a_number_belongs_to_one_conference(house: House, place: str) -> None:
    """X14: a number that another conference has is refused, in whichever list it stands."""
    taken, free = _a_number(), _a_number()
    await house.create(conference_numbers=[taken])
    fields = {place: [taken, free]} if place == "conference_numbers" else {place: {"numbers": [taken, free]}}
    errors = refused(await house.put(house.path(), {"name": a_name(), **fields}))
    assert errors["numbers"]["unique"] == {"message": "Numbers already in use", "cause": taken}


async def test_x15_a_number_stands_once_in_a_conference(house: House) -> None:
    """X15: the same number in two lists of one document is refused like a clash (design 3.3)."""
    number = _a_number()
    fields = {"conference_numbers": [number], "member": {"numbers": [number]}}
    errors = refused(await house.put(house.path(), {"name": a_name(), **fields}))
    assert errors["numbers"]["unique"] == {"message": "Numbers already in use", "cause": number}


async def test_x17_an_invitation_is_accepted(house: House) -> None:
    """X17: email_invite answers that the request was accepted, and the bus has it."""
    made = await house.create(conference_numbers=[_a_number()], member={"pins": ["1234"]})
    await _add_call_in_number(house)
    body = {"guests": ["someone@example.com"], "invite_message": "Tuesday at nine"}
    answer = await house.put(house.path(made, "email_invite"), body)
    assert succeeds(answer, 201) == "request accepted"
    # The answer does not wait for it.
    await eventually(lambda: "notifications" in [sent.exchange for sent in house.spoken])


async def test_x18_a_number_has_digits_only(house: House) -> None:
    """X18: letters in a number break its pattern."""
    errors = refused(await house.put(house.path(), {"name": a_name(), "conference_numbers": ["abc"]}))
    assert errors["conference_numbers.0"]["pattern"]["target"] == "^[0-9]+$"
    assert errors["conference_numbers.0"]["pattern"]["value"] == "abc"


async def test_monster_ui_edits_a_conference(house: House) -> None:
    """B.1, B.3: the callflows app's cycle of list, create, read, save, read and delete, on its own wire."""
    busted = "?paginate=false&_=1700000000001"
    about = {"ui_metadata": {"version": "4.3", "ui": "monster-ui", "origin": "callflows"}}
    name, number = a_name(), _a_number()
    succeeds(await house.get(house.path() + busted))
    form = {
        "name": name,
        "owner_id": house.data.users["joe"].id,
        "member": {"pins": ["4321"], "join_muted": True, "join_deaf": False},
        "conference_numbers": [number],
        "play_name_on_join": True,
        "video": True,
        "profile_name": "video",
        "caller_controls": "video-participant",
        "moderator_controls": "video-moderator",
    }
    made = await house.call("PUT", house.path(), {"data": {**form, **about}, "accept_charges": True})
    conference_id = succeeds(made, 201)["id"]
    assert made.data["ui_metadata"] == about["ui_metadata"]
    read = succeeds(await house.get(house.path(conference_id) + "/?_=1700000000002"))
    # What the hook on every conference.get walks through.
    assert len(read["member"]["numbers"]) == 0 and len(read["conference_numbers"]) == 1
    # An emptied field is deleted before the save.
    for document in (read, read["member"]):
        for key in ("pins", "numbers", "profile_name", "caller_controls", "moderator_controls"):
            document.pop(key, None)
    saved = await house.call(
        "POST", house.path(conference_id), {"data": {**read, "video": False, "name": f"{name}!", **about}}
    )
    assert succeeds(saved)["member"]["pins"] == []
    again = await house.get(house.path(conference_id) + "?_=1700000000003")
    data = succeeds(again)
    assert (data["member"]["pins"], data["member"]["numbers"]) == ([], [])
    assert (data["name"], data["video"], data["play_name_on_join"]) == (f"{name}!", False, True)
    assert "profile_name" not in data and data["ui_metadata"] == about["ui_metadata"]
    assert (again.metadata["duration"], again.metadata["is_locked"]) == (0, False)
    assert conference_id in [item["id"] for item in succeeds(await house.get(house.path() + busted))]
    succeeds(await house.call("DELETE", house.path(conference_id), {"data": about}))
    assert conference_id not in [item["id"] for item in succeeds(await house.get(house.path() + busted))]


async def test_monster_ui_removes_a_users_conferences(house: House) -> None:
    """B.1: a user's conferences are found by owner; one goes, one is kept without an owner."""
    owner = house.data.users["joe"].id
    gone, kept = await house.create(owner_id=owner), await house.create(owner_id=owner)
    await house.create()
    query = f"?filter_owner_id={owner}&paginate=false"
    listed = succeeds(await house.get(house.path() + query))
    assert {item["id"] for item in listed} >= {gone, kept}
    assert {item["owner_id"] for item in listed} == {owner}
    succeeds(await house.call("DELETE", house.path(gone), {"data": {}}))
    document = succeeds(await house.get(house.path(kept)))
    del document["owner_id"]
    document["name"] = f"Unassigned {document['name']}"
    succeeds(await house.call("POST", house.path(kept), {"data": document}))
    left = [item["id"] for item in succeeds(await house.get(house.path() + query))]
    assert not {gone, kept} & set(left)


async def test_monster_ui_views_a_running_conference(house: House) -> None:
    """B.1: what the conference viewer reads of the envelope, of participants and of its buttons' answers."""
    made = await house.create()
    await house.run_room(made, 2)
    shown = await house.get(house.path(made) + "?_=1700000000004")
    succeeds(shown)
    assert shown.metadata["is_locked"] is False and shown.metadata["duration"] >= 0
    participants = succeeds(await house.get(house.path(made, "participants") + "?_=1700000000005"))
    for member in participants:
        assert {"participant_id", "caller_id_name", "caller_id_number", "duration"} <= set(member)
        assert {"is_moderator", "speak", "hear", "talking"} <= set(member["conference_channel_vars"])
        assert isinstance(member["custom_channel_vars"], dict)

    async def muted() -> bool:
        shown = await house.get(house.path(made, "participants"))
        return [member["conference_channel_vars"]["speak"] for member in shown.data] == [False, True]

    one = house.path(made, "participants", str(participants[0]["participant_id"]))
    for path, action in ((one, "mute"), (house.path(made, "participants"), "unmute"), (one, "kick")):
        before = len(house.cluster.told.heard)
        answer = await house.put(path, {"action": action})
        # jQuery takes an answer without a body for an error.
        assert answer.status in (200, 201, 202) and answer.body["status"] == "success"
        await house.cluster.told.reached(before + 1)
        if action == "mute":
            # Like the viewer, which waits for the event: who is not seen to be mute is not unmuted.
            await eventually(muted)
    room = house.cluster.room(made)
    assert room is not None and [member.speak for member in room.members] == [True]


def _a_number() -> str:
    return str(10_000_000 + secrets.randbelow(89_999_999))


async def _configure(house: House, values: dict[str, Any]) -> dict[str, Any]:
    """Set ``system_config/crossbar`` for our node alone, as an operator would; what was there before."""
    store, node = house.store.inner, house.service.settings.node_name
    document: dict[str, Any] = {"_id": "crossbar"}
    try:
        found: Document = await store.get("system_config", "crossbar")
        document = dict(found)
    except Exception as error:
        assert type(error).__name__ == "DocumentMissing"
    before = document.get(node, {})
    rev = await store.put("system_config", {**document, node: values})
    stored = {**document, node: values, "_rev": rev, "pvt_type": "config"}
    await house.service.announcer.announce("edited", "system_config", stored)
    await house.quiet()
    return dict(before)


async def _add_call_in_number(house: House) -> None:
    callflow = {
        "_id": secrets.token_hex(16),
        "name": "MainConference",
        "type": "conference",
        "numbers": ["+14155550100"],
        "pvt_type": "callflow",
        "pvt_account_id": house.account,
    }
    await house.store.inner.put(house.database, callflow)
