"""Runs recorded or written exchanges against any server and tells where the answers differ."""

from __future__ import annotations
