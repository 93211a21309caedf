"""Settings that Kazoo keeps in the database: ``system_config`` documents. Read, never written.

One key is looked up in the scope of this node, then of its zone, then in ``default``; the
defaults here are Kazoo's. Source: data.md 5.2.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from ..store.derived import UNHEARD, Changes, Derived
from ..store.names import account_database
from ..store.port import Document
from .access import account_tree
from .identity import is_id
from .port import Documents, live_document

DATABASE = "system_config"

Path = str | Sequence[str]

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class CrossbarConfig:
    """What ``system_config/crossbar`` says about this API, with Kazoo's defaults."""

    pagination_page_size: int = 50
    max_upload_size: int = 8_000_000
    check_reverse_proxies: bool = True
    reverse_proxies: tuple[str, ...] = ("127.0.0.1",)
    include_auth_token: bool = True
    schema_strict_validation: bool = False
    allow_onboarding_setting_id: bool = False
    allow_fetch_full_docs: bool = False
    simple_authz_ignored_modules: tuple[str, ...] = ()
    #: An integer, or an object by account, endpoint and verb (`buckets.cost`).
    token_costs: Any = 1


@dataclass(frozen=True, slots=True)
class Category:
    """One ``system_config`` document, or its absence, seen from this node."""

    document: Document | None
    scopes: tuple[str, ...]

    def value(self, path: Path, default: Any = None) -> Any:
        """The value at ``path`` in the first scope that has it; ``null`` is as good as absent."""
        if self.document is None:
            return default
        keys = (path,) if isinstance(path, str) else tuple(path)
        for scope in self.scopes:
            found = within(self.document, (scope, *keys))
            if found is not None:
                return found
        return default


class SystemConfig:
    """Looks up Kazoo's settings in the database. ``changes`` tells when they may be other ones."""

    def __init__(self, documents: Documents, node_name: str, zone: str, changes: Changes = UNHEARD) -> None:
        self._documents = documents
        self._scopes = (node_name, zone, "default")
        self._made: Derived[Callable[[Category], Any], Any] = Derived(changes, time.monotonic, limit=100)
        #: What was made last, and of which document: most changes are of other ones.
        self._last: dict[Callable[[Category], Any], tuple[Document | None, Any]] = {}

    async def value(self, category: str, path: Path, default: Any = None) -> Any:
        """One setting; ``default`` when no scope has it, or the document is not there."""
        return (await self.category(category)).value(path, default)

    async def category(self, name: str) -> Category:
        """All settings of one document, in one read."""
        return Category(await live_document(self._documents, DATABASE, name), self._scopes)

    def understood(self, document: Document | None) -> Category:
        """The settings of a document that was read already."""
        is_there = document is not None and document.get("pvt_deleted") is not True
        return Category(document if is_there else None, self._scopes)

    async def account_value(self, account: Document, category: str, path: Path, default: Any = None) -> Any:
        """One setting as an account sees it.

        Looked up in its own ``configs_…`` document, its ancestors' up to the reseller, then the
        system's. ``account`` is the account's document.
        """
        for account_id in _inheritance(account):
            own = await live_document(self._documents, account_database(account_id), f"configs_{category}")
            found = within(own, path)
            if found is not None:
                return found
        return await self.value(category, path, default)

    async def crossbar(self) -> CrossbarConfig:
        """The settings of the API in one read."""
        return await self.made("crossbar", _crossbar_config)

    async def made(self, name: str, make: Callable[[Category], Made]) -> Made:
        """What a function of the module's own makes of a document, made again only when it has changed."""
        known: Made | None = self._made.get(make)
        if known is not None:
            return known
        heard = self._made.changes.heard
        category = await self.category(name)
        last = self._last.get(make)
        found: Made = last[1] if last is not None and last[0] is category.document else make(category)
        self._last[make] = (category.document, found)
        self._made.keep(make, found, heard, (DATABASE,))
        return found


def _crossbar_config(category: Category) -> CrossbarConfig:
    plain = CrossbarConfig()

    def found(name: str) -> Any:
        return category.value(name, getattr(plain, name))

    def a_boolean(name: str) -> bool:
        return boolean(found(name), getattr(plain, name))

    return CrossbarConfig(
        pagination_page_size=_page_size(found("pagination_page_size"), plain.pagination_page_size),
        max_upload_size=max(integer(found("max_upload_size"), plain.max_upload_size), 0),
        check_reverse_proxies=a_boolean("check_reverse_proxies"),
        reverse_proxies=texts(found("reverse_proxies"), plain.reverse_proxies),
        include_auth_token=a_boolean("include_auth_token"),
        schema_strict_validation=a_boolean("schema_strict_validation"),
        allow_onboarding_setting_id=a_boolean("allow_onboarding_setting_id"),
        allow_fetch_full_docs=a_boolean("allow_fetch_full_docs"),
        simple_authz_ignored_modules=texts(found("simple_authz_ignored_modules"), ()),
        token_costs=found("token_costs"),
    )


def _page_size(value: Any, default: int) -> int:
    # Crossbar takes a positive integer and nothing else: not the text of one, as ``sup`` may store it.
    is_size = isinstance(value, int) and not isinstance(value, bool) and value > 0
    return value if is_size else default


def within(value: Any, path: Path) -> Any:
    """The value at a path of keys; ``None`` when a key on the way is not there. Pure."""
    for key in (path,) if isinstance(path, str) else path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def integer(value: Any, default: int) -> int:
    """A number, or a text that is one, as Kazoo reads integers; else the default."""
    if isinstance(value, bool):
        return default
    if isinstance(value, int | float):
        return int(value) if abs(value) < 2**63 else default
    if isinstance(value, str) and value.isascii() and value.removeprefix("-").isdigit() and len(value) < 19:
        return int(value)
    return default


def boolean(value: Any, default: bool) -> bool:
    """A boolean, or a text that is one; else the default."""
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.lower(), default)
    return value if isinstance(value, bool) else default


def texts(value: Any, default: tuple[str, ...]) -> tuple[str, ...]:
    """A list of texts; else the default."""
    if not isinstance(value, list | tuple):
        return default
    return tuple(one for one in value if isinstance(one, str))


def _inheritance(account: Document) -> list[str]:
    """The account and its ancestors, nearest first, up to its reseller."""
    chain = [one for one in (str(account["_id"]), *reversed(account_tree(account))) if is_id(one)]
    reseller = account.get("pvt_reseller_id")
    return chain[: chain.index(reseller) + 1] if reseller in chain else chain
