"""A second sidecar of our node name is noticed, and said where operators look."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from crossbar_conferences.kapi.nodes import advertise
from tests.support.brokers import eventually
from tests.support.house import House

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def looked(house: House, path: str) -> tuple[int, str]:
    """What the operations port says."""
    async with house.http.get(house.service.operations_url + path) as answer:
        return answer.status, await answer.text()


async def bus_check(house: House) -> dict[str, Any]:
    """What `/readyz` says of the bus; it is ready in any case."""
    status, text = await looked(house, "/readyz")
    assert status == 200, text
    found: dict[str, Any] = orjson.loads(text)["checks"]["bus"]
    return found


async def speak(house: House, sidecar_id: str | None, expires_ms: int) -> None:
    """A heartbeat under the sidecar's own name."""
    body = advertise(
        house.service.bus.node, zone="local", expires_ms=expires_ms, apps={}, sidecar_id=sidecar_id
    ).body
    await house.stranger.publish("nodes", "", orjson.dumps(body))


@pytest.mark.parametrize("sidecar_id", ["elsewhere.example_12_ab", None])
async def test_another_process_of_our_name(house: House, sidecar_id: str | None) -> None:
    """It is said with its host, if it names one, until it falls silent; requests are served all the same."""
    assert "node_name_taken" not in await bus_check(house)
    assert "crossbar_conferences_node_name_taken 0.0" in (await looked(house, "/metrics"))[1]
    await speak(house, sidecar_id, 1_000)

    async def said() -> bool:
        return "node_name_taken" in await bus_check(house)

    async def silent() -> bool:
        return not await said()

    await eventually(said)
    told = (await bus_check(house)).get("node_name_taken", "")
    assert house.service.bus.node in told
    assert ("elsewhere.example" in told) is (sidecar_id is not None)
    assert "crossbar_conferences_node_name_taken 1.0" in (await looked(house, "/metrics"))[1]
    assert (await house.get(house.path())).status == 200
    await eventually(silent)


async def test_what_the_process_takes_is_measured(house: House) -> None:
    """Under Prometheus' standard names, beside the version that runs."""
    _, text = await looked(house, "/metrics")
    for name in ("resident_memory_bytes", "cpu_seconds_total", "open_fds", "max_fds", "start_time_seconds"):
        assert f"\nprocess_{name} " in text
    assert "crossbar_conferences_build_info{" in text
