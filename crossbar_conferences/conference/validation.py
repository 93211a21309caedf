"""JSON Schema's verdict in Kazoo's words: error objects by path, defaults, coercion. Pure.

Source: http.md 5, data.md 9; recordings ``validation``, ``errors``.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from jsonschema import Draft4Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

from .. import resources
from .defaults import coerced, with_defaults

#: Path to rule to details, as the envelope shows it.
Errors = dict[str, dict[str, dict[str, Any]]]

_formats = FormatChecker(formats=())


@_formats.checks("email")
def _is_email(value: object) -> bool:
    # Kazoo asks for one "@" with something on both sides, no more (http.md 5.3).
    return not isinstance(value, str) or (
        value.count("@") == 1 and not value.startswith("@") and value[-1] != "@"
    )


@dataclass(frozen=True, slots=True)
class Validated:
    """What a schema said. ``value`` is a copy with defaults, coerced; errors empty when it is valid."""

    value: Any
    errors: Errors


def validate(schema_name: str, value: Any, *, coerce: bool = True) -> Validated:
    """Check a value against a schema of ``schemas/``; every error at once, never an exception.

    ``coerce``: also read numbers and booleans that are written as text, as Kazoo does with
    documents and does not do with action payloads."""
    schema = resources.schema(schema_name)
    filled = with_defaults(schema, copy.deepcopy(value))
    validator = _validator(schema_name)
    found = list(validator.iter_errors(filled))
    if coerce and any(error.validator == "type" for error in found):
        for error in found:
            if error.validator == "type":
                filled = _coerce(filled, list(error.absolute_path), error.validator_value)
        found = list(validator.iter_errors(filled))
    return Validated(filled, _as_errors(found))


def _coerce(value: Any, path: list[str | int], kind: Any) -> Any:
    if not path:
        return coerced(kind, value)
    holder = value
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = coerced(kind, holder[path[-1]])
    return value


@cache
def _validator(schema_name: str) -> Draft4Validator:
    return Draft4Validator(
        _without_siblings(resources.schema(schema_name)), registry=_registry(), format_checker=_formats
    )


@cache
def _registry() -> Any:
    registry: Any = Registry()
    for name in resources.schema_names():
        contents = _without_siblings(resources.schema(name))
        registry = registry.with_resource(name, Resource(contents=contents, specification=DRAFT4))
    return registry


def _without_siblings(schema: Any) -> Any:
    # Draft 4 ignores what stands beside a reference; ours stands there for people.
    if isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            return {"$ref": schema["$ref"]}
        return {key: _without_siblings(item) for key, item in schema.items() if key != "id"}
    if isinstance(schema, list):
        return [_without_siblings(item) for item in schema]
    return schema


def _as_errors(found: Iterable[ValidationError]) -> Errors:
    errors: Errors = {}
    for error in found:
        path, rule, details = _as_error(error)
        errors.setdefault(path, {})[rule] = details
    return errors


def _as_error(error: ValidationError) -> tuple[str, str, dict[str, Any]]:
    path = [_segment(step) for step in error.absolute_path]
    rule = str(error.validator)
    if rule == "required":
        missing = next(name for name in error.validator_value if name not in error.instance)
        missing = _named(error) or missing
        path.append(_segment(missing))
        return ".".join(path), rule, {"message": "Field is required but missing", "value": missing}
    make = _DETAILS.get(rule)
    if make is None:
        return ".".join(path), "not_one_schema_valid", _with_value({"message": "failed to validate"}, error)
    name, details = make(error)
    return ".".join(path), name, _with_value(details, error)


def _segment(step: str | int) -> str:
    # A dot in a key would look like a step (http.md 5.1).
    return str(step).replace(".", "%2E")


def _named(error: ValidationError) -> str | None:
    # jsonschema makes one error for each missing key, and names it only in its message.
    for name in error.validator_value:
        if error.message.startswith(f"{name!r} "):
            return str(name)
    return None


def _with_value(details: dict[str, Any], error: ValidationError) -> dict[str, Any]:
    if error.instance is not None:
        details["value"] = error.instance
    return details


def _type(error: ValidationError) -> tuple[str, dict[str, Any]]:
    kinds = error.validator_value
    target = ", ".join(kinds) if isinstance(kinds, list) else str(kinds)
    return "type", {"message": f"Value did not match type(s): {target}", "target": target}


def _length(rule: str, words: str) -> Callable[[ValidationError], tuple[str, dict[str, Any]]]:
    def details(error: ValidationError) -> tuple[str, dict[str, Any]]:
        bound = error.validator_value
        message = f"String must {words} {bound} characters"
        return rule, {"message": message, "target": bound, "cause": error.instance}

    return details


def _bound(
    rule: str, before: str, after: str = ""
) -> Callable[[ValidationError], tuple[str, dict[str, Any]]]:
    def details(error: ValidationError) -> tuple[str, dict[str, Any]]:
        bound = error.validator_value
        return rule, {"message": f"{before} {bound}{after}", "target": bound}

    return details


def _enum(error: ValidationError) -> tuple[str, dict[str, Any]]:
    message = "Value not found in enumerated list of values"
    return "enum", {"message": message, "target": list(error.validator_value)}


def _pattern(error: ValidationError) -> tuple[str, dict[str, Any]]:
    pattern = error.validator_value
    return "pattern", {"message": f"Failed to match pattern '{pattern}'", "target": pattern}


def _unique(error: ValidationError) -> tuple[str, dict[str, Any]]:
    return "uniqueItems", {"message": "List of items is not unique"}


def _format(error: ValidationError) -> tuple[str, dict[str, Any]]:
    return "wrong_format", {"message": "Field is not in the correct format", "format": error.validator_value}


_DETAILS: Final[Mapping[str, Callable[[ValidationError], tuple[str, dict[str, Any]]]]] = {
    "type": _type,
    "minLength": _length("minLength", "be at least"),
    "maxLength": _length("maxLength", "not be more than"),
    "minimum": _bound("minimum", "Value must be at least"),
    "maximum": _bound("maximum", "Value must be at most"),
    "minItems": _bound("minItems", "The list must have at least", " items"),
    "maxItems": _bound("maxItems", "The list is more than", " items"),
    "enum": _enum,
    "pattern": _pattern,
    "uniqueItems": _unique,
    "format": _format,
}
