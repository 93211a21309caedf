"""JSON Schema's verdict in Kazoo's words: error objects by path, defaults, coercion. Pure.

Source: http.md 5, data.md 9; recordings ``validation``, ``errors``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any, Final

from jsonschema import Draft4Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend
from referencing import Registry
from referencing.jsonschema import DRAFT4

from .. import resources
from .addresses import is_link, is_mail_address
from .defaults import coerced, with_defaults, written

#: Path to rule to details, as the envelope shows it.
Errors = dict[str, dict[str, dict[str, Any]]]

#: No answer needs more; a list of a million wrong numbers must not become a million errors.
MAX_ERRORS: Final = 1000

_formats = FormatChecker(formats=())


@_formats.checks("email")
def _is_email(value: object) -> bool:
    # Kazoo asks for one "@" with something on both sides (http.md 5.3).
    return not isinstance(value, str) or is_mail_address(value)


@_formats.checks("uri")
def _is_uri(value: object) -> bool:
    # Kazoo asks for nothing. Clients send an empty text for none (recording inv-message).
    return not isinstance(value, str) or not value or is_link(value)


@dataclass(frozen=True, slots=True)
class Validated:
    """What a schema said. ``value`` is a copy with defaults, coerced; errors empty when it is valid."""

    value: Any
    errors: Errors


#: A value as the type that its schema asks for, the value itself when it cannot be that.
Coerce = Callable[[Any, Any], Any]


def validate(schema_name: str, value: Any, *, coerce: bool = True) -> Validated:
    """Check a value against a schema of ``schemas/``; every error at once, never an exception.

    ``coerce``: also read numbers and booleans that are written as text, as Kazoo does with documents."""
    try:
        return _validate(schema_name, value, coerced if coerce else None)
    except RecursionError:
        # The API refuses such bodies before they come here; a stored document may still be one.
        return Validated(value, {"": {"error": {"message": "nested too deeply"}}})


def validate_action(schema_name: str, value: Any) -> Validated:
    """The same for the payload of an action. Whole numbers, yes and no may be written as text, which
    Kazoo refuses there; but nothing is rounded, since a number may name somebody. What is wrong is told of
    the payload as it came."""
    try:
        found = _validate(schema_name, value, None)
        if not found.errors:
            return found
        read = _validate(schema_name, value, written)
    except RecursionError:
        return Validated(value, {"": {"error": {"message": "nested too deeply"}}})
    return found if read.errors else read


def _validate(schema_name: str, value: Any, coerce: Coerce | None) -> Validated:
    filled = with_defaults(resources.schema(schema_name), value)
    validator = _validator(schema_name)
    found = list(islice(validator.iter_errors(filled), MAX_ERRORS))
    if coerce is not None and any(error.validator == "type" for error in found):
        for error in found:
            if error.validator == "type":
                filled = _coerce(filled, list(error.absolute_path), error.validator_value, coerce)
        found = list(islice(validator.iter_errors(filled), MAX_ERRORS))
    return Validated(filled, _as_errors(found))


def _coerce(value: Any, path: list[str | int], kind: Any, coerce: Coerce) -> Any:
    if not path:
        return coerce(kind, value)
    holder = value
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = coerce(kind, holder[path[-1]])
    return value


@cache
def _validator(schema_name: str) -> Any:
    return _Validator(
        _without_siblings(resources.schema(schema_name)), registry=_registry(), format_checker=_formats
    )


@cache
def _registry() -> Any:
    registry: Any = Registry()
    for name in resources.schema_names():
        contents = _without_siblings(resources.schema(name))
        registry = registry.with_resource(name, DRAFT4.create_resource(contents))
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


def _required(
    validator: Any, required: Any, instance: Any, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    # The missing key belongs to the path, as Kazoo reports it.
    if validator.is_type(instance, "object"):
        for name in required:
            if name not in instance:
                yield ValidationError("missing", path=(name,))


def _pattern_matches(
    validator: Any, pattern: Any, instance: Any, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    # In Python "$" also stands before a last line break: a number could hide behind one.
    if validator.is_type(instance, "string") and not re.search(re.sub(r"\$$", r"\\Z", pattern), instance):
        yield ValidationError("no match")


def _unique_items(
    validator: Any, wanted: Any, instance: Any, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    # The library compares every pair when a list is mixed: a request could hold the process for hours.
    if wanted and validator.is_type(instance, "array"):
        seen = {json.dumps(entry, sort_keys=True, default=str) for entry in instance}
        if len(seen) < len(instance):
            yield ValidationError("not unique")


_extend: Any = extend  # jsonschema's stubs leave it untyped
_Validator: Any = _extend(
    Draft4Validator, {"required": _required, "pattern": _pattern_matches, "uniqueItems": _unique_items}
)


def _as_errors(found: Iterable[ValidationError]) -> Errors:
    errors: Errors = {}
    for error in found:
        path, rule, details = _as_error(error)
        errors.setdefault(path, {})[rule] = details
    return errors


def _as_error(error: ValidationError) -> tuple[str, str, dict[str, Any]]:
    steps = [str(step) for step in error.absolute_path]
    path = ".".join(_segment(step) for step in steps)
    rule = str(error.validator)
    if rule == "required":
        return path, rule, {"message": "Field is required but missing", "value": steps[-1]}
    make = _DETAILS.get(rule)
    if make is None:
        return path, "not_one_schema_valid", _with_value({"message": "failed to validate"}, error)
    name, details = make(error)
    return path, name, _with_value(details, error)


def _segment(step: str) -> str:
    # A dot in a key would look like a step (http.md 5.1).
    return step.replace(".", "%2E")


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
    return "enum", {"message": message, "target": error.validator_value}


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
