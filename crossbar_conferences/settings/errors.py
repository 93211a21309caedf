"""What goes wrong when settings are read."""

from __future__ import annotations

from ..errors import CrossbarConferencesError


class SettingsError(CrossbarConferencesError):
    """A setting has a bad value, or the configuration file cannot be read.

    ``origin`` names the place: ``/etc/kazoo/config.ini:12``, an environment variable or a flag.
    The value itself is never part of the text: it may be a secret.
    """

    def __init__(self, origin: str, problem: str) -> None:
        self.origin = origin
        self.problem = problem
        super().__init__(f"{origin}: {problem}")
