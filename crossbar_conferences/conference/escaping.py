r"""Text that ends up on the switch's command line.

The media side glues commands together: ``conference <id> say '<text>'``. A quote or a line break
in a text would end the command and start another. Here a text is refused or made harmless before
it is published. Source: anchors.md 0.8, amqp.md 5.3.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

#: Longest text to be spoken, in characters.
MAXIMUM_TEXT: Final = 1000
#: Longest media name or address, in characters.
MAXIMUM_MEDIA_NAME: Final = 2048

#: Longest caller id, name or number, in characters.
MAXIMUM_CALLER: Final = 128

#: Stands for both quotes in spoken text: it reads the same and ends nothing.
_HARMLESS_QUOTE: Final = "\N{RIGHT SINGLE QUOTATION MARK}"
_DIAL_UNSAFE: Final = re.compile(r"[\s'\"`,|^{}<>\\$!&]")
# ``${…}`` expands variables, ``{…}`` sets parameters; quotes and backslashes end the argument.
_MEDIA_UNSAFE: Final = re.compile(r"['\"`\\^|<>{}\s]|\$\$")
_SPOKEN_UNSAFE: Final = re.compile(r"[\\`^|<>{}]|\$\$")
# Unicode's control characters, its ends of lines and paragraphs, and halves of pairs.
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_MAXIMUM_DEPTH: Final = 32


class Unsafe(ValueError):
    """The text cannot be put on a command line; the message says why, without quoting it."""


def has_control_characters(value: Any, depth: int = _MAXIMUM_DEPTH) -> bool:
    """Whether any text in a value (keys included) has a control or line-separating character."""
    if isinstance(value, str):
        return _CONTROL.search(value) is not None
    if depth == 0:
        return True
    if isinstance(value, Mapping):
        return any(has_control_characters(part, depth - 1) for item in value.items() for part in item)
    if isinstance(value, list | tuple):
        return any(has_control_characters(item, depth - 1) for item in value)
    return False


def is_dial_safe(value: Any) -> bool:
    """Whether a text may stand in an address of a dial string."""
    return isinstance(value, str) and not _DIAL_UNSAFE.search(value) and not has_control_characters(value)


def spoken(text: str) -> str:
    """The text to be spoken with its quotes made harmless.

    Raises `Unsafe` for control characters, line breaks, what the switch expands or quotes with,
    a leading ``-`` or blank text, and texts that are too long.
    """
    _check_plain(text, MAXIMUM_TEXT)
    if _SPOKEN_UNSAFE.search(text):
        raise Unsafe("must not contain \\ ` ^ | < > { } or $$")
    if not text.strip():
        raise Unsafe("must not be blank")
    return text.strip().replace("'", _HARMLESS_QUOTE).replace('"', _HARMLESS_QUOTE)


def media_name(name: str) -> str:
    """The media name as it is; raises `Unsafe` for blanks, quotes and anything that ends or expands."""
    _check_plain(name, MAXIMUM_MEDIA_NAME)
    if _MEDIA_UNSAFE.search(name):
        raise Unsafe("must not contain blanks, quotes or any of \\ ` ^ | < > { } or $$")
    return name


def caller_name(name: str) -> str:
    """A caller's name for the end of a dial command, where it stands between single quotes.

    Quotes are made harmless and what would split the command is left out, since the name of a
    stored conference must not keep it from dialling.
    """
    # Cut before it is looked at; no more is left out of a name than it has left.
    harmless = name[: 8 * MAXIMUM_CALLER].replace("'", _HARMLESS_QUOTE).replace('"', _HARMLESS_QUOTE)
    kept = "".join(c for c in harmless if not has_control_characters(c) and not _SPOKEN_UNSAFE.search(c))
    return kept[:MAXIMUM_CALLER].strip()


def caller_number(number: str) -> str:
    """A caller's number, which stands bare in a dial command; raises `Unsafe` for what would split it."""
    if len(number) > MAXIMUM_CALLER or not is_dial_safe(number):
        raise Unsafe("must be one short word without quotes or separators")
    return number


def token(text: str, maximum: int = 64) -> str:
    """A single word of letters, digits, ``_``, ``-``, ``.``, ``:``; raises `Unsafe` for any other."""
    if not 0 < len(text) <= maximum or not re.fullmatch(r"[A-Za-z0-9_.:-]+", text):
        raise Unsafe("must be one word of letters, digits and _ - . :")
    return text


def _check_plain(text: str, maximum: int) -> None:
    if len(text) > maximum:
        raise Unsafe(f"must not be longer than {maximum} characters")
    if has_control_characters(text):
        raise Unsafe("must not contain control characters or line breaks")
