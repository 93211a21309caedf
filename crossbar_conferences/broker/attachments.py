"""A consumer's queue on one broker, made again whenever that broker is to be read.

Source: amqp.md 1.3, 3.1.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine, Iterable
from contextlib import suppress
from typing import Any

import aiormq.abc
import structlog
from aio_pika.abc import AbstractChannel

from .dispatch import Dispatcher
from .faults import CONSUMER_REFUSED, QUEUE_LOST, Fault, Faults
from .leniency import is_readable
from .links import Link, RabbitOptions, Tenure
from .names import federated_queue_name
from .port import Binding, Delivery, Queue
from .timestamps import stamp_number

#: Seconds for taking a queue down; the broker does it itself when we are gone.
DETACH_WITHIN = 1.0

_log = structlog.get_logger(__name__)


class Attachment:
    """Reads one queue of one broker into a dispatcher.

    ``bindings`` is the consumer's own, live: what it holds when the broker comes back is bound."""

    def __init__(
        self,
        link: Link,
        queue: Queue,
        name: str,
        own_zone: str,
        bindings: Iterable[Binding],
        dispatcher: Dispatcher,
        options: RabbitOptions,
        faults: Faults,
    ) -> None:
        self.link = link
        self._queue = queue
        self._name = name if link.zone is None else federated_queue_name(name, own_zone)
        self._bindings = bindings
        self._dispatcher = dispatcher
        self._options = options
        self._faults = faults
        self._channel: aiormq.abc.AbstractChannel | None = None
        self._tag: str | None = None
        self._attempted = asyncio.Event()
        self._lost = asyncio.Event()
        self._lock = asyncio.Lock()
        self._operations: set[asyncio.Task[None]] = set()
        self._was_read = self._lost_queue = False
        #: The tenure in which the queue was not read for a while.
        self._missed_in: Tenure | None = None
        self._task = asyncio.create_task(self._run(), name=f"queue {self._name}")

    async def first_attempt(self) -> None:
        """Wait until the queue is being read or has failed once, if its broker is there."""
        if self.link.tenure is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._options.operate_within):
                    await self._attempted.wait()

    async def bind(self, binding: Binding) -> None:
        """Hear one more topic, if the queue is being read; else it is bound later."""
        await self._operate(self._bind(binding))

    async def unbind(self, binding: Binding) -> None:
        """Hear one topic less."""
        await self._operate(self._unbind(binding))

    def rebind(self, exchanges: Collection[str]) -> None:
        """Make the queue anew if it was bound to one of these exchanges, which were deleted meanwhile."""
        if any(binding.exchange in exchanges for binding in self._bindings):
            self._lost.set()

    async def close(self) -> None:
        """Stop reading; the queue goes away."""
        for task in (*self._operations, self._task):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        while True:
            if self.link.tenure is not self._missed_in:
                # Who reads elsewhere now misses nothing here.
                self._faults.clear(self.link.name, QUEUE_LOST, subject=self._name)
            tenure = await self.link.wait_for_tenure()
            try:
                await self._read(tenure)
                if not tenure.over.done() and not tenure.connection.lost.is_set():
                    self._note_loss()
            except Exception as error:  # nothing a broker does may end the reading
                self._settle(tenure)
                if not tenure.over.done() and not tenure.connection.lost.is_set():
                    self._note_failure(error)
            if not tenure.over.done():
                self._missed_in = tenure
                await asyncio.sleep(self._options.retry)

    async def _read(self, tenure: Tenure) -> None:
        """Declare, read and bind the queue, until the tenure is over or the queue is lost."""
        self._lost.clear()
        tenure.over.add_done_callback(self._on_lost)
        channel: AbstractChannel | None = None
        try:
            async with asyncio.timeout(self._options.operate_within):
                channel = await tenure.connection.channel()
                channel.close_callbacks.add(self._on_lost)
                underlay = await channel.get_underlay_channel()
                underlay.on_consumer_cancel_callbacks.add(self._on_lost)
                await self._attach(underlay)
            # Of our own zone's brokers everybody is told when they go and come (`on_state`).
            if self._missed_in is tenure or (self._was_read and self.link.zone is not None):
                self._dispatcher.gap()
            self._was_read, self._missed_in = True, None
            self._faults.clear(self.link.name, CONSUMER_REFUSED, subject=self._name)
            self._note_return()
            self._settle(tenure)
            await self._lost.wait()
        finally:
            tenure.over.remove_done_callback(self._on_lost)
            tag, self._channel, self._tag = self._tag, None, None
            if channel is not None and not tenure.connection.lost.is_set():
                await self._detach(channel, tag)

    async def _attach(self, channel: aiormq.abc.AbstractChannel) -> None:
        await channel.queue_declare(
            self._name,
            durable=False,
            exclusive=False,
            auto_delete=True,
            arguments={"x-max-length": self._queue.max_length, "x-message-ttl": self._queue.message_ttl_ms},
        )
        consuming = await channel.basic_consume(
            self._name, self._on_message, no_ack=True, exclusive=not self._queue.shared
        )
        self._tag = consuming.consumer_tag
        # Kazoo binds once it consumes (amqp.md 3.1).
        async with self._lock:
            for binding in list(self._bindings):
                await channel.queue_bind(self._name, binding.exchange, binding.routing_key)
            self._channel = channel

    async def _detach(self, channel: AbstractChannel, tag: str | None) -> None:
        """Leave the broker; the queue goes with its last reader, or by hand if it never had one."""
        with suppress(Exception):
            async with asyncio.timeout(DETACH_WITHIN):
                if not channel.is_closed:
                    underlay = await channel.get_underlay_channel()
                    if tag is not None:
                        await underlay.basic_cancel(tag)
                    else:
                        await underlay.queue_delete(self._name, if_unused=True)
                    await channel.close()

    async def _on_message(self, message: aiormq.abc.DeliveredMessage) -> None:
        properties = message.header.properties
        self._dispatcher.push(
            Delivery(
                exchange=message.exchange or "",
                routing_key=message.routing_key or "",
                body=message.body,
                content_type=properties.content_type,
                headers=properties.headers or {},
                timestamp=stamp_number(properties.timestamp),
                broker_zone=self.link.zone,
                content_encoding=properties.content_encoding,
                readable=is_readable(message.header),
            )
        )

    async def _operate(self, operation: Coroutine[Any, Any, None]) -> None:
        """Run to its end even when the caller is cancelled: aiormq closes a channel whose
        operation is given up, and the consumer would be deaf for a while."""
        task = asyncio.create_task(operation)
        self._operations.add(task)
        task.add_done_callback(self._operations.discard)
        await asyncio.shield(task)

    async def _bind(self, binding: Binding) -> None:
        async with self._lock:
            if self._channel is not None:
                with self._losing():
                    async with asyncio.timeout(self._options.operate_within):
                        await self._channel.queue_bind(self._name, binding.exchange, binding.routing_key)

    async def _unbind(self, binding: Binding) -> None:
        async with self._lock:
            if self._channel is not None:
                with self._losing():
                    async with asyncio.timeout(self._options.operate_within):
                        await self._channel.queue_unbind(self._name, binding.exchange, binding.routing_key)

    def _settle(self, tenure: Tenure) -> None:
        self._attempted.set()
        tenure.settle(self)

    def _losing(self) -> _Losing:
        return _Losing(self._lost)

    def _on_lost(self, *_: Any) -> None:
        self._lost.set()

    def _note_loss(self) -> None:
        _log.warning("queue_lost", broker=self.link.name, queue=self._name)
        self._lost_queue = True
        if self.link.zone is None:
            self._faults.add(Fault(QUEUE_LOST, self.link.name, self._name))

    def _note_return(self) -> None:
        if self._lost_queue:
            self._lost_queue = False
            self._faults.clear(self.link.name, QUEUE_LOST, subject=self._name)
            self._faults.repaired(Fault(QUEUE_LOST, self.link.name, self._name))
            _log.info("queue_bound_anew", broker=self.link.name, queue=self._name)

    def _note_failure(self, error: Exception) -> None:
        fault = Fault(CONSUMER_REFUSED, self.link.name, self._name, type(error).__name__)
        if self._faults.add(fault):
            _log.error("queue_not_read", broker=self.link.name, queue=self._name, error=type(error).__name__)


class _Losing:
    """What fails in here means that the queue is lost, and will be made again with its bindings."""

    def __init__(self, lost: asyncio.Event) -> None:
        self._lost = lost

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        if kind is None or not issubclass(kind, Exception):
            return False
        self._lost.set()
        return True
