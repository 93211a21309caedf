"""Finds the schemas and the views, in a wheel or in a checkout.

Installed, ``schemas/`` and ``couchdb_views/`` are folders of this package; in a checkout, and in an
editable install, they stand beside it. Each file is read once.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

_PACKAGE = Path(__file__).resolve().parent


def schema(name: str) -> dict[str, Any]:
    """A JSON Schema by name, such as ``conferences``; don't change it. Raises `KeyError`."""
    return _files("schemas")[name]


def schema_names() -> tuple[str, ...]:
    """The names of all schemas, sorted."""
    return tuple(_files("schemas"))


def design_document(name: str) -> dict[str, Any]:
    """A design document of ours by name, such as ``account``; don't change it. Raises `KeyError`."""
    return _files("couchdb_views")[name]


@cache
def _files(folder: str) -> dict[str, dict[str, Any]]:
    inside, beside = _PACKAGE / folder, _PACKAGE.parent / folder
    place = inside if inside.is_dir() else beside
    return {file.stem: json.loads(file.read_text("utf-8")) for file in sorted(place.glob("*.json"))}


# Read now: the first use may be inside a running event loop, which must not wait for files.
_files("schemas")
_files("couchdb_views")
