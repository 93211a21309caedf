"""From a media id or address in a request or a document to the Media-Name of a message.

An allow list: what is not one of the forms below never leaves. Pure text work: nothing is looked
up, nothing checked to exist. Source: data.md 10, dial.md 7, real-switch.md D.3.
"""

from __future__ import annotations

import re
from typing import Final

from .media_hosts import is_allowed_host
from .media_prompts import LANGUAGE
from .media_tones import is_silence, is_tones

#: Longest media name or address, in characters.
MAXIMUM_MEDIA_NAME: Final = 2048

#: What would end a command, expand a variable or begin a parameter on the switch: worth an answer of
#: its own, since it is no mistake about a name.
_HOSTILE: Final = re.compile(r"['\"`\\^|<>{}\s\x00-\x1f\x7f-\x9f\ud800-\udfff]|\$\$")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+._-]{0,63}:")
_KNOWN_SCHEMES: Final = frozenset({"http:", "https:", "prompt:", "tone_stream:", "silence_stream:"})

#: The id of a media document.
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
#: The same, or a prompt's, which is stored under its language (``en-us%2Fconf-welcome``).
_STORED_ID: Final = re.compile(r"(?:[a-z]{2,3}(?:-[a-z0-9]{2,8})?%2[Ff])?[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_SYSTEM: Final = "system_media"

# No brackets, so no IPv6 address; no "$", "!" or quote, which FreeSWITCH reads; no "@" before the path,
# which would hide the host; and nothing but a path behind the host, since readers of addresses differ in
# where the host of "http://a?@b/" ends.
_ADDRESS: Final = re.compile(
    r"https?://([A-Za-z0-9.-]{1,253})(?::([0-9]{1,5}))?(?:/[A-Za-z0-9._~:/?#@%&()*+,;=-]*)?"
)


class MediaRefused(ValueError):
    """The text names no media that may be played; the message says why, without quoting it.

    ``text`` is what was refused. ``is_hostile``: for what it is made of (quotes, blanks, signs that
    the switch expands, more than 2,048 characters), not for what it names.
    """

    def __init__(self, text: str, reason: str, *, is_hostile: bool = False) -> None:
        super().__init__(reason)
        self.text = text
        self.is_hostile = is_hostile


def media_locator(
    text: str,
    account_id: str,
    conference_id: str | None = None,
    *,
    allow_private_hosts: tuple[str, ...] = (),
) -> str:
    """The Media-Name to send for a media id or address of an account.

    A bare id of a media document becomes ``/ACCOUNT/ID``. These go out as they are: ``/ACCOUNT/ID``
    of the own account, ``/system_media/ID``, ``prompt://`` of either, ``tone_stream://`` (tones
    alone, `media_tones.is_tones`), ``silence_stream://`` and ``http(s)://`` of a host outside, or
    of one that ``allow_private_hosts`` names (`media_hosts.is_allowed_host`).

    Raises `MediaRefused` for everything else, whoever's ``conference_id`` asks: not even its own
    recording is played, since recordings lie at names that can be guessed.
    """
    if len(text) > MAXIMUM_MEDIA_NAME:
        reason = f"must not be longer than {MAXIMUM_MEDIA_NAME} characters"
        raise MediaRefused(text, reason, is_hostile=True)
    scheme = _SCHEME.match(text)
    if scheme and scheme[0] not in _KNOWN_SCHEMES:
        raise MediaRefused(text, "is not of a scheme that may be played")
    if _HOSTILE.search(text):
        reason = "must not contain blanks, quotes or any of \\ ` ^ | < > { } or $$"
        raise MediaRefused(text, reason, is_hostile=True)
    if _ID.fullmatch(text):
        return f"/{account_id}/{text}"
    if not _is_listed(text, account_id, allow_private_hosts):
        raise MediaRefused(text, "is no media of the account, of the system or of an address outside")
    return text


def _is_listed(text: str, account_id: str, allow_private_hosts: tuple[str, ...]) -> bool:
    scheme, separator, rest = text.partition("://")
    if not separator:
        return _is_stored(text, account_id)
    if scheme == "prompt":
        return _is_prompt(rest, account_id)
    if scheme == "tone_stream":
        return is_tones(rest)
    if scheme == "silence_stream":
        return is_silence(rest)
    address = _ADDRESS.fullmatch(text)
    return address is not None and is_allowed_host(address[1], address[2], allow_private_hosts)


def _is_stored(path: str, account_id: str) -> bool:
    # Kazoo takes "system_media/ID" without the first slash as well; the own account's likewise.
    owner, separator, media_id = path.removeprefix("/").partition("/")
    return bool(separator) and owner in (account_id, _SYSTEM) and _STORED_ID.fullmatch(media_id) is not None


def _is_prompt(rest: str, account_id: str) -> bool:
    owner, *names = rest.split("/", 3)
    if owner not in (account_id, _SYSTEM) or not 1 <= len(names) <= 2 or not _ID.fullmatch(names[0]):
        return False
    return len(names) == 1 or LANGUAGE.fullmatch(names[1]) is not None
