"""The service against its own description: no generated request finds an answer that is not described."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

from crossbar_conferences.broker.memory import MemoryBroker, MemoryTransport
from crossbar_conferences.dataset import DataSet, mint_tokens, seed
from crossbar_conferences.describe import openapi
from crossbar_conferences.service import Service
from crossbar_conferences.settings import load
from crossbar_conferences.store.memory import MemoryStore

_SETTINGS = {"http_port": "0", "websocket_port": "0", "operations_port": "0", "live_mode": "search"}
_CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
)


def described() -> dict[str, object]:
    """The description without what cannot be checked so: JSONP is not JSON, a stream does not end."""
    document = json.loads(json.dumps(openapi.document("test")))
    for name in [path for path in document["paths"] if path.endswith("/events")]:
        del document["paths"][name]
    for path in document["paths"].values():
        for verb, operation in path.items():
            if verb != "parameters":
                operation["parameters"] = [one for one in operation["parameters"] if one["name"] != "jsonp"]
    return document


@pytest.fixture
def description(tmp_path: Path) -> Path:
    """The file that schemathesis reads: written before a loop runs, for files block."""
    file = tmp_path / "openapi.json"
    file.write_text(json.dumps(described()))
    return file


@pytest.mark.timeout(300)
async def test_generated_requests_find_nothing_undescribed(description: Path) -> None:
    """Schemathesis sends what the description allows, and more; every answer is one that it lists."""
    data, store = DataSet.fresh(), MemoryStore()
    await seed(store, data)
    tokens = await mint_tokens(store, data)
    settings = load(_SETTINGS, environ={}, candidates=())
    async with Service(settings, store, MemoryTransport(MemoryBroker())) as service:
        process = await asyncio.create_subprocess_exec(
            *(str(Path(sys.executable).parent / "schemathesis"), "run", str(description)),
            *("--url", service.base_url, "-H", f"X-Auth-Token: {tokens['boss']}"),
            *("--checks", ",".join(_CHECKS), "--phases", "fuzzing", "--max-examples", "10"),
            *("--seed", "1", "--continue-on-failure", "--request-timeout", "10", "--no-color"),
            cwd=description.parent,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()[-4000:]
