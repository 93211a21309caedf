"""One worker as its supervisor sees it: started, ready, ended."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import structlog

from .channel import GONE, Channel, Message
from .spec import Spec

log = structlog.get_logger(__name__)

#: Called with every message of a worker's, and with `GONE` when there will be no more.
OnMessage = Callable[["Worker", Message], None]


class Worker:
    """A worker process. ``operations_url`` is there once it is ready. ``silence``: for how many seconds
    nothing was heard of it, as the `Lookout` counts them."""

    def __init__(
        self, index: int, process: asyncio.subprocess.Process, channel: Channel, on_message: OnMessage
    ) -> None:
        self.index = index
        self.channel = channel
        self.operations_url: str | None = None
        #: What its start waits for, as `operations.known_troubles` says it.
        self.starting: Mapping[str, Any] = {}
        #: Why it must not take the place of another one, if so.
        self.unfit: str | None = None
        self.started_at = time.monotonic()
        self.silence = 0.0
        self.is_condemned = False
        self._process = process
        self._on_message = on_message
        self._ready = asyncio.Event()
        self._listening = asyncio.create_task(self._listen(), name=f"worker {index}")

    @classmethod
    async def start(
        cls,
        index: int,
        command: Sequence[str],
        sockets: Mapping[str, socket.socket],
        on_message: OnMessage,
        sidecar_id: str | None = None,
    ) -> Worker:
        """Start one: ``command`` with its description appended. Raises `OSError`."""
        ours, theirs = socket.socketpair()
        with theirs:
            shared = {name: one.fileno() for name, one in sockets.items()}
            spec = Spec(index, theirs.fileno(), shared, sidecar_id)
            try:
                process = await asyncio.create_subprocess_exec(
                    *command,
                    spec.text(),
                    stdin=asyncio.subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(), *shared.values()),
                    # A Ctrl-C at the terminal is for the supervisor, who tells the workers.
                    process_group=0,
                )
            except BaseException:
                ours.close()
                raise
        log.info("worker_started", index=index, pid=process.pid)
        try:
            return cls(index, process, await Channel.over(ours), on_message)
        except BaseException:
            process.kill()
            raise

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def is_ready(self) -> bool:
        """Whether it serves."""
        return self.operations_url is not None and self._process.returncode is None

    @property
    def age(self) -> float:
        """Seconds since its start."""
        return time.monotonic() - self.started_at

    async def ready(self, within: float) -> bool:
        """Wait until it serves; ``False`` when it ended or took longer than ``within`` seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._ready.wait()
        return self.is_ready

    async def ended(self) -> int:
        """Wait for its end; its exit status, negative for a signal."""
        status = await self._process.wait()
        await asyncio.gather(self._listening, return_exceptions=True)
        return status

    async def stop(self, within: float) -> bool:
        """Ask it to leave and wait; whether it went by itself. After so many seconds it is killed."""
        self.channel.send({"leave": True})
        try:
            async with asyncio.timeout(within):
                await self._process.wait()
        except TimeoutError:
            log.error("worker_killed", index=self.index, pid=self.pid, after=within)
            await self.kill()
            return False
        await self.ended()
        return True

    async def kill(self) -> None:
        """End it at once."""
        self.condemn()
        await self.ended()

    def condemn(self) -> None:
        """Kill it, without waiting for its end."""
        self.is_condemned = True
        with suppress(ProcessLookupError):
            self._process.kill()

    async def _listen(self) -> None:
        try:
            while (message := await self.channel.receive()) is not None:
                self.silence = 0.0
                if "starting" in message:
                    self.starting = message["starting"]
                    continue
                if "ready" in message:
                    self.operations_url, self.unfit = message["ready"], message.get("unfit")
                    self._ready.set()
                self._on_message(self, message)
        finally:
            self._ready.set()
            self._on_message(self, GONE)
            await self.channel.close()
