"""Whom guests of an invitation may answer (``api/invites.py``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pytest

from crossbar_conferences.api.exchange import Exchange
from crossbar_conferences.api.invites import _organizer
from crossbar_conferences.auth.identity import Identity
from crossbar_conferences.store.documents import Documents
from crossbar_conferences.store.port import Document, DocumentMissing

CALLER, ACCOUNT, BILLING = "boss@example.com", "it@example.com", "bills@example.com"
ALL = {"technical": {"email": ACCOUNT}, "billing": {"email": BILLING}}


class Users:
    """The documents of one user, or of none."""

    def __init__(self, user: Document | None) -> None:
        self.user = user

    async def load(self, account_id: str, doc_id: str, kind: str) -> Document:
        """See `Users`."""
        assert (account_id, doc_id, kind) == ("a" * 32, "u" * 32, "user")
        if self.user is None:
            raise DocumentMissing
        return self.user


@pytest.mark.parametrize(
    ("user", "contact", "organizer"),
    [
        ({"email": CALLER}, ALL, CALLER),
        ({"email": f"{CALLER}\r\nX: y"}, ALL, ACCOUNT),
        ({"email": f"mailto:{CALLER}"}, ALL, ACCOUNT),
        ({"email": 7}, ALL, ACCOUNT),
        ({}, ALL, ACCOUNT),
        (None, ALL, ACCOUNT),
        ({}, {"technical": {"email": "nobody"}, "billing": {"email": BILLING}}, BILLING),
        *(
            ({}, contact, None)
            for contact in (None, {}, [], "x", {"technical": None}, {"technical": {"email": {}}})
        ),
    ],
)
async def test_the_caller_then_the_account(
    user: Document | None, contact: Any, organizer: str | None
) -> None:
    """Only what is an address of mail, whatever the documents hold; else nobody."""
    exchange = Exchange("PUT", "/", (), {}, {}, "127.0.0.1", "id")
    exchange.identity = Identity("a" * 32, "u" * 32, "x-auth-token")
    exchange.account = cast(Mapping[str, Any], {"contact": contact})
    assert await _organizer(cast(Documents, Users(user)), exchange) == organizer


async def test_a_key_of_the_account_has_no_user() -> None:
    """Then the account is asked, and nobody else."""
    exchange = Exchange("PUT", "/", (), {}, {}, "127.0.0.1", "id")
    exchange.identity = Identity("a" * 32, None, "x-auth-token")
    exchange.account = {"contact": ALL}
    assert await _organizer(cast(Documents, None), exchange) == ACCOUNT
    exchange.account = None
    assert await _organizer(cast(Documents, None), exchange) is None
