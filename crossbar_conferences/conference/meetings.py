"""The meetings of a conference that were sent, and which of them a request means. Pure.

A calendar knows a meeting by its UID, whatever it is moved to, and believes the highest SEQUENCE from the
same organizer (RFC 5546 2.1.4, 2.1.5). So of each meeting that was sent is kept what was sent last. Its UID
is made of the conference and the start that it first had; a guest does not learn the conference's id from
it, which is enough to ask for the conference.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC
from itertools import count
from typing import Any, Final, Literal

from .meeting import Errors, Meeting, error, read_meeting

#: Meetings of one conference that are kept; of more, those that were sent last.
MOST: Final = 100

_ASKED: Final = ("start", "duration", "timezone", "recurrence")


@dataclass(frozen=True, slots=True)
class Named:
    """What a calendar knows a meeting by."""

    uid: str
    sequence: int = 0
    organizer: str | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """A meeting as it was last sent."""

    named: Named
    meeting: Meeting
    is_cancelled: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """What is to become of a meeting. ``uid``: which one; a meeting for what it is to be, when it is told."""

    kind: Literal["invite", "update", "cancel"]
    meeting: Meeting | None
    uid: str | None = None


class WrongMeeting(Exception):
    """A request means no meeting that was sent. ``errors`` are keyed like validation errors."""

    def __init__(self, errors: Errors) -> None:
        super().__init__(", ".join(errors))
        self.errors = errors


def read_request(data: Mapping[str, Any]) -> tuple[Request | None, Errors]:
    """What a request asks for beside a message; ``None`` when that is nothing."""
    kinds = [kind for kind in ("update", "cancel") if data.get(kind)]
    uid = data.get("uid")
    meeting, errors = read_meeting(data)
    if len(kinds) == 2:
        errors["cancel"] = error("forbidden", "update and cancel are two requests")
    if uid is not None and not kinds:
        errors["uid"] = error("forbidden", "uid needs update or cancel")
    if kinds == ["update"] and data.get("start") is None:
        errors["start"] = error("required", "update needs a start")
    if errors or (meeting is None and not kinds):
        return None, errors
    if kinds == ["update"]:
        return Request("update", meeting, uid), {}
    return Request("cancel" if kinds else "invite", meeting, uid), {}


def decide(kept: Sequence[Kept], conference_id: str, request: Request, organizer: str | None) -> Kept:
    """The meeting that a request means, as it is to be kept from now on, and sent.

    Raises `WrongMeeting` when that was never sent, or several may be meant."""
    if request.kind == "invite":
        assert request.meeting is not None
        same = _at(kept, request.meeting)
        if same is None:
            return Kept(Named(new_uid(kept, conference_id, request.meeting), 0, organizer), request.meeting)
        if _asked(same.meeting) == _asked(request.meeting):
            return same
        return _changed(same, request.meeting, organizer)
    meant = _meant(kept, request)
    if request.kind == "cancel":
        return replace(_changed(meant, meant.meeting, organizer), is_cancelled=True)
    assert request.meeting is not None
    return _changed(meant, request.meeting, organizer)


def shown(kept: Sequence[Kept], conference_id: str, meeting: Meeting, organizer: str | None) -> Named:
    """What a meeting is known by that is only shown: what was sent of it, else what would be."""
    same = _at(kept, meeting)
    return Named(new_uid(kept, conference_id, meeting), 0, organizer) if same is None else same.named


def with_kept(kept: Sequence[Kept], last: Kept) -> list[Kept]:
    """The meetings with one as it was sent last."""
    others = [each for each in kept if each.named.uid != last.named.uid]
    return [*others, last][-MOST:]


def new_uid(kept: Sequence[Kept], conference_id: str, meeting: Meeting) -> str:
    """The name of a meeting that was not sent before, though another may have begun where it does."""
    taken = {each.named.uid for each in kept}
    begin = f"{conference_id} {meeting.start.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    meant = (begin if number == 0 else f"{begin} {number}" for number in count())
    uids = (f"{hashlib.sha256(each.encode()).hexdigest()[:40]}@crossbar-conferences" for each in meant)
    return next(uid for uid in uids if uid not in taken)


def to_json(kept: Kept) -> dict[str, Any]:
    """A kept meeting as it is written down."""
    return {
        "uid": kept.named.uid,
        "sequence": kept.named.sequence,
        "organizer": kept.named.organizer,
        "is_cancelled": kept.is_cancelled,
        **_asked(kept.meeting),
    }


def from_json(value: Any) -> Kept | None:
    """A kept meeting; ``None`` for what is none."""
    if not isinstance(value, Mapping):
        return None
    uid, sequence, organizer = (value.get(key) for key in ("uid", "sequence", "organizer"))
    meeting, _ = read_meeting({key: value.get(key) for key in _ASKED}, is_known=True)
    if not isinstance(uid, str) or type(sequence) is not int or meeting is None:
        return None
    named = Named(uid, sequence, organizer if isinstance(organizer, str) else None)
    return Kept(named, meeting, value.get("is_cancelled") is True)


def _asked(meeting: Meeting) -> dict[str, Any]:
    """What would be asked for to get the meeting."""
    return {
        "start": meeting.start.isoformat(),
        "duration": meeting.duration,
        "timezone": None if meeting.zone is None else meeting.zone.name,
        "recurrence": None if meeting.recurrence is None else meeting.recurrence.text,
    }


def _changed(kept: Kept, meeting: Meeting, organizer: str | None) -> Kept:
    # Whoever invited first stays the organizer: calendars believe nobody else.
    named = replace(kept.named, sequence=kept.named.sequence + 1, organizer=kept.named.organizer or organizer)
    return Kept(named, meeting)


def _at(kept: Sequence[Kept], meeting: Meeting) -> Kept | None:
    """The meeting that begins then."""
    found = (each for each in kept if each.meeting.start == meeting.start and not each.is_cancelled)
    return next(found, None)


def _meant(kept: Sequence[Kept], request: Request) -> Kept:
    if request.uid is not None:
        found = [each for each in kept if each.named.uid == request.uid]
        if not found:
            raise WrongMeeting({"uid": error("not_found", "no such meeting was sent", request.uid)})
        return found[0]
    open_ones = [each for each in kept if not each.is_cancelled]
    if request.kind == "cancel" and request.meeting is not None:
        open_ones = [each for each in open_ones if each.meeting.start == request.meeting.start]
    if len(open_ones) == 1:
        return open_ones[0]
    if not open_ones:
        raise WrongMeeting({"uid": error("not_found", "no meeting of this conference was sent")})
    errors = error("required", "several meetings of this conference were sent")
    errors["required"]["target"] = [each.named.uid for each in open_ones]
    raise WrongMeeting({"uid": errors})
