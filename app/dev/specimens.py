"""Driver's licence and ID card specimens drawn from a seed: for the demo, the tests and the benchmark.

Every picture is overprinted SPECIMEN and nothing switches that off. The jurisdictions do not exist (see
`specimen_people`), and the artwork copies no real card's design or security features. The barcode is a true
PDF417 by AAMVA's standard.

The same seed and day always give the same person on the same layout, so a test knows what a picture says:
see `truth`.
"""

from __future__ import annotations

import io

from PIL import Image, ImageDraw, ImageFilter

from app.dev import specimen_drawing as drawing
from app.dev import specimen_fonts as fonts
from app.dev.specimen_barcode import aamva, symbol
from app.dev.specimen_card import CARD
from app.dev.specimen_layouts import layout_of
from app.dev.specimen_people import (
    ALTERATIONS,
    JURISDICTIONS,
    Alteration,
    Jurisdiction,
    Kind,
    Person,
    altered,
    person,
)
from app.dev.specimen_typesetting import typeset

__all__ = [
    "ALTERATIONS",
    "JURISDICTIONS",
    "Alteration",
    "Jurisdiction",
    "Kind",
    "Person",
    "aamva",
    "altered",
    "back",
    "blurred",
    "both",
    "front",
    "person",
    "rotated",
    "to_jpeg",
    "truth",
    "truth_of_back",
]


_PRINTED_IN: dict[str, set[str]] = {
    "FIRST_NAME": {"first", "given", "name"},
    "MIDDLE_NAME": {"middle", "given", "name"},
    "LAST_NAME": {"last", "name"},
    "SUFFIX": {"last", "name"},
    "ADDRESS": {"street"},
    "CITY_IN_ADDRESS": {"city"},
    "STATE_IN_ADDRESS": {"city"},
    "ZIP_CODE_IN_ADDRESS": {"city"},
    "DOCUMENT_NUMBER": {"number"},
    "DATE_OF_BIRTH": {"born"},
    "DATE_OF_ISSUE": {"issued"},
    "EXPIRATION_DATE": {"expires"},
    "ID_TYPE": {"number"},
    "CLASS": {"class"},
    "RESTRICTIONS": {"restrictions"},
    "ENDORSEMENTS": {"endorsements"},
    "SEX": {"sex"},
    "EYES": {"eyes"},
    "HEIGHT": {"height"},
    "DOCUMENT_DISCRIMINATOR": {"discriminator"},
    "ISSUING_COUNTRY": set(),
}
"""By field, the values that tell it. The title, which every card has, tells its type."""


def truth(somebody: Person, layout: str | None = None) -> dict[str, str]:
    """What a perfect reader finds on this front, by the names of AWS Textract AnalyzeID; dates in ISO.

    Only what this layout prints; `NONE` is nothing. The barcode says the same of these fields.
    """
    printed = {piece.key for piece in typeset(somebody, layout_of(somebody, layout))}
    return {name: value for name, value in truth_of_back(somebody).items() if _PRINTED_IN[name] & printed}


def truth_of_back(somebody: Person) -> dict[str, str]:
    """What a perfect reader finds in this person's barcode, which says all there is to say."""
    found = {
        "FIRST_NAME": somebody.first,
        "MIDDLE_NAME": somebody.middle,
        "LAST_NAME": somebody.last,
        "SUFFIX": somebody.suffix,
        "ADDRESS": somebody.address,
        "CITY_IN_ADDRESS": somebody.city,
        "STATE_IN_ADDRESS": somebody.jurisdiction.code,
        "ZIP_CODE_IN_ADDRESS": somebody.zip_code,
        "DOCUMENT_NUMBER": somebody.number,
        "DATE_OF_BIRTH": somebody.born.isoformat(),
        "DATE_OF_ISSUE": somebody.issued.isoformat(),
        "EXPIRATION_DATE": somebody.expires.isoformat(),
        "ID_TYPE": "IDENTIFICATION CARD" if somebody.identification else "DRIVER LICENSE",
        "CLASS": somebody.vehicle_class,
        "RESTRICTIONS": somebody.restrictions.removeprefix("NONE"),
        "ENDORSEMENTS": somebody.endorsements.removeprefix("NONE"),
        "SEX": somebody.sex,
        "EYES": somebody.eyes,
        "HEIGHT": somebody.printed_height,
        "DOCUMENT_DISCRIMINATOR": somebody.discriminator,
        "ISSUING_COUNTRY": "CAN" if somebody.jurisdiction.metric else "USA",
    }
    return {name: value for name, value in found.items() if value}


def front(somebody: Person, layout: str | None = None) -> Image.Image:
    """The printed side, in the named style (one of `LAYOUTS`) or in the one the seed picks."""
    chosen = layout_of(somebody, layout)
    card = drawing.artwork(somebody.seed, somebody.jurisdiction.tint)
    draw = ImageDraw.Draw(card)
    drawing.noise(draw, somebody, chosen)
    drawing.header(draw, somebody, chosen)
    drawing.portrait(draw, chosen.portrait)
    drawing.pieces(draw, typeset(somebody, chosen))
    return drawing.finish(card)


def back(somebody: Person, *, content: bytes | None = None) -> Image.Image:
    """The side with the barcode; `content` replaces what it says, as a forger or a broken printer would."""
    card = drawing.artwork(somebody.seed, somebody.jurisdiction.tint)
    draw = ImageDraw.Draw(card)
    draw.rectangle((0, 36, CARD[0], 136), fill=(42, 38, 36))
    said = f"{somebody.jurisdiction.name}   CUSTOMER SERVICE 000-000-0000"
    fonts.write(draw, (40, 176), said, size=20, fill=drawing.INK)
    barcode = symbol(content or aamva(somebody), 900)
    card.paste(barcode, ((CARD[0] - barcode.width) // 2, 210))
    fonts.write(draw, (40, 606), f"DD {somebody.discriminator}", size=20, fill=drawing.INK)
    return drawing.finish(card)


def both(somebody: Person, layout: str | None = None, *, content: bytes | None = None) -> Image.Image:
    """Front above back in one picture, as from a flatbed scanner."""
    sides = (front(somebody, layout), back(somebody, content=content))
    sheet = Image.new("RGB", (sides[0].width, sum(side.height for side in sides)))
    sheet.paste(sides[0], (0, 0))
    sheet.paste(sides[1], (0, sides[0].height))
    return sheet


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
