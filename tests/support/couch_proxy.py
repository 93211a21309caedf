"""A CouchDB that misbehaves on command: a server that hands requests on to the real one, or doesn't."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Callable
from types import TracebackType

import aiohttp
from aiohttp import web
from yarl import URL

#: Looks at a request; what it returns is the answer, ``None`` hands the request on.
Meddle = Callable[[web.Request], web.Response | None]

_HOP_BY_HOP = frozenset({"host", "connection", "transfer-encoding", "content-length", "content-encoding"})


def disk_full(request: web.Request) -> web.Response | None:
    """What CouchDB 3 says to writers when the disk is full; readers are served."""
    if request.method in ("GET", "HEAD") or request.path.rpartition("/")[2].startswith("_all_docs"):
        return None
    if "/_view/" in request.path:
        return None
    body = {"error": "insufficient_storage", "reason": "database_dir is too full"}
    return web.json_response(body, status=507)


#: Wrong passwords after which CouchDB 3.4 and later lock a user out.
LOCKS_AFTER = 5


class Gate:
    """Asks for Basic credentials with the statuses and bodies of CouchDB 3.5, which PouchDB Server has in
    part only: a wrong password is a 401 and counts; the user of too many of them is refused with 403,
    whatever the password, until `unlock` (in CouchDB: five minutes), and counts no more."""

    def __init__(self, users: dict[str, str]) -> None:
        self.users = users
        #: Wrong passwords so far, by user.
        self.wrong: Counter[str] = Counter()
        self.locked: set[str] = set()

    def lock(self, user: str) -> None:
        """Somebody has sent too many wrong passwords from our address."""
        self.locked.add(user)

    def unlock(self, user: str) -> None:
        """The time of a user who was locked out is over."""
        self.locked.discard(user)
        self.wrong.pop(user, None)

    def refusal(self, request: web.Request) -> web.Response | None:
        """The answer to whoever is not let in."""
        user, password = _credentials(request.headers.get("Authorization", ""))
        if user in self.locked:
            reason = "Account is temporarily locked due to multiple authentication failures"
            return web.json_response({"error": "forbidden", "reason": reason}, status=403)
        if user and self.users.get(user) == password:
            return None
        self.wrong[user] += 1
        if self.wrong[user] >= LOCKS_AFTER:
            self.lock(user)
        body = {"error": "unauthorized", "reason": "Name or password is incorrect."}
        return web.json_response(body, status=401)


def _credentials(header: str) -> tuple[str, str]:
    scheme, _, text = header.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    user, _, password = base64.b64decode(text).decode().partition(":")
    return user, password


class CouchProxy:
    """Stands on ``url`` between a client and a CouchDB; an async context manager.

    ``meddle`` may be set at any time; ``None`` hands everything on. With a ``gate`` clients are asked who
    they are here, and the real one is not told."""

    def __init__(self, target: str, gate: Gate | None = None) -> None:
        self.meddle: Meddle | None = None
        self.gate = gate
        self.requests = 0
        self._target = target.rstrip("/")
        self._runner: web.AppRunner | None = None
        self._http: aiohttp.ClientSession | None = None

    @property
    def url(self) -> str:
        """Where clients connect to."""
        assert self._runner is not None
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}/"

    async def __aenter__(self) -> CouchProxy:
        app = web.Application(client_max_size=100_000_000)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._http = aiohttp.ClientSession()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._runner is not None and self._http is not None
        await self._runner.cleanup()
        await self._http.close()

    async def _answer(self, request: web.Request) -> web.Response:
        self.requests += 1
        if self.gate is not None:
            refused = self.gate.refusal(request)
            if refused is not None:
                return refused
        if self.meddle is not None:
            meddled = self.meddle(request)
            if meddled is not None:
                return meddled
        assert self._http is not None
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
        if self.gate is not None:
            headers.pop("Authorization", None)
        async with self._http.request(
            request.method,
            URL(self._target + request.raw_path, encoded=True),
            data=await request.read(),
            headers=headers,
            allow_redirects=False,
        ) as answer:
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP}
            return web.Response(status=answer.status, body=await answer.read(), headers=kept)
