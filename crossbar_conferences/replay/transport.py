"""What a run touches outside: HTTP, the media server's control interface, websockets, the store."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from types import TracebackType
from typing import Any
from urllib.parse import quote

import aiohttp
from yarl import URL

from ..errors import CrossbarConferencesError
from .comparison import Answer
from .model import HttpStep
from .placeholders import MISSING
from .target import Target, substitute

#: Seconds that one answer may take; a dial answers after up to 20.
ANSWER_TIMEOUT = 40.0

#: Headers that a client library adds by itself and a case must not have unless it says so.
_AUTOMATIC = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


class TransportFailed(CrossbarConferencesError):
    """Something that a case needs could not be reached."""


class Wire:
    """The open connections of a run."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Wire:
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=ANSWER_TIMEOUT),
            # A connection kept by either side after an odd answer would break the next case.
            connector=aiohttp.TCPConnector(force_close=True),
            auto_decompress=True,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    @property
    def session(self) -> aiohttp.ClientSession:
        """The client session, open between entering and leaving."""
        if self._session is None:
            raise TransportFailed("the connections are not open")
        return self._session

    async def request(self, step: HttpStep, variables: Mapping[str, str]) -> Answer:
        """Send a step's request. A connection that closes without an answer is status 0."""
        path = substitute(step.path, variables)
        headers, body = build_request(step, variables)
        try:
            async with self.session.request(
                step.method,
                URL(self._target.base_url + path, encoded=True),
                headers=headers,
                data=body,
                skip_auto_headers=_AUTOMATIC,
                allow_redirects=False,
            ) as response:
                text = (await response.read()).decode("utf-8", "replace")
                kept = {name.lower(): value for name, value in response.headers.items()}
                return Answer(response.status, kept, text, read_json(text))
        except aiohttp.ClientConnectorError as error:
            raise TransportFailed(f"{self._target.base_url} cannot be reached: {error}") from error
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
            return Answer(0)
        except TimeoutError as error:
            raise TransportFailed(f"no answer within {ANSWER_TIMEOUT:.0f} s") from error
        except aiohttp.ClientError as error:
            raise TransportFailed(f"the answer is no HTTP: {error}") from error

    async def command_switch(self, words: tuple[str, ...], variables: Mapping[str, str]) -> None:
        """Make something happen on the media server. Raises `TransportFailed` when it refuses."""
        arguments = [substitute(word, variables) for word in words]
        if self._target.switch_url is None:
            raise TransportFailed("there is no control interface of a media server")
        try:
            async with self.session.post(self._target.switch_url, json={"args": arguments}) as response:
                text = await response.text()
                if response.status >= 400:
                    raise TransportFailed(f"the media server refused {arguments[0]}: {text[:200]}")
        except (aiohttp.ClientError, TimeoutError) as error:
            raise TransportFailed(f"the media server's control interface: {error}") from error

    async def delete_conference(self, account_id: str, conference_id: str, token: str) -> None:
        """Remove a document that a case made; one that is gone already is as well."""
        url = f"{self._target.base_url}/v2/accounts/{account_id}/conferences/{quote(conference_id, safe='')}"
        headers = {"x-auth-token": token, "accept": "application/json"}
        try:
            async with self.session.delete(URL(url, encoded=True), headers=headers):
                return
        except (aiohttp.ClientError, TimeoutError) as error:
            raise TransportFailed(f"cannot clean up: {error}") from error

    async def connect_socket(self) -> SocketClient:
        """Open a websocket to the server."""
        if self._target.ws_url is None:
            raise TransportFailed("there is no websocket address")
        try:
            socket = await self.session.ws_connect(self._target.ws_url, autoping=True)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise TransportFailed(f"{self._target.ws_url} cannot be reached: {error}") from error
        return SocketClient(socket)

    async def put_document(self, database: str, document: Mapping[str, Any]) -> None:
        """Store a document that a case needs, over an older one when there is one."""
        url = self._document_url(database, str(document["_id"]))
        stored = await self.get_document(database, str(document["_id"]))
        content = {**document, "_rev": stored["_rev"]} if stored else dict(document)
        async with self.session.put(url, json=content) as response:
            if response.status >= 300:
                raise TransportFailed(f"document {document['_id']}: {response.status}")

    async def get_document(self, database: str, document_id: str) -> dict[str, Any] | None:
        """A stored document, or ``None``."""
        url = self._document_url(database, document_id)
        async with self.session.get(url, headers={"accept": "application/json"}) as response:
            if response.status == 404:
                return None
            if response.status >= 300:
                raise TransportFailed(f"document {document_id}: {response.status}")
            content: dict[str, Any] = await response.json(content_type=None)
            return content

    async def delete_document(self, database: str, document_id: str) -> None:
        """Remove a stored document for good; one that is gone already is as well."""
        stored = await self.get_document(database, document_id)
        if stored is None:
            return
        url = self._document_url(database, document_id)
        async with self.session.delete(url.update_query(rev=stored["_rev"])):
            return

    def _document_url(self, database: str, document_id: str) -> URL:
        if self._target.couchdb_url is None:
            raise TransportFailed("there is no document store to put documents in")
        base = self._target.couchdb_url.rstrip("/")
        return URL(f"{base}/{quote(database, safe='')}/{quote(document_id, safe='')}", encoded=True)


class SocketClient:
    """One websocket; what comes is kept until it is asked for."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    async def send(self, text: str) -> None:
        """Send one text frame."""
        await self._socket.send_str(text)

    async def receive(self, count: int, within: float) -> list[Any]:
        """Up to ``count`` frames within so many seconds; with 0 whatever comes in that time."""
        frames: list[Any] = []
        loop = asyncio.get_running_loop()
        end = loop.time() + within
        while (left := end - loop.time()) > 0 and (not count or len(frames) < count):
            try:
                message = await self._socket.receive(timeout=left)
            except TimeoutError:
                break
            if message.type is aiohttp.WSMsgType.TEXT:
                content = read_json(message.data)
                frames.append(message.data if content is MISSING else content)
            else:
                frames.append({"closed": message.type.name, "code": self._socket.close_code})
                break
        return frames

    async def close(self) -> None:
        """Close the connection."""
        await self._socket.close()


def build_request(step: HttpStep, variables: Mapping[str, str]) -> tuple[dict[str, str], bytes | None]:
    """The headers and the body that a step sends."""
    body: bytes | None = None
    if isinstance(step.raw, str):
        body = substitute(step.raw, variables).encode()
    elif step.raw is not None:
        body = substitute(step.raw.text(), variables).encode()
    elif step.body is not MISSING:
        body = json.dumps(substitute(step.body, variables), ensure_ascii=False).encode()
    headers: dict[str, str | None] = {"accept": "application/json"}
    if body is not None:
        headers["content-type"] = "application/json"
    if (token := token_of(step.who, variables)) is not None:
        headers["x-auth-token"] = token
    headers.update(step.headers)
    return {name: substitute(value, variables) for name, value in headers.items() if value is not None}, body


def token_of(who: str, variables: Mapping[str, str]) -> str | None:
    """The token that ``who`` sends: a known person's, none, or the text itself."""
    if who == "none":
        return None
    if who in ("boss", "joe", "master", "other"):
        return variables.get(f"T_{who.upper()}", f"{{T_{who.upper()}}}")
    return str(substitute(who, variables))


def read_json(text: str) -> Any:
    """The JSON of a text, also when it is wrapped as JSONP, or `MISSING`."""
    try:
        return json.loads(text)
    except ValueError:
        pass
    before, bracket, rest = text.partition("(")
    if bracket and before.isidentifier() and rest.rstrip().endswith(");"):
        try:
            return json.loads(rest.rstrip()[:-2])
        except ValueError:
            pass
    return MISSING
