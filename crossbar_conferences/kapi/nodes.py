"""Messages of the ``nodes`` exchange: heartbeats.

Source: amqp.md 3.4.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from .messages import Definition, MessageInvalid, Origin, Outgoing, build, check
from .origins import KZ_NODES
from .routing import NODES
from .types import is_number, is_text

#: A node that names a longer life than this is no node of Kazoo's (heartbeats come every 5-15 s).
MAX_EXPIRES_MS = 3_600_000
#: Of a heartbeat no more is kept than a node of Kazoo's can have to say: characters of a name, apps,
#: roles of one, media servers.
MAX_NAME = 255
MAX_APPS = 200
MAX_ROLES = 8
MAX_MEDIA_SERVERS = 100

#: Our own header: which of several sidecars of one node name this is. Kazoo passes over what it doesn't know.
SIDECAR_ID = "Sidecar-ID"
_SIDECAR_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")

_ADVERTISE = Definition(
    "nodes",
    "advertise",
    required=("Expires",),
    optional=(
        "Channels",
        "Conferences",
        "Globals",
        "Media-Servers",
        "Node-Info",
        "Ports",
        "Processes",
        "Registrations",
        SIDECAR_ID,
        "Used-Memory",
        "Version",
        "WhApps",
        "Zone",
        "md5",
    ),
    types={"Expires": lambda value: _milliseconds(value) is not None, "Node": is_text},
)


@dataclass(frozen=True, slots=True)
class App:
    """An app that a node runs. ``startup``: gregorian seconds, ``None`` when not said."""

    startup: int | None = None
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Advertisement:
    """A heartbeat as it came. ``zone`` is ``None`` when the node did not say it."""

    node: str
    expires_ms: float
    zone: str | None = None
    apps: Mapping[str, App] = field(default_factory=dict)
    version: str | None = None
    media_servers: tuple[str, ...] = ()
    sidecar_id: str | None = None


def sidecar_host(sidecar_id: str | None) -> str | None:
    """The host that an id was made on: ``HOST_PROCESS_CHANCE``."""
    return sidecar_id.rsplit("_", 2)[0] if sidecar_id is not None and sidecar_id.count("_") >= 2 else None


def node_encoded(node: str) -> str:
    """The short form of a node's name that Kazoo puts in ``md5`` and in ids."""
    # Not for security: it is Kazoo's name for the node.
    digest = hashlib.md5(node.encode(), usedforsecurity=False).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def is_node_name(text: str) -> bool:
    """Whether this is ``name@host``; another name breaks ``sup kz_nodes:status`` (amqp.md 3.4)."""
    name, at, host = text.partition("@")
    return bool(name and at and host) and "@" not in host


def advertise(
    node: str,
    *,
    zone: str,
    expires_ms: int,
    apps: Mapping[str, App],
    version: str | None = None,
    sidecar_id: str | None = None,
    extra: Mapping[str, Any] | None = None,
) -> Outgoing:
    """A heartbeat. ``extra``: more headers, such as ``Used-Memory`` or ``Media-Servers``.

    ``Globals`` is empty: a node with some is expected to take part in their protocol."""
    if not is_node_name(node):
        raise MessageInvalid(f"a node is named name@host, not {node!r}")
    fields = {
        "Used-Memory": 0,
        "Processes": 0,
        "Ports": 0,
        "Channels": 0,
        "Conferences": 0,
        "Registrations": 0,
        "Globals": {},
        "Node-Info": {},
        **(extra or {}),
        "Expires": expires_ms,
        "Zone": zone,
        "Version": version,
        "md5": node_encoded(node),
        SIDECAR_ID: sidecar_id,
        "WhApps": {name: _app_fields(app) for name, app in apps.items()},
    }
    origin = Origin(*KZ_NODES, node)
    return Outgoing(NODES, "", build(_ADVERTISE, fields, origin, secrets.token_hex(16)))


def advertisement_of(body: Any) -> Advertisement:
    """The heartbeat in a message. Raises `MessageInvalid`."""
    check(_ADVERTISE, body)
    node = body.get("Node")
    if not _is_name(node):
        raise MessageInvalid("Node is missing, or too long")
    zone = body.get("Zone") or body.get("AMQP-Broker-Zone")
    version = body.get("Version") or body.get("App-Version")
    media_servers = body.get("Media-Servers")
    return Advertisement(
        node=node,
        expires_ms=_milliseconds(body["Expires"]) or 0,
        zone=zone if _is_name(zone) else None,
        apps=_apps(body.get("WhApps")),
        version=version if _is_name(version) else None,
        media_servers=_names(media_servers, MAX_MEDIA_SERVERS) if isinstance(media_servers, Mapping) else (),
        sidecar_id=_sidecar_id(body.get(SIDECAR_ID)),
    )


def _sidecar_id(value: Any) -> str | None:
    return value if isinstance(value, str) and _SIDECAR_ID.fullmatch(value) else None


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_NAME


def _names(values: Iterable[Any], limit: int) -> tuple[str, ...]:
    return tuple(islice(filter(_is_name, values), limit))


def _milliseconds(value: Any) -> float | None:
    """How long a node lives; Kazoo reads a number that is written as text too."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 10:
        value = int(value)
    return value if is_number(value) and 0 <= value <= MAX_EXPIRES_MS else None


def _app_fields(app: App) -> dict[str, Any]:
    return {"Startup": app.startup, "Roles": list(app.roles)}


def _apps(value: Any) -> dict[str, App]:
    """Apps are an object, or a plain list of names (amqp.md 3.4)."""
    if isinstance(value, list):
        return {name: App() for name in _names(value, MAX_APPS)}
    if not isinstance(value, Mapping):
        return {}
    return {name: _app(value[name]) for name in _names(value, MAX_APPS)}


def _app(info: Any) -> App:
    if not isinstance(info, Mapping):
        return App()
    startup, roles = info.get("Startup"), info.get("Roles")
    return App(
        startup=startup if isinstance(startup, int) and not isinstance(startup, bool) else None,
        roles=_names(roles, MAX_ROLES) if isinstance(roles, list) else (),
    )
