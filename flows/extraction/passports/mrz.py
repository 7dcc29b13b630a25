"""The machine-readable zone of passports and identity cards, from text or from recognised lines.

Source: ICAO Doc 9303 parts 4 (TD3: two rows of 44), 5 (TD1: three of 30) and 6 (TD2: two of 36).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice, product

from flows.extraction.engine import Line
from flows.extraction.passports import mrz_repair, mrz_rows
from flows.extraction.passports.mrz_layout import FILLER, LAYOUTS, TD1, Layout, checks, long_number, text_at
from flows.extraction.passports.mrz_repair import Place

_FIRST_LETTERS = {"TD3": "P", "TD2": "ACIP", "TD1": "ACI"}
"""How a document code may begin (part 4, 4.2.2; part 5, 4.2.2; part 6, 4.2.2). Visas (V) are not read."""
_LEAST_PASSING = 2
"""Check digits; two rows of text with fewer are no machine-readable zone."""
_MOST_FITS = 24
"""Ways a row of a wrong length is stretched; later ones never won in our measurements."""


class NotMrz(ValueError):
    """The rows have none of the three shapes, or hold characters that no machine-readable zone has."""


@dataclass(frozen=True)
class Mrz:
    """What the zone says. Dates are YYMMDD as printed: `mrz_layout.birth_date` and `expiry_date` know their
    century. Fillers are gone from every value."""

    format: str
    """`TD1`, `TD2` or `TD3`."""
    code: str
    """`P` for a passport, `I`, `A` or `C` for a card, and a second letter that issuers choose."""
    issuing_state: str
    number: str
    nationality: str
    birth: str
    expiry: str
    sex: str
    """`M`, `F`, or `X` for unspecified."""
    optional: str
    primary: str
    """Family name, as a rule: words without hyphens, apostrophes or accents."""
    secondary: str
    """Given names, in the same spelling."""
    truncated: bool
    """The names fill their field to its end, so that some may be missing or cut."""
    checks: dict[str, bool]
    """Whether each check digit is right: number, birth, expiry, composite, and for passports optional."""
    rows: tuple[str, ...]
    """As they were understood: corrected and repaired."""
    corrected: tuple[Place, ...] = ()
    """Where a letter stood for a digit or the other way round, in a place for one kind only."""
    repaired: tuple[Place, ...] = ()
    """Where a character was changed until a check digit passed. A repair can pass a wrong number."""
    confidence: float = field(default=100.0, compare=False)
    """Of the text recognition, 0 to 100."""

    @property
    def right(self) -> bool:
        """Whether every check digit passes."""
        return all(self.checks.values())


def parse(lines: Sequence[str]) -> Mrz:
    """Read rows of exact length. Raises NotMrz."""
    layout = next((own for own in LAYOUTS if [len(line) for line in lines] == [own.width] * own.rows), None)
    if layout is None:
        raise NotMrz("The rows are not two of 44, two of 36 or three of 30 characters.")
    if not all(mrz_rows.ROW.fullmatch(line) for line in lines):
        raise NotMrz("The rows hold other characters than capital letters, digits and fillers.")
    rows, corrected = mrz_repair.by_position(lines, layout)
    rows, repaired = mrz_repair.until_it_passes(rows, layout)
    return replace(_understood(rows, layout), corrected=corrected, repaired=repaired)


def find(lines: Sequence[Line]) -> Mrz | None:
    """The zone among the lines recognised on an upright page; None when there is none, or too little of it.

    Rows may lie in several lines, have lost or gained fillers, and hold what recognition makes of fillers.
    """
    rows = mrz_rows.rows(lines)
    best: Mrz | None = None
    for layout in LAYOUTS:
        for first in range(len(rows) - layout.rows + 1):
            window = rows[first : first + layout.rows]
            found = _best_fit([row.text for row in window], layout)
            if found is None or (best is not None and _score(found) <= _score(best)):
                continue
            best = replace(found, confidence=min(row.confidence for row in window))
    return best


def looks_like_one(lines: Sequence[Line]) -> bool:
    """Whether the page bears fillers, whichever way round: cheap, and worth a second look when `find` sees
    nothing."""
    return any(mrz_rows.bears_fillers(line.text) for line in lines)


def _score(zone: Mrz) -> tuple[int, int, int]:
    return sum(zone.checks.values()) - len(zone.repaired), -len(zone.repaired), -len(zone.corrected)


def _best_fit(texts: Sequence[str], layout: Layout) -> Mrz | None:
    """The rows brought to the layout's width in the way that most check digits like, or None."""
    best: Mrz | None = None
    for rows in _fits(texts, layout):
        zone = parse(rows)
        if zone.code[:1] not in _FIRST_LETTERS[layout.name] or not zone.primary:
            continue
        if best is None or _score(zone) > _score(best):
            best = zone
        if best.right and not best.repaired:
            break
    return best if best and _score(best)[0] >= _LEAST_PASSING else None


def _fits(texts: Sequence[str], layout: Layout) -> Iterator[tuple[str, ...]]:
    names_row, _, _ = layout.spans["names"]
    ways = [
        mrz_rows.fit_names(text, layout.width, layout.spans["names"][1])
        if row == names_row
        else islice(mrz_rows.fit(text, layout.width), _MOST_FITS)
        for row, text in enumerate(texts)
    ]
    return product(*ways)


def _understood(rows: Sequence[str], layout: Layout) -> Mrz:
    parts = {name: text_at(rows, span) for name, span in layout.spans.items()}
    long = long_number(rows, layout)
    optional = parts["optional"].partition(FILLER)[2] if long else parts["optional"]
    primary, _, secondary = parts["names"].partition(FILLER * 2)
    return Mrz(
        format=layout.name,
        code=_words(parts["code"]),
        issuing_state=_words(parts["state"]),
        number=(long[0] if long else parts["number"]).replace(FILLER, ""),
        nationality=_words(parts["nationality"]),
        birth=parts["birth"],
        expiry=parts["expiry"],
        sex={"M": "M", "F": "F"}.get(parts["sex"], "X" if parts["sex"] in "<X" else ""),
        optional=_words(optional + (FILLER + parts["optional2"] if layout is TD1 else "")),
        primary=_words(primary),
        secondary=_words(secondary),
        truncated=not parts["names"].endswith(FILLER),
        checks=checks(rows, layout),
        rows=tuple(rows),
    )


def _words(text: str) -> str:
    return " ".join(text.replace(FILLER, " ").split())
