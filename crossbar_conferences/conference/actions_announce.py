"""Telling people that they were muted or unmuted: ``announce: true`` with these actions.

The prompt goes to each of them alone, after all commands of the request. No event proves that it was
heard, so it is no part of what ``?wait=`` confirms. Source: beyond.md 2; kapps_conference.hrl (the
prompts of Kazoo's own profiles).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from ..kapi.messages import Outgoing
from .actions_plan import ActionContext, ActionRequest
from .actions_sound import limit_listeners
from .media_prompts import prompt_locator

_PROMPTS: Final[Mapping[str, str]] = {"mute": "conf-muted", "unmute": "conf-unmuted"}


def announcements(
    request: ActionRequest, context: ActionContext, numbers: Sequence[int]
) -> tuple[Outgoing, ...]:
    """What tells the participants of these numbers; nothing where it is not asked for, or for an action
    that announces nothing. Raises `ActionError` for an ``announce`` that is wrong and for too many."""
    prompt = _PROMPTS.get(request.action)
    data = request.data
    if prompt is None or not isinstance(data, Mapping) or "announce" not in data:
        return ()
    if not context.checked("conferences.actions.mute", data)["announce"]:
        return ()
    limit_listeners("announce", len(numbers))
    media = prompt_locator(prompt, context.account_id, context.document.get("language"))
    # As `actions_sound.play` sends it.
    return tuple(
        context.command("play", {"Media-Name": media, "Participant-ID": str(number)}) for number in numbers
    )
