"""Driver's licence specimens drawn from a seed: for the demo and the tests, never for anything else.

Every picture is overprinted SPECIMEN and nothing switches that off. The jurisdictions do not exist: their
codes are ISO 3166 user-assigned (X…), their ZIP codes are unassigned (000…), their issuer numbers belong
to nobody (999…), and the artwork copies no real card's design or security features. The barcode is a true
PDF417 in the layout of the AAMVA DL/ID Card Design Standard (2020), Annex D.

The same seed and day always give the same person, so a test knows what a picture says: see `truth`.
"""

from __future__ import annotations

import io
import random
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Literal

import numpy as np
import zxingcpp
from PIL import Image, ImageDraw, ImageFilter

from app.dev import specimen_drawing as drawing
from app.dev.specimen_layouts import LAYOUTS, Layout

Kind = Literal["valid", "expired", "under_age"]

_FIRST = [
    "JAMES",
    "MARIA",
    "ROBERT",
    "LINDA",
    "DAVID",
    "SUSAN",
    "CARLOS",
    "AISHA",
    "WEI",
    "PRIYA",
    "OLIVIA",
    "NOAH",
    "EMMA",
    "LIAM",
    "YUKI",
    "FATIMA",
]
_MIDDLE = ["LEE", "ANN", "RAY", "QUINN", "GRACE", "ALAN", "ROSE", "IVAN", "JADE", "", ""]
_LAST = [
    *[
        "SMITH",
        "JOHNSON",
        "GARCIA",
        "O'NEIL",
        "NGUYEN",
        "PATEL",
        "MULLER",
        "SMITH-JONES",
        "KOWALSKI",
        "TANAKA",
    ],
    "DE LA CRUZ",
]
_STREET = ["MAIN ST", "OAK AVE", "E 5TH ST APT 12", "MAPLE LN", "RIVERSIDE DR", "HIGHLAND BLVD UNIT 3B"]
_CITY = ["SAMPLETON", "EXAMPLE CITY", "NOWHERE FALLS", "PORT SPECIMEN", "MIDDLEBROOK"]


@dataclass(frozen=True)
class Jurisdiction:
    """An issuer that does not exist. `number_pattern`: A is a letter, 9 a digit."""

    code: str
    name: str
    issuer: str
    number_pattern: str
    tint: drawing.Colour


JURISDICTIONS = (
    Jurisdiction("XS", "STATE OF SAMPLE", "999001", "A9999999", (58, 84, 140)),
    Jurisdiction("XU", "STATE OF UTOPIA", "999002", "999999999", (40, 110, 104)),
    Jurisdiction("XN", "STATE OF NOWHERE", "999003", "AA999999", (112, 66, 110)),
)


@dataclass(frozen=True)
class Person:
    """Somebody who does not exist, and what their licence says. `height` is in inches."""

    seed: int
    jurisdiction: Jurisdiction
    number: str
    last: str
    first: str
    middle: str
    born: date
    issued: date
    expires: date
    street: str
    city: str
    zip_code: str
    sex: Literal["M", "F"]
    height: int
    weight: int
    eyes: str
    hair: str
    vehicle_class: str
    discriminator: str


def _fill(pattern: str, rng: random.Random) -> str:
    """Letters for A (without I, O and Q, which issuers avoid), digits for 9."""
    letters = "ABCDEFGHJKLMNPRSTUVWXYZ"
    return "".join(rng.choice(letters) if c == "A" else str(rng.randrange(10)) for c in pattern)


def person(seed: int, today: date, kind: Kind = "valid") -> Person:
    """The person of this seed. An `expired` licence ran out before `today`; an `under_age` holder is 17."""
    rng = random.Random(seed)
    jurisdiction = rng.choice(JURISDICTIONS)
    born = date(rng.randint(1945, today.year - 21), rng.randint(1, 12), rng.randint(1, 28))
    if kind == "under_age":
        born = date(today.year - 17, 1, 1)
    issued = today - timedelta(days=rng.randint(30, 300))
    if kind == "expired":
        issued = issued.replace(year=issued.year - 9, day=min(issued.day, 28))
    return Person(
        seed=seed,
        jurisdiction=jurisdiction,
        number=_fill(jurisdiction.number_pattern, rng),
        last=rng.choice(_LAST),
        first=rng.choice(_FIRST),
        middle=rng.choice(_MIDDLE),
        born=born,
        issued=issued,
        expires=date(issued.year + 8, born.month, born.day),
        street=f"{rng.randint(1, 10 ** rng.randint(1, 5))} {rng.choice(_STREET)}",
        city=rng.choice(_CITY),
        zip_code=f"000{rng.randint(0, 99):02d}",
        sex=rng.choice(("M", "F")),
        height=rng.randint(58, 77),
        weight=rng.randint(100, 260),
        eyes=rng.choice(["BRO", "BLU", "GRN", "HAZ"]),
        hair=rng.choice(["BRO", "BLK", "BLN", "GRY"]),
        vehicle_class=rng.choice(["C", "D", "M"]),
        discriminator=_fill("99AA999999", rng),
    )


def truth(somebody: Person) -> dict[str, str]:
    """What a perfect reader finds on the front, by the names of AWS Textract AnalyzeID; dates in ISO."""
    found = {
        "FIRST_NAME": somebody.first,
        "MIDDLE_NAME": somebody.middle,
        "LAST_NAME": somebody.last,
        "ADDRESS": somebody.street,
        "CITY_IN_ADDRESS": somebody.city,
        "STATE_IN_ADDRESS": somebody.jurisdiction.code,
        "ZIP_CODE_IN_ADDRESS": somebody.zip_code,
        "DOCUMENT_NUMBER": somebody.number,
        "DATE_OF_BIRTH": somebody.born.isoformat(),
        "DATE_OF_ISSUE": somebody.issued.isoformat(),
        "EXPIRATION_DATE": somebody.expires.isoformat(),
        "CLASS": somebody.vehicle_class,
        "SEX": somebody.sex,
        "EYES": somebody.eyes,
    }
    return {name: value for name, value in found.items() if value}


def aamva(somebody: Person) -> bytes:
    """The barcode's content: header, one DL and one jurisdiction subfile, version 10 (AAMVA 2020, D.12)."""
    code = somebody.jurisdiction.code
    elements = {
        "DAQ": somebody.number,
        "DCS": somebody.last,
        "DDE": "N",
        "DAC": somebody.first,
        "DDF": "N",
        "DAD": somebody.middle or "NONE",
        "DDG": "N",
        "DCA": somebody.vehicle_class,
        "DCB": "NONE",
        "DCD": "NONE",
        "DBD": f"{somebody.issued:%m%d%Y}",
        "DBB": f"{somebody.born:%m%d%Y}",
        "DBA": f"{somebody.expires:%m%d%Y}",
        "DBC": "1" if somebody.sex == "M" else "2",
        "DAU": f"{somebody.height:03d} in",
        "DAY": somebody.eyes,
        "DAG": somebody.street,
        "DAI": somebody.city,
        "DAJ": code,
        "DAK": f"{somebody.zip_code}0000  ",
        "DCF": somebody.discriminator,
        "DCG": "USA",
        "DAW": f"{somebody.weight:03d}",
        "DAZ": somebody.hair,
    }
    licence = "DL" + "\n".join(name + value for name, value in elements.items()) + "\r"
    own = f"Z{code[0]}Z{code[0]}ASPECIMEN\r"
    first = 21 + 2 * 10  # the header, then ten bytes per subfile designator
    designators = f"DL{first:04d}{len(licence):04d}Z{code[0]}{first + len(licence):04d}{len(own):04d}"
    header = f"@\n\x1e\rANSI {somebody.jurisdiction.issuer}100002"
    return (header + designators + licence + own).encode("latin-1")


def front(somebody: Person, layout: str | None = None) -> Image.Image:
    """The printed side, in the named layout (a key of `LAYOUTS`) or in the one the seed picks."""
    chosen = LAYOUTS[layout or random.Random(somebody.seed * 7 + 1).choice(sorted(LAYOUTS))]
    card = drawing.artwork(somebody.seed, somebody.jurisdiction.tint)
    draw = ImageDraw.Draw(card)
    draw.rectangle((0, 0, drawing.CARD[0], 84), fill=somebody.jurisdiction.tint)
    drawing.text(draw, (26, 16), somebody.jurisdiction.name, 44, "white", bold=True)
    drawing.text(draw, (drawing.CARD[0] - 26, 26), chosen.title, 30, "white", anchor="ra")
    drawing.portrait(draw, chosen.portrait_x)
    values = _printed(somebody, chosen)
    for cell in chosen.cells:
        drawing.cell(draw, cell, values)
    return drawing.finish(card)


def back(somebody: Person, *, content: bytes | None = None) -> Image.Image:
    """The side with the barcode; `content` replaces what it says, as a forger or a broken printer would."""
    card = drawing.artwork(somebody.seed, somebody.jurisdiction.tint)
    draw = ImageDraw.Draw(card)
    draw.rectangle((0, 36, drawing.CARD[0], 136), fill=(42, 38, 36))
    drawing.text(
        draw, (40, 160), f"{somebody.jurisdiction.name}   CUSTOMER SERVICE 000-000-0000", 20, drawing.INK
    )
    symbol = zxingcpp.create_barcode(
        content or aamva(somebody), zxingcpp.BarcodeFormat.PDF417, ec_level="5", columns=13
    )
    modules = Image.fromarray(np.array(symbol.to_image(scale=1)))
    scale = 900 // modules.width
    barcode = modules.resize((modules.width * scale, modules.height * scale), Image.Resampling.NEAREST)
    card.paste(barcode, ((drawing.CARD[0] - barcode.width) // 2, 210))
    drawing.text(draw, (40, 590), f"DD {somebody.discriminator}", 20, drawing.INK)
    return drawing.finish(card)


def both(somebody: Person, layout: str | None = None, *, content: bytes | None = None) -> Image.Image:
    """Front above back in one picture, as from a flatbed scanner."""
    sides = (front(somebody, layout), back(somebody, content=content))
    sheet = Image.new("RGB", (sides[0].width, sum(side.height for side in sides)))
    sheet.paste(sides[0], (0, 0))
    sheet.paste(sides[1], (0, sides[0].height))
    return sheet


def altered(somebody: Person) -> Person:
    """The same person with another birth date: what a forged front says beside an honest barcode."""
    return replace(somebody, born=somebody.born.replace(year=somebody.born.year - 3))


def to_jpeg(image: Image.Image, quality: int = 90) -> bytes:
    """The picture as a JPEG file."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def blurred(image: Image.Image, radius: float = 6.0) -> Image.Image:
    """Out of focus; at the default radius nothing can be read."""
    return image.filter(ImageFilter.GaussianBlur(radius))


def rotated(image: Image.Image, degrees: float) -> Image.Image:
    """Turned counter-clockwise on a grey table, with room made for the corners."""
    return image.rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=drawing.TABLE)


def _printed(somebody: Person, layout: Layout) -> dict[str, str]:
    """Each cell's text, with dates as this layout writes them."""
    feet, inches = divmod(somebody.height, 12)
    return {
        "number": somebody.number,
        "last": somebody.last,
        "given": f"{somebody.first} {somebody.middle}".strip(),
        "born": somebody.born.strftime(layout.date_format),
        "issued": somebody.issued.strftime(layout.date_format),
        "expires": somebody.expires.strftime(layout.date_format),
        "street": somebody.street,
        "city": f"{somebody.city}, {somebody.jurisdiction.code} {somebody.zip_code}",
        "class": somebody.vehicle_class,
        "sex": somebody.sex,
        "height": f"{feet}'-{inches:02d}\"",
        "weight": f"{somebody.weight} lb",
        "eyes": somebody.eyes,
        "hair": somebody.hair,
        "none": "NONE",
        "discriminator": somebody.discriminator,
    }
