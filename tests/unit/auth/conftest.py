"""A small world of accounts in memory, as this room's ports show it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from crossbar_conferences.auth import AuthRoom, SystemConfig, mint
from crossbar_conferences.auth.keys import ATTACHMENT, KeyFixture, generate
from crossbar_conferences.store.port import DatabaseMissing, Document, Row, StoreUnreachable, View, ViewQuery

NOW = 1_800_000_000.0
PARENT, MAIN, OTHER = "a" * 32, "b" * 32, "c" * 32
BOSS, JOE = "1" * 32, "2" * 32
SERVER_SECRET = "0123456789abcdef0123456789abcdef"


def database(account_id: str) -> str:
    return f"account/{account_id[:2]}/{account_id[2:4]}/{account_id[4:]}"


class World:
    """Documents by database and id; answers `Documents` and `Views`, and counts what was read."""

    def __init__(self, key: KeyFixture) -> None:
        self.key = key
        self.now = NOW
        self.reads: list[tuple[str, str]] = []
        self.unreachable = False
        self.attachments = {("system_auth", key.key_id): key.pem}
        self.databases: dict[str, dict[str, dict[str, Any]]] = {
            "system_config": {"auth": key.config},
            "system_auth": {key.key_id: key.document},
        }
        for account_id, tree in ((PARENT, []), (MAIN, [PARENT]), (OTHER, [])):
            self.add(database(account_id), _id=account_id, pvt_type="account", pvt_tree=tree,
                     pvt_enabled=True, pvt_signature_secret=f"secret of {account_id}")  # fmt: skip
        for user_id, name, level in ((BOSS, "boss", "admin"), (JOE, "joe", "user")):
            plain = f"{name}:password".encode()
            self.add(database(MAIN), _id=user_id, pvt_type="user", username=name, priv_level=level,
                     enabled=True, pvt_signature_secret=f"secret of {name}",
                     pvt_md5_auth=hashlib.md5(plain).hexdigest(),
                     pvt_sha1_auth=hashlib.sha1(plain).hexdigest())  # fmt: skip

    def add(self, database_name: str, **document: Any) -> None:
        self.databases.setdefault(database_name, {})[document["_id"]] = document

    def change(self, database_name: str, doc_id: str, **fields: Any) -> None:
        self.databases[database_name][doc_id] = {**self.databases[database_name][doc_id], **fields}

    async def document(self, database_name: str, doc_id: str) -> Document | None:
        self._read(database_name, doc_id)
        return self.databases.get(database_name, {}).get(doc_id)

    async def attachment(self, database_name: str, doc_id: str, name: str) -> bytes | None:
        self._read(database_name, doc_id)
        assert name == ATTACHMENT
        return self.attachments.get((database_name, doc_id))

    async def query(self, database_name: str, view: View, query: ViewQuery) -> list[Row]:
        self._read(database_name, view.name)
        if database_name not in self.databases:
            raise DatabaseMissing
        field = {"users_by_md5": "pvt_md5_auth", "users_by_sha1": "pvt_sha1_auth"}[view.name]
        keys: Sequence[Any] = query.keys or ()
        rows = [
            Row(doc_id, document.get(field), None)
            for doc_id, document in self.databases[database_name].items()
            if document.get("pvt_type") == "user" and document.get(field) in keys
        ]
        return rows[: query.limit]

    def _read(self, database_name: str, what: str) -> None:
        self.reads.append((database_name, what))
        if self.unreachable:
            raise StoreUnreachable

    def clock(self) -> float:
        return self.now

    def room(self) -> AuthRoom:
        return AuthRoom(self, self, self.system(), clock=self.clock)

    def system(self) -> SystemConfig:
        return SystemConfig(self, "crossbar_conferences@host", "east")

    async def token(self, account_id: str = MAIN, user_id: str | None = BOSS, **more: Any) -> str:
        return await mint(self, account_id, user_id, clock=self.clock, **more)

    async def token_with(self, claims: Mapping[str, Any], **more: Any) -> str:
        """A token of boss whose claims are overruled, signed well nevertheless."""
        return await self.token(claims=claims, **more)


@pytest.fixture(scope="session")
def signing_key() -> KeyFixture:
    return generate("d" * 32, SERVER_SECRET)


@pytest.fixture
def world(signing_key: KeyFixture) -> World:
    return World(signing_key)
