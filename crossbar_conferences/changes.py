"""What a change message makes out of date: everything that was read or derived from the document.

Kazoo's data layer tells of each changed document and database (data.md 4). Whoever keeps something
of documents is told here, in one order: first what is read, then what was decided on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from .auth.gate import AuthRoom
from .broker.port import Binding, Delivery
from .commands.sweeping import Sweeper
from .kapi import configuration
from .sockets.reviews import Reviews
from .store.cache import DocumentCache
from .store.documents import CONFERENCE
from .store.names import ACCOUNTS, account_database, account_id_of, is_account_id, real
from .store.pages import PageCache

_EVENTS: Final = ("doc_created", "doc_edited", "doc_deleted", "db_created", "db_deleted")

#: Where changes are heard.
BINDINGS: Final = tuple(Binding("configuration", f"{event}.#") for event in _EVENTS)


@dataclass(frozen=True, slots=True)
class Changes:
    """Passes changes on to caches, reviews and whoever cleans up."""

    cache: DocumentCache
    pages: PageCache
    auth: AuthRoom
    reviews: Reviews
    sweeper: Sweeper

    def set_feed(self, is_up: bool) -> None:
        """Changes are told of from now on, or not: then nothing that was read before may be believed."""
        self.cache.set_feed(is_up)
        self.pages.set_feed(is_up)
        self.auth.flush_all()
        self.reviews.doubt()

    def hear(self, body: Mapping[str, Any], delivery: Delivery) -> None:
        """A document or a database has changed, ours or others' doing: workers of a host have one name."""
        change = configuration.change_of(body)
        database = real(change.database)
        if change.event.startswith("db_"):
            self.cache.flush_database(database)
        else:
            # A document that is gone may be told of with the revision that it had, which may be kept.
            is_gone = change.event == "doc_deleted" and not change.soft_deleted
            self.cache.flush(database, change.id, None if is_gone else change.revision)
        self.pages.flush(database)
        self.auth.flush(database, change.id)
        # An account goes with its database, and the last to be told of is its copy among all accounts.
        account_id = change.id if database == ACCOUNTS else account_id_of(database)
        if is_account_id(account_id) and (database == ACCOUNTS or change.event.startswith("db_")):
            self.forget_account(str(account_id))
        self._sweep(change, database)
        self.reviews.changed(database, change.id, change.type)

    def _sweep(self, change: configuration.Change, database: str) -> None:
        """What the sidecar itself keeps of what is gone goes too, later."""
        account_id = account_id_of(database)
        is_document = change.event == "doc_deleted"
        is_account = is_document and (database == ACCOUNTS or change.id == account_id)
        if is_account or (change.event == "db_deleted" and account_id is not None):
            self.sweeper.account_gone()
        elif is_document and change.type == CONFERENCE and account_id is not None:
            self.sweeper.conference_gone(account_id, change.id)

    def forget_account(self, account_id: str) -> None:
        """Look the account's document up anew: without one nothing else of the account is shown."""
        database = account_database(account_id)
        self.cache.flush(database, account_id)
        self.pages.flush(database)
        self.auth.flush(database, account_id)
