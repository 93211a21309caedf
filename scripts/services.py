#!/usr/bin/env python3
"""The services that tests and demo need: a RabbitMQ and a CouchDB-compatible server, private to this run.

As a context manager::

    with Services() as services:
        services.amqp_url, services.couchdb_url

From a shell, for a command that reads ``AMQP_URL`` and ``COUCHDB_URL``::

    python scripts/services.py run -- pytest -q

Where ``AMQP_URL`` or ``COUCHDB_URL`` is set already, that service is used and none is started.

The services are children of a *keeper* process that reads its standard input. When whoever asked
for them ends, however it ends, that input closes and the keeper stops them.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.daemons import PouchDB, RabbitMQ, ServiceFailed
from scripts.installing import STATE, InstallFailed

NAMES = ("amqp", "couchdb")
VARIABLES = {"amqp": "AMQP_URL", "couchdb": "COUCHDB_URL"}


class Services:
    """A broker and a document store for as long as the ``with`` block lasts."""

    def __init__(self, *, amqp_port: int | None = None, couchdb_port: int | None = None) -> None:
        self._ports = {"amqp": amqp_port, "couchdb": couchdb_port}
        self._urls: dict[str, str] = {}
        self._keeper: subprocess.Popen[str] | None = None

    @property
    def amqp_url(self) -> str:
        """Where the broker is."""
        return self._urls["amqp"]

    @property
    def couchdb_url(self) -> str:
        """Where the document store is."""
        return self._urls["couchdb"]

    def __enter__(self) -> Services:
        """Start what is not given by the environment; raises `ServiceFailed`."""
        given = {name: os.environ[VARIABLES[name]] for name in NAMES if os.environ.get(VARIABLES[name])}
        self._urls.update(given)
        wanted = [name for name in NAMES if name not in given]
        if wanted:
            self._keeper = subprocess.Popen(
                [sys.executable, str(Path(__file__).resolve()), "keep"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
            try:
                for name in wanted:
                    self._urls[name] = self._ask("start", name, self._ports[name])
            except BaseException:
                self.close()
                raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop what was started."""
        self.close()

    def start(self, name: str) -> None:
        """Start ``amqp`` or ``couchdb`` again after `stop` or `kill`, on the port it had."""
        self._ask("start", name, None)

    def stop(self, name: str) -> None:
        """Stop one service in order."""
        self._ask("stop", name, None)

    def kill(self, name: str) -> None:
        """End one service at once, as a crash would."""
        self._ask("kill", name, None)

    def close(self) -> None:
        """Stop everything that was started, and wait for it."""
        if self._keeper is None:
            return
        keeper, self._keeper = self._keeper, None
        assert keeper.stdin is not None
        assert keeper.stdout is not None
        keeper.stdin.close()
        keeper.wait(90)
        keeper.stdout.close()

    def _ask(self, verb: str, name: str, port: int | None) -> str:
        if self._keeper is None:
            raise ServiceFailed(f"{name} was not started here, {VARIABLES[name]} names it")
        assert self._keeper.stdin is not None
        assert self._keeper.stdout is not None
        print(json.dumps({"verb": verb, "name": name, "port": port}), file=self._keeper.stdin, flush=True)
        for line in self._keeper.stdout:
            if line.startswith("{"):
                answer: dict[str, Any] = json.loads(line)
                if "error" in answer:
                    raise ServiceFailed(answer["error"])
                return str(answer["url"])
            print(line, end="", file=sys.stderr)
        raise ServiceFailed("the keeper of the services ended")


def keep() -> int:
    """Be the keeper: orders come as JSON lines, everything stops when the input ends."""
    STATE.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=STATE))
    running: dict[str, RabbitMQ | PouchDB] = {}
    signal.signal(signal.SIGTERM, _stop_reading)
    signal.signal(signal.SIGINT, _stop_reading)
    try:
        for line in sys.stdin:
            order = json.loads(line)
            try:
                print(json.dumps({"url": _obey(order, running, folder)}), flush=True)
            except (ServiceFailed, InstallFailed, OSError) as error:
                print(json.dumps({"error": str(error)}), flush=True)
    except (KeyboardInterrupt, BrokenPipeError):
        pass
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for service in running.values():
            service.stop()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def _stop_reading(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _obey(order: dict[str, Any], running: dict[str, RabbitMQ | PouchDB], folder: Path) -> str:
    name = order["name"]
    if name not in running:
        kind = RabbitMQ if name == "amqp" else PouchDB
        running[name] = kind(folder / name, order["port"])
    service = running[name]
    {"start": service.start, "stop": service.stop, "kill": service.kill}[order["verb"]]()
    return service.url


def run(command: list[str], services: Services) -> int:
    """Run a command beside the services, hand signals on to it, return its exit status."""
    with services:
        environment = {**os.environ, "AMQP_URL": services.amqp_url, "COUCHDB_URL": services.couchdb_url}
        child = subprocess.Popen(command, env=environment)

        def hand_on(number: int, frame: FrameType | None) -> None:
            if child.poll() is None:
                child.send_signal(number)

        signal.signal(signal.SIGTERM, hand_on)
        # A terminal's Ctrl-C reaches the child by itself.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        status = child.wait()
    return status if status >= 0 else 128 - status


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    runner = verbs.add_parser("run", help="run a command with AMQP_URL and COUCHDB_URL set")
    runner.add_argument("--amqp-port", type=int, default=None)
    runner.add_argument("--couchdb-port", type=int, default=None)
    runner.add_argument("command", nargs=argparse.REMAINDER)
    verbs.add_parser("install", help="install what the services need")
    verbs.add_parser("keep", help="used by this script itself")
    options = parser.parse_args()
    if options.verb == "keep":
        return keep()
    try:
        if options.verb == "install":
            from scripts.installing import ensure_pouchdb, ensure_rabbitmq

            print(ensure_rabbitmq(), ensure_pouchdb(), sep="\n")
            return 0
        command = options.command[1:] if options.command[:1] == ["--"] else options.command
        if not command:
            parser.error("run: no command")
        return run(command, Services(amqp_port=options.amqp_port, couchdb_port=options.couchdb_port))
    except (ServiceFailed, InstallFailed) as error:
        print(f"services: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
