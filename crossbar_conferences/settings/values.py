"""A setting's text to its value, with bounds; and a value to text without secrets."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from ..addresses import NetworkInvalid, TrustedProxies
from .errors import SettingsError
from .table import Kind, Setting, ZoneUrl

MASK: Final = "***"

_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})
_PASSWORD = re.compile(r"(?<=://)([^/?#@:]*):([^/?#]*)(?=@)")
_SCHEMES: Mapping[str, tuple[str, ...]] = {"couchdb": ("http", "https"), "amqp": ("amqp", "amqps")}


def parse(setting: Setting, text: str, origin: str) -> Any:
    """The value of a text. Raises `SettingsError`, which names ``origin`` and not the text."""
    return _PARSERS[setting.kind](setting, text.strip(), origin)


def _text(setting: Setting, text: str, origin: str) -> str:
    if not text.isprintable():
        raise SettingsError(origin, f"{setting.name} contains control characters")
    return text


def _integer(setting: Setting, text: str, origin: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        raise SettingsError(origin, f"{setting.name} must be an integer")
    return int(_within(setting, int(text), origin))


def _number(setting: Setting, text: str, origin: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise SettingsError(origin, f"{setting.name} must be a number")
    return _within(setting, number, origin)


def _within(setting: Setting, number: float, origin: str) -> float:
    if setting.minimum is not None and number < setting.minimum:
        raise SettingsError(origin, f"{setting.name} must be at least {setting.minimum:g}")
    if setting.maximum is not None and number > setting.maximum:
        raise SettingsError(origin, f"{setting.name} must be at most {setting.maximum:.15g}")
    return number


def _boolean(setting: Setting, text: str, origin: str) -> bool:
    word = text.lower()
    if word not in _TRUE | _FALSE:
        raise SettingsError(origin, f"{setting.name} must be true or false")
    return word in _TRUE


def _choice(setting: Setting, text: str, origin: str) -> str:
    if text not in setting.choices:
        raise SettingsError(origin, f"{setting.name} must be one of {', '.join(setting.choices)}")
    return text


def _texts(setting: Setting, text: str, origin: str) -> tuple[str, ...]:
    return tuple(_text(setting, part, origin) for part in _split(text))


def _networks(setting: Setting, text: str, origin: str) -> tuple[str, ...]:
    given = _texts(setting, text, origin)
    try:
        TrustedProxies(given)
    except NetworkInvalid:
        raise SettingsError(origin, f"{setting.name} must be addresses or networks") from None
    return given


def _split(text: str) -> list[str]:
    return [part for part in re.split(r"[,\s]+", text) if part]


def _url(setting: Setting, text: str, origin: str) -> str:
    schemes = _SCHEMES[setting.name.partition("_")[0]]
    try:
        parts = urlsplit(text)
        usable = parts.scheme in schemes and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable or not text.isprintable() or " " in text:
        raise SettingsError(origin, f"{setting.name} must be a URL such as {schemes[0]}://host:port")
    return text


def _urls(setting: Setting, text: str, origin: str) -> tuple[str, ...]:
    return tuple(_url(setting, part, origin) for part in _split(text))


def _zone_urls(setting: Setting, text: str, origin: str) -> tuple[ZoneUrl, ...]:
    found = []
    for part in _split(text):
        zone, equals, url = part.partition("=")
        if not equals or not zone or "://" in zone:
            raise SettingsError(origin, f"{setting.name} must be a list of ZONE=URL")
        found.append(ZoneUrl(zone, _url(setting, url, origin)))
    return tuple(found)


_PARSERS: Mapping[Kind, Callable[[Setting, str, str], Any]] = {
    "text": _text,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "choice": _choice,
    "texts": _texts,
    "networks": _networks,
    "url": _url,
    "urls": _urls,
    "zone_urls": _zone_urls,
}


def mask_url(url: str) -> str:
    """A URL with its password replaced."""
    return _PASSWORD.sub(rf"\1:{MASK}", url)


def show(setting: Setting, value: Any) -> str:
    """A value as text, without secrets."""
    if value is None or value == "" or value == ():
        return ""
    if setting.secret:
        return MASK
    match setting.kind:
        case "boolean":
            return "true" if value else "false"
        case "texts" | "networks":
            return ", ".join(value)
        case "url":
            return mask_url(value)
        case "urls":
            return ", ".join(mask_url(url) for url in value)
        case "zone_urls":
            return ", ".join(f"{zone}={mask_url(url)}" for zone, url in value)
    return str(value)
