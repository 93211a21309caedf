"""Predicates for the values of headers."""

from __future__ import annotations

from typing import Any


def is_text(value: Any) -> bool:
    """A text."""
    return isinstance(value, str)


def is_integer(value: Any) -> bool:
    """A whole number; ``true`` is none."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """A number; ``true`` is none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_boolean(value: Any) -> bool:
    """``true`` or ``false``."""
    return isinstance(value, bool)


def is_boolean_or_its_text(value: Any) -> bool:
    """``true`` or ``false``, also written as text: what Kazoo's own check for booleans takes."""
    return is_boolean(value) or value in ("true", "false")


def is_object(value: Any) -> bool:
    """A JSON object."""
    return isinstance(value, dict)


def is_list(value: Any) -> bool:
    """A JSON list."""
    return isinstance(value, list | tuple)


def is_list_of_objects(value: Any) -> bool:
    """A JSON list of nothing but objects."""
    return is_list(value) and all(isinstance(item, dict) for item in value)


def is_filled_list_of_objects(value: Any) -> bool:
    """A JSON list of at least one object and nothing else."""
    return is_list_of_objects(value) and len(value) > 0


def is_list_of_texts(value: Any) -> bool:
    """A JSON list of nothing but texts."""
    return is_list(value) and all(isinstance(item, str) for item in value)


def is_identifier(value: Any) -> bool:
    """A participant's id: Kazoo sends numbers and texts (amqp.md 6.2)."""
    return is_integer(value) or is_text(value)
