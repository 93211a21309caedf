"""The data set that demo and tests share: three accounts with their people and telephones.

A parent account with an administrator ``master``; below it the main account with an administrator
``boss``, an ordinary user ``joe``, a telephone of joe's and one in the lobby that nobody owns; and an
unrelated account with a user ``other`` and a telephone. Besides, what a token needs (data.md 6.9):
the signing key and the server's secret.

Nothing that is there already is changed: `seed` can run any number of times, and beside real data.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from .auth import keys
from .auth.mint import mint
from .auth.port import StoreDocuments
from .clock import gregorian_seconds
from .store.names import account_database, encoded
from .store.port import Document, DocumentConflict, DocumentMissing, Store

#: The key that signs the demo's tokens, unless the store names another one.
SYSTEM_KEY = "c0ffee00c0ffee00c0ffee00c0ffee00"


@dataclass(frozen=True, slots=True)
class Account:
    """An account; ``tree`` lists its ancestors' ids, the topmost first."""

    id: str
    name: str
    realm: str
    tree: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who can log in; ``credentials`` are the username and password that Basic needs."""

    id: str
    account: Account
    username: str
    first_name: str
    last_name: str
    priv_level: str
    credentials: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Device:
    """A telephone; ``owner`` is ``None`` for one that stands in the lobby."""

    id: str
    account: Account
    name: str
    username: str
    owner: User | None = None


@dataclass(frozen=True, slots=True)
class DataSet:
    """Who and what there is, by role."""

    parent: Account
    main: Account
    other: Account
    users: Mapping[str, User]
    devices: Mapping[str, Device]

    @classmethod
    def demo(cls) -> DataSet:
        """The data set with ids that are the same in every run."""
        return cls._named(
            lambda role: hashlib.md5(f"conferences demo {role}".encode(), usedforsecurity=False).hexdigest(),
            "",
        )

    @classmethod
    def fresh(cls) -> DataSet:
        """The same people in accounts that nobody else uses."""
        return cls._named(lambda role: secrets.token_hex(16), f"{secrets.token_hex(4)}.")

    @property
    def accounts(self) -> dict[str, Account]:
        """The accounts by role."""
        return {"parent": self.parent, "main": self.main, "other": self.other}

    def basic_credentials(self, name: str) -> str:
        """What stands behind ``Basic`` before base64, with Kazoo's default of MD5 (data.md 6.8)."""
        user = self.users[name]
        return f"{user.account.id}:{_md5(user)}"

    @classmethod
    def _named(cls, new_id: Callable[[str], str], realm: str) -> DataSet:
        parent = Account(new_id("parent"), "Parent", f"parent.{realm}conferences.example")
        main = Account(new_id("main"), "Main", f"main.{realm}conferences.example", (parent.id,))
        other = Account(new_id("other"), "Other", f"other.{realm}conferences.example")
        master = _user(new_id("master"), parent, "master", "Mary", "Master", "admin")
        boss = _user(new_id("boss"), main, "boss", "Berta", "Boss", "admin")
        joe = _user(new_id("joe"), main, "joe", "Joe", "User", "user")
        stranger = _user(new_id("other user"), other, "other", "Otto", "Other", "admin")
        return cls(
            parent=parent,
            main=main,
            other=other,
            users={"master": master, "boss": boss, "joe": joe, "other": stranger},
            devices={
                "joe": Device(new_id("joe phone"), main, "joe-phone", "joephone", joe),
                "lobby": Device(new_id("lobby phone"), main, "lobby-phone", "lobbyphone"),
                "other": Device(new_id("other phone"), other, "other-phone", "otherphone", stranger),
            },
        )


async def seed(store: Store, data: DataSet) -> None:
    """Write what is missing of the data set."""
    for database in ("accounts", "system_auth", "system_config"):
        await store.create_database(database)
    for account in data.accounts.values():
        await store.create_database(account_database(account.id))
    await _seed_key(store)
    for database, document in _documents(data):
        await _add(store, database, document)


async def mint_tokens(store: Store, data: DataSet, expires_in: float = 86_400) -> dict[str, str]:
    """A token of every user, by name; ``expires_in`` seconds from now. Raises `MintError`."""
    documents = StoreDocuments(store)
    return {
        name: await mint(documents, user.account.id, user.id, expires_in=expires_in)
        for name, user in data.users.items()
    }


async def _seed_key(store: Store) -> None:
    made = await asyncio.to_thread(keys.generate, SYSTEM_KEY)
    await _add(store, "system_config", made.config)
    key_id = (await store.get("system_config", "auth")).get("default", {}).get("system_key", SYSTEM_KEY)
    await _add(store, keys.DATABASE, {**made.document, "_id": key_id})
    try:
        await store.attachment(keys.DATABASE, key_id, keys.ATTACHMENT)
    except DocumentMissing:
        rev = str((await store.get(keys.DATABASE, key_id))["_rev"])
        # A conflict: somebody seeds at the same time, and one key is enough.
        with suppress(DocumentConflict):
            await store.put_attachment(
                keys.DATABASE, key_id, rev, keys.ATTACHMENT, keys.CONTENT_TYPE, made.pem
            )


async def _add(store: Store, database: str, document: Document) -> None:
    try:
        await store.get(database, document["_id"])
    except DocumentMissing:
        with suppress(DocumentConflict):
            await store.put(database, document)


def _documents(data: DataSet) -> Iterator[tuple[str, Document]]:
    for account in data.accounts.values():
        document = _account_document(account)
        yield account_database(account.id), document
        yield "accounts", document
    for user in data.users.values():
        yield account_database(user.account.id), _user_document(user)
    for device in data.devices.values():
        yield account_database(device.account.id), _device_document(device)


def _account_document(account: Account) -> Document:
    return {
        "_id": account.id,
        "name": account.name,
        "realm": account.realm,
        "enabled": True,
        "language": "en-us",
        "timezone": "UTC",
        "pvt_tree": list(account.tree),
        "pvt_enabled": True,
        "pvt_signature_secret": secrets.token_hex(16),
        **_private("account", account),
    }


def _user(
    user_id: str, account: Account, username: str, first_name: str, last_name: str, priv_level: str
) -> User:
    credentials = (username, f"{username}-password")
    return User(user_id, account, username, first_name, last_name, priv_level, credentials)


def _user_document(user: User) -> Document:
    sha1 = hashlib.sha1(":".join(user.credentials).encode(), usedforsecurity=False).hexdigest()
    return {
        "_id": user.id,
        "username": user.username,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "email": f"{user.username}@{user.account.realm}",
        "priv_level": user.priv_level,
        "enabled": True,
        "pvt_md5_auth": _md5(user),
        "pvt_sha1_auth": sha1,
        "pvt_signature_secret": secrets.token_hex(16),
        **_private("user", user.account),
    }


def _md5(user: User) -> str:
    return hashlib.md5(":".join(user.credentials).encode(), usedforsecurity=False).hexdigest()


def _device_document(device: Device) -> Document:
    document: dict[str, Any] = {
        "_id": device.id,
        "name": device.name,
        "device_type": "sip_device",
        "enabled": True,
        "sip": {
            "method": "password",
            "invite_format": "contact",
            "username": device.username,
            "password": secrets.token_hex(8),
        },
        **_private("device", device.account),
    }
    if device.owner is not None:
        document["owner_id"] = device.owner.id
    return document


def _private(kind: str, account: Account) -> dict[str, Any]:
    now = gregorian_seconds()
    return {
        "pvt_type": kind,
        "pvt_vsn": "1",
        "pvt_account_id": account.id,
        "pvt_account_db": encoded(account_database(account.id)),
        "pvt_created": now,
        "pvt_modified": now,
    }
