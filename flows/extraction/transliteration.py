"""How a machine-readable zone writes names: A to Z, with letters of other alphabets spelled out.

Source: ICAO Doc 9303 part 3, 4.6 (hyphens become fillers, apostrophes and commas go) and section 6, table A.
"""

from __future__ import annotations

import re
import unicodedata

_RECOMMENDED = {
    "Ä": "AE", "Å": "AA", "Æ": "AE", "Ð": "D", "Đ": "D", "Ĳ": "IJ", "Ł": "L", "Ŋ": "N", "Ö": "OE", "Ø": "OE",
    "Œ": "OE", "ẞ": "SS", "Þ": "TH", "Ü": "UE", "ß": "SS", "Ħ": "H", "ĸ": "Q", "Ŧ": "T", "İ": "I",
}  # fmt: skip
_OTHERWISE = {"Å": "A", "Ä": "A", "Ö": "O", "Ø": "O", "Ü": "U"}
"""Also seen: table A leaves some letters to the issuer."""
_DOUBLED = {"Ñ": "NXX", "Ü": "UXX"}
_LOOK_ALIKES = str.maketrans(
    "\u222a\u2228\u22a5\u00d7\u3007\u4e28\u4e05\u4e01"
    "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7"
    "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0423\u0425\u0406\u0405",
    "UVTXOITTABEZHIKMNOPTYXABEKMHOPCTYXIS",
)
"""Signs of logic, Chinese strokes, Greek and Cyrillic capitals."""
_APOSTROPHES = re.compile("['`\N{ACUTE ACCENT}\N{RIGHT SINGLE QUOTATION MARK},.]")


def spellings(name: str) -> tuple[str, ...]:
    """The ways an issuer may have written a name in its zone, words parted by single spaces."""
    tables = (_RECOMMENDED, {**_RECOMMENDED, **_OTHERWISE}, {**_RECOMMENDED, **_DOUBLED})
    return tuple(dict.fromkeys(_written(name, table) for table in tables))


def plain(text: str) -> str:
    """Capitals without accents, character for character, so that places in the text stay the same."""
    return "".join(unicodedata.normalize("NFKD", character)[0].upper()[0] for character in text)


def without_accents(text: str) -> str:
    """The text without the accents that leave no trace in a zone: É becomes E, Ü (there UE) stays."""
    composed = unicodedata.normalize("NFC", text)
    kept = {character: character for character in _RECOMMENDED}
    return "".join(kept.get(c) or unicodedata.normalize("NFKD", c)[0] for c in composed)


def latin(text: str) -> str:
    """Latin capitals and digits for signs of other scripts that look like them, character for character:
    an engine that reads many scripts takes a U for the union of sets."""
    wide = (unicodedata.normalize("NFKC", character) for character in text)
    narrow = (folded if len(folded) == 1 else own for own, folded in zip(text, wide, strict=True))
    return "".join(narrow).translate(_LOOK_ALIKES)


def _written(name: str, table: dict[str, str]) -> str:
    composed = unicodedata.normalize("NFC", name).replace("ß", "ẞ").upper()
    spelled = "".join(table.get(character, character) for character in composed)
    stripped = "".join(c for c in unicodedata.normalize("NFKD", spelled) if not unicodedata.combining(c))
    return " ".join(re.sub(r"[^A-Z]+", " ", _APOSTROPHES.sub("", stripped)).split())
