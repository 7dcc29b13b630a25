"""Give each label that stands alone its value: right of it or beneath it.

Solved as an assignment over the whole page, because the nearest value of one label is often the value of
another: each label gets at most one span and each span serves at most one label, at the least total cost.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import Literal

from flows.extraction.fronts.page import Page, Span
from flows.extraction.fronts.vocabulary import CITY, DATE, MARK, NAMES, STATE_AND_CODE, VALUES, Label, folded
from flows.extraction.normalise import STATES

BESIDE = 1.0
"""Belief in a value on one line of text with its label."""
_NEAR, _FAR = 0.97, 0.85
"""Belief in a value close to its label, and in one that may be another's."""
_FAR_COST = 3.0

_UNPAIRED = 6.0
"""What it costs to leave a label without a value, in line heights like every cost here."""
_OTHER_WAY = 1.2
"""Added where a value lies beneath its label on a card whose values mostly stand beside, or the reverse."""
_WIDEST_GAP, _DEEPEST_DROP = 12.0, 1.7
_INDENT = (-1.6, 4.0)
"""How far left or right of its label's beginning a value beneath it may begin."""

_LONG = NAMES | {Label.NUMBER, Label.DISCRIMINATOR, Label.ADDRESS, Label.ISSUER}
CODES = r"NONE|AUCUNE?|\*?[A-Z0-9]{1,3}(?:[ ,/]{1,2}[A-Z0-9]{1,2})*"
_SHAPES = {**VALUES, Label.ENDORSEMENTS: CODES, Label.RESTRICTIONS: CODES}
"""Away from its label a value must look like that label's kind from end to end."""

Side = Literal["right", "beneath"]


@dataclass(frozen=True)
class _Pair:
    label: Span
    value: Span
    side: Side
    cost: float


def pair(page: Page) -> None:
    """Claim values for all labels of the page."""
    for span in page.spans:
        if span.label and span.text:
            page.claim(span.label, span, BESIDE)
    labels = [span for span in page.spans if span.label and not span.text and span.label is not Label.OTHER]
    left = _pair(page, labels)
    if freed := [span for span in left if _stands_elsewhere(page, span)]:
        # A name can be spelt like a label that stands elsewhere already: ENDO, ISS. So can a code: 1.
        for span in freed:
            page.release(span)
        left = _pair(page, [span for span in left if span not in freed])
    page.unpaired = left


def _stands_elsewhere(page: Page, span: Span) -> bool:
    """Whether a label like this one has its value already; one for all names stands for each of them."""
    return span.label in page.claims or (span.label in NAMES and Label.NAME in page.claims)


def _pair(page: Page, labels: list[Span]) -> list[Span]:
    """Claim the cheapest values for these labels; the labels that get none."""
    pairs = [each for label in labels for each in _pairs(page, label)]
    first = _assigned(labels, page.free, pairs)
    sides = Counter(each.side for each in first if not is_bare_number(each.label))
    usual = max(sides, key=lambda side: sides[side], default=None)
    weighed = [
        replace(each, cost=each.cost + _OTHER_WAY)
        if each.side != usual and not is_bare_number(each.label)
        else each
        for each in pairs
    ]
    chosen = _assigned(labels, page.free, weighed)
    for each in chosen:
        if each.label.label:
            page.claim(each.label.label, each.value, _NEAR if each.cost < _FAR_COST else _FAR)
            page.pairs.append((each.label, each.value))
    paired = {id(each.label) for each in chosen}
    return [label for label in labels if id(label) not in paired]


def _pairs(page: Page, label: Span) -> list[_Pair]:
    """The spans that could be this label's value by their shape and place."""
    found = []
    for value in page.free:
        if label.label is None or not fits(label.label, value.text):
            continue
        for side, cost in (("right", _right(page, label, value)), ("beneath", _beneath(page, label, value))):
            if cost is not None:
                found.append(_Pair(label, value, side, cost + _unlikely(label, value)))  # type: ignore[arg-type] # a literal above
    return found


def _unlikely(label: Span, value: Span) -> float:
    """A state's name is the card's title sooner than its holder's name."""
    return _OTHER_WAY if label.label in NAMES and folded(value.text) in STATES else 0.0


def fits(label: Label, value: str) -> bool:
    """Whether a text that stands away from a label can be its value."""
    text = folded(value)
    if CITY.match(text) or STATE_AND_CODE.match(text):
        return False
    if label not in _LONG:
        return bool(re.fullmatch(_SHAPES[label], text))
    if not re.match(VALUES[label], text):
        return False
    if label in NAMES:
        return not MARK.fullmatch(text)
    if label in {Label.NUMBER, Label.DISCRIMINATOR}:
        dated = re.fullmatch(DATE, text) and re.search(r"[/.-]|[A-Z]", text)
        return not (dated or re.match(r"\d+ [A-Z]{3}", text))  # nor is a street a number
    return True


def _right(page: Page, label: Span, value: Span) -> float | None:
    """The cost of a value on the label's row with nothing between the two."""
    unit = max(label.height, value.height)
    gap = (value.left - label.right) / unit
    if not value.on_row_of(label) or not -0.7 < gap < _WIDEST_GAP or value.left < label.left:
        return None
    between = any(
        other is not label
        and other is not value
        and other.on_row_of(value)
        and label.left < other.left < value.left
        and other.right > label.right
        for other in page.spans
    )
    return None if between else 0.25 * max(gap, 0.0) + 0.5 * abs(value.middle - label.middle) / unit


def _beneath(page: Page, label: Span, value: Span) -> float | None:
    """The cost of a value on the next row, beginning about where the label does. A number alone stands beside
    what it numbers, as a rule."""
    unit = max(label.height, value.height)
    drop, indent = (value.top - label.bottom) / unit, (value.left - label.left) / unit
    covered = value.left <= label.left and label.right <= value.right
    if not -0.55 < drop < _DEEPEST_DROP or value.middle - label.middle < 0.45 * unit:
        return None
    if not (_INDENT[0] < indent < _INDENT[1] or covered):
        return None
    between = any(
        other is not label
        and other is not value
        and label.middle + 0.4 * unit < other.middle < value.middle - 0.4 * unit
        and other.left < max(label.right, value.right)
        and other.right > min(label.left, value.left)
        for other in page.spans
    )
    cost = 0.6 * max(drop, 0.0) + 0.3 * abs(indent) + (_OTHER_WAY if is_bare_number(label) else 0.0)
    return None if between else cost


def is_bare_number(label: Span, value: str = "") -> bool:
    """Whether the label, before its `value` on the same line, is one of AAMVA's numbers without a word."""
    return not re.search(r"[A-Z]{2}", folded(label.line.text.removesuffix(value)))


def _assigned(labels: list[Span], values: list[Span], pairs: list[_Pair]) -> list[_Pair]:
    """The cheapest choice of pairs in which every label and every value occurs once at most."""
    if not pairs:
        return []
    cheapest: dict[tuple[int, int], _Pair] = {}
    row = {id(label): at for at, label in enumerate(labels)}
    column = {id(value): at for at, value in enumerate(values)}
    for each in pairs:
        place = (row[id(each.label)], column[id(each.value)])
        if place not in cheapest or each.cost < cheapest[place].cost:
            cheapest[place] = each
    # Columns past the values stand for "no value"; every label has its own.
    costs = [
        [cheapest[r, c].cost if (r, c) in cheapest else _UNPAIRED * 2 for c in range(len(values))]
        + [_UNPAIRED] * len(labels)
        for r in range(len(labels))
    ]
    chosen = cheapest_assignment(costs)
    return [cheapest[place] for place in enumerate(chosen) if place in cheapest]


def cheapest_assignment(costs: list[list[float]]) -> list[int]:
    """The column of each row so that no column is used twice and the sum is least.

    The Hungarian method with potentials, for at least as many columns as rows.
    """
    rows, columns = len(costs), len(costs[0])
    of_row, of_column = [0.0] * (rows + 1), [0.0] * (columns + 1)
    row_at = [0] * (columns + 1)  # the row each column is given to, from 1; 0 for none
    for row in range(1, rows + 1):
        row_at[0] = row
        came_from = _augmenting_path(costs, of_row, of_column, row_at)
        column = came_from.pop()
        while column:
            row_at[column] = row_at[came_from[column]]
            column = came_from[column]
    chosen = [0] * rows
    for column in range(1, columns + 1):
        if row_at[column]:
            chosen[row_at[column] - 1] = column - 1
    return chosen


def _augmenting_path(
    costs: list[list[float]], of_row: list[float], of_column: list[float], row_at: list[int]
) -> list[int]:
    """Shortest way from the row waiting in column 0 to a free column: the column before each column, and
    the free column at the end. Adjusts the potentials."""
    columns = len(of_column)
    least, came_from, used = [float("inf")] * columns, [0] * columns, [False] * columns
    column = 0
    while row_at[column]:
        used[column] = True
        row = row_at[column]
        for other in range(1, columns):
            if not used[other]:
                cost = costs[row - 1][other - 1] - of_row[row] - of_column[other]
                if cost < least[other]:
                    least[other], came_from[other] = cost, column
        step, nearest = min((least[other], other) for other in range(1, columns) if not used[other])
        for other in range(columns):
            if used[other]:
                of_row[row_at[other]] += step
                of_column[other] -= step
            else:
                least[other] -= step
        column = nearest
    return [*came_from, column]
