"""From a media id or address in a request to the Media-Name of a command.

Pure text work: nothing is looked up, nothing checked to exist. Source: data.md 10, dial.md 7.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

#: Addresses of files on the switch, and of what runs code there.
_FILE_SCHEMES: Final = frozenset({"file", "vlc", "lua", "python", "javascript", "api"})
_AS_IT_IS: Final = ("/system_media", "system_media")


class MediaRefused(ValueError):
    """The media is none that the account may have played."""


def media_locator(
    text: str,
    account_id: str,
    conference_id: str | None = None,
    *,
    allow_private_hosts: Iterable[str] = (),
) -> str:
    """The Media-Name to send for a media id or address; raises `MediaRefused`."""
    path = media_path(text, account_id)
    if not is_reachable_media(path, account_id):
        raise MediaRefused
    return path


def media_path(media_id: str, account_id: str) -> str:
    """The media's path: addresses and paths as they are, an id inside its account."""
    if media_id.startswith(_AS_IT_IS) or "/" in media_id:
        return media_id
    return f"/{account_id}/{media_id}"


def is_reachable_media(path: str, account_id: str) -> bool:
    """Whether an account may have this media played.

    Kazoo passes any path on. Here files of the switch are out of reach, other accounts'
    recordings among them (amqp.md 7.4 puts them at a name that can be guessed), and so is media
    that lies in another account. Addresses and prompts are free.
    """
    scheme, separator, rest = path.partition("://")
    if separator and scheme.lower() == "file_string":
        return all(is_reachable_media(part, account_id) for part in rest.split("!"))
    if separator and scheme.lower() in _FILE_SCHEMES:
        return False
    if separator:
        return True
    segments = path.split("/")
    if ".." in segments:
        return False
    return not path.startswith("/") or segments[1] in (account_id, "system_media")


def recording_name(account_id: str, conference_id: str) -> str:
    """The file a conference is recorded to; start and stop must name the same (amqp.md 7.4)."""
    return f"{account_id}_{conference_id}.mp3"
