"""Actions that are heard: play, and what Kazoo's bus knows but its REST hides.

``say``, ``stop_play``, ``tones`` for everybody or one; ``energy``, ``volume_in``, ``volume_out`` for
one; ``set`` for the conference. Source: amqp.md 5.3, anchors.md 0.2, 0.8.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from ..kapi import texts
from ..kapi.messages import Outgoing
from .actions_plan import ActionContext, ActionError, ActionRequest, invalid, unsafe
from .endpoints_context import text_at
from .media import MediaRefused, media_locator
from .media_prompts import is_prompt_name, prompt_locator
from .media_tones import MAXIMUM_MADE_MS, made_ms

#: Who is meant: the conference (``None``) or one participant's number.
Whom = int | None

#: Longest list of media, in characters of all: it is one line for the switch.
MAXIMUM_LISTED: Final = 4096
#: So many people may be played a list, or told something, each for themselves by one request: the switch
#: opens sounds for each.
MAXIMUM_LISTENERS: Final = 100
#: So many media has a list at most, as the schema says.
_MAXIMUM_MEDIA: Final = 20

_LEVELS: Final[Mapping[str, tuple[str, str]]] = {
    "energy": ("participant_energy", "Energy-Level"),
    "volume_in": ("participant_volume_in", "Volume-In-Level"),
    "volume_out": ("participant_volume_out", "Volume-Out-Level"),
}
# What no media id or address has, whatever else it may be: a text with these is no text of this kind, and
# not a medium that is somewhere else.
_NO_MEDIA: Final = re.compile(r"[\x00-\x20\x7f'\"`\\^|<>{}\u2028\u2029\ud800-\udfff]|\$\$")
# FreeSWITCH reads the names of parameters as they come; Kazoo's list has no name for the grace time.
_PARAMETERS: Final = (("max_members", "Max-Members"), ("endconf_grace_time", "endconference_grace_time"))


def limit_listeners(path: str, count: int) -> None:
    """Raise `ActionError` about this field when it would have the switch open sounds for too many people."""
    if count > MAXIMUM_LISTENERS:
        message = f"No more than {MAXIMUM_LISTENERS} participants can hear it each for themselves"
        raise invalid(path, "maximum", {"message": message, "target": MAXIMUM_LISTENERS})


def play(request: ActionRequest, context: ActionContext, whom: Whom = None) -> tuple[Outgoing, ...]:
    """Play a media id, a prompt or an address; with ``media_ids`` several, one after another."""
    fields = request.fields
    media_id = text_at(fields, "media_id")
    if fields.get("media_ids") is not None:
        return (_play_list(fields, context, whom),)
    if media_id is None:
        message = "action 'play' requires a media ID or URL"
        raise invalid("data.media_id", "required", {"message": message})
    path = _media_name(media_id, "data.media_id", context)
    # To one participant Kazoo sends the number as text here, and only here (amqp.md 6.2).
    who = {} if whom is None else {"Participant-ID": str(whom)}
    return (context.command("play", {"Media-Name": path, **who}),)


def _play_list(fields: Mapping[str, Any], context: ActionContext, whom: Whom) -> Outgoing:
    # ecallmgr makes one medium of the list, ``file_string://A!B``: an element without the sign "!", which
    # no medium may have, is one element there.
    if fields.get("media_id") is not None:
        message = "Value must not stand beside media_id"
        raise invalid("media_ids", "wrong_format", {"message": message})
    media_ids = fields["media_ids"]
    if isinstance(media_ids, list):
        # One too many is as wrong as ten thousand, which would all be checked.
        media_ids = media_ids[: _MAXIMUM_MEDIA + 1]
    media_ids = context.checked("conferences.actions.play", {"media_ids": media_ids})["media_ids"]
    if sum(map(len, media_ids)) > MAXIMUM_LISTED:
        message = f"The media must not be longer than {MAXIMUM_LISTED} characters together"
        raise invalid("media_ids", "maximum", {"message": message, "target": MAXIMUM_LISTED})
    paths = [_media_name(media_id, f"media_ids.{place}", context) for place, media_id in enumerate(media_ids)]
    return context.command("play_macro", {"Media-Macro": paths, **_participant(whom)})


def _media_name(media_id: str, where: str, context: ActionContext) -> str:
    """The Media-Name of what a request names; ``where``: the path of it for an error."""
    if len(media_id) > texts.MEDIA.maximum or _NO_MEDIA.search(media_id):
        raise unsafe(where, media_id, texts.MEDIA.must)
    if is_prompt_name(media_id):
        return prompt_locator(media_id, context.account_id, context.document.get("language"))
    try:
        path = media_locator(
            media_id,
            context.account_id,
            context.conference_id,
            allow_private_hosts=context.private_media_hosts,
        )
    except MediaRefused as refused:
        if refused.is_hostile:
            raise unsafe(where, media_id, str(refused)) from refused
        raise ActionError("bad_media", [media_id]) from refused
    if not texts.MEDIA.fits(path):
        raise unsafe(where, media_id, texts.MEDIA.must)
    return path


def say(request: ActionRequest, context: ActionContext, whom: Whom = None) -> tuple[Outgoing, ...]:
    """Speak a text."""
    data = context.checked("conferences.actions.say", request.fields)
    try:
        fields: dict[str, Any] = {"Text": texts.spoken(data["text"])}
    except texts.TextRefused as error:
        raise unsafe("text", data["text"], error) from error
    for key, header in (("language", "Language"), ("voice", "Voice")):
        if key in data:
            try:
                fields[header] = texts.WORD.checked(data[key])
            except texts.TextRefused as error:
                raise unsafe(key, data[key], error) from error
    return (context.command("say", {**fields, **_heard_by(context, whom)}),)


def stop_play(request: ActionRequest, context: ActionContext, whom: Whom = None) -> tuple[Outgoing, ...]:
    """Stop what is being played: the current sound, or all that wait too."""
    data = context.checked("conferences.actions.stop_play", request.fields)
    return (context.command("stop_play", {"Affects": data.get("affects", "all"), **_participant(whom)}),)


def tones(request: ActionRequest, context: ActionContext, whom: Whom = None) -> tuple[Outgoing, ...]:
    """Play tones to everybody."""
    data = context.checked("conferences.actions.tones", request.fields)
    if made_ms(data["tones"]) > MAXIMUM_MADE_MS:
        # The switch makes all of it before it plays any.
        message = f"The tones must not last longer than {MAXIMUM_MADE_MS} milliseconds together"
        raise invalid("tones", "maximum", {"message": message, "target": MAXIMUM_MADE_MS})
    fields = {"Tones": [_tone(tone) for tone in data["tones"]], **_heard_by(context, None)}
    return (context.command("tones", fields),)


def level(request: ActionRequest, context: ActionContext, whom: Whom) -> tuple[Outgoing, ...]:
    """Set how loud somebody must be to be heard, or how loud they are or hear."""
    data = context.checked(f"conferences.actions.{request.action}", request.fields)
    application_name, header = _LEVELS[request.action]
    return (context.command(application_name, {header: str(data["level"]), **_participant(whom)}),)


def set_limits(request: ActionRequest, context: ActionContext) -> tuple[Outgoing, ...]:
    """Change limits of the running conference, one command each."""
    data = context.checked("conferences.actions.set", request.fields)
    if not any(key in data for key, _ in _PARAMETERS):
        details = {"message": "Field is required but missing", "value": "max_members"}
        raise invalid("max_members", "required", details)
    return tuple(
        context.command("set", {"Parameter": parameter, "Value": str(data[key])})
        for key, parameter in _PARAMETERS
        if key in data
    )


def _participant(whom: Whom) -> dict[str, Any]:
    return {} if whom is None else {"Participant-ID": whom}


def _heard_by(context: ActionContext, whom: Whom) -> dict[str, Any]:
    # Kazoo's definition wants a Call-ID, which the switch does not use in a conference.
    return {"Call-ID": context.conference_id, **_participant(whom)}


def _tone(tone: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {
        "Frequencies": [str(frequency) for frequency in tone["frequencies"]],
        "Duration-ON": str(tone["duration_on"]),
        "Duration-OFF": str(tone["duration_off"]),
    }
    for key, header in (("volume", "Volume"), ("repeat", "Repeat")):
        if key in tone:
            made[header] = str(tone[key])
    return made
