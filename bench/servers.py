"""The processes that a benchmark talks to: the sidecar, the floor, the virtual switch."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from crossbar_conferences.demo.switch_process import free_port
from crossbar_conferences.errors import CrossbarConferencesError

START_SECONDS = 60.0
STOP_SECONDS = 30.0
ROOT = Path(__file__).resolve().parent.parent


class ServerFailed(CrossbarConferencesError):
    """A process that the benchmark needs did not come up."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: where it is, its process, where its metrics are if it has any."""

    url: str
    pid: int
    operations_url: str | None = None


@contextmanager
def sidecar(
    amqp_url: str,
    couchdb_url: str,
    folder: Path,
    *,
    workers: int = 0,
    flags: Sequence[str] = (),
    root: Path = ROOT,
) -> Iterator[Server]:
    """``crossbar-conferences serve`` as an operator runs it, its log lines in a file; of the checkout
    that lies in ``root``."""
    ports = [free_port() for _ in range(3)]
    names = ("http", "websocket", "operations")
    listening = [
        part for name, port in zip(names, ports, strict=True) for part in (f"--{name}-port", str(port))
    ]
    sharing = ["--workers", str(workers)] if workers else []
    command = [sys.executable, "-m", "crossbar_conferences", "serve", *listening, *sharing]
    command += ["--amqp-urls", amqp_url, "--couchdb-url", couchdb_url, *flags]
    with process(command, folder / "sidecar.log", root) as running:
        operations = f"http://127.0.0.1:{ports[2]}"
        wait_until(running, f"{operations}/readyz", folder / "sidecar.log")
        yield Server(f"http://127.0.0.1:{ports[0]}", running.pid, operations)


@contextmanager
def floor(
    folder: Path, status: int, headers: Mapping[str, str], body: str, *, workers: int = 1
) -> Iterator[Server]:
    """A bare handler that answers these bytes, from one process or from several on one port."""
    port = free_port()
    told = folder / "floor.json"
    told.write_text(json.dumps({"status": status, "headers": dict(headers), "body": body}))
    command = [sys.executable, "-m", "bench.floor", str(port), str(told)]
    url = f"http://127.0.0.1:{port}"
    log = folder / "floor.log"
    with process(command, log) as first:
        wait_until(first, url, log)
        if workers == 1:
            yield Server(url, first.pid)
            return
        with process(command, log) as second:
            time.sleep(1.0)
            yield Server(url, second.pid)


@contextmanager
def switch(amqp_url: str, folder: Path) -> Iterator[Server]:
    """The virtual switch; its control interface."""
    port = free_port()
    command = [sys.executable, "-m", "crossbar_conferences", "simulate", "--amqp-url", amqp_url]
    log = folder / "switch.log"
    with process([*command, "--port", str(port)], log) as running:
        url = f"http://127.0.0.1:{port}/"
        wait_until(running, url, log)
        yield Server(url, running.pid)


@contextmanager
def process(command: Sequence[str], log: Path, root: Path = ROOT) -> Iterator[subprocess.Popen[bytes]]:
    """A process for as long as the block lasts, asked to end and then waited for."""
    with log.open("ab") as output:
        running = subprocess.Popen(
            command,
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(root)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield running
    finally:
        running.send_signal(signal.SIGTERM)
        try:
            running.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


def wait_until(running: subprocess.Popen[bytes], url: str, log: Path) -> None:
    """Wait until an address answers with success. Raises `ServerFailed`."""
    last = time.monotonic() + START_SECONDS
    while time.monotonic() < last and running.poll() is None:
        try:
            with urlopen(url, timeout=5) as answer:
                if answer.status < 400:
                    return
        except (URLError, OSError):
            time.sleep(0.1)
    raise ServerFailed(f"nothing came up at {url}; the end of {log}:\n{log.read_text()[-2000:]}")
