"""What a conference's recording is called, and what an event says of it. Pure.

Source: amqp.md 7.4, real-switch.md A4, C(d), beyond.md 3.8.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from ..kapi import texts


def recording_name(account_id: str, conference_id: str, now: float, instance: str) -> str:
    """The file of a recording that begins ``now`` (unix seconds): a name of its own, since the switch
    would write over an older file. ``instance``: the run of the conference, or anything unique.

    Start and stop must name the same. No dot but the last: ecallmgr codes others."""
    seconds, milliseconds = divmod(int(now * 1000), 1000)
    began = datetime.fromtimestamp(seconds, UTC)
    return f"{account_id}_{conference_id}_{began:%Y%m%dT%H%M%S}{milliseconds:03}Z_{instance[:8]}.mp3"


def usual_name(account_id: str, conference_id: str) -> str:
    """The file of a recording that nobody knows anything of: as versions before this one named it."""
    return f"{account_id}_{conference_id}.mp3"


def recorded_file(event: Mapping[str, Any]) -> str | None:
    """The name of the file in an event's ``Recording`` (Kazoo 5), as a stop has to send it.

    ``None`` where the event tells none (the older core), or one that nobody could have sent. ecallmgr codes
    the name that it is given, and codes ours again."""
    told = event.get("Recording")
    path = told.get("File-Path") if isinstance(told, Mapping) else None
    if not isinstance(path, str):
        return None
    name = unquote(path.rpartition("/")[2])
    return name if name and texts.RECORDING.fits(name) else None
