"""Passport and identity card specimens with a machine-readable zone, drawn from a seed.

Like the licences, every picture is overprinted SPECIMEN and nothing switches that off, and no issuer
exists: UTO is ICAO's own for specimens, the others are user-assigned codes of ISO 3166.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from PIL import Image, ImageDraw

from app.dev import specimen_drawing as drawing
from app.dev import specimen_fonts as fonts
from app.dev import specimen_mrz as mrz
from app.dev import specimen_pools as pools
from app.dev.specimen_card import CARD, Cell, Look, Region
from app.dev.specimen_fonts import Face
from app.dev.specimen_people import Colour, Person, filled, person
from app.dev.specimen_typesetting import Printed, set_regions

PAGE = (1476, 1039)
"""A passport's data page (ICAO 9303-4: 125 by 88 mm) at 300 dots per inch."""
TD2 = (1240, 874)
"""105 by 74 mm (ICAO 9303-6) at 300 dots per inch."""
_CHARACTER = 30
"""Pixels; machine-readable zones have ten characters to the inch (ICAO 9303-3, 4.1)."""
_LINE = 75
"""Pixels between the baselines of a zone: a quarter of an inch."""


@dataclass(frozen=True)
class Issuer:
    code: str
    name: str
    nationality: str
    authority: str
    tint: Colour


ISSUERS = (
    Issuer("UTO", "UTOPIA", "UTOPIAN", "PASSPORT OFFICE ZENITH", (40, 110, 104)),
    Issuer("XNW", "REPUBLIC OF NOWHERE", "NOWHEREAN", "MINISTRY OF SAMPLES", (112, 66, 110)),
    Issuer("XFK", "FICTION", "FICTIONAL", "DEPT OF EXAMPLES", (58, 84, 140)),
    Issuer("XPM", "SPECIMIA", "SPECIMIAN", "CONSULATE AT TESTBURG", (150, 86, 40)),
)
"""No letter of their codes looks like another one: a reader knows real codes, and cannot know these."""


@dataclass(frozen=True)
class Holder:
    """Somebody who does not exist, and their passport."""

    person: Person
    issuer: Issuer
    number: str
    place_of_birth: str
    expires: date
    personal_number: str

    @property
    def given(self) -> str:
        return f"{self.person.first} {self.person.middle}".strip()

    @property
    def traveller(self) -> mrz.Traveller:
        return mrz.Traveller(
            issuer=self.issuer.code,
            nationality=self.issuer.code,
            last=self.person.last,
            given=self.given,
            number=self.number,
            born=self.person.born,
            sex=self.person.sex,
            expires=self.expires,
            personal_number=self.personal_number,
        )


def holder(seed: int, today: date) -> Holder:
    """The holder of this seed; the passport is valid on `today`."""
    rng = random.Random(f"passport {seed}")
    somebody = person(seed, today)
    return Holder(
        person=somebody,
        issuer=rng.choice(ISSUERS),
        number=filled(rng.choice(("A99999999", "999999999", "AA9999999", "AA999999")), rng),
        place_of_birth=rng.choice(pools.CITY),
        expires=somebody.issued.replace(year=somebody.issued.year + 10, day=min(somebody.issued.day, 28)),
        personal_number=filled("9999999999", rng) if rng.random() < 0.3 else "",
    )


def truth(somebody: Holder) -> dict[str, str]:
    """What a perfect reader finds on the data page, names as the visual zone spells them."""
    found = {
        **truth_of_zone(somebody, mrz.td3(somebody.traveller)),
        "FIRST_NAME": somebody.person.first,
        "MIDDLE_NAME": somebody.person.middle,
        "LAST_NAME": somebody.person.last,
        "DATE_OF_ISSUE": somebody.person.issued.isoformat(),
        "PLACE_OF_BIRTH": somebody.place_of_birth,
        "ID_TYPE": "PASSPORT",
    }
    return {name: value for name, value in found.items() if value}


def truth_of_zone(somebody: Holder, lines: Sequence[str]) -> dict[str, str]:
    """What a zone tells by itself: names without hyphens and apostrophes, cut where the line ends."""
    names = lines[2] if len(lines) == 3 else lines[0][5:]
    last, _, given = names.rstrip("<").partition("<<")
    first, _, middle = given.replace("<", " ").partition(" ")
    found = {
        "FIRST_NAME": first,
        "MIDDLE_NAME": middle,
        "LAST_NAME": last.replace("<", " "),
        "DOCUMENT_NUMBER": somebody.number,
        "DATE_OF_BIRTH": somebody.person.born.isoformat(),
        "EXPIRATION_DATE": somebody.expires.isoformat(),
        "SEX": somebody.person.sex,
        "NATIONALITY": somebody.issuer.code,
        "ISSUING_COUNTRY": somebody.issuer.code,
        "MRZ_CODE": "\n".join(lines),
    }
    return {name: value for name, value in found.items() if value}


def truth_of_td1_back(somebody: Holder) -> dict[str, str]:
    """What a perfect reader finds on the back of an identity card."""
    found = truth_of_zone(somebody, mrz.td1(somebody.traveller))
    return {**found, "PLACE_OF_BIRTH": somebody.place_of_birth, "ID_TYPE": "IDENTIFICATION CARD"}


def page(somebody: Holder) -> Image.Image:
    """A passport's data page: the visual zone and a TD3 zone beneath."""
    return _page(somebody, PAGE, "PASSPORT", mrz.td3(somebody.traveller))


def td2_card(somebody: Holder) -> Image.Image:
    """The front of an identity card of the larger format."""
    return _page(somebody, TD2, "IDENTITY CARD", mrz.td2(somebody.traveller))


def td1_back(somebody: Holder) -> Image.Image:
    """The back of an identity card: some small print and a TD1 zone."""
    card = drawing.artwork(somebody.person.seed, somebody.issuer.tint)
    draw = ImageDraw.Draw(card)
    for line, said in enumerate((f"PLACE OF BIRTH {somebody.place_of_birth}", somebody.issuer.authority)):
        fonts.write(draw, (40, 80 + 40 * line), said, face="geist", size=22, fill=drawing.INK)
    _zone(draw, CARD, mrz.td1(somebody.traveller))
    return drawing.finish(card)


def _page(somebody: Holder, size: tuple[int, int], title: str, lines: Sequence[str]) -> Image.Image:
    paper = drawing.artwork(somebody.person.seed, somebody.issuer.tint, size)
    draw = ImageDraw.Draw(paper)
    heading = f"{somebody.issuer.name}    {title}"
    fonts.write(draw, (60, 78), heading, face="geist", size=40, fill=somebody.issuer.tint, bold=True)
    drawing.portrait(draw, (50, 130, 370, 470))
    drawing.pieces(draw, visual_zone(somebody, size))
    _zone(draw, size, lines)
    return drawing.finish(paper)


def _zone(draw: ImageDraw.ImageDraw, size: tuple[int, int], lines: Sequence[str]) -> None:
    """The lines in a typeface of one width, as near to OCR-B as every machine has."""
    top = size[1] - 70 - _LINE * (len(lines) - 1)
    draw.rectangle((0, top - 80, *size), fill=(246, 246, 243))
    left = (size[0] - _CHARACTER * len(lines[0])) / 2
    for line, text in enumerate(lines):
        for place, character in enumerate(text):
            at = (left + _CHARACTER * (place + 0.5), top + _LINE * line)
            fonts.write(draw, at, character, face="mono", size=48, fill=(14, 14, 14), anchor="ms")


_FRENCH = ("JAN", "FÉV", "MARS", "AVR", "MAI", "JUIN", "JUIL", "AOÛT", "SEPT", "OCT", "NOV", "DÉC")
_LABELS = {
    "type": ("Type", "Type"),
    "code": ("Code", "Code"),
    "number": ("Passport No.", "N° de passeport"),
    "last": ("Surname", "Nom"),
    "given": ("Given names", "Prénoms"),
    "nationality": ("Nationality", "Nationalité"),
    "born": ("Date of birth", "Date de naissance"),
    "sex": ("Sex", "Sexe"),
    "place": ("Place of birth", "Lieu de naissance"),
    "issued": ("Date of issue", "Date de délivrance"),
    "expires": ("Date of expiry", "Date d'expiration"),
    "authority": ("Authority", "Autorité"),
}
_ARRANGEMENTS = (
    (("type", "code", "number"), ("last",), ("given",), ("nationality",), ("born", "sex"), ("place",),
     ("issued", "authority"), ("expires",)),
    (("type", "code", "number"), ("last",), ("given",), ("nationality", "born"), ("sex", "place"),
     ("issued", "expires"), ("authority",)),
    (("type", "code", "number"), ("last",), ("given",), ("born", "nationality"), ("place", "sex"),
     ("issued", "authority"), ("expires",)),
)  # fmt: skip


def visual_zone(somebody: Holder, size: tuple[int, int]) -> list[Printed]:
    """Labels above values, in English or in two languages, in one of several orders."""
    rng = random.Random(somebody.person.seed * 11 + 2)
    two_languages, capitals, separator = rng.random() < 0.7, rng.random() < 0.3, rng.choice((" / ", "/"))
    months_in_french = two_languages and rng.random() < 0.3

    def label(key: str) -> str:
        text = separator.join(_LABELS[key] if two_languages else _LABELS[key][:1])
        return text.upper() if capitals else text

    def day(value: date) -> str:
        month = f"{value:%b}".upper() + (f"/{_FRENCH[value.month - 1]}" if months_in_french else "")
        return f"{value:%d} {month} {value:%Y}"

    values = {
        "type": "P" if size == PAGE else "I",
        "code": somebody.issuer.code,
        "number": somebody.number,
        "last": somebody.person.last,
        "given": somebody.given,
        "nationality": somebody.issuer.nationality,
        "born": day(somebody.person.born),
        "sex": somebody.person.sex,
        "place": somebody.place_of_birth,
        "issued": day(somebody.person.issued),
        "expires": day(somebody.expires),
        "authority": somebody.issuer.authority,
    }
    rows = tuple(
        tuple(Cell(key, label(key), 32, stacked=True) for key in row) for row in rng.choice(_ARRANGEMENTS)
    )
    region = Region(460, 110, size[0] - 40, size[1] - 230, rows)
    return set_regions((region,), _look(rng), values)


def _look(rng: random.Random) -> Look:
    faces: tuple[Face, ...] = ("geist", "aileron", "condensed", "sans", "serif")
    return Look(
        face=rng.choice(faces),
        bold=rng.random() < 0.6,
        label_face=rng.choice(("geist", "aileron", "condensed")),
        label_size=rng.choice((18, 20, 22)),
        ink=(20, 20, 24),
        accent=(20, 20, 24),
        label=rng.choice(((60, 80, 60), (40, 60, 120), (70, 70, 76))),
        header=0,
        beside=9,
        pitch=rng.uniform(0.22, 0.45),
        largest=1.1,
    )
