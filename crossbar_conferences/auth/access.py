"""Which account may touch which: the account tree, and an account's state. Pure.

Source: data.md 7.2, http.md 1.4.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..clock import GREGORIAN_OFFSET, gregorian_seconds
from ..store.port import Document


def account_tree(account: Document) -> tuple[str, ...]:
    """The ancestors of an account, root first, its parent last."""
    tree = account.get("pvt_tree")
    return tuple(one for one in tree if isinstance(one, str)) if isinstance(tree, list | tuple) else ()


def is_below(account: Document, ancestor_id: str) -> bool:
    """Whether an account lies under another one."""
    return ancestor_id in account_tree(account)


def is_superduper_admin(account: Document) -> bool:
    """Whether an account may do everything everywhere."""
    return account.get("pvt_superduper_admin") is True


def may_access(caller: Document, requested: Document) -> bool:
    """Whether a token of the account ``caller`` may touch the account ``requested``.

    Its own account and everything below it; a superduper admin's account touches all. The user's
    privilege level plays no part here (data.md 7.2).
    """
    return (
        caller["_id"] == requested["_id"]
        or is_superduper_admin(caller)
        or is_below(requested, str(caller["_id"]))
    )


def expired_at(account: Document, now: float) -> int | None:
    """When the trial of an account ended, in gregorian seconds; ``None`` when it has not.

    ``now`` is in unix seconds.
    """
    expires = account.get("pvt_trial_expires")
    if isinstance(expires, bool) or not isinstance(expires, int | float):
        return None
    return int(expires) if expires < gregorian_seconds(now) else None


def ends_at(account: Document) -> float | None:
    """When the trial of an account ends, in unix seconds; ``None`` for one that does not."""
    expires = account.get("pvt_trial_expires")
    if isinstance(expires, bool) or not isinstance(expires, int | float):
        return None
    return expires - GREGORIAN_OFFSET


def is_enabled(account: Document) -> bool:
    """Whether an account is enabled; blocks Basic credentials only (data.md 7.2)."""
    return account.get("pvt_enabled") is not False


def may_pass_proxies(allowed: Any, addresses: Sequence[str]) -> bool:
    """Whether a request came only through addresses that its user (else its account) allows.

    For tokens with the claim ``should_check_originating_proxy`` (data.md 6.2). ``allowed`` is the
    document's ``allowed_proxy_ips``.
    """
    return isinstance(allowed, list | tuple) and all(address in allowed for address in addresses)
