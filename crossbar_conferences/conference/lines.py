"""Text of one line: what goes out as a subject, a name in a calendar, an item of a list. Pure.

A line break in such a text begins a header or a property of its own somewhere on its way. Which signs
break a line differs from reader to reader, so all of them count.
"""

from __future__ import annotations

import unicodedata
from typing import Final

#: Controls (all of ASCII's and Latin-1's, so U+0085 too), the separators of lines and paragraphs
#: (U+2028, U+2029), and halves of surrogate pairs, which are no text.
_BREAKING: Final = frozenset({"Cc", "Zl", "Zp", "Cs"})

#: These, blanks, and signs that show nothing, such as a byte order mark or U+200B.
_BLANK: Final = _BREAKING | {"Zs", "Cf"}

#: Letters that show nothing: the Hangul fillers, Braille's empty pattern, the combining joiner.
_FILLERS: Final = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f")

#: Signs of a name that goes out in a subject; a conference's own schema allows 128.
LONGEST: Final = 256


def one_line(text: str, limit: int = LONGEST) -> str:
    """The text on one line, at most so many signs of it; each run of what breaks lines is one blank."""
    # Longer ones are cut first: what is looked at below is bounded.
    cut = text[:limit]
    if cut.isprintable():
        return cut
    pieces = "".join("\n" if unicodedata.category(sign) in _BREAKING else sign for sign in cut).split("\n")
    return " ".join(filter(None, pieces))


def is_blank(sign: str) -> bool:
    """Whether a sign shows nothing."""
    # Fillers and variation selectors are of other categories, and show nothing either.
    return unicodedata.category(sign) in _BLANK or sign in _FILLERS or "\ufe00" <= sign <= "\ufe0f"
