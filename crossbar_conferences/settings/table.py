"""The one table of settings: name, default, type and help of each.

`Settings` is both the table and the value: every field carries its own row. A setting is called
``http_port`` here and under ``[crossbar_conferences]`` in ``config.ini``,
``CROSSBAR_CONFERENCES_HTTP_PORT`` in the environment and ``--http-port`` on the command line.
No setting may be called ``port``, ``host`` or ``service_…``: container orchestrators put
variables of such names into the environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple

Kind = Literal[
    "text", "integer", "number", "boolean", "choice", "texts", "networks", "url", "urls", "zone_urls"
]

ENVIRONMENT_PREFIX: Final = "CROSSBAR_CONFERENCES_"


class ZoneUrl(NamedTuple):
    """A broker of another zone."""

    zone: str
    url: str


@dataclass(frozen=True, slots=True)
class Setting:
    """One row: bounds are inclusive; ``None`` as a default means that it is found out at start."""

    name: str
    kind: Kind
    default: Any
    help: str
    secret: bool = False
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return ENVIRONMENT_PREFIX + self.name.upper()

    @property
    def flag(self) -> str:
        """The command-line flag that sets it."""
        return "--" + self.name.replace("_", "-")


def _row(
    kind: Kind,
    default: Any,
    text: str,
    *,
    secret: bool = False,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """A field of `Settings` that carries its row; what may hold a secret stays out of ``repr``."""
    row = Setting("", kind, default, text, secret, minimum, maximum, choices)
    readable = not secret and kind not in ("url", "urls", "zone_urls")
    return field(default=default, repr=readable, metadata={"row": row})


def _port(default: int, text: str) -> Any:
    return _row("integer", default, text + "; 0 takes any free port", minimum=0, maximum=65_535)


def _count(default: int, text: str, maximum: int = 10_000_000) -> Any:
    return _row("integer", default, text, minimum=1, maximum=maximum)


def _seconds(default: float, text: str) -> Any:
    return _row("number", default, text + ", in seconds", minimum=0.01, maximum=86_400)


def _milliseconds(default: int, text: str) -> Any:
    return _row("integer", default, text + ", in milliseconds", minimum=1, maximum=600_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The effective settings of a process, with the origin of each in ``origins``."""

    config_file: str | None = _row(
        "text", None, "Kazoo's config.ini; by default $KAZOO_CONFIG, then Kazoo's own places"
    )
    # What clients see.
    http_host: str = _row("text", "127.0.0.1", "address that the API listens on")
    http_port: int = _port(8000, "port of the API")
    workers: int = _row(
        "integer",
        0,
        "worker processes that share the ports; 0 serves from one process without a supervisor",
        minimum=0,
        maximum=64,
    )
    worker_silence_seconds: float = _row(
        "number",
        10.0,
        "how long a worker may give no sign of life before it is killed and replaced, in seconds",
        minimum=1,
        maximum=3600,
    )
    reuse_port: bool = _row("boolean", False, "let several processes listen on the same ports")
    websocket_host: str = _row("text", "127.0.0.1", "address that the websocket listens on")
    websocket_port: int = _port(5555, "port of the websocket")
    operations_host: str = _row("text", "127.0.0.1", "address of health checks and metrics")
    operations_port: int = _port(9100, "port of health checks and metrics")
    request_timeout_seconds: float = _seconds(
        30.0, "how long a request's body may take to come and its documents to be read"
    )
    header_timeout_seconds: float = _seconds(10.0, "how long the headers of a first request may take to come")
    send_timeout_seconds: float = _seconds(
        30.0, "how long a client may read nothing of its answer before it is disconnected"
    )
    unsent_bytes: int = _row(
        "integer",
        268_435_456,
        "bytes of answers that clients of one port may leave unread; beyond it the slowest are disconnected",
        minimum=1_000_000,
        maximum=1_000_000_000_000,
    )
    idle_timeout_seconds: float = _seconds(120.0, "how long an idle connection is kept")
    shutdown_timeout_seconds: float = _seconds(10.0, "how long running requests may take at shutdown")
    drain_seconds: float = _row(
        "number",
        0.0,
        "how long requests are still served at shutdown while /readyz answers 503, in seconds",
        minimum=0,
        maximum=600,
    )
    header_limit_bytes: int = _row(
        "integer",
        8190,
        "longest request line, and longest header, in bytes",
        minimum=512,
        maximum=1_000_000,
    )
    header_limit_count: int = _row("integer", 128, "most headers of a request", minimum=16, maximum=10_000)
    body_limit_bytes: int = _count(8_000_000, "largest request body, in bytes", maximum=1_000_000_000)
    anonymous_body_limit_bytes: int = _count(
        65_536, "largest body of a request without a token in its headers or query, in bytes", 1_000_000_000
    )
    body_memory_bytes: int = _row(
        "integer",
        268_435_456,
        "bytes of the bodies of all requests being served; a quarter for one address",
        minimum=65_536,
        maximum=1_000_000_000_000,
    )
    json_depth: int = _count(100, "most objects and arrays inside each other in a body", maximum=500)
    json_values: int = _count(20_000, "most values in a body")
    concurrent_requests: int = _count(1000, "requests served at once; more are refused")
    concurrent_requests_per_account: int = _count(
        500, "requests of one account that are served at once; more are refused"
    )
    waiting_requests: int = _count(
        10_000, "requests that wait for a command's effect or a dial's answer; more are refused"
    )
    waiting_requests_per_account: int = _count(1000, "requests of one account that wait so; more are refused")
    max_page_size: int = _count(1000, "largest page of a list")
    reverse_proxies: tuple[str, ...] | None = _row(
        "networks",
        None,
        "addresses and networks of proxies whose X-Forwarded-For is believed; by default those of"
        " system_config/crossbar",
    )
    # Who this node is.
    node_name: str = _row(
        "text", "", "name of this node in the cluster; by default crossbar_conferences@HOSTNAME"
    )
    zone: str = _row("text", "", "zone of this node; by default as Kazoo chooses it")
    # CouchDB.
    couchdb_url: str = _row("url", "", "CouchDB; by default the section of config.ini that [data] names")
    couchdb_user: str = _row("text", "", "user at CouchDB")
    couchdb_password: str = _row("text", "", "password at CouchDB", secret=True)
    store_timeout_seconds: float = _seconds(5.0, "longest time that one request to CouchDB may take")
    store_connections: int = _count(50, "connections to CouchDB", maximum=10_000)
    document_cache_size: int = _count(10_000, "documents kept in memory")
    document_cache_bytes: int = _row(
        "integer",
        67_108_864,
        "bytes of the documents kept in memory, as JSON; as many again for lists of them",
        minimum=65_536,
        maximum=1_000_000_000_000,
    )
    document_cache_seconds: float = _seconds(900.0, "how long a document is kept in memory")
    # RabbitMQ.
    amqp_urls: tuple[str, ...] = _row("urls", (), "brokers of this zone; by default those of config.ini")
    amqp_zone_urls: tuple[ZoneUrl, ...] = _row(
        "zone_urls", (), "brokers of other zones, as ZONE=URL; by default those of config.ini"
    )
    broker_timeout_seconds: float = _seconds(5.0, "longest time that one step at the broker may take")
    broker_heartbeat_seconds: int = _row(
        "integer", 10, "heartbeat towards the broker, in seconds", minimum=1, maximum=3600
    )
    broker_reconnect_seconds: float = _seconds(5.0, "longest pause between two attempts to connect")
    # Live data.
    live_mode: str = _row(
        "choice",
        "events",
        "follow conferences by their events, or ask the media servers at every request",
        choices=("events", "search"),
    )
    search_timeout_ms: int = _milliseconds(2000, "how long a search for conferences waits for nodes")
    reconcile_seconds: float = _seconds(60.0, "pause between two comparisons of live state with the switches")
    live_accounts: int = _count(10_000, "accounts followed at once")
    live_idle_seconds: float = _seconds(600.0, "how long an account is followed after its last use")
    # Documents.
    conference_numbers: int = _count(100, "numbers of one conference", maximum=10_000)
    # Commands.
    core: Literal["5", "master"] = _row(
        "choice",
        "5",
        "which ecallmgr runs in the cluster: Kazoo 5's, or that of the open core's master, which supports"
        " fewer actions",
        choices=("5", "master"),
    )
    set_action: bool = _row(
        "boolean",
        False,
        "offer the action set; only for an ecallmgr that passes on names that the media servers understand",
    )
    kick_all_with_slash: bool = _row(
        "boolean",
        True,
        "PUT …/participants/ with nobody's id kicks everybody, as in Kazoo; off: a 400",
    )
    channel_query_category: str = _row(
        "choice",
        "call_event",
        "event category under which ecallmgr takes channel queries: call_event on the open core, channel in"
        " Kazoo 5's source",
        choices=("call_event", "channel"),
    )
    dial_timeout_ms: int = _milliseconds(20_000, "how long a dial without a timeout rings")
    dial_endpoints: int = _count(100, "endpoints of one dial, and legs that they may become", maximum=10_000)
    private_media_hosts: tuple[str, ...] = _row(
        "texts",
        (),
        "hosts of the own network that sounds may be played from: names, IPv4 addresses or networks, each"
        " with or without :PORT",
    )
    wait_limit_ms: int = _milliseconds(30_000, "largest ?wait= of an action")
    idempotency_entries: int = _count(10_000, "answers kept for a repeated Idempotency-Key")
    idempotency_bytes: int = _row(
        "integer",
        67_108_864,
        "bytes of the answers kept for a repeated Idempotency-Key",
        minimum=65_536,
        maximum=1_000_000_000_000,
    )
    idempotency_seconds: float = _seconds(3600.0, "how long an answer is kept for a repeated Idempotency-Key")
    # Tokens and rate limits.
    charge_valid_tokens: bool = _row("boolean", False, "charge requests with a valid token too")
    rate_buckets: int = _count(100_000, "callers whose rate is remembered")
    key_cache_size: int = _count(1000, "signing keys kept in memory")
    basic_cache_size: int = _count(10_000, "Basic credentials kept in memory")
    # Websocket.
    websocket_sessions: int = _count(10_000, "websocket sessions of this process, and as many event streams")
    websocket_sessions_per_ip: int = _count(
        100, "websocket sessions of one address, and as many event streams"
    )
    websocket_sessions_per_account: int = _count(
        1000, "websocket sessions of one account, and as many event streams"
    )
    websocket_bindings_per_account: int = _count(
        20_000, "subscriptions of all websocket sessions of one account"
    )
    event_streams_per_token: int = _count(100, "event streams of one token")
    websocket_frame_bytes: int = _row(
        "integer", 65_536, "largest frame from a websocket client, in bytes", minimum=1024, maximum=16_777_216
    )
    websocket_queue: int = _count(1000, "events that wait for one slow session", maximum=1_000_000)
    websocket_queue_bytes: int = _row(
        "integer",
        1_000_000,
        "bytes that wait for one slow session",
        minimum=65_536,
        maximum=1_000_000_000,
    )
    websocket_memory_bytes: int = _row(
        "integer",
        256_000_000,
        "bytes that wait for all slow sessions; a quarter of it for those of one account",
        minimum=1_000_000,
        maximum=100_000_000_000,
    )
    websocket_token_seconds: float = _seconds(10.0, "how long a session may be without a token")
    websocket_idle_seconds: float = _seconds(3600.0, "how long a silent session is kept")
    # Logs.
    log_level: str = _row(
        "choice", "info", "lowest level that is logged", choices=("debug", "info", "warning", "error")
    )
    log_format: str = _row(
        "choice", "json", "one JSON object a line, or text for people", choices=("json", "console")
    )

    #: Where each value comes from: ``default``, ``file:line``, a variable or a flag.
    origins: Mapping[str, str] = field(
        default_factory=lambda: MappingProxyType({}), compare=False, repr=False
    )


def _table() -> tuple[Setting, ...]:
    rows = []
    for entry in fields(Settings):
        row = entry.metadata.get("row")
        if isinstance(row, Setting):
            rows.append(
                Setting(
                    entry.name,
                    row.kind,
                    row.default,
                    row.help,
                    row.secret,
                    row.minimum,
                    row.maximum,
                    row.choices,
                )
            )
    return tuple(rows)


#: Every setting, in the order in which it is shown.
SETTINGS: Final = _table()

_BY_NAME: Final = {row.name: row for row in SETTINGS}


def setting(name: str) -> Setting:
    """The row of that name. Raises `KeyError`."""
    return _BY_NAME[name]
