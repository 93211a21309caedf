"""Token restrictions: what an account or the system lets tokens do, by login method and privilege.

Pure matching first, then the small loader. What a user's scopes say comes on top (``scopes.py``).
Source: data.md 7.3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..store.names import account_database
from ..store.port import Document
from .access import is_below
from .failures import TokenRestricted
from .identity import Identity, is_document_id
from .port import Documents, live_document
from .scopes import ScopeRestrictions, laid_over
from .system_config import SystemConfig

CATEGORY: Final = "crossbar.token_restrictions"
ANY: Final = "_"


@dataclass(frozen=True, slots=True)
class Access:
    """What is asked: verb and path, as the restrictions see them."""

    #: The account of the token, and the account of the path.
    caller_id: str
    requested: Document
    #: The last resource of the path: ``conferences``.
    endpoint: str
    #: Path segments after the endpoint.
    arguments: Sequence[str]
    #: Upper case; of a tunnelled request the verb meant.
    verb: str


def allows(level: object, access: Access) -> bool:
    """Whether the restrictions of a privilege level let an access pass; what fits nothing does not.

    ``level``: endpoint (or ``_``) to a list of ``{"allowed_accounts": […], "rules": {pattern: [verb]}}``.
    """
    if not isinstance(level, Mapping):
        return False
    candidates = _pick(level, access.endpoint)
    if not isinstance(candidates, list | tuple):
        return False
    for candidate in candidates:
        if isinstance(candidate, Mapping) and _fits_account(candidate.get("allowed_accounts"), access):
            return _rules_allow(candidate.get("rules"), access)
    return False


def _pick(choices: Mapping[str, Any], name: str) -> Any:
    """What stands under a name, else what stands for all; ``null`` is as good as absent."""
    found = choices.get(name)
    return choices.get(ANY) if found is None else found


def _fits_account(allowed: object, access: Access) -> bool:
    if allowed is None:
        return True
    if not isinstance(allowed, list | tuple):
        return False
    requested_id = access.requested["_id"]
    names = {ANY, requested_id}
    if requested_id == access.caller_id:
        names.add("{AUTH_ACCOUNT_ID}")
    if is_below(access.requested, access.caller_id):
        names.add("{DESCENDANT_ACCOUNT_ID}")
    return any(one in names for one in allowed if isinstance(one, str))


def _rules_allow(rules: object, access: Access) -> bool:
    if not isinstance(rules, Mapping):
        return False
    for pattern, verbs in rules.items():
        # The first pattern that fits decides, whatever its verbs are.
        if matches(pattern, access.arguments):
            return isinstance(verbs, list | tuple) and (access.verb in verbs or ANY in verbs)
    return False


def matches(pattern: str, arguments: Sequence[str]) -> bool:
    """Whether a pattern fits path segments: ``*`` is one, ``#`` any number; ``/`` and ``""`` are none.

    Takes time in proportion to the product of both lengths, whatever the pattern.
    """
    # reachable[i]: the pattern so far fits the first i segments.
    reachable = [True] + [False] * len(arguments)
    for part in (part for part in pattern.split("/") if part):
        if part == "#":
            first = reachable.index(True) if True in reachable else len(reachable)
            reachable = [position >= first for position in range(len(reachable))]
        else:
            reachable = [False] + [
                before and part in ("*", argument)
                for before, argument in zip(reachable, arguments, strict=False)
            ]
    return reachable[-1]


class TokenRestrictions:
    """Loads the restrictions that apply to a token, and judges by them."""

    def __init__(self, documents: Documents, system: SystemConfig) -> None:
        self._documents = documents
        self._system = system
        self._scopes = ScopeRestrictions(documents)

    async def check(self, identity: Identity, access: Access, *, is_superduper_admin: bool = False) -> None:
        """Raises `TokenRestricted` when the token may not do this.

        The restrictions of tokens spare the cluster's master; those of a user's scopes do not."""
        level = None if is_superduper_admin else await self._level(identity)
        above = await self._scopes.of(identity)
        if above is not None and (level is None or isinstance(level, Mapping)):
            level = above if level is None else laid_over(level, above)
        if level is not None and not allows(level, access):
            raise TokenRestricted("token_restricted")

    async def _level(self, identity: Identity) -> Any:
        """The restrictions for a user's privilege level; ``None`` for none."""
        by_level = await self._by_level(identity)
        if by_level is None:
            return None
        if not isinstance(by_level, Mapping):
            raise TokenRestricted("token_restricted")
        return _pick(by_level, await self._privilege(identity))

    async def _by_level(self, identity: Identity) -> Any:
        method = identity.method or ANY
        own = await live_document(
            self._documents,
            account_database(identity.account_id),
            "token_restrictions",
            "token_restrictions",
        )
        restrictions = own.get("restrictions") if own else None
        if isinstance(restrictions, Mapping):
            found = _pick(restrictions, method)
            if found is not None:
                return found
        for key in (method, ANY):
            found = await self._system.value(CATEGORY, key)
            if found is not None:
                return found
        return None

    async def _privilege(self, identity: Identity) -> str:
        if identity.owner_id is not None and is_document_id(identity.owner_id):
            user = await live_document(
                self._documents, account_database(identity.account_id), identity.owner_id
            )
            if user is not None:
                level = user.get("priv_level")
                return level if isinstance(level, str) and level else "user"
        level = await self._system.value(CATEGORY, "default_priv_level", "admin")
        return level if isinstance(level, str) else "admin"
