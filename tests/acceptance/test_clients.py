"""Published client libraries, unchanged, against the running sidecar.

Both are from PyPI. They send, read and judge answers in their own way (realtime-ui-tests.md B.4).
Monster UI and the PHP SDK are held by what they send, in ``fixtures/clients/``.
"""

from __future__ import annotations

import importlib
import json
import uuid
from collections.abc import Mapping
from typing import Any

import pytest
from pykazoo.conferences import Conferences
from pykazoo.restrequest import RestRequest

#: What both libraries' own requests wait for at most; they set no bound themselves.
pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def kazoo(monkeypatch: pytest.MonkeyPatch) -> Any:
    """``kazoo-sdk``. It replaces the decoder of all JSON in its process, which ends with the test."""
    monkeypatch.setattr(json, "_default_decoder", json._default_decoder)  # type: ignore[attr-defined]
    return importlib.reload(importlib.import_module("kazoo"))


@pytest.fixture
def sdk(kazoo: Any, live_sidecar: Mapping[str, Any]) -> Any:
    """Its client, logged in: its login goes to crossbar, so it gets a token made elsewhere."""
    client = kazoo.Client(api_key="unused", base_url=f"{live_sidecar['base_url']}/v2")
    client.auth_token, client._authenticated = live_sidecar["tokens"]["boss"], True
    return client


def test_kazoo_sdk_keeps_conferences(sdk: Any, live_sidecar: Mapping[str, Any]) -> None:
    """Create, list, read, change and delete through the methods that the SDK makes for the resource."""
    account = live_sidecar["accounts"]["main"]["id"]
    name = f"sdk {uuid.uuid4().hex}"
    made = sdk.create_conference(account, {"name": name})
    conference = made["data"]["id"]
    assert made["status"] == "success"
    assert conference in [item["id"] for item in sdk.get_conferences(account)["data"]]
    read = sdk.get_conference(account, conference)["data"]
    assert read["name"] == name
    # It sends back all that it got, as its users do.
    changed = sdk.update_conference(account, conference, {**read, "name": f"{name} 2"})
    assert changed["data"]["name"] == f"{name} 2"
    assert sdk.delete_conference(account, conference)["status"] == "success"
    assert conference not in [item["id"] for item in sdk.get_conferences(account)["data"]]


def test_kazoo_sdk_knows_a_mistake(kazoo: Any, sdk: Any, live_sidecar: Mapping[str, Any]) -> None:
    """An error is one of the SDK's own exceptions, with what was wrong in it."""
    account = live_sidecar["accounts"]["main"]["id"]
    with pytest.raises(kazoo.exceptions.KazooApiBadDataError, match="name"):
        sdk.create_conference(account, {"name": 7})
    with pytest.raises(kazoo.exceptions.KazooApiError):
        sdk.delete_conference(account, uuid.uuid4().hex)


def test_pykazoo_keeps_conferences(live_sidecar: Mapping[str, Any]) -> None:
    """The other library takes only 200 and 201, and its users write the envelope themselves."""
    account = live_sidecar["accounts"]["main"]["id"]
    conferences = Conferences(RestRequest(f"{live_sidecar['base_url']}/v2", live_sidecar["tokens"]["boss"]))
    name = f"py {uuid.uuid4().hex}"
    made = conferences.create_conference(account, {"data": {"name": name, "ui_metadata": {"ui": "py"}}})
    conference = made["data"]["id"]
    found = conferences.get_conferences(account, {"filter_name": name})["data"]
    assert [item["id"] for item in found] == [conference]
    assert conferences.get_conference(account, conference)["data"]["name"] == name
    conferences.delete_conference(account, conference)
    assert conferences.get_conferences(account, {"filter_name": name})["data"] == []
