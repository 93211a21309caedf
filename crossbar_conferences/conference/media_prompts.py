"""Prompts by their bare names: which texts are names, and the Media-Name that plays one.

Kazoo takes a bare name for the id of a document, so that nothing is heard (real-switch.md A10). Which
recording a prompt is, media_mgr decides: of the account, of its reseller, of the system, in the language
that is named or else in the account's. Source: kz_media_util:get_prompt, kz_media_url:playback and
kz_media_map:prompt_path of Kazoo's master, read.
"""

from __future__ import annotations

import re
from typing import Final

#: A language as documents and prompts have it.
LANGUAGE: Final = re.compile(r"[A-Za-z0-9]{1,8}(?:[_-][A-Za-z0-9]{1,8}){0,3}")

_MAXIMUM_NAME: Final = 128
# As all of Kazoo's own are called: a word of letters, a hyphen, and more in small letters, digits, "_" and
# "-" (``conf-muted``, ``cf-move-no_channel``, ``queue-about_1_hour``). Ids that Kazoo makes have no hyphen,
# or begin with a digit, or are a UUID.
_NAME: Final = re.compile(
    r"(?![0-9a-f]{8}-[0-9a-f]{4}-)[a-z]{2,32}(?:-[a-z0-9]+(?:_[a-z0-9]+)*)+",
)


def is_prompt_name(text: str) -> bool:
    """Whether a bare text is the name of a prompt, and no id of a document."""
    return len(text) <= _MAXIMUM_NAME and _NAME.fullmatch(text) is not None


def prompt_locator(name: str, account_id: str, language: object = None) -> str:
    """The Media-Name of a prompt for an account. ``language``: of the conference, where it has one; what
    is no language counts as none, and media_mgr takes the account's."""
    spoken = language if isinstance(language, str) and LANGUAGE.fullmatch(language) else None
    return f"prompt://{account_id}/{name}" + (f"/{spoken}" if spoken is not None else "")
