"""``crossbar-conferences watch``: who is in a conference, live, in the terminal.

Fed by the websocket alone: subscribing with ``since`` gives a snapshot where one is needed, and
what was missed where that suffices (docs/websocket.md).
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import click
from rich.console import Console
from rich.live import Live

from ..errors import CrossbarConferencesError
from ..logs import configure
from .roster import Roster, after_event, from_snapshots, table

#: Seconds between attempts to connect; the last one goes on for ever.
BACK_OFF = (0.5, 1.0, 2.0, 5.0, 10.0)

#: Seconds between pings, after which a silent server counts as gone.
HEARTBEAT = 30.0

#: Seconds for a handshake, and for a reply.
ANSWER_WITHIN = 10.0

#: Told of every change: the roster, and what there is to say about the connection.
Show = Callable[[Roster, str], None]


class WatchRefused(CrossbarConferencesError):
    """The server does not let us watch; trying again would not help."""


@dataclass(frozen=True, slots=True)
class Place:
    """What to watch, and where. ``conference_id`` is ``*`` for all of the account."""

    url: str
    token: str
    account_id: str
    conference_id: str = "*"

    @property
    def binding(self) -> str:
        """The binding that hears it all."""
        return f"conference.event.*.{self.conference_id}.*"


@click.command("watch")
@click.argument("conference", default="*", metavar="[CONFERENCE]")
@click.option("--url", help="The websocket's address, such as ws://localhost:5555.")
@click.option("--token", envvar="CROSSBAR_TOKEN", help="A token of the account, or of one above it.")
@click.option("--account", "account_id", help="The account's id.")
@click.option(
    "--connection",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path(".demo/connection.json"),
    show_default=True,
    help="Where to read what is not given; the demo writes it.",
)
@click.option("--once", is_flag=True, help="Show how things are, and leave.")
def watch(
    conference: str, url: str | None, token: str | None, account_id: str | None, connection: Path, once: bool
) -> None:
    """Show who is in CONFERENCE, live; without one, every conference of the account."""
    configure("warning", "console")
    place = _place(conference, url, token, account_id, connection)
    try:
        asyncio.run(_once(place) if once else _show(place))
    except WatchRefused as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        # The ordinary end.
        return


async def follow(
    place: Place,
    show: Show,
    *,
    back_off: tuple[float, ...] = BACK_OFF,
    clock: Callable[[], float] = time.time,
) -> None:
    """Follow for ever, through lost connections. Raises `WatchRefused`."""
    roster: Roster = {}
    attempt = 0
    async with aiohttp.ClientSession() as http:
        while True:
            try:
                async with _connected(http, place) as socket:
                    async for changed in _rosters(socket, place, roster, clock):
                        roster, attempt = changed, 0
                        show(roster, "")
                reason = "the server closed the connection"
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                reason = str(error) or type(error).__name__
            pause = back_off[min(attempt, len(back_off) - 1)]
            attempt += 1
            show(roster, f"not connected: {reason}")
            await asyncio.sleep(pause)


def _connected(http: aiohttp.ClientSession, place: Place) -> Any:
    timeout = aiohttp.ClientWSTimeout(ws_close=ANSWER_WITHIN)
    return http.ws_connect(place.url, heartbeat=HEARTBEAT, timeout=timeout)


async def _rosters(
    socket: aiohttp.ClientWebSocketResponse, place: Place, roster: Roster, clock: Callable[[], float]
) -> AsyncIterator[Roster]:
    """Every new roster of one connection, until it ends."""
    await _subscribe(socket, place, {key: one.sequence for key, one in roster.items()})
    async for message in socket:
        if message.type is not aiohttp.WSMsgType.TEXT:
            continue
        frame = json.loads(message.data)
        match frame.get("action"):
            case "reply":
                if frame.get("status") != "success":
                    _refuse(frame)
                if frame["data"].get("gap"):
                    roster = from_snapshots(frame["data"].get("snapshots", {}), clock())
                yield roster
            case "event":
                roster = after_event(roster, frame, clock())
                yield roster
            case "gap":
                # The server missed something itself: ask how things are.
                await _subscribe(socket, place, {})


async def _subscribe(socket: aiohttp.ClientWebSocketResponse, place: Place, since: dict[str, int]) -> None:
    data = {"account_id": place.account_id, "binding": place.binding, "since": since}
    await socket.send_json({"action": "subscribe", "auth_token": place.token, "data": data})


def _refuse(frame: Any) -> None:
    errors = frame["data"]["errors"]
    if errors == ["temporarily unavailable"]:
        # The store is away: connect again later.
        raise aiohttp.ClientConnectionError(errors[0])
    # The text of a refused token holds the token: it is not for the screen.
    words = "the token is not valid" if errors[0].startswith("failed to authenticate") else errors[0]
    raise WatchRefused(words)


async def _show(place: Place) -> None:
    roster: Roster = {}
    status = f"connecting to {place.url}"

    def keep(changed: Roster, told: str) -> None:
        nonlocal roster, status
        roster, status = changed, told

    # Drawn by the clock, not by the event: durations pass, and a busy conference is not redrawn
    # hundreds of times a second.
    with Live(get_renderable=lambda: table(roster, time.time(), status), refresh_per_second=4, screen=False):
        await follow(place, keep)


async def _once(place: Place) -> None:
    try:
        async with (
            asyncio.timeout(ANSWER_WITHIN),
            aiohttp.ClientSession() as http,
            _connected(http, place) as socket,
        ):
            roster = await anext(_rosters(socket, place, {}, time.time))
    except (aiohttp.ClientError, OSError, StopAsyncIteration) as error:
        raise WatchRefused(f"no answer from {place.url}: {error}") from None
    Console(highlight=False).print(table(roster, time.time()))


def _place(
    conference: str, url: str | None, token: str | None, account_id: str | None, connection: Path
) -> Place:
    if url and token and account_id:
        return Place(url, token, account_id, conference)
    try:
        content = json.loads(connection.read_text(encoding="utf-8"))
        return Place(
            url or content["ws_url"],
            token or content["tokens"]["boss"],
            account_id or content["accounts"]["main"]["id"],
            conference,
        )
    except (OSError, ValueError, KeyError, TypeError):
        raise click.UsageError(f"give --url, --token and --account: {connection} doesn't say them") from None
