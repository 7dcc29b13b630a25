"""The labels that passports print, in English, French and Spanish, as text recognition leaves them.

Source: ICAO Doc 9303 part 3, section 3 (the visual inspection zone) and part 4, 4.1.1.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from enum import StrEnum


class Label(StrEnum):
    SURNAME = "surname"
    GIVEN = "given names"
    NUMBER = "number"
    NATIONALITY = "nationality"
    BIRTH = "date of birth"
    PLACE = "place of birth"
    ISSUE = "date of issue"
    EXPIRY = "date of expiry"
    SEX = "sex"
    OTHER = "other"


_WORDS: dict[Label, tuple[str, ...]] = {
    Label.SURNAME: ("SURNAME", "SURNAMES", "FAMILY NAME", "LAST NAME", "NOM", "NOM DE FAMILLE", "APELLIDO",
                    "APELLIDOS", "NAME"),
    Label.GIVEN: ("GIVEN NAME", "GIVEN NAMES", "FORENAMES", "FIRST NAMES", "PRENOM", "PRENOMS", "NOMBRE",
                  "NOMBRES"),
    Label.NUMBER: ("PASSPORT NO", "PASSPORT NUMBER", "PASSPORT CARD NO", "DOCUMENT NO", "DOCUMENT NUMBER",
                   "CARD NO", "NO DE PASSEPORT", "NO DU PASSEPORT", "PASSEPORT NO", "NUMERO DE PASSEPORT",
                   "NO DU DOCUMENT", "NO DE PASAPORTE", "PASAPORTE NO", "NUMERO DE PASAPORTE",
                   "NO DEL PASAPORTE", "NUM DE DOCUMENTO"),
    Label.NATIONALITY: ("NATIONALITY", "NATIONALITE", "NACIONALIDAD", "CITIZENSHIP"),
    Label.BIRTH: ("DATE OF BIRTH", "BIRTH DATE", "DATE DE NAISSANCE", "NE LE", "NEE LE",
                  "FECHA DE NACIMIENTO"),
    Label.PLACE: ("PLACE OF BIRTH", "LIEU DE NAISSANCE", "LUGAR DE NACIMIENTO"),
    Label.ISSUE: ("DATE OF ISSUE", "DATE OF ISSUANCE", "ISSUE DATE", "DATE DE DELIVRANCE", "DATE D EMISSION",
                  "FECHA DE EXPEDICION", "FECHA DE EMISION"),
    Label.EXPIRY: ("DATE OF EXPIRY", "DATE OF EXPIRATION", "EXPIRY DATE", "EXPIRATION DATE", "VALID UNTIL",
                   "DATE D EXPIRATION", "FECHA DE CADUCIDAD", "FECHA DE VENCIMIENTO", "FECHA DE EXPIRACION"),
    Label.SEX: ("SEX", "SEXE", "SEXO"),
    Label.OTHER: ("TYPE", "TIPO", "CODE", "CODIGO", "COUNTRY CODE", "CODE OF ISSUING STATE", "ISSUING STATE",
                  "CODE DU PAYS", "PAYS EMETTEUR", "CODIGO DEL PAIS", "AUTHORITY", "ISSUING AUTHORITY",
                  "AUTORITE", "AUTORIDAD", "PLACE OF ISSUE", "LIEU DE DELIVRANCE", "LUGAR DE EXPEDICION",
                  "PERSONAL NO", "PERSONAL NUMBER", "NO PERSONNEL", "HOLDERS SIGNATURE",
                  "SIGNATURE OF BEARER", "SIGNATURE", "SIGNATURE DU TITULAIRE", "FIRMA",
                  "FIRMA DEL TITULAR", "ENDORSEMENTS", "MENTIONS", "HEIGHT", "TAILLE", "PASSPORT",
                  "PASSEPORT", "PASAPORTE"),
}  # fmt: skip
_SHORT = 6
"""Letters; a shorter word is a label only where it ends, since other words begin with it."""
_NUMBER_SIGN = r"(?:NO|N[°º]?|NR|NUM|#)"


def _pattern(words: str) -> str:
    """The words with whatever stands between them, or nothing: text recognition loses spaces."""
    parts = [_NUMBER_SIGN if part == "NO" else part for part in words.split()]
    return r"[\W_]*".join(parts) + (r"(?![A-Z])" if len(words) < _SHORT else "")


_BY_WORDS = sorted(
    ((label, re.compile(_pattern(words))) for label, all_words in _WORDS.items() for words in all_words),
    key=lambda pair: len(pair[1].pattern),
    reverse=True,
)
_BY_LETTERS = {words.replace(" ", ""): label for label, own in _WORDS.items() for words in own}
_LEAST_LIKENESS = 0.8
"""Of the letters of a label and of a line, as `difflib` counts it."""
_LEADING_NUMBER = re.compile(r"[\W_]*(?:\d{1,2}[.):\s]+)?")


def label_at(upper: str, at: int) -> tuple[Label | None, int]:
    """The label that begins here, in as many languages as follow, and where it ends."""
    lead = _LEADING_NUMBER.match(upper, at)
    start = lead.end() if lead else at
    for label, pattern in _BY_WORDS:
        if match := pattern.match(upper, start):
            end = match.end()
            while again := _same_label(upper, end, label):
                end = again
            return label, end
    return None, at


def _same_label(upper: str, at: int, label: Label) -> int:
    """Where the same label in another language ends, after a slash or the like; 0 when none follows."""
    gap = re.compile(r"[\W_]*").match(upper, at)
    start = gap.end() if gap else at
    ends = [
        match.end() for own, pattern in _BY_WORDS if own is label and (match := pattern.match(upper, start))
    ]
    return max(ends, default=0)


def next_label(upper: str, at: int) -> int:
    """Where another label begins, for lines that recognition ran together; never within a word, nor where one
    only begins like a label (HEIGHTS)."""
    for word in re.finditer(r"(?<![^\s/])[A-Z]", upper[at:]):
        start = at + word.start()
        label, end = label_at(upper, start)
        if start > at and label and not upper[end : end + 1].isalpha():
            return start
    return len(upper)


def misread_label(upper: str) -> Label | None:
    """The label that a line comes near to in one of its languages: `Sumame`, `Date of bith`."""
    for part in re.split(r"[/|·]", upper):
        letters = re.sub(r"[^A-Z]", "", part)
        if len(letters) >= _SHORT and (near := get_close_matches(letters, _BY_LETTERS, 1, _LEAST_LIKENESS)):
            return _BY_LETTERS[near[0]]
    return None
