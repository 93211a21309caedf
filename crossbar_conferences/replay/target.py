"""The server that cases run against: addresses, accounts, tokens, and what cases call them."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import CrossbarConferencesError

_VARIABLE = re.compile(r"\{([A-Z][A-Z0-9_]*)\}")


class TargetInvalid(CrossbarConferencesError):
    """It cannot be told which server to run against."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where to send what. Addresses that are ``None`` leave cases out that need them."""

    base_url: str
    variables: Mapping[str, str] = field(default_factory=dict)
    ws_url: str | None = None
    amqp_url: str | None = None
    couchdb_url: str | None = None
    switch_url: str | None = None

    def token(self, who: str) -> str | None:
        """The token of ``boss``, ``joe``, ``master`` or ``other``."""
        return self.variables.get(f"T_{who.upper()}")

    @property
    def secrets(self) -> dict[str, str]:
        """Tokens and credentials, each with the name that may be shown instead; longest first."""
        found = {
            value: f"{{{name}}}"
            for name, value in self.variables.items()
            # What is shorter is no token, and would be found inside ordinary words.
            if name.startswith(("T_", "BASIC_")) and len(value) >= 8
        }
        return dict(sorted(found.items(), key=lambda item: -len(item[0])))

    def run_variables(self) -> dict[str, str]:
        """The variables of one run of one case: the target's, and fresh ``X``, ``N``, ``HEX``."""
        return {
            **self.variables,
            "X": "x" + secrets.token_hex(4),
            # Not with a zero in front: it is dialled and sent as a conference number.
            # Begins with 2 to 9, so that it can also be dialled as a number (dial.md 3.1).
            "N": str(20_000_000 + secrets.randbelow(80_000_000)),
            "HEX": secrets.token_hex(16),
        }


def read_connection(file: Path) -> Target:
    """The target that a ``connection.json`` describes (the demo writes one). Raises `TargetInvalid`."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TargetInvalid(f"{file}: {error}") from error
    return target_from_connection(content)


def target_from_connection(content: Mapping[str, Any]) -> Target:
    """The target that the content of a ``connection.json`` describes. Raises `TargetInvalid`."""
    base_url = content.get("base_url")
    if not isinstance(base_url, str):
        raise TargetInvalid("the connection names no base_url")
    return Target(
        base_url=base_url.rstrip("/"),
        variables=_variables(content),
        ws_url=content.get("ws_url"),
        amqp_url=content.get("amqp_url"),
        couchdb_url=content.get("couchdb_url"),
        switch_url=content.get("switch_url"),
    )


def target_from_options(url: str, token: str, account: str) -> Target:
    """A target of which only the address, one account and its administrator's token are known."""
    variables = {"A": account, "T_BOSS": token, "DB": _database(account)}
    return Target(base_url=url.rstrip("/"), variables=variables)


def substitute(value: Any, variables: Mapping[str, str]) -> Any:
    """A value with ``{NAME}`` replaced wherever the name is known."""
    if isinstance(value, str):
        return _VARIABLE.sub(lambda found: variables.get(found[1], found[0]), value)
    if isinstance(value, list):
        return [substitute(item, variables) for item in value]
    if isinstance(value, Mapping):
        return {substitute(key, variables): substitute(item, variables) for key, item in value.items()}
    return value


def names_in(value: Any) -> set[str]:
    """The names of the variables that a value uses."""
    if isinstance(value, str):
        return set(_VARIABLE.findall(value))
    if isinstance(value, list | tuple):
        return set().union(*(names_in(item) for item in value))
    if isinstance(value, Mapping):
        return set().union(*(names_in(key) | names_in(item) for key, item in value.items()))
    return set()


def _variables(content: Mapping[str, Any]) -> dict[str, str]:
    accounts, tokens = content.get("accounts", {}), content.get("tokens", {})
    found: dict[str, Any] = {}
    for variable, name in (("A", "main"), ("OTHER_A", "other"), ("MASTER_A", "parent")):
        found[variable] = accounts.get(name, {}).get("id")
    found["REALM"] = accounts.get("main", {}).get("realm")
    for prefix, group in (("U", "users"), ("D", "devices")):
        found.update({f"{prefix}_{name.upper()}": value for name, value in content.get(group, {}).items()})
    found.update({f"T_{name.upper()}": value for name, value in tokens.items()})
    found["BASIC_BOSS"] = content.get("basic", {}).get("boss")
    variables = {name: str(value) for name, value in found.items() if value}
    if "A" in variables:
        variables["DB"] = _database(variables["A"])
    return variables


def _database(account_id: str) -> str:
    """An account's database as Kazoo encodes it inside messages (data.md 1)."""
    return f"account%2F{account_id[:2]}%2F{account_id[2:4]}%2F{account_id[4:]}"
