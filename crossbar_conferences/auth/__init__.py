"""Who is calling, and what they may do: tokens, account tree, restrictions, rate tokens."""

from __future__ import annotations

from .failures import (
    AccessDenied,
    AccountDisabled,
    AccountExpired,
    AuthFailure,
    InvalidCredentials,
    TokenRestricted,
    TooManyRequests,
)
from .gate import AuthRoom
from .identity import Identity
from .mint import MintError, mint
from .port import Documents, StoreDocuments, Views
from .system_config import CrossbarConfig, SystemConfig

__all__ = [
    "AccessDenied",
    "AccountDisabled",
    "AccountExpired",
    "AuthFailure",
    "AuthRoom",
    "CrossbarConfig",
    "Documents",
    "Identity",
    "InvalidCredentials",
    "MintError",
    "StoreDocuments",
    "SystemConfig",
    "TokenRestricted",
    "TooManyRequests",
    "Views",
    "mint",
]
