"""Whose request it is: the address that the last trusted proxy saw. Pure.

A proxy appends the address that it was asked from to ``X-Forwarded-For``; whatever stands left of what
our own proxies wrote was written by the client, who may write anything. So the header is read from its
end, and only as far as those are trusted who wrote it. No other header is believed: not ``Forwarded``, not
``X-Real-IP``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Address = IPv4Address | IPv6Address

#: Proxies, one behind the other, that are gone through at most.
MAX_HOPS: Final = 32
#: The longest text that can be an address, with brackets, zone and port.
_MAX_LENGTH: Final = 64
#: Headers up to this length are remembered with what was found in them, so many of them.
_SHORT: Final = 256
_KNOWN: Final = 4_096
#: Characters at the end of a header that are looked at.
_LONGEST: Final = 8_192

#: An IPv6 client has at least a network of this length to itself, with more addresses than can be counted.
CLIENT_PREFIX: Final = 64


class NetworkInvalid(ValueError):
    """A text is neither an address nor a network."""


class TrustedProxies:
    """The proxies whose ``X-Forwarded-For`` is believed: addresses and networks.

    Raises `NetworkInvalid` for a text that is neither. A network may have bits set beyond its length."""

    def __init__(self, texts: Iterable[str]) -> None:
        addresses, networks = set(), []
        for text in texts:
            try:
                network = ip_network(text.strip(), strict=False)
            except ValueError:
                raise NetworkInvalid(f"{text!r} is neither an address nor a network") from None
            mapped = isinstance(network, IPv6Network) and network.network_address.ipv4_mapped
            if mapped and network.prefixlen >= 96:
                network = ip_network((mapped, network.prefixlen - 96), strict=False)
            if network.num_addresses == 1:
                addresses.add(network.network_address)
            else:
                networks.append(network)
        self._addresses = frozenset(addresses)
        self._networks = tuple(networks)
        self._known = lru_cache(_KNOWN)(self._client)

    @classmethod
    def of_readable(cls, texts: Iterable[str]) -> tuple[TrustedProxies, list[str]]:
        """Of those texts that can be read, and the others: whoever may be anybody is not trusted."""
        readable, unreadable = [], []
        for text in texts:
            try:
                cls([text])
            except NetworkInvalid:
                unreadable.append(text[:64])
            else:
                readable.append(text)
        return cls(readable), unreadable

    def client(self, peer: str | None, forwarded: Sequence[str] = ()) -> str:
        """The client's address in its usual spelling.

        ``peer``: who is connected; ``forwarded``: every line of ``X-Forwarded-For``, in their order. The
        peer itself when it is not trusted. An element that names no address (``unknown``, nonsense)
        tells that the proxy which wrote it did not know more: then that proxy counts as the client.
        Empty elements are passed over."""
        text = ",".join(forwarded) if forwarded else ""
        if len(text) <= _SHORT:
            return self._known(peer, text)
        # What our proxies wrote is at the end.
        return self._client(peer, text[-_LONGEST:])

    def _client(self, peer: str | None, forwarded: str) -> str:
        address = read_address(peer or "")
        if address is None:
            # A socket of another kind, which no proxy of ours uses.
            return peer or "unknown"
        rest = forwarded
        for _ in range(MAX_HOPS):
            if not self._trusts(address):
                break
            rest = rest.rstrip(", \t")
            rest, _, element = rest.rpartition(",")
            seen = read_address(element)
            if seen is None:
                break
            address = seen
        return str(address)

    def _trusts(self, address: Address) -> bool:
        return address in self._addresses or any(address in network for network in self._networks)


def read_address(text: str) -> Address | None:
    """An address as proxies write it: with a port or without, IPv6 in brackets, in quotes; else ``None``.

    An IPv4 address that is written as IPv6 is the IPv4 address; a zone of an IPv6 address is left out."""
    text = text.strip(" \t")
    if len(text) > _MAX_LENGTH:
        return None
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1]
    if text.startswith("["):
        text, bracket, port = text[1:].partition("]")
        if not bracket or (port and not _is_port(port)):
            return None
    elif text.count(":") == 1:
        text, colon, port = text.partition(":")
        if not _is_port(colon + port):
            return None
    text, percent, zone = text.partition("%")
    if percent and (not zone or ":" not in text):
        return None
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _is_port(text: str) -> bool:
    # A port may be a made-up name (RFC 7239): it is left out in any case.
    return text[0] == ":" and len(text) > 1 and text[1:].isascii() and text[1:].replace("_", "a").isalnum()


@lru_cache(_KNOWN)
def limited_as(client: str) -> str:
    """Under which name a client is limited: its address, or its network when that is IPv6."""
    address = read_address(client)
    if not isinstance(address, IPv6Address):
        return client
    return str(IPv6Network((address, CLIENT_PREFIX), strict=False))
