"""All checks of one set-up, those of different services at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass

import aiohttp

from ..broker.rabbit import RabbitTransport
from ..settings import Settings
from ..store.couch import CouchStore
from . import brokers, configuration, documents, sidecars, tokens
from .findings import Finding


@dataclass(frozen=True, slots=True)
class Patient:
    """What is looked at. ``store`` and ``transport`` are as the settings name them, not opened yet."""

    settings: Settings
    environ: Mapping[str, str]
    store: CouchStore
    transport: RabbitTransport
    token: str | None = None


async def examine(patient: Patient, listen_for: float) -> list[Finding]:
    """Everything that is found; ``listen_for`` seconds at most for nodes of Kazoo's."""
    settings = patient.settings
    async with asyncio.TaskGroup() as group:
        store_side = group.create_task(_all(_store_side(patient)))
        is_ours = group.create_task(_is_ours(settings))
        broker_side = group.create_task(_broker_side(patient, listen_for, is_ours))
        sidecar = group.create_task(sidecars.check_sidecar(settings))
    # Names of hosts may have to be looked up.
    ports = await asyncio.to_thread(list, configuration.check_ports(settings, is_ours.result()))
    return [
        *configuration.check_settings(settings, patient.environ),
        *ports,
        *store_side.result(),
        *broker_side.result(),
        *sidecar.result(),
    ]


async def _broker_side(patient: Patient, listen_for: float, is_ours: asyncio.Task[bool]) -> list[Finding]:
    checks = brokers.check_brokers(patient.settings, patient.transport, listen_for, await is_ours)
    return await _all(checks)


async def _store_side(patient: Patient) -> AsyncGenerator[Finding, None]:
    store = patient.store
    await store.open()
    try:
        async for finding in documents.check_store(patient.settings, store):
            yield finding
        if patient.token is not None:
            yield await tokens.check_token(patient.settings, store, patient.token)
    finally:
        await store.close()


async def _all(findings: AsyncGenerator[Finding, None]) -> list[Finding]:
    async with aclosing(findings):
        return [finding async for finding in findings]


async def _is_ours(settings: Settings) -> bool:
    """Whether a sidecar answers on the operations port."""
    url = f"http://{settings.operations_host}:{settings.operations_port}/healthz"
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2.0)) as http,
            http.get(url) as answer,
        ):
            return bool(await answer.json() == {"status": "ok"})
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return False
