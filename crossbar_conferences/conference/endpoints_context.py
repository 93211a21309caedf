"""What every endpoint of one dial request is built from: documents, settings, and safe readers.

Documents come from the account's own database, but their contents are whatever somebody stored:
the readers here give a value of the expected shape or nothing. Source: dial.md 2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from .patterns import WorkBudget

#: Builds references to documents; the media side looks the rest up.
THIN_MODULE: Final = "kz_endpoint_v5"
#: Builds complete legs.
RICH_MODULE: Final = "kz_endpoint_v4"

#: Stands for the called user of a call that has none.
NO_USER: Final = "nouser"

JSONObject = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class EndpointConfig:
    """System settings that endpoints depend on, with Kazoo's defaults (dial.md 1-2)."""

    endpoint_module: str = THIN_MODULE
    default_caller_id_name: str = "unknown"
    unknown_caller_id_name: str = "unknown"
    default_privacy_number: str = "anonymous"
    privacy_method: str = "kazoo"
    restrict_to_known_types: bool = False
    ignore_completed_elsewhere: bool = True
    sip_transport: str | None = None
    custom_sip_interface: str | None = None
    prompt_language: str = "en-us"
    #: Hosts inside that music on hold may come from (`media.media_locator`).
    private_media_hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DialContext:
    """One dial request's surroundings. ``conference`` is ``None`` when it isn't stored (ad-hoc)."""

    account_id: str
    conference_id: str
    conference: JSONObject | None = None
    documents: Mapping[str, JSONObject] = field(default_factory=dict)
    config: EndpointConfig = EndpointConfig()
    #: What building all endpoints may still cost.
    budget: WorkBudget = field(default_factory=WorkBudget, compare=False, repr=False)

    @property
    def account(self) -> JSONObject:
        """The account's document; empty when it was not found."""
        return self.documents.get(self.account_id) or {}

    @property
    def realm(self) -> str | None:
        """The account's SIP realm."""
        return text_at(self.account, "realm")


def value_at(document: Any, *path: str) -> Any:
    """The value under nested keys, ``None`` when any of them is missing."""
    for key in path:
        if not isinstance(document, Mapping):
            return None
        document = document.get(key)
    return document


def text_at(document: Any, *path: str) -> str | None:
    """A non-empty text; an integer counts as its digits, as in Kazoo's readers."""
    value = value_at(document, *path)
    if isinstance(value, str) and value:
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return None


def object_at(document: Any, *path: str) -> JSONObject:
    """An object, empty when there is none."""
    value = value_at(document, *path)
    return value if isinstance(value, Mapping) else {}


def list_at(document: Any, *path: str) -> Sequence[Any]:
    """A list, empty when there is none."""
    value = value_at(document, *path)
    return value if isinstance(value, list | tuple) else ()


def is_true(value: Any) -> bool:
    """Kazoo's reading of yes."""
    return value is True or (isinstance(value, str) and value.lower() == "true")


def is_false(value: Any) -> bool:
    """Kazoo's reading of no; anything else, also nothing, is not a no."""
    return value is False or (isinstance(value, str) and value.lower() == "false")


def is_empty(value: Any) -> bool:
    """Whether a value says nothing: missing, an empty text, list or object."""
    return value is None or (isinstance(value, str | list | tuple | Mapping) and not value)


def without_empty(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that say something."""
    return {key: value for key, value in fields.items() if not is_empty(value)}


def without_missing(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that are there; empty objects stay."""
    return {key: value for key, value in fields.items() if value is not None}
