"""A strict reader of the SIP URIs that may be dialled.

Source: dial.md 3.2. Narrower than RFC 3261, since the URI becomes a route as it stands
(real-switch.md D.3): what quotes, separates or ends a block in the switch's dial strings is refused,
IPv6 addresses in brackets with it; and so is a slash before the parameters, since
``sip:loopback/1000@…`` is no SIP address to ecallmgr but another kind of endpoint.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

#: The schemes, in any case; with the second one nothing but TLS will do.
_SCHEMES: Final = ("sip:", "sips:")
_MAXIMUM_LENGTH: Final = 512
_HOST_LABEL: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?"
_URI: Final = re.compile(
    r"(?:(?P<user>[A-Za-z0-9_.~*%&=+;?#-]+)(?::(?P<password>[A-Za-z0-9_.~*%&=+-]*))?@)?"
    rf"(?P<host>{_HOST_LABEL}(?:\.{_HOST_LABEL})*\.?)"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<parameters>(?:;[A-Za-z0-9_.~*%+/:=&@-]+)*)"
    r"(?P<headers>\?[A-Za-z0-9_.~*%+/:=&;@?-]*)?",
    re.ASCII,
)
_HIGHEST_PORT: Final = 65535
_OTHER_TRANSPORT: Final = re.compile(r";transport(?!=tls(?:;|$))", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SipUri:
    """A SIP URI: its user (may be empty), its domain, and the route to dial. ``is_secure``: over TLS only."""

    user: str
    domain: str
    route: str
    is_secure: bool = False


def is_sip_uri(text: str) -> bool:
    """Whether a text says that it is a SIP URI; whether it is one says `parse_sip_uri`."""
    return text[: len("sips:")].lower().startswith(_SCHEMES)


def parse_sip_uri(text: str) -> SipUri | None:
    """Read one URI that starts with ``sip:`` or ``sips:``; ``None`` when it is none.

    Port, password, parameters and headers stay in the route. Blanks after the scheme are
    accepted, as Kazoo does, and dropped.
    """
    if len(text) > _MAXIMUM_LENGTH or not is_sip_uri(text):
        return None
    scheme, _, rest = text.partition(":")
    scheme, rest = f"{scheme.lower()}:", rest.lstrip(" ")
    found = _URI.fullmatch(rest)
    if found is None or (found["port"] and not 0 < int(found["port"]) <= _HIGHEST_PORT):
        return None
    is_secure = scheme == "sips:"
    if is_secure and (found["headers"] or _OTHER_TRANSPORT.search(found["parameters"])):
        # ecallmgr puts the transport behind headers, where it is none, and leaves one that it does not know
        # to stand before its own.
        return None
    return SipUri(found["user"] or "", found["host"], scheme + rest, is_secure)
