"""Every recorded case and every example, against the sidecar on real services."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from crossbar_conferences.broker.bus import Bus
from crossbar_conferences.broker.rabbit import RabbitTransport
from crossbar_conferences.kapi import configuration
from crossbar_conferences.replay import report
from crossbar_conferences.replay.loading import load_cases
from crossbar_conferences.replay.model import Case
from crossbar_conferences.replay.results import CaseResult, Outcome
from crossbar_conferences.replay.runner import Runner
from crossbar_conferences.replay.target import target_from_connection
from crossbar_conferences.store.couch import CouchStore
from tests.support.brokers import eventually

ROOT = Path(__file__).parents[2]
CASES = load_cases([ROOT / "fixtures"])
#: Recorded with the module of endpoints that builds complete legs.
RICH_CASES = load_cases([ROOT / "fixtures" / "recorded"], variant="new-v4")

#: What a case may end as. ``UNTRUSTED`` ran, and nothing of it can be taken as a model.
GOOD = frozenset({Outcome.HELD, Outcome.DEVIATION, Outcome.UNTRUSTED})


@pytest.fixture(scope="module")
def results(request: pytest.FixtureRequest) -> Iterator[list[CaseResult]]:
    """Gathers the results and prints how many ended which way."""
    gathered: list[CaseResult] = []
    yield gathered
    reporter = request.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and gathered:
        numbers = ", ".join(f"{number} {outcome}" for outcome, number in report.counts(gathered).items())
        reporter.write_line("")
        reporter.write_line(f"fixtures: {len(gathered)} cases: {numbers}")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
async def test_case(case: Case, live_sidecar: Mapping[str, Any], results: list[CaseResult]) -> None:
    """The sidecar answers and publishes what the case expects, or what a named deviation says."""
    async with Runner(target_from_connection(live_sidecar), allow_writes=True) as runner:
        result = await runner.run(case)
    results.append(result)
    assert result.outcome in GOOD, f"{result.outcome}\n{report.describe(result)}"


async def test_the_operators_settings_of_endpoints(live_sidecar: Mapping[str, Any]) -> None:
    """With the module that builds complete legs chosen in ``system_config/kazoo_endpoint``, dials are as
    recorded with it; without a restart, from the notice of the change on."""
    store = CouchStore(live_sidecar["couchdb_url"])
    bus = Bus(RabbitTransport([live_sidecar["amqp_url"]]), "operator@test.local", advertise=False)
    document = {"_id": "kazoo_endpoint", "default": {"endpoint_module": "kz_endpoint_v4"}}
    await store.open()
    await bus.start()
    try:
        await eventually(lambda: bus.connected)
        rev = await store.put("system_config", document)
        told = {**document, "_rev": rev}
        await bus.cast(configuration.document_change("created", "system_config", told, bus.origin()))
        await eventually(lambda: _legs_are("contact", live_sidecar))
        async with Runner(target_from_connection(live_sidecar), allow_writes=True) as runner:
            results = [await runner.run(case) for case in RICH_CASES]
        await store.delete("system_config", "kazoo_endpoint", rev)
        await bus.cast(configuration.document_change("deleted", "system_config", told, bus.origin()))
        await eventually(lambda: _legs_are("endpoint", live_sidecar))
    finally:
        await bus.close()
        await store.close()
    # Where it was recorded nobody had registered, so what became of the legs is another matter; and the
    # open core's endpoints know no SIP URI, which the seed documentation has (the last step).
    ours = [
        difference
        for result in results
        for step in result.steps
        if (result.case.id, step.number) != ("dial-mixture", 5)
        for difference in step.differences
        if difference.path[:2] != ("data", "endpoint_responses")
    ]
    assert ours == []
    assert len(results) == 3 and all(result.steps for result in results)


async def _legs_are(invite_format: str, sidecar: Mapping[str, Any]) -> bool:
    """Whether a dial of a device would have legs of this format now."""
    path = f"/v2/accounts/{sidecar['accounts']['main']['id']}/conferences/sample-room?dry_run=true"
    data = {"action": "dial", "data": {"endpoints": [next(iter(sidecar["devices"].values()))]}}
    headers = {"X-Auth-Token": sidecar["tokens"]["boss"]}
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.put(sidecar["base_url"] + path, json=data) as answer,
    ):
        (message,) = (await answer.json())["data"]["messages"]
    return {leg["Invite-Format"] for leg in message["body"]["Endpoints"]} == {invite_format}
