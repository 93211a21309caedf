"""The only wiring place: opens every resource, builds the HTTP applications, closes it all again."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from functools import partial

import structlog

from .addresses import TrustedProxies
from .api.actions import Actions
from .api.body import BodyLimits
from .api.conferences import CollectionHandler, DocumentHandler
from .api.envelope import frame
from .api.events import EventsHandler
from .api.exchange import Answer
from .api.gate import ADMISSION_BYTES, ADMISSIONS, ADMISSIONS_EACH, Gate
from .api.invites import Calendar, InvitesHandler
from .api.links import GuestLoginHandler, Links, PublicLinkHandler
from .api.listeners import Listeners
from .api.load import Load, LoadLimits
from .api.participants import ParticipantHandler, ParticipantsHandler
from .api.pipeline import Handler, Pipeline, Streamer
from .api.reading import Reader
from .api.reception import Reception
from .api.refusals import Refusals
from .api.renderings import Renderings
from .api.repeats import ANSWERS, Repeats
from .api.running import RunningConferences
from .api.saving import Saver
from .api.sockets import CatalogueHandler, SocketHandler, SocketsHandler
from .api.standing import Standing
from .auth.buckets import TokenBuckets
from .auth.charging import Charger, OwnCharger
from .auth.gate import AuthRoom
from .auth.guesses import Guesses
from .auth.guest_keys import GuestKeys
from .auth.system_config import CrossbarConfig, SystemConfig
from .broker.advertiser import new_sidecar_id
from .broker.bus import Bus
from .broker.port import Queue, Transport
from .changes import BINDINGS, Changes
from .clock import Clock
from .commands.announcer import Announcer
from .commands.dial_settings import endpoint_config
from .commands.dialer import Dialer
from .commands.executor import Executor
from .commands.idempotency import ALONE, Claims, IdempotencyKeys
from .commands.inviter import Inviter
from .commands.ownership import Ownership
from .commands.sweeping import Sweeper
from .conference import live as live_events
from .conference import presentation
from .conference.actions_table import MediaSide
from .live.calls import CallEnds
from .live.choice import chosen
from .live.feed import EventFeed
from .live.port import Live
from .live.tracker import Tracker
from .metrics import Metrics
from .operations import Operations
from .settings import Settings
from .sockets.guard import SocketGuard
from .sockets.hub import Hub
from .sockets.reviews import Reviews
from .sockets.room import SocketRoom
from .sockets.server import SocketServer
from .sockets.stream import EventStreams
from .store.cache import DocumentCache
from .store.counters import Counters as StoreCounters
from .store.derived import Derived
from .store.documents import Documents
from .store.health import Health
from .store.meetings import Meetings
from .store.owners import Owners
from .store.pages import PageCache
from .store.port import Store, StoreError
from .store.recordings import Recordings
from .store.reservations import Reservations

log = structlog.get_logger(__name__)

#: What the envelope says the cluster's version is, when the operator does not say.
KAZOO_VERSION = "5.0.0"


@dataclass(frozen=True, slots=True)
class Share:
    """What a worker has in common with the other workers of its host (``workers/``).

    ``sockets``: listening already, by name (``api``, ``websocket``). ``advertise``: whether this
    one sends the heartbeats for all of them, who have one node name. ``charger``: their rate tokens.
    ``claims``: who of them does what comes with an Idempotency-Key. ``sidecar_id``: tells them all from
    another sidecar of the same node name.
    """

    sockets: Mapping[str, socket.socket]
    advertise: bool
    charger: Charger
    claims: Claims
    sidecar_id: str | None


class Service:
    """A running sidecar: ``async with Service(settings, store, transport) as service``.

    Owns the store and the transport that it is given. Starts while either is away. With ``share``
    it is one of several processes, and its operations port is any free one on loopback.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        transport: Transport,
        *,
        clock: Clock = time.time,
        share: Share | None = None,
    ) -> None:
        self.settings = settings
        self.store = store
        self.clock = clock
        #: Whether the store can be used, as its adapter found; one in memory always can.
        self.store_health: Health = getattr(store, "health", None) or Health()
        # What is only kept for a while is counted by a clock that nobody sets.
        steady = time.monotonic
        self.share = share
        #: Set when we are about to go: we still serve, but nobody should send us more.
        self.leaving = False
        self.bus: Bus = Bus(
            transport,
            settings.node_name,
            advertise=share is None or share.advertise,
            sidecar_id=new_sidecar_id() if share is None else share.sidecar_id,
        )
        self.charger: Charger = (
            OwnCharger(TokenBuckets(limit=settings.rate_buckets)) if share is None else share.charger
        )
        self.guesses: Guesses = Guesses(self.charger)
        self.feed: EventFeed = EventFeed(self.bus, clock)
        self.calls = CallEnds(self.bus)
        self.cache: DocumentCache = DocumentCache(
            store,
            steady,
            limit=settings.document_cache_size,
            size=settings.document_cache_bytes,
            keep=settings.document_cache_seconds,
        )
        self.pages: PageCache = PageCache(
            store,
            steady,
            limit=settings.document_cache_size,
            size=settings.document_cache_bytes,
            keep=settings.document_cache_seconds,
        )
        self.system = SystemConfig(self.cache, settings.node_name, settings.zone, self.cache)
        self.auth = AuthRoom(
            self.cache,
            store,
            self.system,
            key_cache_size=settings.key_cache_size,
            basic_cache_size=settings.basic_cache_size,
            guesses=self.guesses,
            clock=clock,
            changes=self.cache,
            guest_keys=GuestKeys(store, steady),
        )
        self.announcer: Announcer = Announcer(self.bus)
        self.documents = Documents(store, self.cache, self.announcer.announce, self.pages)
        self.reservations = Reservations(store, clock)
        self.owners = Owners(store, self.reservations, steady, clock)
        self.live: Live = chosen(settings, self.bus, self.feed, clock, steady)
        self.hub: Hub = Hub(self.bus, self.feed, clock)
        self.ownership = Ownership(self.live, self.owners)
        self._guard = SocketGuard(self.auth, self.documents, self.live, self.ownership)
        self.room: SocketRoom = SocketRoom(settings, self.hub, self._guard, clock, presentation.metadata)
        self.reviews: Reviews = self.room.reviews
        self.streams: EventStreams = self.room.streams
        self.sweeper: Sweeper = Sweeper(store, self.bus, self.live, steady, clock)
        self.changes = Changes(self.cache, self.pages, self.auth, self.reviews, self.sweeper)
        self.executor: Executor = Executor(self.bus, self.feed, self.live, clock)
        self.inviter: Inviter = Inviter(self.bus, store, clock)
        self.sockets: SocketServer
        self.metrics: Metrics = Metrics(self)
        self.load: Load = Load(LoadLimits.of(settings), self.metrics.observe_request)
        self.claims: Claims = ALONE if share is None else share.claims
        self.keys: IdempotencyKeys[Answer] = IdempotencyKeys(
            steady,
            ANSWERS,
            keep=settings.idempotency_seconds,
            limit=settings.idempotency_entries,
            size=settings.idempotency_bytes,
            claims=self.claims,
        )
        self._stack = AsyncExitStack()
        refusals = Refusals(frame(settings.node_name, KAZOO_VERSION, False), clock)
        sockets = {} if share is None else share.sockets
        self.listeners: Listeners = Listeners(settings, sockets, refusals.answer)

    async def __aenter__(self) -> Service:
        try:
            await self._open()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *reason: object) -> None:
        await self._stack.aclose()

    @property
    def base_url(self) -> str:
        """Where the API is served."""
        return self.listeners.urls["api"]

    @property
    def ws_url(self) -> str:
        """Where the websocket is served."""
        return self.listeners.urls["websocket"].replace("http", "ws", 1)

    @property
    def operations_url(self) -> str:
        """Where operators look."""
        return self.listeners.urls["operations"]

    @property
    def store_counters(self) -> StoreCounters:
        """What the store's adapter counted."""
        found = getattr(self.store, "counters", None)
        return found if isinstance(found, StoreCounters) else StoreCounters()

    async def _open(self) -> None:
        stack = self._stack
        if hasattr(self.store, "observer"):
            self.store.observer = self.metrics.observe_store
        await self.store.open()
        stack.push_async_callback(self.store.close)
        stack.push_async_callback(self.cache.close)
        stack.push_async_callback(self.pages.close)
        await self.owners.start()
        stack.push_async_callback(self.owners.close)
        self.bus.on_state(self.changes.set_feed)
        stack.push_async_callback(self.bus.close)
        await self.bus.start()
        await self.feed.start()
        await self.calls.start()
        stack.push_async_callback(self.calls.close)
        stack.push_async_callback(self.announcer.close)
        await self.live.start()
        stack.push_async_callback(self.live.close)
        if self.share is None or self.share.advertise:
            # One of a host's workers is enough.
            await self.sweeper.start()
            stack.push_async_callback(self.sweeper.close)
        await self.hub.start()
        stack.push_async_callback(self.hub.close)
        await self.reviews.start()
        stack.push_async_callback(self.reviews.close)
        stack.push_async_callback(self.inviter.close)
        stack.push_async_callback(self.executor.resender.close)
        stack.push_async_callback(self.keys.close)
        # Notices of changed documents come in bursts when Kazoo migrates.
        await self.bus.listen(
            self.changes.hear,
            BINDINGS,
            queue=Queue(max_length=20_000),
            federate=True,
            on_gap=lambda: self.changes.set_feed(self.bus.connected),
        )
        await self._note_operators_events()
        if self.share is not None:
            await self._wait_for_broker()
        await self._serve()

    async def _wait_for_broker(self) -> None:
        """The other workers serve already: one more is of use once it can do what they can."""
        up = asyncio.Event()
        self.bus.on_state(lambda connected: up.set() if connected else None)
        if not self.bus.connected:
            with suppress(TimeoutError):
                async with asyncio.timeout(self.settings.broker_timeout_seconds):
                    await up.wait()

    async def _serve(self) -> None:
        settings = self.settings
        config = await self._crossbar_config()
        proxies = settings.reverse_proxies
        if proxies is None:
            proxies = tuple(config.reverse_proxies) if config.check_reverse_proxies else ()
        trusted, unreadable = TrustedProxies.of_readable(proxies)
        if unreadable:
            log.warning("reverse_proxies_unreadable", texts=unreadable)
        self.sockets = self.room.server(trusted)
        pipeline = self._pipeline(trusted, config.include_auth_token)
        listen = self.listeners.listen
        self._stack.push_async_callback(self.listeners.close)
        await listen("api", pipeline.handle, settings.http_host, settings.http_port)
        await listen("websocket", self.sockets.handle, settings.websocket_host, settings.websocket_port)
        own = (settings.operations_host, settings.operations_port)
        where = own if self.share is None else ("127.0.0.1", 0)
        await listen("operations", Operations(self).handle, *where, until_closed=True)
        # Before the listeners close: clients hear that we go, then running requests get their time.
        self._stack.push_async_callback(self._finish_requests)
        self._stack.push_async_callback(self.sockets.close)
        self._stack.push_async_callback(self.streams.close)
        # Whoever is told to go, and comes again at once, must come to another process.
        self._stack.push_async_callback(self.listeners.stop_accepting)

    async def _finish_requests(self) -> None:
        # aiohttp would wait too, but hears no client any more while it does: a body would never end.
        if not await self.load.over(self.settings.shutdown_timeout_seconds):
            log.warning("requests_cut_short", running=self.load.running)

    def _pipeline(self, proxies: TrustedProxies, include_auth_token: bool) -> Pipeline:
        settings = self.settings
        gate = Gate(
            self.auth,
            self.system,
            self.charger,
            self.clock,
            Derived(
                self.cache,
                time.monotonic,
                limit=ADMISSIONS,
                each=ADMISSIONS_EACH,
                size=ADMISSION_BYTES,
            ),
            charge_valid_tokens=settings.charge_valid_tokens,
        )
        reader = Reader(self.documents, self.live, self.ownership, self.clock, Renderings())
        standing = Standing(gate, reader, self.reviews)
        saver = Saver(self.documents, self.reservations, self.announcer, settings.conference_numbers)
        media_side = MediaSide(settings.core, settings.set_action)
        dialer = Dialer(
            self.bus,
            self.live,
            self.feed,
            self.calls,
            self.documents,
            partial(endpoint_config, self.cache.documents, self.system, settings.private_media_hosts),
            channel_timeout=settings.search_timeout_ms / 1000,
            channel_category=settings.channel_query_category,
            media_side=media_side,
        )
        repeats = Repeats(self.keys, standing)
        actions = Actions(
            reader,
            self.executor,
            dialer,
            repeats,
            standing,
            Recordings(self.store, self.clock),
            settings.wait_limit_ms,
            settings.dial_timeout_ms,
            settings.dial_endpoints,
            settings.private_media_hosts,
            media_side,
            settings.kick_all_with_slash,
        )
        links = Links(self.documents, self.cache, self.system, self.auth, self.clock)
        meetings = Meetings(self.store)
        document = DocumentHandler(reader, self.documents, saver, actions, self.system)
        participants = ParticipantsHandler(reader, actions)
        handlers: Mapping[str, Handler] = {
            "collection": CollectionHandler(
                reader,
                self.documents,
                RunningConferences(reader, self.documents),
                saver,
                self.system,
                settings.max_page_size,
            ),
            "document": document,
            "participants": participants,
            "participant": ParticipantHandler(reader, actions),
            "email_invite": InvitesHandler(reader, self.documents, meetings, self.inviter, repeats),
            "public_link": PublicLinkHandler(links),
            "guest_login": GuestLoginHandler(links, gate, self.guesses),
            "websocket_catalogue": CatalogueHandler(),
            "websockets": SocketsHandler(self.sockets, self.documents),
            "websocket": SocketHandler(self.sockets, self.documents),
        }
        streamers: Mapping[str, Streamer] = {
            "calendar": Calendar(reader, self.documents, meetings).stream,
            "events": EventsHandler(reader, self.streams, self._guard, standing).stream,
        }
        return Pipeline(
            gate=gate,
            handlers=handlers,
            websocket=self.sockets.handle,
            recalls={"document": document.recall, "participants": participants.recall},
            streamers=streamers,
            frame=frame(settings.node_name, KAZOO_VERSION, include_auth_token),
            clock=self.clock,
            reception=Reception(BodyLimits.of(settings), proxies),
            seconds=settings.request_timeout_seconds,
            load=self.load,
            forget_account=self.changes.forget_account,
        )

    async def _crossbar_config(self) -> CrossbarConfig:
        try:
            async with asyncio.timeout(self.settings.store_timeout_seconds):
                return await self.system.crossbar()
        except (StoreError, TimeoutError) as error:
            log.warning("system_config_unreadable", reason=str(error))
            return CrossbarConfig()

    async def _note_operators_events(self) -> None:
        """Say so when the operator publishes too few events to follow conferences by them."""
        try:
            async with asyncio.timeout(self.settings.store_timeout_seconds):
                published = await self.system.value("ecallmgr", "publish_conference_event")
        except (StoreError, TimeoutError):
            return
        if isinstance(published, list) and not set(published) >= live_events.NEEDED_EVENTS:
            missing = sorted(live_events.NEEDED_EVENTS - set(published))
            log.warning("events_narrowed", missing=missing, consequence="every read searches")
            if isinstance(self.live, Tracker):
                self.live.trust_events(False)
