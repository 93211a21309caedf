"""Sends the demo's requests, shows each as a curl line, compares its answer with what is expected."""

from __future__ import annotations

import asyncio
import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from rich.console import Console
from rich.text import Text

#: How long a step may take to give its expected answer: events travel through the broker.
PATIENCE_SECONDS = 5.0
RETRY_SECONDS = 0.1
REQUEST_SECONDS = 15.0
#: Lines of an answer that are shown; the rest can be had with the curl line.
LINES = 60


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    body: Any

    def at(self, path: str) -> Any:
        """The value at a dotted path (``data.0.name``), ``None`` when there is none."""
        value = self.body
        for key in path.split("."):
            if isinstance(value, dict):
                value = value.get(key)
            elif isinstance(value, list) and key.isdigit() and int(key) < len(value):
                value = value[int(key)]
            else:
                return None
        return value


class Narrator:
    """One demo run as it is told: steps, curl lines, answers, verdicts."""

    def __init__(
        self, http: aiohttp.ClientSession, console: Console, base_url: str, token_files: Mapping[str, Path]
    ) -> None:
        self._http = http
        self._console = console
        self._base_url = base_url
        self._token_files = token_files
        self._tokens = {name: file.read_text() for name, file in token_files.items()}
        self.steps = 0
        self.failures: list[str] = []

    def title(self, text: str) -> None:
        """Begin a step."""
        self.steps += 1
        self._console.print()
        self._console.print(Text(f"{self.steps}. {text}", style="bold cyan"))

    def say(self, text: str) -> None:
        """A line for the reader."""
        self._console.print(Text(text), soft_wrap=True)

    def show(self, value: Any) -> None:
        """A JSON value, indented."""
        lines = json.dumps(value, indent=2, ensure_ascii=False).splitlines()
        for line in lines[:LINES]:
            self._console.print(Text("   " + line), soft_wrap=True)
        if len(lines) > LINES:
            self._console.print(Text(f"   … {len(lines) - LINES} more lines", style="dim"))

    def command(self, line: str) -> None:
        """A line that can be pasted into a shell."""
        self._console.print(Text(f"$ {line}", style="green"), soft_wrap=True)

    def check(self, what: str, holds: bool) -> None:
        """Say whether something is as expected, and remember when it is not."""
        if not holds:
            self.failures.append(f"step {self.steps}: {what}")
        mark = Text("   ✓ ", style="green") if holds else Text("   ✗ ", style="bold red")
        self._console.print(mark + Text(what), soft_wrap=True)

    async def request(
        self,
        method: str,
        path: str,
        *,
        who: str | None = "boss",
        data: Any = None,
        status: int = 200,
        expect: Mapping[str, Any] | None = None,
    ) -> Answer:
        """Send a request and show it. ``expect`` maps dotted paths of the answer to values.

        A GET is repeated until its answer is the expected one or `PATIENCE_SECONDS` are over."""
        self.command(self._curl(method, path, who, data))
        wanted = dict(expect or {})
        answer = await self._send(method, path, who, data)
        if method == "GET":
            loop = asyncio.get_running_loop()
            until = loop.time() + PATIENCE_SECONDS
            while not _as_wanted(answer, status, wanted) and loop.time() < until:
                await asyncio.sleep(RETRY_SECONDS)
                answer = await self._send(method, path, who, data)
        self.say(f"   HTTP {answer.status}")
        self.show(_without_token(answer.body))
        self.check(f"status {status}", answer.status == status)
        for place, value in wanted.items():
            self.check(f"{place} is {json.dumps(value)}", answer.at(place) == value)
        return answer

    async def _send(self, method: str, path: str, who: str | None, data: Any) -> Answer:
        headers = {"Accept": "application/json"}
        if who is not None:
            headers["X-Auth-Token"] = self._tokens[who]
        url, timeout = self._base_url + path, aiohttp.ClientTimeout(total=REQUEST_SECONDS)
        body = None if data is None else {"data": data}
        async with self._http.request(method, url, headers=headers, json=body, timeout=timeout) as answer:
            text = await answer.text()
            try:
                content = json.loads(text)
            except ValueError:
                content = text
            return Answer(answer.status, answer.headers, content)

    def _curl(self, method: str, path: str, who: str | None, data: Any) -> str:
        parts = ["curl -s"]
        if method != "GET":
            parts.append(f"-X {method}")
        if who is not None:
            parts.append(f'-H "X-Auth-Token: $(cat {shlex.quote(str(self._token_files[who]))})"')
        if data is not None:
            parts.append("-H 'Content-Type: application/json'")
            parts.append(f"-d {shlex.quote(json.dumps({'data': data}))}")
        parts.append(shlex.quote(self._base_url + path))
        return " ".join(parts)


def _as_wanted(answer: Answer, status: int, wanted: Mapping[str, Any]) -> bool:
    return answer.status == status and all(answer.at(place) == value for place, value in wanted.items())


def _without_token(body: Any) -> Any:
    """An answer without the caller's own token, which fills half a screen and is nobody else's business."""
    if isinstance(body, dict) and isinstance(body.get("auth_token"), str):
        return {**body, "auth_token": "…"}
    return body
