"""Scope restrictions: what a user's scopes leave of what the restrictions of tokens allow.

A token with a scope is one of a user who is restricted by name: the user's document names documents
of its account, whose restrictions are laid over those of its tokens, endpoint by endpoint. Pure
merging first, then the small loader. Source: data.md 7.3; Kazoo 5's token restrictions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ..store.names import account_database, is_document_id
from ..store.port import Document
from .failures import TokenRestricted
from .identity import Identity
from .identity import is_document_id as is_user_id
from .port import Documents, live_document, together

#: The type of the documents that users name.
KIND: Final = "scope_restriction"

#: Documents that one user may name: each is read with the first request.
MAX_NAMED: Final = 100

#: By endpoint (or ``_``), as in a privilege level of the restrictions of tokens.
Level = Mapping[str, Any]


def laid_over(below: Level, above: Level) -> dict[str, Any]:
    """One level over another: an endpoint that ``above`` has is its own, ``null`` takes one away.

    Kazoo merges objects deeply; but what stands under an endpoint is an array, and is replaced."""
    merged = {**below, **above}
    return {endpoint: rules for endpoint, rules in merged.items() if rules is not None}


def merged(documents: Sequence[Document | None]) -> dict[str, Any] | None:
    """What the named documents say together, the first named before the next; ``None`` for nothing.

    One that is not there, is of another kind, or whose ``token_restrictions`` are no object says
    nothing, and nothing is what an empty object says too, as in Kazoo."""
    found: dict[str, Any] = {}
    for document in documents:
        if document is None or document.get("pvt_type") != KIND:
            continue
        level = document.get("token_restrictions")
        if isinstance(level, Mapping):
            found = laid_over(level, found)
    return found or None


def is_scoped(identity: Identity) -> bool:
    """Whether a token has a scope that says anything."""
    return identity.claims.get("scope") not in (None, "", [], {})


class ScopeRestrictions:
    """Loads the restrictions of a user's scopes, from the account of its token."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    async def of(self, identity: Identity) -> dict[str, Any] | None:
        """The level that the user's scopes make; ``None`` when they make none.

        Raises `TokenRestricted` when the user names more documents than are read."""
        if not is_scoped(identity) or identity.owner_id is None or not is_user_id(identity.owner_id):
            return None
        database = account_database(identity.account_id)
        user = await live_document(self._documents, database, identity.owner_id)
        named = user.get("scope_restrictions") if user is not None else None
        if not isinstance(named, list | tuple):
            return None
        if len(named) > MAX_NAMED:
            raise TokenRestricted("scopes_too_many")
        # Kazoo asks its view by these ids; in the order of the names, each once as often as it is named.
        ids = [one for one in named if is_document_id(one)]
        return merged(await together(*(live_document(self._documents, database, one) for one in ids)))
