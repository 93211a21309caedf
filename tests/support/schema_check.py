"""A plain schema check for tests of the planners: Kazoo's paths and rules, and defaults."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft4Validator
from jsonschema.exceptions import ValidationError
from referencing import Registry
from referencing.jsonschema import DRAFT4

from crossbar_conferences.conference.actions_plan import Checked

SCHEMAS = Path(__file__).parents[2] / "schemas"
_RULES = {"oneOf": "not_one_schema_valid"}
_MESSAGES = {
    "enum": "Value not found in enumerated list of values",
    "minimum": "Value must be at least {0}",
    "minItems": "The list must have at least {0} items",
    "type": "Value did not match type(s): {0}",
}


@cache
def _schema(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((SCHEMAS / f"{name}.json").read_text())
    return schema


@cache
def _validator(name: str) -> Draft4Validator:
    registry: Registry[Any] = Registry(
        retrieve=lambda uri: DRAFT4.create_resource(_schema(uri.rpartition("/")[2]))
    )
    return Draft4Validator(_schema(name), registry=registry)


def check(schema: str, value: Any, /) -> Checked:
    """All errors of a value, and the value with its schema's defaults."""
    errors: dict[str, dict[str, Any]] = {}
    for error in _validator(schema).iter_errors(value):
        for path, rule, details in _described(error):
            errors.setdefault(path, {})[rule] = details
    if errors:
        return Checked(errors, value)
    return Checked({}, _with_defaults(_schema(schema), copy.deepcopy(value)))


def _described(error: ValidationError) -> Iterator[tuple[str, str, dict[str, Any]]]:
    path = ".".join(str(part) for part in error.absolute_path)
    rule = str(error.validator)
    if rule == "required":
        for name in error.validator_value:
            if name not in error.instance:
                where = f"{path}.{name}" if path else name
                yield where, rule, {"message": "Field is required but missing", "value": name}
        return
    details = {
        "message": _MESSAGES.get(rule, "failed to validate").format(error.validator_value),
        "value": error.instance,
    }
    if rule in _MESSAGES:
        details["target"] = error.validator_value
    yield path, _RULES.get(rule, rule), details


def _with_defaults(schema: dict[str, Any], value: Any) -> Any:
    if "$ref" in schema:
        schema = _schema(schema["$ref"])
    if isinstance(value, dict):
        for key, below in schema.get("properties", {}).items():
            if key not in value and "default" in below:
                value[key] = copy.deepcopy(below["default"])
            if key in value:
                value[key] = _with_defaults(below, value[key])
    elif isinstance(value, list):
        items = schema.get("items", {})
        for choice in items.get("oneOf", [items]):
            value = [_with_defaults(choice, item) if isinstance(item, dict) else item for item in value]
    return value
