"""What a client needs the right to, to be pushed something: what it would have to GET to see it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from .bindings import Subscription

#: Segments of a path after ``conferences``, as token restrictions are given them.
Path = tuple[str, ...]

#: The list of an account's conferences.
LIST: Path = ()


@dataclass(frozen=True, slots=True)
class Right:
    """That a token is good, from an address, and may see some paths of an account, or of
    `ALL_ACCOUNTS`. ``follows``: a conference that must be the account's own, since its commands name
    no account."""

    token: str = field(repr=False)
    source: str
    account_id: str | None = None
    paths: tuple[Path, ...] = ()
    follows: str | None = None


def right_to(token: str, source: str, subscription: Subscription) -> Right:
    """What a subscription takes."""
    follows = subscription.conference_id if subscription.kind == "command" else None
    return Right(token, source, subscription.account_id, paths_of(subscription), follows)


def right_to_one(token: str, source: str, account_id: str, conference_id: str) -> Right:
    """What it takes to be told of one conference of an account by a subscription to all."""
    return Right(token, source, account_id, paths_of_conference(conference_id))


def paths_of(subscription: Subscription) -> tuple[Path, ...]:
    """The paths that show what a subscription shows.

    An event tells of the room and of who is in it. A wildcard needs the list, and what any
    conference needs; those that restrictions name are looked at when they are heard of."""
    if subscription.conference_id == "*":
        return (LIST, *paths_of_conference("*"))
    return paths_of_conference(subscription.conference_id)


def paths_of_conference(conference_id: str) -> tuple[Path, ...]:
    """The paths that show a conference and who is in it."""
    return ((conference_id,), (conference_id, "participants"))
