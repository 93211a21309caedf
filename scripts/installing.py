"""Puts RabbitMQ, HAProxy, nginx, Chromium (Debian), PouchDB Server and ical.js (npm, pinned) on the machine,
once."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
STATE = REPOSITORY / ".services"
SCRIPTS = Path(__file__).resolve().parent
POLICY = Path("/usr/sbin/policy-rc.d")
INSTALL_SECONDS = 900
LOCK_SECONDS = 300


class InstallFailed(Exception):
    """Something that the services need could not be installed."""


def rabbitmq_program() -> Path | None:
    """The server program itself; Debian's wrapper of the same name in ``/usr/sbin`` changes the user."""
    found = sorted(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin/rabbitmq-server"))
    if found:
        return found[-1]
    elsewhere = shutil.which("rabbitmq-server")
    return Path(elsewhere) if elsewhere and not elsewhere.startswith("/usr/sbin") else None


def ensure_rabbitmq() -> Path:
    """The RabbitMQ server program, installed from Debian when it is not there."""
    with _one_at_a_time():
        program = rabbitmq_program()
        if program is None:
            if os.geteuid() != 0 or shutil.which("apt-get") is None:
                raise InstallFailed("RabbitMQ is missing: install rabbitmq-server, or set AMQP_URL")
            before = _brokers()
            with _no_service_start():
                _install("rabbitmq-server")
            # A policy of the machine's own may have let the package start its broker. That one
            # exists because of us and would hold the standard ports, so it goes.
            if _brokers() - before:
                subprocess.run(["service", "rabbitmq-server", "stop"], check=False, timeout=60)
                for pid in _brokers() - before:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGTERM)
            program = rabbitmq_program()
    if program is None:
        raise InstallFailed("rabbitmq-server was installed, but its program is not where it should be")
    return program


def ensure_haproxy() -> Path:
    """The HAProxy program, as the other programs of Debian's here; only tests need them."""
    return _ensure("haproxy", "haproxy")


def ensure_nginx() -> Path:
    """The nginx program."""
    return _ensure("nginx", "nginx")


def ensure_chromium() -> Path:
    """The browser Chromium."""
    return _ensure("chromium", "chromium")


def _ensure(name: str, package: str) -> Path:
    """A program, installed from Debian when it is not there."""
    with _one_at_a_time():
        found = _program(name)
        if found is None:
            if os.geteuid() != 0 or shutil.which("apt-get") is None:
                raise InstallFailed(f"{name} is missing: install {package}")
            with _no_service_start():
                _install(package)
            found = _program(name)
    if found is None:
        raise InstallFailed(f"{package} was installed, but its program is not where it should be")
    return found


def _program(name: str) -> Path | None:
    # Debian has some where only root looks.
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    return Path(found) if found else None


def ensure_pouchdb() -> Path:
    """The PouchDB Server program, installed from npm as the lock file says when it is not there."""
    return _from_npm("pouchdb", ", or set COUCHDB_URL") / "pouchdb-server" / "bin" / "pouchdb-server"


def ensure_icaljs() -> Path:
    """The folder that Node.js finds ``ical.js`` in, installed from npm likewise; only tests need it."""
    return _from_npm("icaljs")


def _from_npm(name: str, instead: str = "") -> Path:
    """The ``node_modules`` of the manifest beside this file, as its lock file says."""
    manifest = SCRIPTS / name
    lock = (manifest / "package-lock.json").read_bytes()
    folder = STATE / f"{name}-{hashlib.sha256(lock).hexdigest()[:12]}"
    with _one_at_a_time():
        done = folder / "installed"
        if not done.exists():
            if shutil.which("npm") is None:
                raise InstallFailed(f"npm is missing: install Node.js{instead}")
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            for file in ("package.json", "package-lock.json"):
                shutil.copy(manifest / file, folder)
            # Optional parts are native, built from source, and needed by nobody here.
            _run("npm", "ci", "--omit=optional", "--no-audit", "--no-fund", "--loglevel=error", cwd=folder)
            done.touch()
    return folder / "node_modules"


def _install(package: str) -> None:
    # Whoever else installs something on this machine is waited for.
    wait = ("-o", f"DPkg::Lock::Timeout={LOCK_SECONDS}")
    _run("apt-get", "update", "-q", *wait)
    _run("apt-get", "install", "-q", "-y", "--no-install-recommends", *wait, package)


def _run(*command: str, cwd: Path | None = None) -> None:
    print(f"services: {' '.join(command)}", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=environment,
            timeout=INSTALL_SECONDS,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise InstallFailed(f"{' '.join(command)}: no end within {INSTALL_SECONDS} s") from error
    if done.returncode != 0:
        raise InstallFailed(f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout[-4000:]}")


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    STATE.mkdir(exist_ok=True)
    with (STATE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _no_service_start() -> Iterator[None]:
    """Keep Debian's packages from starting their service; a policy that is there already stays."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink(missing_ok=True)


def _brokers() -> set[int]:
    """Processes of the users that Debian's packages run Erlang's port mapper and RabbitMQ under."""
    found: set[int] = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, KeyError):
            if folder.owner() in ("rabbitmq", "epmd"):
                found.add(int(folder.name))
    return found
