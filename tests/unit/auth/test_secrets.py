from __future__ import annotations

import base64
import traceback

import pytest
from structlog.testing import capture_logs

from crossbar_conferences.auth import AuthFailure, MintError, mint
from crossbar_conferences.auth.keys import ATTACHMENT
from crossbar_conferences.store.port import StoreUnreachable

from .conftest import BOSS, MAIN, PARENT, SERVER_SECRET, World, database


def variants(token: str) -> list[str]:
    """A token, and damaged ones that fail at every step of the way."""
    header, claims, signature = token.split(".")
    return [
        token,
        f"{header}.{claims}",
        f"{header}.{claims}.{signature[:-4]}",
        f"{header}.{claims}.{signature[::-1]}",
        f"{header}.{claims[::-1]}.{signature}",
        f"{header[::-1]}.{claims}.{signature}",
        f"{header}.{claims}.{signature}.{signature}",
        token + "x" * 20_000,
        token + "é",
    ]


async def test_nothing_secret_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """No error text, no traceback and no log line holds a token, a key, a password's hash or a secret."""
    told: list[str] = []
    hashed = str(world.databases[database(MAIN)][BOSS]["pvt_md5_auth"])
    basic = base64.b64encode(f"{MAIN}:{hashed}".encode()).decode()
    token = await world.token()
    texts = [
        *variants(token),
        await world.token(expires_in=-1),
        await world.token_with({"identity_sig": "forged-signature"}),
        await world.token_with({"as": {"account_id": PARENT, "owner_id": BOSS}}),
        "a-secret-bearer-id",
        basic,
        basic[::-1],
    ]

    async def attempt_all() -> None:
        room = world.room()
        for kind in ("x-auth-token", "bearer", "basic", "unknown"):
            for text in texts:
                try:
                    told.append(repr(await room.authenticate(kind, text)))
                except (AuthFailure, StoreUnreachable) as error:
                    told.extend(traceback.format_exception(error))
                    told.append(repr(error.__context__))

    with capture_logs() as lines:
        await attempt_all()
        world.change(database(MAIN), BOSS, pvt_signature_secret="another-secret")
        await attempt_all()
        world.attachments["system_auth", world.key.key_id] = world.key.pem + world.key.pem
        await attempt_all()
        with pytest.raises(MintError) as caught:
            await mint(world, MAIN, BOSS)
        told.extend(traceback.format_exception(caught.value))
        world.attachments["system_auth", world.key.key_id] = world.key.pem[:800]
        await attempt_all()
        world.unreachable = True
        await attempt_all()
    assert any(line["event"] == "credentials_refused" for line in lines)
    assert any(line["event"] == "signing_key_unusable" for line in lines)
    everything = "\n".join([*told, *map(repr, lines)])
    header, claims, signature = token.split(".")
    hidden = [header, claims, signature, signature[::-1], claims[::-1], hashed, basic, "forged-signature",
              "a-secret-bearer-id", "another-secret", "secret of", SERVER_SECRET, "PRIVATE KEY"]  # fmt: skip
    hidden += [line for line in world.key.pem.decode().splitlines() if len(line) > 30]
    assert [word for word in hidden if word in everything] == []
    assert ATTACHMENT not in everything
