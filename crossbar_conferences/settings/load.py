"""Puts the effective settings together: flags over environment over ``config.ini`` over defaults."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from . import kazoo
from .errors import SettingsError
from .ini import Ini, read
from .table import ENVIRONMENT_PREFIX, SETTINGS, Setting, Settings, ZoneUrl, setting
from .values import parse

#: Keys that Kazoo itself has in a node's section.
_KAZOO_KEYS = frozenset({"cookie", "host", "zone"})


def load(
    flags: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    hostname: str | None = None,
    candidates: Iterable[Path] = kazoo.CONFIG_FILES,
) -> Settings:
    """The effective settings.

    ``flags``: texts by setting name, as they came from the command line. ``environ`` and
    ``hostname`` default to this process and this machine. Raises `SettingsError`.
    """
    environ = os.environ if environ is None else environ
    given = _Given(flags or {}, environ)
    hostname = hostname or _hostname()
    hostnames = frozenset({hostname, hostname.partition(".")[0]})
    ini = _read_file(given, environ, candidates)
    given.take_section(ini, hostnames)
    values: dict[str, Any] = {row.name: given.value(row) for row in SETTINGS if given.has(row.name)}
    _identify(values, given, ini, environ, hostname, hostnames)
    _connect_couchdb(values, given, ini, hostnames)
    _connect_amqp(values, given, ini)
    origins = {row.name: given.origins.get(row.name, "default") for row in SETTINGS}
    return Settings(**values, origins=MappingProxyType(origins))


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """Variables that look like settings and are none: most likely misspelt."""
    known = {row.variable for row in SETTINGS}
    return sorted(name for name in environ if name.startswith(ENVIRONMENT_PREFIX) and name not in known)


class _Given:
    """Texts that were given for settings; the strongest origin of each name wins."""

    def __init__(self, flags: Mapping[str, str], environ: Mapping[str, str]) -> None:
        self.texts: dict[str, str] = {}
        self.origins: dict[str, str] = {}
        names = {row.name for row in SETTINGS}
        for name in flags:
            if name not in names:
                raise SettingsError("--" + name.replace("_", "-"), "there is no such setting")
        for row in SETTINGS:
            if row.name in flags:
                self._take(row.name, flags[row.name], row.flag)
            elif environ.get(row.variable):
                self._take(row.name, environ[row.variable], row.variable)

    def _take(self, name: str, text: str, origin: str) -> None:
        self.texts[name] = text
        self.origins[name] = origin

    def take_section(self, ini: Ini, hostnames: frozenset[str]) -> None:
        """Take our own section of ``config.ini``, where neither flag nor variable was given."""
        names = {row.name for row in SETTINGS} - {"config_file"}
        for section in kazoo.node_sections(ini, "crossbar_conferences", hostnames):
            for entry in section.entries:
                if entry.key not in names and entry.key not in _KAZOO_KEYS:
                    raise SettingsError(entry.origin, f"there is no setting {entry.key!r}")
                if entry.key in names - _KAZOO_KEYS and entry.key not in self.texts:
                    self._take(entry.key, entry.value, entry.origin)

    def has(self, name: str) -> bool:
        return name in self.texts

    def value(self, row: Setting) -> Any:
        return parse(row, self.texts[row.name], self.origins[row.name])


def _hostname() -> str:
    name = socket.gethostname()
    if "." in name:
        return name
    # Kazoo nodes have long names. The resolver may also say something else, such as `localhost` for every
    # host whose /etc/hosts names that first: it is believed only when it completes the host's own name.
    completed = socket.getfqdn()
    return completed if completed.startswith(f"{name}.") else name


def _read_file(given: _Given, environ: Mapping[str, str], candidates: Iterable[Path]) -> Ini:
    if given.has("config_file"):
        return read(Path(given.value(setting("config_file"))))
    path = kazoo.locate(environ, candidates)
    if path is None:
        return Ini()
    given.texts["config_file"] = str(path)
    given.origins["config_file"] = "KAZOO_CONFIG" if environ.get("KAZOO_CONFIG") else "found"
    return read(path)


def _identify(
    values: dict[str, Any],
    given: _Given,
    ini: Ini,
    environ: Mapping[str, str],
    hostname: str,
    hostnames: frozenset[str],
) -> None:
    name = values.get("node_name") or f"crossbar_conferences@{hostname}"
    short, at, host = name.partition("@")
    if not short or not at or not host or any(character.isspace() for character in name):
        raise SettingsError(given.origins.get("node_name", "node_name"), "node_name must be NAME@HOST")
    values["node_name"] = name
    if not values.get("zone"):
        zone = kazoo.choose_zone(ini, environ, short, hostnames)
        values["zone"], given.origins["zone"] = zone.value, zone.origin


def _connect_couchdb(values: dict[str, Any], given: _Given, ini: Ini, hostnames: frozenset[str]) -> None:
    if not given.has("couchdb_url"):
        found = kazoo.couch(ini, values["zone"], hostnames)
        _fill(values, given, "couchdb_url", found.url)
        _fill(values, given, "couchdb_user", found.user)
        _fill(values, given, "couchdb_password", found.password)
        return
    # Another server than the file's gets none of the file's credentials; a URL may carry its own.
    parts = urlsplit(values["couchdb_url"])
    if parts.username is not None:
        bare = parts.netloc.rpartition("@")[2]
        values["couchdb_url"] = urlunsplit(parts._replace(netloc=bare))
        for name, text in (("couchdb_user", parts.username), ("couchdb_password", parts.password)):
            if not given.has(name) and text:
                values[name] = unquote(text)
                given.origins[name] = given.origins["couchdb_url"]


def _fill(values: dict[str, Any], given: _Given, name: str, found: kazoo.Found | None) -> None:
    if found and not given.has(name):
        values[name] = _checked(name, found)
        given.origins[name] = found.origin


def _connect_amqp(values: dict[str, Any], given: _Given, ini: Ini) -> None:
    found = kazoo.brokers(ini, values["zone"])
    if not values.get("amqp_urls"):
        values["amqp_urls"] = tuple(_broker(url) for url in found.own)
        given.origins["amqp_urls"] = _join(url.origin for url in found.own)
        if not given.has("amqp_zone_urls") and found.others:
            values["amqp_zone_urls"] = tuple(ZoneUrl(zone, _broker(url)) for zone, url in found.others)
            given.origins["amqp_zone_urls"] = _join(url.origin for _, url in found.others)


def _broker(found: kazoo.Found) -> str:
    urls: tuple[str, ...] = _checked("amqp_urls", found)
    if len(urls) != 1:
        raise SettingsError(found.origin, "the broker must be one URL such as amqp://host:port")
    return urls[0]


def _checked(name: str, found: kazoo.Found) -> Any:
    return parse(setting(name), found.value, found.origin)


def _join(origins: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(origins))
