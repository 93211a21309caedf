"""What Kazoo's ``config.ini`` says about this node: its zone, its brokers, its CouchDB.

Pure: works on a parsed file. Source: data.md 5.1, amqp.md 1.1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .errors import SettingsError
from .ini import Entry, Ini, Section

CONFIG_FILES = (Path("/etc/kazoo/config.ini"), Path("/etc/kazoo/core/config.ini"))
DEFAULT_ZONE = "local"
DEFAULT_BROKER = "amqp://guest:guest@localhost:5672"


@dataclass(frozen=True, slots=True)
class Found:
    """A value and where it comes from."""

    value: str
    origin: str


@dataclass(frozen=True, slots=True)
class Brokers:
    """Brokers by place, in order of preference."""

    own: tuple[Found, ...]
    #: Zone name and broker, for every other zone.
    others: tuple[tuple[str, Found], ...] = ()


@dataclass(frozen=True, slots=True)
class Couch:
    """How to reach CouchDB."""

    url: Found
    user: Found | None = None
    password: Found | None = None


def locate(environ: Mapping[str, str], candidates: Iterable[Path] = CONFIG_FILES) -> Path | None:
    """The file to read: ``$KAZOO_CONFIG`` alone when set, else the first candidate that is there."""
    chosen = environ.get("KAZOO_CONFIG")
    if chosen:
        return Path(chosen)
    return next((path for path in candidates if _is_there(path)), None)


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        # It may be there, and must not be passed over in silence: reading it tells why it cannot.
        return True


def local_sections(
    ini: Ini, name: str, hostnames: frozenset[str], zone: str | None = None
) -> tuple[Section, ...]:
    """The sections of a name that count here: those of this host alone, else of the zone, else generic."""
    sections = ini.named(name)
    of_host = tuple(section for section in sections if section.get("host") in hostnames)
    if of_host:
        return of_host
    of_zone = tuple(
        section
        for section in sections
        if zone is not None and section.get("zone") == zone and not _host(section)
    )
    return of_zone or generic_sections(ini, name)


def generic_sections(ini: Ini, name: str) -> tuple[Section, ...]:
    """The sections of a name that are bound to no host and to no zone."""
    return tuple(section for section in ini.named(name) if not _host(section) and section.get("zone") is None)


def node_sections(ini: Ini, name: str, hostnames: frozenset[str]) -> tuple[Section, ...]:
    """The sections of a node: those of this host alone, else those without a host.

    Here ``zone`` says where the node is; it does not select the section.
    """
    sections = ini.named(name)
    here = tuple(section for section in sections if _host(section) in hostnames)
    return here or tuple(section for section in sections if not _host(section))


def choose_zone(
    ini: Ini, environ: Mapping[str, str], node_short_name: str, hostnames: frozenset[str]
) -> Found:
    """The node's zone: ``KAZOO_ZONE``, the node's own section, ``[kazoo_apps]``, else ``local``."""
    chosen = environ.get("KAZOO_ZONE")
    if chosen:
        return Found(chosen, "KAZOO_ZONE")
    for name in (node_short_name, "crossbar_conferences", "kazoo_apps"):
        for section in node_sections(ini, name, hostnames):
            entry = section.entry("zone")
            if entry and entry.value:
                return Found(entry.value, entry.origin)
    return Found(DEFAULT_ZONE, "default")


def brokers(ini: Ini, zone: str) -> Brokers:
    """The brokers of the own zone and of the others, as Kazoo's start-up sorts them (amqp.md 1.1)."""
    own: list[Found] = []
    others: list[tuple[str, Found]] = []
    for section in ini.named("zone") or ini.named("amqp"):
        name = section.get("name") or section.get("zone")
        if not name:
            continue
        for entry in section.all("amqp_uri", "uri"):
            if name == zone:
                own.append(_found(entry))
            else:
                others.append((name, _found(entry)))
    if not own:
        # Nothing belongs to this zone: every [amqp] uri does (amqp.md 1.1).
        own = [_found(entry) for section in ini.named("amqp") for entry in section.all("uri")]
    return Brokers(tuple(own) or (Found(DEFAULT_BROKER, "default"),), tuple(others))


def couch(ini: Ini, zone: str, hostnames: frozenset[str]) -> Couch:
    """CouchDB's address and credentials, from the section that ``[data] config`` names.

    Kazoo's data connection takes generic sections only; of several the last in the file wins. A
    section for this host or zone gives it nothing (data.md 5.1).
    """
    section_name = "bigcouch"
    for section in local_sections(ini, "data", hostnames, zone):
        named = section.get("config")
        if named:
            section_name = named
            break
    sections = generic_sections(ini, section_name)
    if not sections:
        return Couch(Found("http://localhost:5984", "default"))
    section = sections[-1]
    host, port = section.entry("ip"), section.entry("port")
    address = host.value if host and host.value else "localhost"
    if ":" in address and not address.startswith("["):
        address = f"[{address}]"
    number = _port(port) if port else 5984
    origin = (host or port or section).origin
    user, password = section.entry("username"), section.entry("password")
    return Couch(
        Found(f"http://{address}:{number}", origin),
        _found(user) if user and user.value else None,
        _found(password) if password and password.value else None,
    )


def _port(entry: Entry) -> int:
    if entry.value.isascii() and entry.value.isdigit() and len(entry.value) <= 5:
        number = int(entry.value)
        if 0 < number < 65_536:
            return number
    raise SettingsError(entry.origin, "port must be an integer from 1 to 65535")


def _host(section: Section) -> str | None:
    return section.get("host")


def _found(entry: Entry) -> Found:
    return Found(entry.value, entry.origin)
