"""The root of every error that this package raises on purpose.

A room has its own children (``store/port.py``, ``broker/port.py``, ``kapi/messages.py``,
``settings.py``, ``api/errors.py``); a caller who wants all of them catches the root.
"""

from __future__ import annotations


class CrossbarConferencesError(Exception):
    """Something went wrong in crossbar-conferences."""

    def __init__(self, message: str | None = None) -> None:
        # An error without words of its own says what its class says.
        super().__init__(message or (self.__doc__ or "").strip().splitlines()[0])
