"""Checks of CouchDB: reachable, readable, on time, with our views and Kazoo's signing key."""

from __future__ import annotations

import asyncio
import email.utils
import time
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final

import aiohttp

from ..auth.keys import ATTACHMENT, SigningKeys
from ..auth.keys import DATABASE as SYSTEM_AUTH
from ..auth.port import StoreDocuments
from ..auth.system_config import SystemConfig
from ..broker.failures import NO_ANSWER, why_unreachable
from ..settings import Settings, mask_url
from ..store.couch import CouchStore
from ..store.names import ACCOUNTS, SYSTEM_CONFIG, account_database, is_account_id
from ..store.port import (
    CredentialsRefused,
    StoreError,
    StoreRefused,
    StoreUnreachable,
    UserLocked,
    ViewQuery,
)
from ..store.views import ACCOUNTS_BY_NAME, INSTALLED, MISSING, design_of, look
from .findings import Finding, fail, note, ok, warn

#: Accounts whose views are looked at.
SAMPLE: Final = 200

#: Seconds by which clocks may differ before it is said, and before tokens are misjudged.
SLOW, WRONG = 2.0, 30.0


async def check_store(settings: Settings, store: CouchStore) -> AsyncGenerator[Finding, None]:
    """Whether CouchDB is there and lets us in, and what it holds for us. Ends with the first failure."""
    shown, origin = mask_url(settings.couchdb_url), settings.origins.get("couchdb_url", "")
    user = settings.origins.get("couchdb_user", "couchdb_user")
    try:
        version = await store.ping()
        missing = [
            name for name in (ACCOUNTS, SYSTEM_CONFIG, SYSTEM_AUTH) if not await store.database_exists(name)
        ]
        if SYSTEM_CONFIG not in missing:
            # The first answer may come without credentials; a document does not.
            await StoreDocuments(store).document(SYSTEM_CONFIG, "auth")
    except StoreRefused as error:
        lacking = ", ".join(one.database for one in store.health.lacking())
        yield fail(
            "store",
            f"CouchDB at {shown} lets our user in, but gives it no right to {lacking}: {error}",
            f"make the user a server admin, or a member of the database: docs/couchdb.md ({user})",
        )
        return
    except UserLocked as error:
        yield fail(
            "store",
            f"CouchDB at {shown} has locked our user out: {error.said}",
            "leave the password as it is, find who sends a wrong one, and wait five minutes after the last;"
            f" or use a second user: docs/rotate-credentials.md ({user})",
        )
        return
    except CredentialsRefused as error:
        yield fail(
            "store",
            f"CouchDB at {shown} refuses our credentials: {error.said}",
            f"correct username and password ({user})",
        )
        return
    except StoreUnreachable as error:
        reason = why_unreachable(error.__cause__ or error)
        if reason == NO_ANSWER:
            reason = f"it does not answer within {settings.store_timeout_seconds:g} s"
        yield fail(
            "store",
            f"CouchDB at {shown} cannot be reached: {reason}",
            f"check that it runs and that ip and port are right ({origin})",
        )
        return
    except StoreError as error:
        yield fail("store", f"{shown} is no CouchDB: {error}", f"check ip and port ({origin})")
        return
    if missing:
        yield fail(
            "store",
            f"CouchDB {version} at {shown} has no database {', '.join(missing)}",
            f"this is not the CouchDB of a Kazoo cluster: check ip and port ({origin})",
        )
        return
    yield ok("store", f"CouchDB {version} at {shown} lets us read")
    yield await check_clock(settings)
    yield await check_views(store)
    yield await check_key(settings, store)


async def check_clock(settings: Settings) -> Finding:
    """Whether CouchDB's host and ours have the same time: tokens end by it."""
    timeout = aiohttp.ClientTimeout(total=settings.store_timeout_seconds)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as http, http.get(settings.couchdb_url) as answer:
            theirs = email.utils.parsedate_to_datetime(answer.headers.get("Date", "")).timestamp()
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return warn("clock", "CouchDB does not tell its time", "compare the clocks of both hosts yourself")
    # Their date is in whole seconds, and as old as the way here.
    off = abs(time.time() - theirs - 0.5)
    if off < SLOW:
        return ok("clock", "our clock and CouchDB's agree")
    text = f"our clock and CouchDB's are {off:.0f} s apart"
    advice = "synchronise both hosts (chrony, systemd-timesyncd): tokens end by the clock"
    return fail("clock", text, advice) if off > WRONG else warn("clock", text, advice)


async def check_views(store: CouchStore) -> Finding:
    """Whether our design documents are installed; the first request waits for what is not."""
    advice = "run `crossbar-conferences views install`; else the first request waits while they are built"
    try:
        state = await _state(store, ACCOUNTS)
        if state != INSTALLED:
            return warn("views", f"our views in the database {ACCOUNTS}: {state}", advice)
        rows = await store.query(ACCOUNTS, ACCOUNTS_BY_NAME, ViewQuery(limit=SAMPLE))
        ids = dict.fromkeys(row.id for row in rows if is_account_id(row.id))
        states = Counter(await asyncio.gather(*(_state(store, account_database(one)) for one in ids)))
    except StoreError as error:
        return fail("views", f"our views cannot be looked at: {error}", "our user must read design documents")
    unread, odd = states[MISSING], states.total() - states[INSTALLED] - states[MISSING]
    if odd:
        text = f"{odd} of {states.total()} accounts have another version of our views, or cannot be looked at"
        return warn("views", text, advice)
    if unread:
        # They come with the first request to the account: nobody has asked for anything of it yet.
        text = f"{unread} of {states.total()} accounts have no views of ours yet: nobody has read them here"
        return note("views", text, advice)
    return ok("views", f"all of {states.total()} accounts have our views")


async def _state(store: CouchStore, database: str) -> str:
    design = design_of(database)
    assert design is not None
    try:
        return await look(store, database, design)
    except StoreRefused:
        raise
    except StoreError as error:
        return str(error)


async def check_key(settings: Settings, store: CouchStore) -> Finding:
    """Whether Kazoo's tokens can be verified."""
    documents = StoreDocuments(store)
    system = SystemConfig(documents, settings.node_name, settings.zone)
    advice = "start Kazoo's crossbar once: it makes them"
    try:
        config = await system.category("auth")
        key_id = config.value("system_key")
        if not isinstance(key_id, str) or not isinstance(config.value("secret_for_user_signature"), str):
            return fail("key", "system_config/auth has no system_key or no secret_for_user_signature", advice)
        document: Mapping[str, Any] | None = await documents.document(SYSTEM_AUTH, key_id)
        if document is None:
            return fail("key", f"system_auth has no document {key_id}, the key of system_config/auth", advice)
        if await documents.attachment(SYSTEM_AUTH, key_id, ATTACHMENT) is None:
            return fail("key", f"the document {key_id} of system_auth has no {ATTACHMENT}", advice)
        if await SigningKeys(documents).private(key_id) is None:
            return fail(
                "key",
                f"{ATTACHMENT} of {key_id} in system_auth is no RSA key of 2048 bits or more",
                "put the cluster's own key back, from a backup",
            )
    except StoreError as error:
        return fail("key", f"the signing key cannot be read: {error}", "our user must read system_auth")
    return ok("key", f"tokens are signed with key {key_id}")
