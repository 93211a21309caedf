"""A first look: brings everything up, plays a conference through the API, tells what happened."""

from __future__ import annotations
