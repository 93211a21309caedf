"""The store and the broker that the settings name."""

from __future__ import annotations

from collections import defaultdict

from ..broker.links import RabbitOptions
from ..broker.rabbit import RabbitTransport
from ..settings import Settings
from ..store.couch import CouchStore


def open_store(settings: Settings) -> CouchStore:
    """The document store; not opened yet."""
    return CouchStore(
        settings.couchdb_url,
        settings.couchdb_user or None,
        settings.couchdb_password or None,
        timeout=settings.store_timeout_seconds,
        connections=settings.store_connections,
    )


def open_transport(settings: Settings) -> RabbitTransport:
    """The brokers of our own zone and of the others; not started yet."""
    others: dict[str, list[str]] = defaultdict(list)
    for zone, url in settings.amqp_zone_urls:
        others[zone].append(url)
    longest = settings.broker_reconnect_seconds
    plain = RabbitOptions()
    return RabbitTransport(
        settings.amqp_urls,
        zone=settings.zone,
        other_zones=dict(others),
        options=RabbitOptions(
            own_ladder=tuple(min(pause, longest) for pause in plain.own_ladder),
            operate_within=settings.broker_timeout_seconds,
            connect_within=settings.broker_timeout_seconds,
            heartbeat=float(settings.broker_heartbeat_seconds),
        ),
    )
