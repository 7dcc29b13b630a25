"""The holder's names: labelled each, labelled together, or known by their place above the address."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from flows.extraction import normalise
from flows.extraction.fields import FieldName, Reading
from flows.extraction.fronts.name_words import capital_i, family_begins, is_name, name_words
from flows.extraction.fronts.page import BY_SHAPE, LOOKALIKE, Page, Span, field
from flows.extraction.fronts.vocabulary import NAMES, TITLE, Label, folded

_ONE_LINE, _IN_ORDER = 0.85, 0.9
"""Belief in a family name set off by a comma, and in two lines whose order the label before both tells."""
_SPECK = 0.85
"""Belief in a name with an accent, which may be a speck, or that begins with a letter alone, which may be
what is left of a label."""
_NAMES_ON_TWO_LINES = 2
_GLUED_BELIEF = 0.85
_GLUED = {
    Label.LAST: re.compile(r"(?:LAST|FAMILY) ?(?:NAME)?(?=[A-Z])|SURNAME(?=[A-Z])"),
    Label.MIDDLE: re.compile(r"MIDDLE ?(?:NAMES?)?(?=[A-Z])"),
    Label.GIVEN: re.compile(r"(?:FIRST|GIVEN) ?(?:NAMES?)?(?=[A-Z])"),
}
"""Labels run into a name. Names begin so too (GIVENS), so only beside another labelled name."""
_GLUED_TO_FRENCH = {
    Label.LAST: re.compile(r".*/ ?NOM(?! ?DE ?FAM)(?=[A-Z]{2})"),
    Label.GIVEN: re.compile(r".*/ ?PRENOMS?(?=[A-Z]{2})"),
}
"""The same behind a slash, where a name looks like one more word of the label."""


@dataclass(frozen=True)
class _Part:
    """A printed name with the line it stands on."""

    text: str
    span: Span
    belief: float


def read_names(page: Page) -> Reading:
    """First, middle and last name and suffix. Comes after the address, which tells where to look."""
    last, given = _labelled(page, Label.LAST), _labelled(page, Label.GIVEN)
    whole = _labelled(page, Label.NAME)
    if whole and given and not last and "," not in whole.text:
        last = whole  # beside given names of their own, NAME is the family's
    elif whole and not (last and given):
        last, given = _split(page, whole)
    elif given and not last and "," in given.text.rstrip(" ,") and _whole_expected(page):
        last, given = _split(page, given)
    elif last and not given and "," in last.text.rstrip(" ,"):
        last, given = _split(page, last)
    elif not last or not given:
        last, given = _by_place(page, last, given)
    elif "," not in last.text:
        last = _wrapped(page, last, given)
    return _reading(page, last, given)


def _wrapped(page: Page, last: _Part, given: _Part) -> _Part:
    """A long family name with its second line: what reads like a name right beneath it, set alike, above the
    given names with their own label."""
    below = _next_name(page, last.span, down=True)
    if below is None or not _goes_on(below, last.span) or given.span.middle <= below.middle:
        return last
    if given.span.on_row_of(below) or given.span.on_row_of(last.span):
        return last
    page.take(below)
    return _Part(f"{last.text} {below.spaced}", last.span, min(last.belief, _IN_ORDER))


def _goes_on(below: Span, above: Span) -> bool:
    """Whether a line may be the rest of the one right above it: close to it and as large."""
    close = below.middle - above.middle <= 1.6 * above.height
    return close and 0.7 < below.height / above.height < 1.4


def _whole_expected(page: Page) -> bool:
    """Whether a label for all names stands alone: 1,2 was read in two parts, the second with the value."""
    return any(span.label is Label.NAME and not span.text for span in page.spans)


def _labelled(page: Page, label: Label) -> _Part | None:
    if claim := page.first(label):
        return _Part(claim.span.spaced, claim.span, claim.belief)
    if not NAMES.intersection(page.claims):
        return None
    alone = [span for span in page.spans if span.label is label and not span.text]
    for spans, patterns in ((page.free, _GLUED), (alone, _GLUED_TO_FRENCH)):
        if found := _glued(spans, patterns.get(label)):
            page.take(found.span)
            return found
    return None


def _glued(spans: list[Span], label: re.Pattern[str] | None) -> _Part | None:
    """The first name that a label has run into."""
    for span in spans:
        text = span.text or span.line.text
        if label and (match := label.match(folded(text))) and is_name(text[match.end() :]):
            return _Part(text[match.end() :], span, _GLUED_BELIEF)
    return None


def _split(page: Page, whole: _Part) -> tuple[_Part | None, _Part | None]:
    """All names out of one place: `LAST, FIRST MIDDLE`, the family name above the given ones, or `FIRST
    MIDDLE LAST`."""
    family, comma, rest = _bare(whole).partition(",")
    if comma and rest.strip(" ,"):
        belief = min(whole.belief, _ONE_LINE)
        return _Part(family, whole.span, belief), _Part(rest, whole.span, belief)
    if beside := _beside(page, whole.span, comma=bool(comma)):
        page.take(beside)
        belief = min(whole.belief, _IN_ORDER if comma else BY_SHAPE)
        return _Part(family, whole.span, belief), _Part(beside.spaced, beside, belief)
    below = _next_name(page, whole.span, down=True)
    if below and (comma or abs(below.left - whole.span.left) < 0.8 * whole.span.height):
        page.take(below)
        belief = min(whole.belief, _IN_ORDER if comma or _order_is_told(page) else BY_SHAPE)
        return _Part(family, whole.span, belief), _Part(below.spaced, below, belief)
    words, suffix = name_words(whole.text)
    if len(words) < 2:  # above an address it may be anything
        return (whole if whole.belief > BY_SHAPE else None), None
    belief = min(whole.belief, BY_SHAPE)
    begins = family_begins(words)
    family = " ".join((*words[begins:], suffix)).strip()
    return _Part(family, whole.span, belief), _Part(" ".join(words[:begins]), whole.span, belief)


def _order_is_told(page: Page) -> bool:
    """Whether the label of all names is AAMVA's 1,2: under the word NAME alone either may come first."""
    return any(span.label is Label.NAME and re.match(r"1\W*2", span.line.text) for span in page.spans)


def _bare(whole: _Part) -> str:
    """The text without a label NAME that has run into the family name before a comma."""
    glued = whole.belief == BY_SHAPE and re.match(r"NAME(?=[A-Z]{3,}\s*,)", folded(whole.text))
    return whole.text[glued.end() :] if glued else whole.text


def _beside(page: Page, family: Span, *, comma: bool) -> Span | None:
    """Given names further right on the family name's row, set off by a comma or a wide gap."""
    row = [
        span
        for span in page.free
        if (span.line is family.line or (comma and span.on_row_of(family)))
        and 0 <= span.left - family.right + 0.3 * family.height < 3 * family.height
        and is_name(span.text)
    ]
    return row[0] if row else None


def _by_place(page: Page, last: _Part | None, given: _Part | None) -> tuple[_Part | None, _Part | None]:
    """Names of which a label was not read: the family name stands above the given names."""
    if last and (below := _next_name(page, last.span, down=True)):
        page.take(below)
        further = _next_name(page, below, down=True)
        if further and _goes_on(below, last.span) and _goes_on(further, below):
            last = replace(last, belief=BY_SHAPE)  # which lines go on with which name is not told
        return last, _Part(below.spaced, below, BY_SHAPE)
    if given and (above := _next_name(page, given.span)):
        page.take(above)
        return _Part(above.spaced, above, BY_SHAPE), given
    street = page.first(Label.ADDRESS)
    return (last, given) if last or given or not street else _above(page, street.span)


def _above(page: Page, street: Span) -> tuple[_Part | None, _Part | None]:
    """Names without any label, on the one or two lines above the address."""
    if not (lower := _next_name(page, street)):
        return _flush(page, street)
    page.take(lower)
    upper = _next_name(page, lower)
    if upper and "," in lower.text.strip(" ,") and not _of_a_kind(upper, lower):
        upper = None
    if upper is None:
        return _split(page, _Part(lower.spaced, lower, BY_SHAPE))
    page.take(upper)
    if upper.text.rstrip().endswith(","):
        return _Part(upper.spaced, upper, _ONE_LINE), _Part(lower.spaced, lower, _ONE_LINE)
    return _Part(upper.spaced, upper, BY_SHAPE), _Part(lower.spaced, lower, BY_SHAPE)


def _flush(page: Page, street: Span) -> tuple[_Part | None, _Part | None]:
    """The only two lines, one beneath the other, that read like names and begin where the street does."""
    found = [
        span
        for span in page.free
        if is_name(span.text)
        and abs(span.left - street.left) < 0.6 * street.height
        and 0.6 < span.height / street.height < 1.8
    ]
    if len(found) != _NAMES_ON_TWO_LINES or not found[1].under(found[0]):
        return None, None
    for span in found:
        page.take(span)
    upper, lower = (_Part(span.spaced, span, BY_SHAPE) for span in found)
    return upper, lower


def _of_a_kind(upper: Span, lower: Span) -> bool:
    """Whether two lines were set as one: as large, close together, flush left."""
    return (
        0.75 < upper.height / lower.height < 1.33
        and lower.middle - upper.middle < 1.6 * lower.height
        and abs(upper.left - lower.left) < 0.5 * lower.height
    )


def _next_name(page: Page, anchor: Span, *, down: bool = False) -> Span | None:
    """The nearest free line above (or below) the anchor that reads like a name and is aligned with it."""
    near = [
        span
        for span in page.free
        if (span.under(anchor) if down else anchor.under(span))
        and abs(span.left - anchor.left) < 2.5 * anchor.height
        and is_name(span.text)
        and not _beside_title(page, span)
    ]
    return min(near, key=lambda span: abs(span.middle - anchor.middle), default=None)


def _beside_title(page: Page, span: Span) -> bool:
    """Whether the span shares its row with the card's title, as the issuer's name does."""
    titles = [other for other in page.spans if TITLE.fullmatch(folded(other.text))]
    return any(abs(span.middle - title.middle) < 0.5 * span.height for title in titles)


def _reading(page: Page, last: _Part | None, given: _Part | None) -> Reading:
    reading: Reading = {}
    if last:
        family, suffix = name_words(last.text)
        _put(reading, FieldName.LAST_NAME, " ".join(family), last)
        _put(reading, FieldName.SUFFIX, suffix, last)
    middle = _labelled(page, Label.MIDDLE)
    if given:
        given = given if middle else _continued(page, given, last)
        words, suffix = name_words(given.text)
        _put(reading, FieldName.FIRST_NAME, " ".join(words[:1]), given)
        _put(reading, FieldName.MIDDLE_NAME, " ".join(words[1:]), given)
        _put(reading, FieldName.SUFFIX, suffix, given)
    if middle:
        _put(reading, FieldName.MIDDLE_NAME, " ".join(name_words(middle.text)[0]), middle)
    if own := _labelled(page, Label.SUFFIX):
        _put(reading, FieldName.SUFFIX, normalise.words(own.text).rstrip("."), own)
    return reading


def _continued(page: Page, given: _Part, last: _Part | None) -> _Part:
    """Given names with what goes on in a second line, begun right beneath the first; in doubt while the
    family name is missing, which that line might be."""
    below = _next_name(page, given.span, down=True)
    if below is None or not _goes_on(below, given.span) or (last and last.span is given.span):
        return given
    if last is None:
        return _Part(given.text, given.span, BY_SHAPE)
    page.take(below)
    return _Part(f"{given.text} {below.spaced}", given.span, given.belief)


def _put(reading: Reading, name: FieldName, value: str, part: _Part) -> None:
    if value and value not in {"NONE", "UNAVL"}:
        repaired = LOOKALIKE if normalise.letters(capital_i(part.text)) != part.text.upper() else 1.0
        speck = _SPECK if folded(value) != value or re.match(r"[A-Z] \w\w", value) else 1.0
        belief = min(part.belief, repaired, speck, part.span.sureness)
        reading.setdefault(name, field(value, part.span, belief))
