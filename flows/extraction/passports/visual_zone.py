"""What is printed above a machine-readable zone: values, and the labels they stand beside or beneath.

Source: ICAO Doc 9303 part 3, section 3 (the visual inspection zone) and part 4, 4.1.1. Passports print a
label in small type, often in several languages with a slash between, and the value beneath or beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from flows.extraction import normalise
from flows.extraction.engine import Line
from flows.extraction.geometry import Placed, columns, placed
from flows.extraction.passports.mrz_rows import likely
from flows.extraction.passports.visual_labels import Label, label_at, misread_label, next_label
from flows.extraction.spacing import respace
from flows.extraction.transliteration import latin, plain, without_accents

_NEAR_LABEL = 0.95
"""How far a value is believed that does not stand on its label's line; multiplies its text's confidence."""
_SURE_OF_ACCENTS = 97.0
"""Of 100, for the line. Measured: mostly 92 to 96 where accents were seen that were not there, and 97 or more
for five of six true ones."""
_SLASH = re.compile(r"\s*[/|·]")


@dataclass(frozen=True)
class Value:
    """A printed text and how sure it is, 0 to 100."""

    text: str
    spelled: str
    """With lost spaces put back, and with accents only if they are surely read: a line of the paper's pattern
    makes an Ó of an O."""
    confidence: float

    @property
    def accented(self) -> bool:
        """Whether accents were seen that no zone confirms, surely or not."""
        return without_accents(self.text) != self.text

    @property
    def doubtful(self) -> bool:
        """Whether it has an accent or a space that may be of the recogniser's own making."""
        return self.spelled != self.text or not self.text.isascii()


@dataclass(frozen=True, eq=False)
class _Span(Placed):
    label: Label | None
    value: Value


@dataclass(frozen=True)
class VisualZone:
    """The labelled values, and every text that is no label and no row of the machine-readable zone."""

    labelled: dict[Label, Value]
    texts: tuple[Value, ...]


def read(lines: Iterable[Line]) -> VisualZone:
    """Understand a page that stands upright, give or take some skew."""
    found = [span for place in placed(lines) if not likely(place.line.text) for span in _cut(place)]
    labels = [span for span in found if span.label]
    spans = [part for span in found for part in _parted(span, labels)]
    labelled = {
        span.label: span.value
        for span in reversed(spans)
        if span.label and span.value.text and _fits(span.label, span.value.text)
    }
    free = [span for span in spans if span.label is None]
    pairs = [
        (distance, label.label, value)
        for label in labels
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
    """The labels on a line, each with the text that follows it, and what stands in a column of its own; the
    line itself when there is neither."""
    text, starts = latin(place.line.text), place.starts()
    upper = plain(text)
    at = 0
    while at < len(upper):
        label, end = label_at(upper, at)
        if label is None and at == 0 and (label := misread_label(upper)):
            end = len(upper)
        ends = next_label(upper, end) if label else len(upper)
        following = min(ends, _next_column(place.line, upper, end))
        rest = text[end:following]
        # After a slash comes the label in a language or a spelling that we do not know, never the value.
        value = "" if label and _SLASH.match(rest) else rest.strip(" :/.-|")
        yield _Span(
            place.line,
            starts[at],
            starts[following],
            place.top,
            place.bottom,
            label,
            _value(place.line, value, end),
        )
        at = following


def _parted(span: _Span, labels: list[_Span]) -> Iterator[_Span]:
    """A text that runs on beneath the next column's label, cut where that label begins, if the rest fits it:
    text detection takes `LONDON` and the `F` of the next column for one line."""
    text = "" if span.label else span.value.text
    step = (span.right - span.left) / max(1, len(text))
    others = [label for label in labels if not _heads(label, span)]
    for word in re.finditer(r"(?<=\s)\S", text):
        at = word.start()
        head = _part(span, text[:at].strip(), span.left, span.left + at * step)
        tail = _part(span, text[at:], head.right, span.right)
        if any(_heads(label, tail) for label in others):
            yield head
            yield from _parted(tail, others)
            return
    yield span


def _part(span: _Span, text: str, left: float, right: float) -> _Span:
    return replace(span, value=_value(span.line, text, 0), left=left, right=right)


def _heads(label: _Span, value: _Span) -> bool:
    """Whether a value stands right beneath a label and begins where it does."""
    aligned = abs(value.left - label.left) < max(label.height, value.height)
    return aligned and _distance(label, value) is not None and _fits(label.label, value.value.text)


def _next_column(line: Line, upper: str, end: int) -> int:
    """Where the column ends in which a value begins at `end` or, a gap further on, beside its label."""
    begins = next((at for at in range(end, len(upper)) if upper[at].isalnum()), len(upper))
    return next((column for column in columns(line) if column > begins), len(upper))


def _value(line: Line, text: str, start: int) -> Value:
    """The part of a line that begins at or after `start`, spaced by the gaps of its own characters."""
    start = line.text.find(text, start)
    before, letters = (len("".join(part.split())) for part in (line.text[:start], text))
    spelled = respace(text, line.gaps[before : before + letters - 1])
    sure = line.confidence >= _SURE_OF_ACCENTS
    return Value(text, spelled if sure else without_accents(spelled), line.confidence)


def _fits(label: Label | None, text: str) -> bool:
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
    if abs(value.middle - label.middle) < 0.5 * max(unit, value.height):
        gap = (value.left - label.right) / unit
        return max(gap, 0.0) + 0.5 if -1.0 < gap < 8 else None
    drop = (value.top - label.bottom) / unit
    shift = abs(value.left - label.left) / unit
    inside = label.left - unit < value.left < label.right
    return max(drop, 0.0) + 0.3 * shift if -0.6 < drop < 1.8 and (shift < 3 or inside) else None
