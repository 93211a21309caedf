"""From an action request to the messages that carry it out and the answer that is given.

Pure: a request and what is known in, a `Plan` out, or an `ActionError`. ``dial`` takes documents
and an answer from the bus and has a module of its own, ``actions_dial``.

Source: http.md 9, amqp.md 6, recordings ``actions`` and ``participants``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from ..kapi.messages import Outgoing
from .actions_announce import announcements
from .actions_plan import (
    CREATED,
    ActionContext,
    ActionError,
    ActionRequest,
    Plan,
    PublicDocument,
    ambiguous_participant,
    invalid,
    no_such_participant,
    not_in_list,
    not_supported,
    recording_unknown,
    unknown_to_switch,
)
from .actions_sound import Whom, level, limit_listeners, play, say, set_limits, stop_play, tones
from .actions_vars import custom_vars
from .confirmation import COMMANDS, Confirmation, confirmation
from .endpoints_context import text_at
from .isolation import participant_id as participant_number
from .naming import meant
from .newcomers import newcomers
from .recordings import usual_name
from .selectors import SENT, Target, everybody, is_selective, select, selector_of

#: Kazoo's list in the error about an unknown action; further actions are not advertised there.
CONFERENCE_ACTIONS: Final = ("lock", "unlock", "play", "dial", "record", "vars")
PARTICIPANT_ACTIONS: Final = ("mute", "unmute", "deaf", "undeaf", "kick", "play")
DIAL: Final = "dial"
RECORD: Final = "record"

_OK: Final = "ok"
_RECORDING: Final[Mapping[str, tuple[str, str, bool]]] = {
    "start": ("record", "starting recording", True),
    "stop": ("recordstop", "stopping recording", False),
}
_Sound = Callable[[ActionRequest, ActionContext, Whom], tuple[Outgoing, ...]]
_FOR_ALL_OR_ONE: Final[Mapping[str, _Sound]] = {"play": play, "say": say, "stop_play": stop_play}
_FOR_ONE: Final[Mapping[str, _Sound]] = {"energy": level, "volume_in": level, "volume_out": level}


def needs_live_state(request: ActionRequest, *, is_about_participants: bool) -> bool:
    """Whether the running conference must be known before the action can be planned.

    For the others Kazoo does not ask the media side, and neither need we.
    """
    return is_about_participants or request.action == RECORD


def plan_conference_action(request: ActionRequest, context: ActionContext) -> Plan:
    """PUT on a conference, all but ``dial``."""
    action = request.action
    reason = context.media_side.refusal(action)
    if reason is not None:
        raise not_supported(action, reason)
    if action in ("lock", "unlock"):
        return Plan((context.command(action),), _OK, confirms=confirmation(action, context.conference_id))
    if action == RECORD:
        return _record(request, context)
    if action == "vars":
        values = custom_vars(request, "custom_conference_vars")
        return Plan((context.command("vars", {"Custom-Conference-Vars": values}),), "vars sent")
    if action == "set":
        return Plan(set_limits(request, context), _OK)
    sound = _FOR_ALL_OR_ONE.get(action) if isinstance(action, str) else None
    if action == "tones":
        sound = tones
    if sound is not None:
        return Plan(sound(request, context, None), _OK)
    raise not_in_list("action", CONFERENCE_ACTIONS, action)


def plan_participants_action(request: ActionRequest, context: ActionContext) -> Plan:
    """PUT on all participants of a conference."""
    action = request.action
    if not isinstance(action, str):
        raise _faulty_request()
    if action == "relate":
        return _relate(request, context)
    if action not in COMMANDS and action not in _FOR_ONE and action not in _FOR_ALL_OR_ONE:
        raise _faulty_request()
    data = request.data if isinstance(request.data, Mapping) else {}
    if is_selective(data):
        chosen = selector_of(context.checked("conferences.actions.participants", data))
        return _selected(request, context, select(chosen, action, context.room))
    if action in _FOR_ALL_OR_ONE:
        return Plan(_FOR_ALL_OR_ONE[action](request, context, None), _OK)
    if action in _FOR_ONE:
        # These are ours, so they answer with the report that Kazoo's bulk actions lack.
        return _selected(request, context, everybody(action, context.room))
    messages, confirms = _to_each(request, context, everybody(action, context.room))
    return Plan(messages, PublicDocument.DOCUMENT, CREATED, confirms, context.knows_all)


def plan_participant_action(request: ActionRequest, context: ActionContext, participant: str) -> Plan:
    """PUT on one participant; ``participant`` is the path's text."""
    action = request.action
    is_known = isinstance(action, str) and (
        action in COMMANDS or action in _FOR_ONE or action in _FOR_ALL_OR_ONE
    )
    if not is_known:
        raise not_in_list("action", PARTICIPANT_ACTIONS, action)
    number = participant_number(participant)
    if number is None:
        number = _named(participant, context)
    messages, confirms = _to_one(request, context, number)
    messages += announcements(request, context, [number])
    if context.is_live_known and (context.room is None or context.room.participant(number) is None):
        raise no_such_participant(number)
    return Plan(messages, _OK, confirms=confirms)


def _named(participant: str, context: ActionContext) -> int:
    """The number of a participant who is named by call, device or user."""
    found = meant(context.room, participant)
    if not found and (not context.is_live_known or (context.room is not None and context.room.has_strangers)):
        raise ActionError("live_unknown", {"message": "it is not known who is there, so nobody can be named"})
    if not found:
        raise no_such_participant(participant)
    if len(found) > 1:
        raise ambiguous_participant(participant, found)
    number = found[0].participant_id
    if number is None:
        raise unknown_to_switch(found[0].call_id or participant)
    return number


def minding(plan: Plan, context: ActionContext) -> Plan:
    """The plan with the commands that may be lost, since they are to people who have just joined."""
    found = newcomers(plan.messages, plan.confirms, context.room, context.now)
    return replace(plan, newcomers=found) if found else plan


def _record(request: ActionRequest, context: ActionContext) -> Plan:
    fields = request.fields
    toggle = text_at(fields, "action")
    if toggle is None and fields.get("action") not in (None, ""):
        raise not_in_list("data.action", tuple(_RECORDING), fields["action"])
    if toggle is None:
        raise invalid("data.action", "required", {"message": "recording requires an action"})
    if toggle not in _RECORDING:
        raise not_in_list("data.action", tuple(_RECORDING), toggle)
    command, answer, wanted = _RECORDING[toggle]
    if context.is_live_known and context.room is not None and context.room.recording is wanted:
        # Kazoo says 202 to both; peers say what is wrong (anchors.md 1.5).
        message = f"the conference is {'already' if wanted else 'not'} being recorded"
        raise invalid("data.action", "state", {"message": message, "value": toggle})
    room = context.room
    media = context.new_recording if wanted else _recorded_to(context)
    # In a conference that does not run nothing is begun.
    begins = wanted and (room is not None or not context.is_live_known)
    return Plan(
        (context.command(command, {"Media-Name": media}),),
        answer,
        confirms=confirmation(f"record_{toggle}", context.conference_id),
        recording=(media, room.instance_id if room is not None else None) if begins else None,
    )


def _recorded_to(context: ActionContext) -> str:
    room = context.room
    known = (room.recording_file if room is not None else None) or context.last_recording
    if known is None and room is not None and room.recording:
        raise recording_unknown()
    # Nobody knows of a recording: what an older version of ours may have begun.
    return known or usual_name(context.account_id, context.conference_id)


def _relate(request: ActionRequest, context: ActionContext) -> Plan:
    fields = request.fields
    context.checked("metaflows.relate", {**fields, "conference_id": context.conference_id})
    numbers = []
    for key in ("participant_id", "other_participant"):
        number = participant_number(fields[key])
        if number is None:
            raise no_such_participant(fields[key])
        numbers.append(number)
    first, other = numbers
    # Of two that are missing the last is named, and one that is related to itself is (http.md 9.3).
    for number in (other, first):
        is_there = context.room is not None and (
            context.room.has_strangers or context.room.participant(number) is not None
        )
        if not is_there or first == other:
            raise no_such_participant(number)
    relation = {
        "Participant-ID": first,
        "Other-Participant": other,
        "Relationship": text_at(fields, "relationship") or "clear",
    }
    return Plan((context.command("relate_participants", relation),), "relating participants")


def _selected(request: ActionRequest, context: ActionContext, targets: tuple[Target, ...]) -> Plan:
    if request.action == "play" and request.fields.get("media_ids") is not None:
        limit_listeners("media_ids", sum(target.result == SENT for target in targets))
    messages, confirms = _to_each(request, context, targets)
    report = {"action": request.action, "participants": [target.public() for target in targets]}
    return Plan(messages, report, confirms=confirms, reaches_all=context.knows_all)


def _to_each(
    request: ActionRequest, context: ActionContext, targets: tuple[Target, ...]
) -> tuple[tuple[Outgoing, ...], tuple[Confirmation, ...]]:
    messages: list[Outgoing] = []
    confirms: list[Confirmation] = []
    numbers: list[int] = []
    if not targets and request.action not in COMMANDS:
        # Nobody is there, but a request that is wrong is wrong all the same.
        _to_one(request, context, 0)
    for target in targets:
        if target.participant_id is None:
            continue
        sent, proved = _to_one(request, context, target.participant_id)
        if target.result == SENT:
            messages += sent
            confirms += proved
            numbers.append(target.participant_id)
    return (*messages, *announcements(request, context, numbers)), tuple(confirms)


def _to_one(
    request: ActionRequest, context: ActionContext, number: int
) -> tuple[tuple[Outgoing, ...], tuple[Confirmation, ...]]:
    action = request.action
    proved = confirmation(action, context.conference_id, number)
    if action in COMMANDS:
        return (context.command(COMMANDS[action], {"Participant-ID": number}),), proved
    sound = _FOR_ONE.get(action) or _FOR_ALL_OR_ONE[action]
    return sound(request, context, number), proved


def _faulty_request() -> ActionError:
    return ActionError("faulty_request", {"message": "faulty request"})


__all__ = [
    "CONFERENCE_ACTIONS",
    "DIAL",
    "PARTICIPANT_ACTIONS",
    "RECORD",
    "minding",
    "needs_live_state",
    "plan_conference_action",
    "plan_participant_action",
    "plan_participants_action",
]
