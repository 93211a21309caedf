"""What the demo leaves for other tools while it is up: ``.demo/connection.json`` and each token in a file."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..dataset import DataSet


@dataclass(frozen=True, slots=True)
class Connection:
    """Where everything is. ``None``: there is no such thing, as no broker in embedded mode."""

    base_url: str
    ws_url: str | None
    amqp_url: str | None
    couchdb_url: str | None
    switch_url: str
    tokens: Mapping[str, str]

    def content(self, data: DataSet) -> dict[str, Any]:
        """The JSON object that `replay`, `record` and `watch` read.

        Keys: ``base_url``, ``ws_url``, ``amqp_url``, ``couchdb_url``, ``switch_url``; by role
        ``accounts`` (``id``, ``realm``), ``users``, ``devices`` (ids), ``tokens``, and ``basic``
        (what stands behind ``Basic``)."""
        users = ("boss", "joe", "other")
        return {
            "base_url": self.base_url,
            "ws_url": self.ws_url,
            "amqp_url": self.amqp_url,
            "couchdb_url": self.couchdb_url,
            "switch_url": self.switch_url,
            "accounts": {
                role: {"id": account.id, "realm": account.realm} for role, account in data.accounts.items()
            },
            "users": {name: data.users[name].id for name in users},
            "devices": {name: device.id for name, device in data.devices.items()},
            "tokens": dict(self.tokens),
            "basic": {
                name: base64.b64encode(data.basic_credentials(name).encode()).decode() for name in users
            },
        }


class ConnectionFiles:
    """The files themselves, readable by their owner only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def token_file(self, name: str) -> Path:
        """Where one user's token is."""
        return self.folder / f"{name}.token"

    def write(self, connection: Connection, data: DataSet) -> None:
        """Write them all; ``connection.json`` last, since others wait for it."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, token in connection.tokens.items():
            self._write(self.token_file(name), token)
        self._write(self.folder / "connection.json", json.dumps(connection.content(data), indent=2) + "\n")

    def remove(self) -> None:
        """Take them away: what they tell of is gone."""
        for file in (self.folder / "connection.json", *self.folder.glob("*.token")):
            file.unlink(missing_ok=True)

    @staticmethod
    def _write(file: Path, text: str) -> None:
        # Readers never see half a file.
        draft = file.with_name(f".{file.name}.draft")
        draft.touch(mode=0o600)
        draft.write_text(text)
        draft.replace(file)
