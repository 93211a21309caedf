"""The files that tell other tools where the demo is."""

from __future__ import annotations

import base64
import json
import stat
from pathlib import Path

from crossbar_conferences.dataset import DataSet
from crossbar_conferences.demo.connection import Connection, ConnectionFiles

TOKENS = {"boss": "b", "joe": "j", "master": "m", "other": "o"}
CONNECTION = Connection("http://127.0.0.1:1", None, None, None, "http://127.0.0.1:2/", TOKENS)


def test_content_names_everybody_and_everything() -> None:
    """The object has the documented keys, with the ids of the data set."""
    data = DataSet.demo()
    content = CONNECTION.content(data)
    assert content["base_url"] == "http://127.0.0.1:1"
    assert content["ws_url"] is None
    assert content["amqp_url"] is None
    assert set(content["accounts"]) == {"main", "other", "parent"}
    assert content["accounts"]["main"] == {"id": data.main.id, "realm": data.main.realm}
    assert content["users"] == {name: data.users[name].id for name in ("boss", "joe", "other")}
    assert content["devices"] == {name: device.id for name, device in data.devices.items()}
    assert content["tokens"] == TOKENS


def test_basic_is_account_and_hash() -> None:
    """What stands behind Basic is base64 of the account id, a colon and the MD5 of username:password."""
    data = DataSet.demo()
    decoded = base64.b64decode(CONNECTION.content(data)["basic"]["boss"]).decode()
    account, _, digest = decoded.partition(":")
    assert account == data.main.id
    assert len(digest) == 32


def test_files_are_the_owners_alone_and_go_again(tmp_path: Path) -> None:
    """Connection and tokens are readable by their owner only, and nothing is left after removal."""
    files = ConnectionFiles(tmp_path / ".demo")
    files.write(CONNECTION, DataSet.demo())
    written = sorted(file.name for file in files.folder.iterdir())
    assert written == ["boss.token", "connection.json", "joe.token", "master.token", "other.token"]
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in files.folder.iterdir())
    assert json.loads((files.folder / "connection.json").read_text())["switch_url"] == "http://127.0.0.1:2/"
    assert files.token_file("joe").read_text() == "j"
    files.remove()
    assert list(files.folder.iterdir()) == []
