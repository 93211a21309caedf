"""Which hosts the switch may be sent to for a sound.

The switch stands inside: it reaches the store, the broker and metadata services that a caller does
not. A name that leads inside by DNS, and an outside server that redirects inside, cannot be known
here; a rule of the switch's own firewall can. Source: real-switch.md D.0, 5; D.3.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv4Network
from typing import Final

_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
#: Ends in a letter form, so that no spelling of a number (``0x7f.1``, ``127.1``) is a name.
_TOP_LEVEL: Final = re.compile(r"[a-z]{2,63}|xn--[a-z0-9-]{1,59}")
_MAXIMUM_NAME: Final = 253

#: Last labels of names that are used inside only; a name of one label is an inside name too.
_INSIDE: Final = frozenset(
    [
        "local",
        "localhost",
        "localdomain",
        "internal",
        "intranet",
        "lan",
        "home",
        "corp",
        "private",
        "domain",
        "mail",
        "svc",
        "cluster",
        "docker",
        "consul",
        "kube",
        "invalid",
        "onion",
        "arpa",
    ]
)
#: Public addresses of platforms' own services: Azure's, and a range for protocols where Oracle's metadata
#: are found, most of which some versions of Python call global.
_PLATFORM: Final = (IPv4Network("168.63.129.16"), IPv4Network("192.0.0.0/24"))


def is_allowed_host(host: str, port: str | None, allowed: tuple[str, ...] = ()) -> bool:
    """Whether an address of this host may be played.

    ``host`` as it stands in the address, ``port`` its digits or ``None``. ``allowed``: hosts inside
    that an operator lets be played: a name, an IPv4 address or a network (``10.1.0.0/16``), each
    with or without ``:PORT``; without one every port. An IPv4 address counts in its usual form
    only: four numbers without leading zeros.
    """
    if port is not None and not 0 < int(port) <= 65_535:
        return False
    host = host.lower()
    address = _ipv4(host)
    if any(rule.allows(host, address, port) for rule in _rules(allowed)):
        return True
    if address is not None:
        is_platforms = any(address in network for network in _PLATFORM)
        return address.is_global and not address.is_multicast and not is_platforms
    return _is_outside_name(host)


def _is_outside_name(host: str) -> bool:
    labels = host.split(".")
    return (
        len(labels) > 1
        and len(host) <= _MAXIMUM_NAME
        and all(_LABEL.fullmatch(label) for label in labels)
        and _TOP_LEVEL.fullmatch(labels[-1]) is not None
        and labels[-1] not in _INSIDE
    )


def _ipv4(text: str) -> IPv4Address | None:
    try:
        return IPv4Address(text)
    except AddressValueError:
        return None


class _Rule:
    __slots__ = ("_host", "_network", "_port")

    def __init__(self, text: str) -> None:
        self._host, _, port = text.lower().partition(":")
        self._port = port or None
        try:
            self._network: IPv4Network | None = IPv4Network(self._host, strict=False)
        except ValueError:
            self._network = None

    def allows(self, host: str, address: IPv4Address | None, port: str | None) -> bool:
        """Whether the rule is about this host and port."""
        if self._port is not None and self._port != port:
            return False
        if self._network is not None:
            return address is not None and address in self._network
        return host == self._host


@lru_cache(16)
def _rules(allowed: tuple[str, ...]) -> tuple[_Rule, ...]:
    return tuple(_Rule(text) for text in allowed)
