"""Which queues of the broker in memory hear a message: the bindings of all of them, as a tree of words.

Ten thousand accounts are ten thousand bindings that differ in one word. To find those that a routing
key fits costs as much as the key has words, not as much as there are bindings.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from .port import Binding


@dataclass(slots=True)
class _Node:
    """Where a pattern's words lead; ``queues`` are bound with the words that lead here.

    ``is_open``: the last of them is `#`, which takes further words."""

    is_open: bool = False
    words: dict[str, _Node] = field(default_factory=dict)
    queues: dict[str, None] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        return not self.words and not self.queues


class Routes:
    """The bindings of one broker's queues. ``exchanges``: the type of each; others are direct."""

    def __init__(self, exchanges: Mapping[str, str]) -> None:
        self._exchanges = exchanges
        self._roots: dict[str, _Node] = {}

    def add(self, queue: str, binding: Binding) -> None:
        """A queue hears a topic from now on."""
        node = self._roots.setdefault(binding.exchange, _Node())
        is_topic = self._exchanges.get(binding.exchange) == "topic"
        for word in self._words(binding.exchange, binding.routing_key):
            node = node.words.setdefault(word, _Node(is_open=is_topic and word == "#"))
        node.queues[queue] = None

    def remove(self, queue: str, binding: Binding) -> None:
        """It hears it no more; nothing is kept of a topic that nobody hears."""
        node = self._roots.get(binding.exchange)
        way: list[tuple[_Node, str]] = []
        for word in self._words(binding.exchange, binding.routing_key):
            if node is None:
                return
            way.append((node, word))
            node = node.words.get(word)
        if node is None:
            return
        node.queues.pop(queue, None)
        while way and node.is_empty:
            node, word = way.pop()
            del node.words[word]

    def clear(self) -> None:
        """Nobody hears anything."""
        self._roots.clear()

    def heard_by(self, exchange: str, routing_key: str) -> tuple[str, ...]:
        """The queues that hear a message, each once."""
        root = self._roots.get(exchange)
        if root is None:
            return ()
        kind = self._exchanges.get(exchange)
        if kind == "fanout":
            nodes: Iterable[_Node] = root.words.values()
        elif kind == "topic":
            nodes = _fitting(root, routing_key.split("."))
        else:
            nodes = filter(None, (root.words.get(routing_key),))
        return tuple(dict.fromkeys(queue for node in nodes for queue in node.queues))

    def _words(self, exchange: str, key: str) -> list[str]:
        return key.split(".") if self._exchanges.get(exchange) == "topic" else [key]


def _fitting(root: _Node, words: Iterable[str]) -> Iterable[_Node]:
    reached = _with_none([root])
    for word in words:
        after = [node for node in reached if node.is_open]
        for node in reached:
            for step in (word, "*"):
                if step in node.words:
                    after.append(node.words[step])
        reached = _with_none(after)
    return reached


def _with_none(nodes: Iterable[_Node]) -> Collection[_Node]:
    """Nodes, and those that are reached from them by a `#` that stands for no word; each once."""
    found: dict[int, _Node] = {}
    for reached in nodes:
        node: _Node | None = reached
        while node is not None and id(node) not in found:
            found[id(node)] = node
            node = node.words.get("#")
    return found.values()
