"""What is printed above a machine-readable zone: labelled values in English, French and Spanish.

Source: ICAO Doc 9303 part 3, section 3 (the visual inspection zone) and part 4, 4.1.1. Passports print a
label in small type, often in several languages with a slash between, and the value beneath or beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from enum import StrEnum

from flows.extraction import normalise
from flows.extraction.engine import Line
from flows.extraction.passports.mrz_rows import likely
from flows.extraction.passports.places import Placed, placed
from flows.extraction.spacing import respace
from flows.extraction.transliteration import latin, plain

_BESIDE_LABEL, _NEAR_LABEL = 1.0, 0.95
"""How far each kind of evidence is believed; multiplies the confidence of the text itself."""


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
_SLASH = re.compile(r"\s*[/|·]")
_LEADING_NUMBER = re.compile(r"[\W_]*(?:\d{1,2}[.):\s]+)?")


@dataclass(frozen=True)
class Value:
    """A printed text and how sure it is, 0 to 100. `spaced` has its lost spaces put back."""

    text: str
    spaced: str
    confidence: float


@dataclass(frozen=True)
class _Span:
    label: Label | None
    value: Value
    left: float
    right: float
    top: float
    bottom: float

    @property
    def height(self) -> float:
        return max(1.0, self.bottom - self.top)


@dataclass(frozen=True)
class VisualZone:
    """The labelled values, and every text that is no label and no row of the machine-readable zone."""

    labelled: dict[Label, Value]
    texts: tuple[Value, ...]


def read(lines: Iterable[Line]) -> VisualZone:
    """Understand a page that stands upright, give or take some skew."""
    spans = [span for place in placed(lines) if not likely(place.line.text) for span in _cut(place)]
    labelled = {
        span.label: span.value
        for span in reversed(spans)
        if span.label and span.value.text and _fits(span.label, span.value.text)
    }
    free = [span for span in spans if span.label is None]
    pairs = [
        (distance, label.label, value)
        for label in spans
        if label.label and label.label not in labelled
        for value in free
        if _fits(label.label, value.value.text) and (distance := _distance(label, value)) is not None
    ]
    for _, wanted, value in sorted(pairs, key=lambda pair: pair[0]):
        if wanted not in labelled and value in free:
            labelled[wanted] = replace(value.value, confidence=value.value.confidence * _NEAR_LABEL)
            free.remove(value)
    return VisualZone(labelled, tuple(span.value for span in spans if span.value.text))


def _cut(place: Placed) -> Iterator[_Span]:
    """The labels on a line, each with the text that follows it; the line itself when it bears none."""
    text = latin(place.line.text)
    upper = plain(text)
    at = 0
    while at < len(upper):
        label, end = _label_at(upper, at)
        if label is None and at == 0 and (label := _misread_label(upper)):
            end = len(upper)
        following = _next_label(upper, end) if label else len(upper)
        rest = text[end:following]
        # After a slash comes the label in a language or a spelling that we do not know, never the value.
        value = "" if label and _SLASH.match(rest) else rest.strip(" :/.-|")
        yield _span(place, label, value, at, following)
        at = following


def _span(place: Placed, label: Label | None, text: str, start: int, end: int) -> _Span:
    step = (place.right - place.left) / max(1, len(place.line.text))
    whole = text == place.line.text.strip()
    value = Value(
        text, respace(text, place.line.gaps) if whole else text, place.line.confidence * _BESIDE_LABEL
    )
    return _Span(label, value, place.left + start * step, place.left + end * step, place.top, place.bottom)


def _label_at(upper: str, at: int) -> tuple[Label | None, int]:
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


def _next_label(upper: str, at: int) -> int:
    """Where another label begins, for lines that recognition ran together; never within a word."""
    for word in re.finditer(r"(?<![^\s/])[A-Z]", upper[at:]):
        start = at + word.start()
        if start > at and _label_at(upper, start)[0]:
            return start
    return len(upper)


def _misread_label(upper: str) -> Label | None:
    """The label that a line comes near to in one of its languages: `Sumame`, `Date of bith`."""
    for part in re.split(r"[/|·]", upper):
        letters = re.sub(r"[^A-Z]", "", part)
        if len(letters) >= _SHORT and (near := get_close_matches(letters, _BY_LETTERS, 1, _LEAST_LIKENESS)):
            return _BY_LETTERS[near[0]]
    return None


def _fits(label: Label, text: str) -> bool:
    """Whether a text looks like this label's kind of value."""
    if label in {Label.BIRTH, Label.ISSUE, Label.EXPIRY}:
        return bool(re.search(r"\d", text)) and len(text) >= 6
    if label is Label.SEX:
        return sex(text) != ""
    if label is Label.NUMBER:
        return (
            len(re.findall(r"\d", text)) >= 4 and re.fullmatch(r"[A-Z0-9][A-Z0-9 -]{4,14}", text) is not None
        )
    if label in {Label.SURNAME, Label.GIVEN, Label.NATIONALITY}:
        return normalise.name(text) != ""
    return bool(re.search(r"[^\W\d_]{2}", text))


def sex(text: str) -> str:
    """M, F or X, also as bilingual passports write it: `F/F`, `M / H`."""
    return normalise.sex(re.split(r"[/ ]", text.strip())[0]) if text.strip() else ""


def _distance(label: _Span, value: _Span) -> float | None:
    """How far a value lies from its label, in letter heights; None when neither beneath nor beside."""
    unit = max(label.height, 0.7 * value.height)
    middles = abs((value.top + value.bottom) - (label.top + label.bottom)) / 2
    if middles < 0.5 * max(unit, value.height):
        gap = (value.left - label.right) / unit
        return max(gap, 0.0) + 0.5 if -1.0 < gap < 8 else None
    drop = (value.top - label.bottom) / unit
    shift = abs(value.left - label.left) / unit
    inside = label.left - unit < value.left < label.right
    return max(drop, 0.0) + 0.3 * shift if -0.6 < drop < 1.8 and (shift < 3 or inside) else None
