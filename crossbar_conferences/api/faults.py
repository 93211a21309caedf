"""What errors of the other rooms become at the edge: one table.

Anything that is not in it is a fault of ours and ends as a 500, logged once (``pipeline.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog

from ..broker.port import BrokerError, NotTaken
from ..conference.actions_plan import ActionError
from ..conference.listing import ListingError
from ..errors import CrossbarConferencesError
from ..store.port import (
    DatabaseMissing,
    DocumentConflict,
    StoreError,
    StoreUnreachable,
    ViewMissing,
)
from .errors import (
    ApiError,
    bus_unavailable,
    conflict,
    not_taken,
    store_fault,
    store_missing,
    store_unreachable,
)

log = structlog.get_logger(__name__)

_TABLE: tuple[tuple[type[CrossbarConferencesError], Callable[[Any], ApiError]], ...] = (
    (ApiError, lambda error: error),
    (ListingError, lambda error: ApiError(error.kind, error.data)),
    (ActionError, lambda error: ApiError(error.kind, error.data)),
    (DocumentConflict, lambda error: conflict()),
    (StoreUnreachable, lambda error: store_unreachable(error.retry_after)),
    (DatabaseMissing, lambda error: store_missing("database")),
    (ViewMissing, lambda error: store_fault("view missing")),
    (StoreError, lambda error: store_fault("unexpected answer")),
    (NotTaken, lambda error: not_taken()),
    (BrokerError, lambda error: bus_unavailable()),
)


def as_api_error(error: CrossbarConferencesError) -> ApiError:
    """The answer for an error of ours."""
    for kind, translate in _TABLE:
        if isinstance(error, kind):
            return translate(error)
    log.error("request_failed", error=type(error).__name__, reason=str(error), exc_info=error)
    return ApiError("internal_error", {"message": "internal error"})
