"""What a worker is told at its start: its number, and the file descriptors that it inherits."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass

import orjson


@dataclass(frozen=True, slots=True)
class Spec:
    """``index`` counts from 0; ``control`` is its end of the channel; ``sockets`` are listening, by name."""

    index: int
    control: int
    sockets: Mapping[str, int]
    #: What tells this host's workers from another sidecar of the same node name; ``None`` when a supervisor
    #: of an older version does not say it.
    sidecar_id: str | None = None

    def text(self) -> str:
        """As a command-line argument."""
        content = {
            "index": self.index,
            "control": self.control,
            "sockets": dict(self.sockets),
            "sidecar_id": self.sidecar_id,
        }
        return orjson.dumps(content).decode()

    @classmethod
    def read(cls, text: str) -> Spec:
        """Back from the argument. Raises `ValueError`."""
        try:
            content = orjson.loads(text)
            sockets = {str(name): int(number) for name, number in content["sockets"].items()}
            sidecar_id = content.get("sidecar_id")
            return cls(
                int(content["index"]),
                int(content["control"]),
                sockets,
                sidecar_id if isinstance(sidecar_id, str) else None,
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError("this is no description of a worker") from error

    def open(self) -> tuple[socket.socket, dict[str, socket.socket]]:
        """The channel's end and the listening sockets, by name."""
        listening = {name: socket.socket(fileno=number) for name, number in self.sockets.items()}
        return socket.socket(fileno=self.control), listening
