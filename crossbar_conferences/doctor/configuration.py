"""Checks of the settings themselves: where they come from, and whether they fit together."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator, Mapping
from typing import Final

from ..settings import Settings, SettingsError, unknown_variables
from .findings import Finding, fail, ok, warn

#: Listeners: name, and the settings of their host and port.
LISTENERS: Final = ("http", "websocket", "operations")


def check_unreadable(error: SettingsError) -> Finding:
    """A bad value, or a file that cannot be read; nothing else can be checked then."""
    return fail("config", f"{error.origin}: {error.problem}", "mend that line, variable or flag")


def check_settings(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Where the settings come from."""
    if settings.config_file is None:
        yield warn(
            "config",
            "no config.ini was found; CouchDB, brokers and zone are defaults or were given otherwise",
            "set KAZOO_CONFIG, or put Kazoo's file at /etc/kazoo/core/config.ini",
        )
    else:
        yield ok("config", f"{settings.config_file} is read")
    for name in unknown_variables(environ):
        yield warn("settings", f"{name} is no setting", "see `crossbar-conferences settings` for their names")
    host = settings.node_name.partition("@")[2]
    if host in ("localhost", "localhost.localdomain", "127.0.0.1"):
        yield warn(
            "settings",
            f"the node is called {settings.node_name}: another host may have the same name",
            "set node_name to NAME@HOST with a host name that is unique in the cluster",
        )
    else:
        yield ok("settings", f"this node is {settings.node_name} in zone {settings.zone}")


def check_ports(settings: Settings, is_ours: bool) -> Iterator[Finding]:
    """Whether the ports can be had. ``is_ours``: a sidecar of ours answers on the operations port."""
    wanted = [
        (name, getattr(settings, f"{name}_host"), getattr(settings, f"{name}_port")) for name in LISTENERS
    ]
    seen: dict[tuple[str, int], str] = {}
    for name, host, port in wanted:
        other = seen.setdefault((host, port), name) if port else name
        if other != name:
            yield fail(
                "ports",
                f"{other}_port and {name}_port are both {port}",
                f"give {name}_port a port of its own",
            )
            continue
        problem = _why_not(host, port, settings.reuse_port)
        if problem is None:
            yield ok("ports", f"{name}: {host}:{port} is free")
        elif problem == errno.EADDRINUSE and is_ours:
            yield ok("ports", f"{name}: {host}:{port} is served by a sidecar that runs here")
        elif problem == errno.EADDRINUSE:
            yield fail(
                "ports",
                f"{name}: {host}:{port} is taken by another program",
                f"find it with `ss -ltnp 'sport = :{port}'`, or set {name}_port",
            )
        else:
            yield fail(
                "ports",
                f"{name}: cannot listen on {host}:{port}: {errno.errorcode.get(problem, problem)}",
                f"set {name}_host to an address of this host, and {name}_port to one that we may use",
            )


def _why_not(host: str, port: int, reuse_port: bool) -> int | None:
    """The number of the error when one would listen there; ``None`` when one can."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.create_server((host, port), family=family, reuse_port=reuse_port):
            return None
    except socket.gaierror:
        return errno.EADDRNOTAVAIL
    except OSError as error:
        return error.errno or errno.EINVAL
