"""Where the portrait and the regions of a card lie, and in which order its groups of rows are set in them."""

from __future__ import annotations

import random
from typing import Literal

from app.dev.specimen_card import CARD, Box, Region, Row
from app.dev.specimen_wording import LabelStyle

Structure = Literal["beside", "side column", "beneath"]
"""All text beside the portrait; a narrow column at the side as well; or a strip beneath both."""
_EDGE = 26
_BOTTOM = 582


Groups = dict[str, tuple[Row, ...]]

_ORDERS = (
    ("number", "born", "names", "address", "dates", "physical", "codes", "discriminator"),
    ("number", "dates", "names", "address", "born", "codes", "physical", "discriminator"),
    ("names", "address", "number", "born", "dates", "physical", "codes", "discriminator"),
    ("number", "dates", "born", "names", "address", "codes", "physical", "discriminator"),
    ("number", "born", "dates", "address", "names", "physical", "codes", "discriminator"),
    ("names", "number", "address", "born", "dates", "codes", "physical", "discriminator"),
    ("number", "codes", "dates", "born", "names", "address", "physical", "discriminator"),
)


def frame(structure: Structure, header: int, rng: random.Random) -> tuple[Box, list[Box]]:
    """The portrait's place and the boxes for text: the main one, and the second one if there is one."""
    on_the_left = rng.random() < 0.7
    width = rng.choice((220, 240, 270)) if structure == "beside" else rng.choice((200, 220))
    height = round(width * 1.27)
    top = header + rng.choice((14, 22, 30))
    portrait = (_EDGE if on_the_left else CARD[0] - _EDGE - width, top, width, height)
    left = _EDGE + width + 28 if on_the_left else _EDGE
    right = CARD[0] - _EDGE if on_the_left else CARD[0] - _EDGE - width - 24
    if structure == "beside":
        return portrait, [(left, top, right, _BOTTOM)]
    if structure == "beneath":
        floor = top + height + 10
        return portrait, [(left, top, right, floor), (_EDGE, floor + 6, CARD[0] - _EDGE, _BOTTOM)]
    split = right - rng.choice((220, 240))
    return portrait, [(left, top, split - 18, _BOTTOM), (split, top, right, _BOTTOM)]


def order_of(style: LabelStyle, rng: random.Random) -> tuple[str, ...]:
    """Without labels the names stand right above the address, or nobody would know them."""
    if style is LabelStyle.BARE:
        return rng.choice([order for order in _ORDERS if order.index("address") - order.index("names") == 1])
    return rng.choice(_ORDERS)


_SECOND: dict[Structure, tuple[str, ...]] = {
    "beside": (),
    "side column": ("dates", "physical", "codes"),
    "beneath": ("born", "dates", "physical", "codes", "discriminator"),
}
"""The groups of the second region."""


def regions_of(
    structure: Structure, boxes: list[Box], groups: Groups, order: tuple[str, ...]
) -> tuple[Region, ...]:
    if structure == "beside":
        return (Region(*boxes[0], _rows(groups, order)),)
    second_groups = _SECOND[structure]
    first = _rows(groups, tuple(name for name in order if name not in second_groups))
    second = _rows(groups, tuple(name for name in order if name in second_groups))
    if structure == "side column":
        second = _in_rows_of(1, second)
    elif structure == "beneath":
        second = _in_rows_of(3, second)
    return (Region(*boxes[0], first), Region(*boxes[1], second))


def _in_rows_of(count: int, rows: tuple[Row, ...]) -> tuple[Row, ...]:
    cells = [cell for row in rows for cell in row]
    return tuple(tuple(cells[at : at + count]) for at in range(0, len(cells), count))


def _rows(groups: Groups, names: tuple[str, ...]) -> tuple[Row, ...]:
    return tuple(row for name in names for row in groups[name])
