"""Topic patterns as RabbitMQ reads them: ``*`` is one token, ``#`` any number of them."""

from __future__ import annotations

from functools import lru_cache


@lru_cache(maxsize=4096)
def topic_matches(pattern: str, routing_key: str) -> bool:
    """Whether a queue bound with ``pattern`` hears ``routing_key``."""
    wanted, tokens = pattern.split("."), routing_key.split(".")
    # reached[i]: whether the pattern so far can have used up the first i tokens.
    reached = [True] + [False] * len(tokens)
    for word in wanted:
        if word == "#":
            first = reached.index(True) if True in reached else len(reached)
            reached = [index >= first for index in range(len(reached))]
        else:
            reached = [False] + [
                reached[index] and word in ("*", token) for index, token in enumerate(tokens)
            ]
    return reached[-1]


@lru_cache(maxsize=16_384)
def _plain_start(pattern: str) -> str:
    """What every routing key that a pattern fits begins with."""
    return pattern.partition("*")[0].partition("#")[0].rstrip(".")


def hears(exchange_type: str | None, pattern: str, routing_key: str) -> bool:
    """Whether a binding on an exchange of this type lets a message through."""
    if exchange_type == "fanout":
        return True
    if exchange_type == "topic":
        # Of ten thousand accounts' bindings hardly any is meant: most are seen to differ at once.
        return routing_key.startswith(_plain_start(pattern)) and topic_matches(pattern, routing_key)
    return pattern == routing_key
