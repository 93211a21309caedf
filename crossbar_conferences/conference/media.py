"""From a media id or address in a request to the Media-Name of a command.

Pure text work: nothing is looked up, nothing checked to exist. Source: data.md 10, dial.md 7.
"""

from __future__ import annotations

from typing import Final

_AS_IT_IS: Final = ("/system_media", "system_media")


def media_path(media_id: str, account_id: str) -> str:
    """The media's path: addresses and paths as they are, an id inside its account."""
    if media_id.startswith(_AS_IT_IS) or "/" in media_id:
        return media_id
    return f"/{account_id}/{media_id}"


def recording_name(account_id: str, conference_id: str) -> str:
    """The file a conference is recorded to; start and stop must name the same (amqp.md 7.4)."""
    return f"{account_id}_{conference_id}.mp3"
