"""The spelling a machine-readable zone loses: accents, hyphens, apostrophes, and what did not fit.

A printed name is taken when the zone's follows from it by ICAO Doc 9303 part 3, 4.6 and section 6.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from flows.extraction import normalise
from flows.extraction.transliteration import spellings

_NOISE = re.compile(r"(?: [KCLSEX]{1,2})+")
"""What fillers after a name are misread for."""


def respelled(zone: str, printed: Iterable[str], *, cut: bool = False) -> str:
    """The zone's name as the first of the printed texts that means the same spells it; empty without one.

    With `cut` the zone may hold only the name's beginning.
    """
    texts = [text for text in map(normalise.name, printed) if text]
    for text in texts:
        if spelled := _spelled(zone, text):
            return spelled
    for text in texts:
        for own in spellings(text):
            longer = cut and len(zone) > 3 and own.startswith(zone)
            if longer or (own and _NOISE.fullmatch(zone.removeprefix(own)) and zone.startswith(own)):
                return text
    return ""


def _spelled(zone: str, text: str) -> str:
    """The text with its words parted as the zone parts them, or an empty string when it says something else.

    Recognition loses spaces and finds some that are not there; in the zone every separator but the
    apostrophe leaves a filler.
    """
    rest, spelled = text, ""
    for word in zone.split():
        piece = next((rest[:end] for end in range(1, len(rest) + 1) if _says(rest[:end], word)), "")
        if not piece:
            return ""
        rest = rest[len(piece) :]
        joint = "-" if rest.startswith("-") else " "
        rest = rest.lstrip(" -")
        spelled += re.sub(r"^([OD]) (?=\w)", r"\1'", piece).replace(" ", "") + joint
    return "" if rest.strip("'. ") else spelled[:-1]


def _says(text: str, word: str) -> bool:
    return any(own.replace(" ", "") == word for own in spellings(text))
