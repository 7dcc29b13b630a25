"""Set a specimen's values on its layout: measured, wrapped, and made smaller until all of it fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.dev import specimen_fonts as fonts
from app.dev.specimen_card import Cell, Look, Region, Row
from app.dev.specimen_fonts import Face
from app.dev.specimen_layouts import Layout
from app.dev.specimen_people import Colour, Person, grouped
from app.dev.specimen_wording import EYES_IN_FULL, Key

_SCALES = (1.25, 1.18, 1.1, 1.05, 1.0, 0.95, 0.9, 0.86, 0.82)
_SMALLEST = (0.95, 0.9, 0.86, 0.82, 0.78, 0.74, 0.7, 0.66)
"""Tried with every label beside its value, once labels above them have turned out to take too much room."""
_APART = 26
"""Pixels between a value and the next label on its row, at least."""


@dataclass(frozen=True)
class Printed:
    """A piece of text on the card. `key` says whose value it is; empty for a label."""

    key: Key
    text: str
    left: float
    baseline: float
    face: Face
    size: int
    bold: bool
    colour: Colour

    @property
    def right(self) -> float:
        return self.left + fonts.width(self.text, self.face, self.size, bold=self.bold)


def typeset(somebody: Person, layout: Layout) -> list[Printed]:
    """Every label and value of the card, none over another and none beyond its region."""
    return set_regions(layout.regions, layout.look, printed_values(somebody, layout))


def set_regions(regions: Sequence[Region], look: Look, values: dict[Key, str]) -> list[Printed]:
    """The regions' rows at the largest size at which all of them fit."""
    scales = [(scale, True) for scale in _SCALES if scale <= look.largest]
    for scale, may_stack in [*scales, *((scale, False) for scale in _SMALLEST)]:
        setters = [_Setter(region, look, values, scale, may_stack=may_stack) for region in regions]
        if all(setter.fits for setter in setters):
            break
    return [piece for setter in setters for piece in setter.pieces]


def printed_values(somebody: Person, layout: Layout) -> dict[Key, str]:
    """Each value as this layout writes it; one that is empty is not printed, nor is its label."""
    written = layout.formats
    given = f"{somebody.first} {somebody.middle}".strip()
    last = f"{somebody.last} {somebody.suffix}".strip()
    code, metric = somebody.jurisdiction.code, somebody.jurisdiction.metric
    weight = round(somebody.weight * 0.4536) if metric else somebody.weight
    alone = layout.unit_on_its_own_line
    whole = f"{last}{layout.name_comma}{given}" if layout.names == "family, given" else f"{given} {last}"
    return {
        "number": grouped(somebody),
        "last": last,
        "given": given,
        "first": somebody.first,
        "middle": somebody.middle,
        "name": whole,
        "born": written.date(somebody.born),
        "issued": written.date(somebody.issued),
        "expires": written.date(somebody.expires),
        "street": somebody.street if alone else somebody.address,
        "unit": somebody.unit if alone else "",
        "city": f"{somebody.city}{',' if written.city_comma else ''} {code} {somebody.zip_code}",
        "class": somebody.vehicle_class,
        "sex": somebody.sex,
        "height": somebody.printed_height if metric else written.feet(*divmod(somebody.height, 12)),
        "weight": f"{weight}{written.weight_unit}",
        "eyes": EYES_IN_FULL[somebody.eyes] if written.eyes_in_full else somebody.eyes,
        "hair": somebody.hair,
        "restrictions": somebody.restrictions,
        "endorsements": somebody.endorsements,
        "discriminator": somebody.discriminator,
    }


class _Setter:
    """Sets one region from its top. `fits` tells whether the last row ended above the region's bottom."""

    def __init__(
        self, region: Region, look: Look, values: dict[Key, str], scale: float, *, may_stack: bool
    ) -> None:
        self.region, self.look, self.values, self.scale = region, look, values, scale
        self.may_stack = may_stack
        self.pieces: list[Printed] = []
        self.label_size = max(14, round(look.label_size * min(1.15, max(scale, 0.85))))
        bottom = float(region.top)
        for row in region.rows:
            bottom = self._row(tuple(cell for cell in row if values[cell.key]), bottom)
        self.fits = bottom <= region.bottom

    def _row(self, row: Row, top: float) -> float:
        """Set the cells of a row at even distances, on further lines if they are too wide; the new top."""
        if not row:
            return top
        left, right = float(self.region.left), self.region.right
        x, height = left, 0.0
        for place, cell in enumerate(row):
            size, stacked, wide = self._shape(cell)
            column = left + (right - left) * place / len(row)
            start = next((at for at in (max(x, column), x) if at + wide <= right), None)
            if start is None:
                top, start, height = top + height, left, 0.0
            height = max(height, self._cell(cell, start, top, size, stacked=stacked))
            x = start + wide + _APART
        return top + height

    def _shape(self, cell: Cell) -> tuple[int, bool, float]:
        """Size, whether the label stands above, and the width: the first shape that fits the region."""
        room = self.region.right - self.region.left
        size = round(cell.size * self.scale)
        too_wide = bool(cell.label) and self._width(cell, size, stacked=False) > room
        stacked = (cell.stacked and self.may_stack) or too_wide
        while size > 14 and self._width(cell, size, stacked=stacked) > room:
            size -= 1
        return size, stacked, self._width(cell, size, stacked=stacked)

    def _width(self, cell: Cell, size: int, *, stacked: bool) -> float:
        value = fonts.width(self.values[cell.key], self.look.face, size, bold=self.look.bold)
        if not cell.label:
            return value
        label = fonts.width(cell.label, self.look.label_face, self.label_size)
        return max(label, value) if stacked else label + self.look.beside + value

    def _cell(self, cell: Cell, left: float, top: float, size: int, *, stacked: bool) -> float:
        """Set one cell; its height with the blank beneath it."""
        look = self.look
        baseline = top + 0.8 * size
        if stacked:
            baseline += self.label_size + 2
            at = top + 0.8 * self.label_size
        else:
            at = baseline
        if cell.label:
            self.pieces.append(
                Printed("", cell.label, left, at, look.label_face, self.label_size, False, look.label)
            )
            if not stacked:
                left = self.pieces[-1].right + look.beside
        colour = look.accent if cell.accent else look.ink
        self.pieces.append(
            Printed(cell.key, self.values[cell.key], left, baseline, look.face, size, look.bold, colour)
        )
        descenders = 0.2
        return baseline - top + size * (descenders + look.pitch)
