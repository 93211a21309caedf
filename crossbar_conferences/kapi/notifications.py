"""Messages of the ``notifications`` exchange: the invitation by e-mail and what became of it.

Source: amqp.md 9, realtime-ui-tests.md D.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .messages import Definition, Origin, Outgoing, build, matches
from .routing import NOTIFICATIONS
from .types import is_list, is_list_of_texts, is_text

EMAIL_INVITE_KEY = "notifications.conference.email_invite"

#: A notification that has one of these is over; only ``pending`` goes on.
FINAL_STATUSES = frozenset({"completed", "disabled", "failed", "ignored"})

_EMAIL_INVITE = Definition(
    "notification",
    "email_invite",
    required=("Conference-ID", "Conference-Numbers", "Conference-Call-In-Numbers", "Guests"),
    optional=(
        "Account-DB",
        "Attachment-URL",
        "Bcc",
        "Cc",
        "Conference-Link",
        "Conference-Name",
        "Conference-Participant-Pins",
        "From",
        "HTML",
        "Invite-Calendar",
        "Invite-Message",
        "Preview",
        "Reply-To",
        "Subject",
        "Text",
        "To",
    ),
    types={
        "Conference-ID": is_text,
        # The mail's template joins and filters these: anything but a list breaks it (amqp.md 9).
        "Conference-Call-In-Numbers": is_list_of_texts,
        "Conference-Numbers": is_list_of_texts,
        "Conference-Participant-Pins": is_list,
        "Guests": is_list_of_texts,
    },
)
_NOTIFY_UPDATE = Definition(
    "notification",
    "notify_update",
    required=("Status",),
    optional=("Failure-Message", "Metadata"),
    values={"Status": ("completed", "disabled", "failed", "ignored", "pending")},
)


def email_invite(fields: Mapping[str, Any], origin: Origin, msg_id: str | None = None) -> Outgoing:
    """An invitation for teletype to send. ``fields``: ``Account-ID`` (so that the account's own
    template is used), ``Conference-ID``, ``Guests``, …; lists may be empty."""
    return Outgoing(NOTIFICATIONS, EMAIL_INVITE_KEY, build(_EMAIL_INVITE, fields, origin, msg_id))


def notify_update(fields: Mapping[str, Any], origin: Origin, msg_id: str) -> dict[str, Any]:
    """What became of a notification: ``Status``, ``Failure-Message``, ``Metadata``."""
    return build(_NOTIFY_UPDATE, fields, origin, msg_id)


def is_final_update(body: Any) -> bool:
    """Whether this tells that a notification is over, well or not."""
    return matches(_NOTIFY_UPDATE, body) and body["Status"] in FINAL_STATUSES
