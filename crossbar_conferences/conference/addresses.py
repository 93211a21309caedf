"""Addresses that go out in invitations: of mail, and of pages in the web. Pure.

Allow lists: what has no place in them is refused, since it ends in headers of mails, in ``mailto:``
addresses of calendars and in links of pages. Source: RFC 5321, 3986, 1123.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final

LONGEST_MAIL: Final = 254
LONGEST_LINK: Final = 2_048

_LONGEST_LOCAL_PART: Final = 64
_LONGEST_HOST: Final = 253

#: Before the ``@``. Left out of what RFC 5321 has: what begins parameters or fragments of a ``mailto:``
#: address (``?``, ``&``, ``#``, ``%``), what routes mail (``!``, ``%``), what shells and templates read
#: (``$``, ``{``, ``|``, a back quote, ``*``, ``^``), quoted texts, a hyphen at the beginning, and a slash
#: there, of which two make a ``mailto:`` address one with a host.
_LOCAL_PART: Final = re.compile(r"[A-Za-z0-9_'+=~][A-Za-z0-9_'+/=~-]*(?:\.[A-Za-z0-9_'+/=~-]+)*")
_LABEL: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")

_LINK: Final = re.compile(
    r"https?://(?P<host>\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9.-]{1,253})(?P<port>:[0-9]{1,5})?"
    # A line break that is encoded is decoded again by whom it was meant for.
    r"(?:[/?#](?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%(?!0|1|7[Ff])[0-9A-Fa-f]{2})*)?",
    re.IGNORECASE,
)


def is_mail_address(text: str) -> bool:
    """Whether this is one address of mail, ``local@host``, and nothing beside it."""
    if len(text) > LONGEST_MAIL:
        return False
    local, _, host = text.partition("@")
    return (
        len(local) <= _LONGEST_LOCAL_PART
        and _LOCAL_PART.fullmatch(local) is not None
        and _is_host_name(host)
        # An address of the network is no place where mail goes.
        and not host.rpartition(".")[2].isdigit()
    )


def is_link(text: str) -> bool:
    """Whether this is an ``http`` or ``https`` address with a host, as RFC 3986 writes it.

    Nobody's name stands before the host: ``https://bank.example@elsewhere.example`` leads elsewhere."""
    found = _LINK.fullmatch(text) if len(text) <= LONGEST_LINK else None
    if found is None or (found["port"] is not None and not 0 < int(found["port"][1:]) < 65_536):
        return False
    host = found["host"]
    if host.startswith("["):
        return _is_network_address(host[1:-1], 6)
    if host.rpartition(".")[2].isdigit():
        return _is_network_address(host, 4)
    return _is_host_name(host)


def _is_host_name(host: str) -> bool:
    labels = host.split(".") if len(host) <= _LONGEST_HOST else []
    return bool(labels) and all(_LABEL.fullmatch(label) for label in labels)


def _is_network_address(text: str, version: int) -> bool:
    try:
        return ipaddress.ip_address(text).version == version
    except ValueError:
        return False
