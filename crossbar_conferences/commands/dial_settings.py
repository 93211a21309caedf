"""What the operator has set of endpoints, read from Kazoo's own settings.

Source: dial.md 1-2; the keys are those of Kazoo's endpoint application and of the settings that it
reads besides (``privacy``, ``call_command``, ``media``).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from ..auth.system_config import Category, SystemConfig, boolean
from ..conference.endpoints_context import RICH_MODULE, THIN_MODULE, EndpointConfig
from ..store.names import SYSTEM_CONFIG
from ..store.port import Document

_PLAIN: Final = EndpointConfig()

#: Reads documents of a database by their ids, together; those that are there.
Read = Callable[[str, Sequence[str]], Awaitable[Mapping[str, Document]]]

#: Fields of an `EndpointConfig` by name.
_Fields = dict[str, Any]


def _text(category: Category, path: str, default: str | None) -> str | None:
    found = category.value(path, default)
    return found if isinstance(found, str) and found else default


def _of_endpoints(category: Category) -> _Fields:
    module = _text(category, "endpoint_module", THIN_MODULE)
    known = category.value("restrict_to_known_types", _PLAIN.restrict_to_known_types)
    elsewhere = category.value("default_ignore_completed_elsewhere", _PLAIN.ignore_completed_elsewhere)
    return {
        # A module that nobody knows builds what Kazoo's default does.
        "endpoint_module": module if module in (RICH_MODULE, THIN_MODULE) else THIN_MODULE,
        "default_caller_id_name": _text(category, "default_caller_id_name", _PLAIN.default_caller_id_name),
        "restrict_to_known_types": boolean(known, _PLAIN.restrict_to_known_types),
        "ignore_completed_elsewhere": boolean(elsewhere, _PLAIN.ignore_completed_elsewhere),
        "sip_transport": _text(category, "sip_transport", None),
        "custom_sip_interface": _text(category, "custom_sip_interface", None),
    }


def _of_privacy(category: Category) -> _Fields:
    return {
        "privacy_method": _text(category, "method", _PLAIN.privacy_method),
        "default_privacy_number": _text(category, "default_privacy_number", _PLAIN.default_privacy_number),
    }


def _of_calls(category: Category) -> _Fields:
    return {"unknown_caller_id_name": _text(category, "unknown_cid_name", _PLAIN.unknown_caller_id_name)}


def _of_media(category: Category) -> _Fields:
    return {"prompt_language": _text(category, "default_language", _PLAIN.prompt_language)}


#: The documents of ``system_config``, and what is read from each.
_DOCUMENTS: Final[tuple[tuple[str, Callable[[Category], _Fields]], ...]] = (
    ("kazoo_endpoint", _of_endpoints),
    ("privacy", _of_privacy),
    ("call_command", _of_calls),
    ("media", _of_media),
)


async def endpoint_config(
    read: Read, system: SystemConfig, private_media_hosts: tuple[str, ...]
) -> EndpointConfig:
    """The settings of endpoints as they are now, in one round trip at most. Raises `StoreError`."""
    documents = await read(SYSTEM_CONFIG, [name for name, _ in _DOCUMENTS])
    fields: _Fields = {"private_media_hosts": private_media_hosts}
    for name, make in _DOCUMENTS:
        fields |= make(system.understood(documents.get(name)))
    return replace(_PLAIN, **fields)
