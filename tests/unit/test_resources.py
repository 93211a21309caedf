"""Schemas and views are found, and say what they must."""

from __future__ import annotations

from pathlib import Path

import pytest
from jsonschema import Draft4Validator

from crossbar_conferences import resources


def test_every_schema_is_valid_draft_4() -> None:
    """A schema file with a mistake in it would let anything through."""
    for name in resources.schema_names():
        schema = resources.schema(name)
        if schema.get("$schema", "").startswith("http://json-schema.org/draft-04"):
            Draft4Validator.check_schema(schema)


@pytest.mark.parametrize(
    "name",
    [
        "conferences",
        "conferences.profile",
        "conferences.dial",
        "conferences.email_invite",
        "conference_auth",
        "devices",
        "metaflows.relate",
    ],
)
def test_schemas_of_the_resource_are_there(name: str) -> None:
    """Each schema knows its own name, and describes every property for the generated documentation."""
    schema = resources.schema(name)
    assert schema["id"] == name
    assert all(_is_described(child) for child in schema["properties"].values())


def test_an_unknown_name_is_a_key_error() -> None:
    """There is no schema and no design document of that name."""
    with pytest.raises(KeyError):
        resources.schema("nope")
    with pytest.raises(KeyError):
        resources.design_document("nope")


def test_design_documents_never_take_a_name_of_kazoo() -> None:
    """Kazoo overwrites design documents with its names (data.md 3.3)."""
    files = (Path(__file__).parents[2] / "couchdb_views").glob("*.json")
    names = [resources.design_document(file.stem)["_id"] for file in files]
    assert names and all(name.startswith("_design/crossbar_conferences") for name in names)


def _is_described(schema: dict[str, object]) -> bool:
    inner = schema.get("properties")
    deeper = all(_is_described(child) for child in inner.values()) if isinstance(inner, dict) else True
    return bool(schema.get("description")) and deeper
