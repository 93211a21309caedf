"""``announce: true``: whom it tells, in which order, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from crossbar_conferences.conference.actions import (
    minding,
    plan_participant_action,
    plan_participants_action,
)
from crossbar_conferences.conference.actions_plan import (
    ActionContext,
    ActionError,
    Plan,
    PublicDocument,
    participants_request,
)
from crossbar_conferences.conference.actions_sound import MAXIMUM_LISTENERS
from crossbar_conferences.conference.confirmation import Confirmation
from crossbar_conferences.conference.rooms import Participant, Room
from crossbar_conferences.kapi.messages import Origin
from tests.support.schema_check import check

A, C = "a" * 32, "c" * 32


def room(*speak: bool, joined_at: float | None = None) -> Room:
    """People who speak or do not, numbered from 1."""
    people = (
        Participant(number, conference_channel_vars={"Speak": flag}, joined_at=joined_at)
        for number, flag in enumerate(speak, 1)
    )
    return Room(C, account_id=A, participants=tuple(people))


def context(where: Room | None, **more: Any) -> ActionContext:
    document = {"_id": C, "name": "x", **more.pop("document", {})}
    return ActionContext(
        A, C, document, Origin("crossbar", "4.0.0", "n@h"), check, where, where is not None, **more
    )


def many(data: dict[str, Any], where: ActionContext, action: str = "mute") -> Plan:
    body = {"action": action, "data": data}
    return plan_participants_action(participants_request(body["data"], {}, body), where)


def one(data: Any, where: ActionContext, action: str = "mute", number: str = "1") -> Plan:
    body = {"action": action, "data": data}
    return plan_participant_action(participants_request(data, {}, body), where, number)


def sent(plan: Plan) -> list[tuple[Any, ...]]:
    """Application-Name, participant, medium of each message."""
    names = ("Application-Name", "Participant-ID", "Media-Name")
    return [tuple(message.body[name] for name in names if name in message.body) for message in plan.messages]


@pytest.mark.parametrize("action", ["mute", "unmute"])
def test_one_is_told_after_the_command(action: str) -> None:
    """The prompt is for the participant alone, and the command goes first; the command alone is confirmed."""
    plan = one({"announce": True}, context(room(action == "mute")), action)
    media = f"prompt://{A}/conf-{action}d"
    assert sent(plan) == [(f"{action}_participant", 1), ("play", "1", media)]
    assert plan.confirms == (Confirmation(action, C, 1),)
    assert (plan.status, plan.data) == (202, "ok")


def test_all_commands_come_before_the_first_prompt() -> None:
    """Nobody goes on speaking while others are told."""
    plan = many({"announce": True}, context(room(True, False, True)))
    media = f"prompt://{A}/conf-muted"
    assert sent(plan) == [
        ("mute_participant", 1),
        ("mute_participant", 3),
        ("play", "1", media),
        ("play", "3", media),
    ]
    assert (plan.status, plan.data) == (201, PublicDocument.DOCUMENT)
    assert [confirm.participant_id for confirm in plan.confirms] == [1, 3]


def test_whose_state_does_not_change_is_told_nothing() -> None:
    """With a selector those who are unchanged or absent hear nothing; the report is as without."""
    plan = many({"announce": True, "ids": [1, 2, 9]}, context(room(True, False)))
    assert sent(plan) == [("mute_participant", 1), ("play", "1", f"prompt://{A}/conf-muted")]
    silent = many({"ids": [1, 2, 9]}, context(room(True, False)))
    assert plan.data == silent.data


def test_the_prompt_has_the_language_of_the_conference() -> None:
    """As the sounds that Kazoo itself plays there."""
    plan = one({"announce": True}, context(room(True), document={"language": "de-de"}))
    assert sent(plan)[1] == ("play", "1", f"prompt://{A}/conf-muted/de-de")


@pytest.mark.parametrize("data", [{"announce": False}, {}, None, [], "x", {"announce_": True}])
def test_nobody_is_told_unless_asked(data: Any) -> None:
    """Whatever else stands there, as in Kazoo."""
    assert sent(one(data, context(room(True)))) == [("mute_participant", 1)]


@pytest.mark.parametrize("action", ["deaf", "undeaf", "kick"])
def test_other_actions_announce_nothing(action: str) -> None:
    """It is a key of mute and unmute, and unknown to the others."""
    plan = one({"announce": True}, context(room(True)), action)
    assert len(plan.messages) == 1


@pytest.mark.parametrize("value", ["true", 1, None, [], {}, "${x}", "conf-welcome"])
@pytest.mark.parametrize("where", [context(room(True)), context(None)], ids=["room", "nobody"])
def test_an_announcement_that_is_none(value: Any, where: ActionContext) -> None:
    """It is true or false; anything else is refused, for one, all and a selector, whoever is there."""
    for attempt in (
        lambda: one({"announce": value}, where),
        lambda: many({"announce": value}, where),
        lambda: many({"announce": value, "ids": [1]}, where),
    ):
        with pytest.raises(ActionError) as error:
            attempt()
        assert (error.value.kind, list(error.value.data)) == ("validation_error", ["announce"])


def test_so_many_are_told_at_once() -> None:
    """More are refused before anything is sent; they are muted without being told all the same."""
    full = context(room(*[True] * MAXIMUM_LISTENERS))
    assert len(many({"announce": True}, full).messages) == 2 * MAXIMUM_LISTENERS
    fuller = context(room(*[True] * (MAXIMUM_LISTENERS + 1)))
    with pytest.raises(ActionError) as error:
        many({"announce": True}, fuller)
    assert error.value.data["announce"]["maximum"]["target"] == MAXIMUM_LISTENERS
    assert len(many({}, fuller).messages) == MAXIMUM_LISTENERS + 1
    # Whose state does not change counts for nothing.
    assert len(many({"announce": True, "ids": [1], "except": [2]}, fuller).messages) == 2


def test_a_prompt_to_somebody_new_is_proved_by_nothing() -> None:
    """The event of the mute lets the mute be repeated, and not the prompt, which waits."""
    where = context(room(True, joined_at=100.0), now=100.1)
    plan = minding(one({"announce": True}, where), where)
    found = {new.message.body["Application-Name"]: new.confirmation for new in plan.newcomers}
    assert found == {"mute_participant": Confirmation("mute", C, 1), "play": None}


def test_so_many_are_played_a_list_each() -> None:
    """A list for more people goes to the whole conference, or is refused; one medium is as it was."""
    fuller = context(room(*[True] * (MAXIMUM_LISTENERS + 1)))
    with pytest.raises(ActionError) as error:
        many({"media_ids": ["m1"], "where": {}}, fuller, "play")
    assert error.value.data["media_ids"]["maximum"]["target"] == MAXIMUM_LISTENERS
    assert len(many({"media_ids": ["m1"], "except": [1]}, fuller, "play").messages) == MAXIMUM_LISTENERS
    assert len(many({"media_ids": ["m1"]}, fuller, "play").messages) == 1
    assert len(many({"media_id": "m1", "where": {}}, fuller, "play").messages) == MAXIMUM_LISTENERS + 1
