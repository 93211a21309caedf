"""What a schema fills in and what it takes for another type. Pure.

Kazoo writes a schema's defaults into what it stores, nested ones too, and reads numbers and
booleans that were written as text. Source: http.md 5.3, data.md 9.1; recordings ``validation``.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Mapping
from typing import Any

from ..resources import schema as load

# As Erlang reads numbers: an exponent needs a fraction before it.
_NUMBER = re.compile(r"[+-]?[0-9]{1,400}(\.[0-9]{1,400}([eE][+-]?[0-9]{1,3})?)?")
_WHOLE = re.compile(r"-?[0-9]{1,20}")
_BOOLEANS = {"true": True, "false": False}


def with_defaults(schema: Mapping[str, Any], value: Any) -> Any:
    """A copy of a value with the defaults of every property that it lacks."""
    schema = resolved(schema)
    if isinstance(value, Mapping):
        filled = {
            key: with_defaults(schema.get("properties", {}).get(key, {}), item) for key, item in value.items()
        }
        for key, child in schema.get("properties", {}).items():
            if key not in filled and "default" in child:
                filled[key] = with_defaults(child, copy.deepcopy(child["default"]))
        return filled
    if isinstance(value, list):
        items = schema.get("items")
        return [with_defaults(_item(items, item), item) for item in value]
    return value


def default_object(schema: Mapping[str, Any]) -> dict[str, Any]:
    """What a schema makes of nothing."""
    filled: dict[str, Any] = with_defaults(schema, {})
    return filled


def resolved(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """A schema, or the one that it refers to by name."""
    reference = schema.get("$ref")
    return load(reference) if isinstance(reference, str) and not reference.startswith("#") else schema


def coerced(kind: Any, value: Any) -> Any:
    """A value as the type that its schema asks for, the value itself when it cannot be that."""
    if kind == "integer":
        number = _number(value)
        return value if number is None else _rounded(number)
    if kind == "number" and isinstance(value, str):
        number = _number(value)
        return value if number is None else number
    if kind == "boolean" and isinstance(value, str):
        return _BOOLEANS.get(value, value)
    return value


def written(kind: Any, value: Any) -> Any:
    """The same for a text that is just a whole number, yes or no; nothing else changes."""
    is_whole = isinstance(value, str) and _WHOLE.fullmatch(value) is not None
    is_answer = isinstance(value, str) and value in _BOOLEANS
    return coerced(kind, value) if is_whole or is_answer else value


def _rounded(number: int | float) -> int:
    # Halves go away from zero, as in Erlang; integers of any size stay exact.
    whole = int(number)
    return whole + (1 if number > 0 else -1) if abs(number - whole) >= 0.5 else whole


def _number(value: Any) -> int | float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = float(value) if any(mark in value for mark in ".eE") else int(value)
        if isinstance(value, int):
            return value
    return value if isinstance(value, float) and math.isfinite(value) else None


def _item(items: Any, item: Any) -> Mapping[str, Any]:
    if not isinstance(items, Mapping):
        return {}
    if "oneOf" in items:
        # Only an object can take defaults: it is the object among the alternatives.
        alternatives = [resolved(one) for one in items["oneOf"]]
        objects = [one for one in alternatives if one.get("type") == "object"]
        return objects[0] if objects and isinstance(item, Mapping) else {}
    return items
