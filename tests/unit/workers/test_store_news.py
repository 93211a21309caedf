"""Workers tell each other of a store that refuses them, and hear only those with the same password."""

from __future__ import annotations

import pytest

from crossbar_conferences.settings import Settings, load
from crossbar_conferences.store.health import Health
from crossbar_conferences.store.port import CredentialsRefused
from crossbar_conferences.workers.channel import Message
from crossbar_conferences.workers.store_news import StoreNews, credentials_digest


def _settings(password: str) -> Settings:
    given = {"couchdb_url": "http://127.0.0.1:5984", "couchdb_user": "sidecar", "couchdb_password": password}
    return load(given, environ={}, candidates=())


@pytest.mark.parametrize(("password", "is_heard"), [("first", True), ("second", False)])
def test_who_has_the_same_password_hears(password: str, is_heard: bool) -> None:
    """A worker with a new password is not kept from asking by what became of the old one."""
    sent: list[Message] = []
    teller, hearer = Health(), Health()
    StoreNews(sent.append, teller, credentials_digest(_settings("first")), 0)
    news = StoreNews(lambda _: True, hearer, credentials_digest(_settings(password)), 1)
    teller.failed(CredentialsRefused("wrong"), teller.enter())
    [message] = sent
    assert "first" not in str(message)
    news.hear(message)
    if is_heard:
        with pytest.raises(CredentialsRefused, match="wrong"):
            hearer.enter()
    else:
        assert not hearer.enter()


def test_that_it_is_over_is_told_too() -> None:
    """Nobody waits for the end of a pause that is over for another one."""
    first, second = Health(), Health()
    digest = credentials_digest(_settings("x"))
    news = StoreNews(lambda _: True, second, digest, 1)
    StoreNews(news.hear, first, digest, 0)
    first.failed(CredentialsRefused("wrong"), first.enter())
    assert second.trouble is not None
    first.worked(True)
    assert second.trouble is None


@pytest.mark.parametrize("message", [{}, {"alive": True}, {"charged": 1}, {"store": "other", "kind": None}])
def test_other_messages_are_passed_over(message: Message) -> None:
    """What the supervisor says to others changes nothing."""
    health = Health()
    StoreNews(lambda _: True, health, credentials_digest(_settings("x")), 0).hear(message)
    assert health.trouble is None
