"""Birth, issue and expiry dates: by label first, then by the only order in which the three can lie.

Labels are believed as long as they can be true. A birth date is printed twice or thrice on many cards (large,
on the portrait, as a ghost), so a date that repeats a known one says nothing new.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import pairwise, permutations

from flows.extraction import normalise
from flows.extraction.fields import Candidate, FieldName, Reading, Source
from flows.extraction.fronts.page import BY_SHAPE, Page, Span, field
from flows.extraction.fronts.vocabulary import DATE, DATES, Label, folded

_YOUNGEST = timedelta(days=14 * 365)
"""Before the day of issue; nobody younger is given a card of their own that this system reads."""
_LATEST = date(2099, 12, 31)
_IN_DOUBT = 0.75
"""Belief in a date that the card contradicts: by another reading of it, or by an order that cannot be."""
_REPAIRED = 0.85
"""Belief in a date of which a letter was read as a digit."""
_SHORT = 0.85
"""Belief in a date whose century is not printed, when another date tells it."""
_GUESSED_CENTURY = date(2015, 12, 31)
"""A birth date of two digits is before this when no other date says more."""

_FIELDS = {
    Label.BORN: FieldName.DATE_OF_BIRTH,
    Label.ISSUED: FieldName.DATE_OF_ISSUE,
    Label.EXPIRES: FieldName.EXPIRATION_DATE,
}


@dataclass(frozen=True)
class _Dated:
    value: str
    span: Span
    belief: float
    other: str = ""
    """Another reading of the same date elsewhere on the card."""


def read_dates(page: Page) -> Reading:
    """The three dates a licence has, in ISO."""
    day_first = _day_first(page)
    known: dict[Label, _Dated] = {}
    for label in reversed(DATES):  # a birth date of two digits is told by the others
        latest = _LATEST if label is not Label.BORN else _latest_birth(known)
        if dated := _claimed(page, label, latest, day_first=day_first):
            known[label] = dated
    known = _put_in_order(known)
    known = _completed(page, known, day_first=day_first)
    reading: Reading = {}
    for label, dated in known.items():
        found = field(dated.value, dated.span, dated.belief)
        if dated.other:
            other = Candidate(value=dated.other, confidence=found.confidence, source=Source.OCR)
            found = found.model_copy(update={"alternatives": (other,)})
        reading[_FIELDS[label]] = found
    return reading


def _day_first(page: Page) -> bool:
    """Whether this card prints the day before the month: some date on it can be read no other way, and
    every one of them so."""
    texts = [
        span.text
        for span in page.spans
        if span.label in {None, *DATES} and re.fullmatch(DATE, folded(span.text)) and "/" in span.text
    ]
    return any(not normalise.date_of(text) for text in texts) and all(
        normalise.date_of(text, day_first=True) for text in texts
    )


def _latest_birth(known: dict[Label, _Dated]) -> date:
    others = [date.fromisoformat(dated.value) for dated in known.values()]
    return min(others) - _YOUNGEST if others else _GUESSED_CENTURY


def _dated(span: Span, belief: float, latest: date, *, day_first: bool) -> _Dated | None:
    repaired = _REPAIRED if re.search(r"O(?=[\d/.-])|(?<=[\d/.-])O(?![A-Z])", folded(span.text)) else 1.0
    if value := normalise.date_of(span.text, day_first=day_first):
        return _Dated(value, span, min(belief, repaired))
    if value := normalise.short_date(span.text, latest=latest):
        return _Dated(value, span, min(belief, _SHORT, repaired))
    return None


def _claimed(page: Page, label: Label, latest: date, *, day_first: bool) -> _Dated | None:
    """What this label's values say; in doubt when they differ."""
    claims = sorted(page.claims.get(label, []), key=lambda claim: -claim.belief)
    dates = [_dated(claim.span, claim.belief, latest, day_first=day_first) for claim in claims]
    found = [dated for dated in dates if dated]
    if not found:
        return None
    others = [dated.value for dated in found if dated.value != found[0].value]
    if others:
        return replace(found[0], belief=min(found[0].belief, _IN_DOUBT), other=others[0])
    guessed = latest == _GUESSED_CENTURY and found[0].belief <= _SHORT
    return replace(found[0], belief=min(found[0].belief, _IN_DOUBT)) if guessed else found[0]


def _possible(known: dict[Label, _Dated]) -> bool:
    """Birth before issue before expiry, and nobody is issued a card as a child."""
    days = {label: date.fromisoformat(dated.value) for label, dated in known.items()}
    ordered = [days[label] for label in DATES if label in days]
    if any(later <= earlier for earlier, later in pairwise(ordered)):
        return False
    born = days.pop(Label.BORN, None)
    return born is None or all(day - born >= _YOUNGEST for day in days.values())


def _put_in_order(known: dict[Label, _Dated]) -> dict[Label, _Dated]:
    """Labels swapped when they cannot all be true and one other order can."""
    if _possible(known):
        return known
    labels = list(known)
    orders = [dict(zip(labels, order, strict=True)) for order in permutations(known.values())]
    possible = [order for order in orders if _possible(order)]
    chosen = possible[0] if len(possible) == 1 else known
    return {label: replace(dated, belief=min(dated.belief, _IN_DOUBT)) for label, dated in chosen.items()}


def _completed(page: Page, known: dict[Label, _Dated], *, day_first: bool) -> dict[Label, _Dated]:
    """Missing dates out of those that no label claimed, when they fit in one way only; and a birth date in
    doubt when a free date all but repeats it."""
    free = [
        dated
        for span in page.free
        if re.fullmatch(DATE, folded(span.text))
        and (dated := _dated(span, BY_SHAPE, _LATEST, day_first=day_first))
    ]
    values = {dated.value for dated in known.values()}
    new = {dated.value: dated for dated in reversed(free) if dated.value not in values}
    missing = [label for label in DATES if label not in known]
    ways = [way for way in _ways(missing, list(new.values())) if _possible({**known, **way})]
    if missing and len(ways) == 1:
        for dated in ways[0].values():
            page.take(dated.span)
        return {**known, **ways[0]}
    born = known.get(Label.BORN)
    near = [value for value in new if born and _one_digit_apart(born.value, value)]
    if born and near:
        return {**known, Label.BORN: replace(born, belief=min(born.belief, _IN_DOUBT), other=near[0])}
    return known


def _ways(missing: list[Label], new: list[_Dated]) -> Iterator[dict[Label, _Dated]]:
    """Every way to give each missing label a date of its own."""
    if 0 < len(missing) <= len(new) <= 6:  # past six it is no licence, and the ways are too many
        for chosen in permutations(new, len(missing)):
            yield dict(zip(missing, chosen, strict=True))


def _one_digit_apart(one: str, other: str) -> bool:
    return sum(left != right for left, right in zip(one, other, strict=True)) == 1
