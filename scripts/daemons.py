"""A private RabbitMQ and a private PouchDB Server: start, wait until ready, stop by process id.

Each listens on loopback only, on its own ports, and keeps everything it writes in a folder of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from scripts.installing import ensure_pouchdb, ensure_rabbitmq

START_SECONDS = 90.0
STOP_SECONDS = 20.0
AMQP_GREETING = b"AMQP\x00\x00\x09\x01"


class ServiceFailed(Exception):
    """A service did not start, or was not ready in time."""


def free_port() -> int:
    """A loopback port that nobody listens on right now."""
    # Written twice: this runs where the package is not installed, and a wheel has no scripts (demo/).
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def amqp_answers(port: int) -> bool:
    """Whether a broker greets on this port: the first frame of AMQP 0-9-1 is Connection.Start."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(AMQP_GREETING)
            frame = connection.recv(11)
    except OSError:
        return False
    return len(frame) == 11 and frame[0] == 1 and frame[7:11] == b"\x00\x0a\x00\x0a"


def couchdb_answers(url: str) -> bool:
    """Whether a CouchDB-like server answers its welcome and a look at its databases."""
    try:
        for path in ("/", "/_all_dbs"):
            request = urllib.request.Request(url.rstrip("/") + path, headers={"Accept": "application/json"})
            with urllib.request.urlopen(request, timeout=2) as answer:
                json.load(answer)
    except (OSError, ValueError, urllib.error.URLError):
        return False
    return True


class RabbitMQ:
    """A broker of our own, with its own Erlang port mapper, cookie, ports and data.

    It can be stopped, killed and started again on the same port, as tests of a broken broker need.
    """

    def __init__(self, folder: Path, port: int | None = None) -> None:
        self.folder = folder
        self.port = port or free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}/"
        self._mapper_port = free_port()
        self._distribution_port = free_port()
        self._mapper: subprocess.Popen[bytes] | None = None
        self._server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait until it speaks AMQP; raises `ServiceFailed`."""
        program = ensure_rabbitmq()
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "plugins").write_text("[].\n")
        # Our own port mapper, as a child and not as a daemon, so that it ends with us.
        mapper = shutil.which("epmd") or "epmd"
        environment = self._environment()
        if self._mapper is None:
            self._mapper = _spawn([mapper], environment, self.folder, "epmd.log")
        self._server = _spawn([str(program)], environment, self.folder, "rabbitmq.log")
        _wait("RabbitMQ", self._server, lambda: amqp_answers(self.port), self.folder / "rabbitmq.log")

    def stop(self) -> None:
        """End the broker and its port mapper, and wait for both."""
        for process in (self._server, self._mapper):
            _end(process)
        self._server = self._mapper = None

    def kill(self) -> None:
        """End the broker at once, as a crash would."""
        if self._server is not None:
            _signal_group(self._server, signal.SIGKILL)
            self._server.wait(STOP_SECONDS)
            self._server = None

    def control(self, *command: str) -> str:
        """What a command of ``rabbitmqctl`` says of this broker; raises `ServiceFailed`."""
        program = ensure_rabbitmq().with_name("rabbitmqctl")
        try:
            done = subprocess.run(
                [str(program), *command],
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=START_SECONDS,
            )
        except subprocess.TimeoutExpired:
            raise ServiceFailed(f"rabbitmqctl {command[0]} did not end") from None
        if done.returncode:
            raise ServiceFailed(f"rabbitmqctl {command[0]}: {done.stderr.strip()[-500:]}")
        return done.stdout

    def _environment(self) -> dict[str, str]:
        folder = str(self.folder)
        ours = {
            "HOME": folder,
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self._mapper_port),
            "RABBITMQ_CONFIG_FILE": f"{folder}/none",
            "RABBITMQ_CONF_ENV_FILE": f"{folder}/none-env",
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/plugins",
            "RABBITMQ_LOG_BASE": f"{folder}/log",
            "RABBITMQ_MNESIA_BASE": f"{folder}/mnesia",
            "RABBITMQ_NODENAME": f"conferences{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_PID_FILE": f"{folder}/pid",
            # One scheduler that does not spin: tests share the machine with it.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "+S 1:1 +sbwt none -kernel inet_dist_use_interface {127,0,0,1}"
            ),
            # Makes the start script become the Erlang machine, so that our child is the broker itself.
            "RUNNING_UNDER_SYSTEMD": "true",
        }
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("RABBITMQ_", "ERL_"))
        }
        kept.pop("NOTIFY_SOCKET", None)
        return {**kept, **ours}


class PouchDB:
    """A CouchDB-compatible server in memory. What it holds is gone when it stops."""

    def __init__(self, folder: Path, port: int | None = None) -> None:
        self.folder = folder
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}/"
        self._server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait until it answers; raises `ServiceFailed`."""
        program = ensure_pouchdb()
        self.folder.mkdir(parents=True, exist_ok=True)
        node = shutil.which("node") or "node"
        command = [node, str(program), "--in-memory", "--no-stdout-logs"]
        command += ["--host", "127.0.0.1", "--port", str(self.port)]
        self._server = _spawn(command, dict(os.environ), self.folder, "pouchdb.log")
        _wait("PouchDB Server", self._server, lambda: couchdb_answers(self.url), self.folder / "pouchdb.log")

    def stop(self) -> None:
        """End the server and wait for it."""
        _end(self._server)
        self._server = None

    def kill(self) -> None:
        """End the server at once, as a crash would."""
        if self._server is not None:
            _signal_group(self._server, signal.SIGKILL)
            self._server.wait(STOP_SECONDS)
            self._server = None


def _spawn(
    command: list[str], environment: dict[str, str], folder: Path, log: str
) -> subprocess.Popen[bytes]:
    with (folder / log).open("ab") as output:
        return subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _wait(name: str, process: subprocess.Popen[bytes], ready: Callable[[], bool], log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            raise ServiceFailed(f"{name} ended with status {process.returncode}:\n{_tail(log)}")
        if ready():
            return
        time.sleep(0.1)
    raise ServiceFailed(f"{name} was not ready within {START_SECONDS:.0f} s:\n{_tail(log)}")


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:] if log.exists() else ""


def _end(process: subprocess.Popen[bytes] | None) -> None:
    if process is None:
        return
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)
    # What it started itself (RabbitMQ's monitors) is in its group and ends with it.
    _signal_group(process, signal.SIGKILL)


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return
