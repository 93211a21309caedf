"""What the workers of a host tell each other of a store that refuses their user.

CouchDB counts wrong passwords by user and address, not by process. So a worker that is refused tells the
others, through the supervisor, before each of them finds out at the price of one more; and the one that is
taken again tells them too. Workers of a reload may have another password than those they replace: what is
told names the user and password by a digest, and is heard by those who have the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Final

from ..settings import Settings
from ..store.health import Health, News, Trouble
from .channel import Message

#: Hex digits of the digest: it stays within the processes of one host, and is written nowhere.
_DIGITS: Final = 16


def credentials_digest(settings: Settings) -> str:
    """What tells one user and password at a store from another one."""
    text = "\0".join((settings.couchdb_url, settings.couchdb_user or "", settings.couchdb_password or ""))
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


class StoreNews:
    """A worker's side. ``index``: its place; the higher, the longer it lets others ask first."""

    def __init__(self, send: Callable[[Message], Any], health: Health, digest: str, index: int) -> None:
        self._send = send
        self._health = health
        self._digest = digest
        health.grace = 1.0 + index
        health.on_news = self._tell

    def hear(self, message: Message) -> None:
        """Take in a message of the supervisor's; one that is not for us is passed over."""
        if message.get("store") != self._digest:
            return
        trouble = Trouble(message["kind"], message["said"]) if message["kind"] else None
        self._health.hear(News(trouble, message["pause"]))

    def _tell(self, news: News) -> None:
        trouble = news.trouble
        self._send(
            {
                "store": self._digest,
                "kind": trouble.kind if trouble else None,
                "said": trouble.said if trouble else "",
                "pause": news.pause,
            }
        )
