"""Where specimens print what: arrangements without number, drawn from a seed and copied from no real card.

They differ in what a reader may lean on: AAMVA's numbered labels, words, labels above their values, two
columns, the order of the fields, or hardly any labels at all.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import get_args

from app.dev import specimen_frames as frames
from app.dev import specimen_wording as wording
from app.dev.specimen_card import Box, Cell, Look, Region, Row
from app.dev.specimen_fonts import Face
from app.dev.specimen_people import Colour, Person
from app.dev.specimen_wording import Formats, Key, LabelStyle, NameStyle

LAYOUTS = tuple(LabelStyle)
"""Every style of labels; each comes in as many arrangements as there are seeds."""


@dataclass(frozen=True)
class Layout:
    style: LabelStyle
    title: str
    names: NameStyle
    name_comma: str
    unit_on_its_own_line: bool
    formats: Formats
    look: Look
    regions: tuple[Region, ...]
    portrait: Box
    """Left, top, width and height."""
    seed: int


def layout_of(somebody: Person, style: str | None = None) -> Layout:
    """The layout of this person's card: in the named style of `LAYOUTS`, or in the one the seed picks."""
    seed = somebody.seed * 7 + 1
    style = LabelStyle(style) if style else random.Random(seed).choice(_styles(somebody))
    rng = random.Random(f"{seed} {style}")
    look, names = _look(rng), _name_style(style, somebody, rng)
    header = look.header or 96
    structure = rng.choice(get_args(frames.Structure))
    cells = _Cells(style, look, rng, identification=somebody.identification)
    groups = _groups(cells, names, somebody, rng)
    portrait, boxes = frames.frame(structure, header, rng)
    return Layout(
        style=style,
        title=wording.title(style, rng, identification=somebody.identification),
        names=names,
        name_comma=rng.choice((", ", ", ", ",")),
        unit_on_its_own_line=rng.random() < 0.3,
        formats=wording.formats(rng, metric=somebody.jurisdiction.metric),
        look=look,
        regions=frames.regions_of(structure, boxes, groups, frames.order_of(style, rng)),
        portrait=portrait,
        seed=seed,
    )


def _styles(somebody: Person) -> tuple[LabelStyle, ...]:
    """Metric jurisdictions are bilingual half of the time, others never."""
    others = tuple(style for style in LAYOUTS if style is not LabelStyle.BILINGUAL)
    return (*others, *[LabelStyle.BILINGUAL] * len(others)) if somebody.jurisdiction.metric else others


def _name_style(style: LabelStyle, somebody: Person, rng: random.Random) -> NameStyle:
    """How names are printed. Only on a labelled line may the given names come first, and only a surname of
    one word may end a line that holds all names: nobody could tell otherwise which is which."""
    common: NameStyle = "family first"
    options: list[NameStyle] = [common, common, common, common, "family, given"]
    if style in {LabelStyle.WORDS, LabelStyle.TITLES, LabelStyle.COLONS}:
        options += ["given first", "three"]
    if style in {LabelStyle.BARE, LabelStyle.TITLES} and " " not in somebody.last:
        options += ["given family", "given family"]
    return rng.choice(options)


_LOOKS: tuple[Face, ...] = ("aileron", "aileron", "geist", "sans", "condensed", "condensed", "serif", "mono")
_INKS: tuple[Colour, ...] = ((24, 26, 34), (24, 26, 34), (10, 10, 10), (40, 30, 30), (20, 30, 70))
_ACCENTS: tuple[Colour, ...] = ((168, 24, 34), (190, 20, 30), (24, 26, 34), (20, 40, 130))
_LABELS: tuple[Colour, ...] = ((48, 66, 120), (90, 90, 96), (30, 30, 36), (150, 40, 46), (20, 80, 90))


def _look(rng: random.Random) -> Look:
    face = rng.choice(_LOOKS)
    return Look(
        face=face,
        bold=face != "mono" and rng.random() < 0.75,
        label_face=rng.choice((face, "aileron", "geist", "condensed")),
        label_size=rng.choice((15, 16, 17, 18, 20)),
        ink=rng.choice(_INKS),
        accent=rng.choice(_ACCENTS),
        label=rng.choice(_LABELS),
        header=rng.choice((0, 70, 78, 84, 96)),
        beside=rng.choice((5, 7, 9, 12)),
        pitch=rng.uniform(0.22, 0.5),
        largest=rng.choice((1.0, 1.1, 1.25)),
    )


class _Cells:
    """Makes cells of one style: its labels, its sizes, and which of its labels stand above their values."""

    def __init__(self, style: LabelStyle, look: Look, rng: random.Random, *, identification: bool) -> None:
        self.labels = wording.labels(style, rng, identification=identification)
        self.size = rng.choice((23, 24, 25, 26, 28))
        if look.face in {"sans", "mono"}:
            self.size -= 1
        long = style in {LabelStyle.TITLES, LabelStyle.BILINGUAL}
        self.stacked = rng.random() < (0.85 if long else 0.15)
        self.big_birth = rng.random() < 0.4
        self.accented = {key for key in ("number", "born", "expires") if rng.random() < 0.6}

    def cell(self, key: Key, *, larger: int = 0) -> Cell:
        label = self.labels.get(key, "")
        larger += 5 if key == "born" and self.big_birth else 0
        stacked = self.stacked and bool(label)
        return Cell(key, label, self.size + larger, key in self.accented, stacked)

    def row(self, *keys: Key, larger: int = 0) -> Row:
        return tuple(self.cell(key, larger=larger) for key in keys)


def _groups(cells: _Cells, names: NameStyle, somebody: Person, rng: random.Random) -> frames.Groups:
    """Rows that belong together; a group is never torn apart by the order of the card."""
    larger = rng.choice((0, 2, 4))
    groups: frames.Groups = {
        "number": (cells.row("number", larger=rng.choice((0, 4, 6))),),
        "names": _names(cells, names, larger),
        "address": (cells.row("street"), cells.row("unit"), cells.row("city")),
        "born": (cells.row("born"),),
        "dates": rng.choice(
            ((cells.row("issued", "expires"),), (cells.row("expires", "issued"),)),
        ),
        "physical": rng.choice(
            (
                (cells.row("sex", "height", "eyes"), cells.row("weight", "hair")),
                (cells.row("sex", "hair", "eyes"), cells.row("height", "weight")),
                (cells.row("sex", "height"), cells.row("eyes")),
                (cells.row("height", "sex", "eyes"),),
            )
        ),
        "codes": rng.choice(
            (
                (cells.row("class", "restrictions", "endorsements"),),
                (cells.row("class"), cells.row("endorsements", "restrictions")),
                (cells.row("class"),),
            )
        ),
        "discriminator": (cells.row("discriminator", larger=-3),) if rng.random() < 0.8 else (),
    }
    if somebody.identification:
        groups["codes"] = ()
    return groups


def _names(cells: _Cells, names: NameStyle, larger: int) -> tuple[Row, ...]:
    match names:
        case "family first":
            return (cells.row("last", larger=larger), cells.row("given", larger=larger))
        case "given first":
            return (cells.row("given", larger=larger), cells.row("last", larger=larger))
        case "three":
            return tuple(cells.row(key, larger=larger) for key in ("last", "first", "middle"))
        case _:
            return (cells.row("name", larger=larger),)
