"""How specimens look: a pale card with waves, a faceless portrait, and SPECIMEN across everything."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from app.dev import specimen_fonts as fonts
from app.dev.specimen_card import CARD, Box
from app.dev.specimen_layouts import Layout
from app.dev.specimen_people import Colour, Person
from app.dev.specimen_typesetting import Printed

MARGIN = 36
TABLE: Colour = (120, 122, 126)
INK: Colour = (24, 26, 34)


def pieces(draw: ImageDraw.ImageDraw, printed: Sequence[Printed]) -> None:
    """Labels and values where they were set."""
    for one in printed:
        at = (one.left, one.baseline)
        fonts.write(draw, at, one.text, face=one.face, size=one.size, fill=one.colour, bold=one.bold)


def header(draw: ImageDraw.ImageDraw, somebody: Person, layout: Layout) -> None:
    """The jurisdiction's name and the card's title: in a band of its colour, or in its colour."""
    tint, look = somebody.jurisdiction.tint, layout.look
    if look.header:
        draw.rectangle((0, 0, CARD[0], look.header), fill=tint)
    ink: fonts.Fill = "white" if look.header else tint
    name, title, baseline = somebody.jurisdiction.name, layout.title, (look.header or 84) * 0.68
    room = CARD[0] - 80
    sizes = (
        (large, small)
        for large, small in ((44, 30), (40, 27), (36, 25), (32, 22), (28, 20), (24, 18))
        if fonts.width(name, look.face, large, bold=True) + fonts.width(title, look.face, small) < room
    )
    large, small = next(sizes, (22, 16))
    fonts.write(draw, (26, baseline), name, face=look.face, size=large, fill=ink, bold=True)
    at = (CARD[0] - 26, baseline)
    fonts.write(draw, at, title, face=look.face, size=small, fill=ink, anchor="rs")


def portrait(draw: ImageDraw.ImageDraw, box: Box) -> None:
    """A grey silhouette: nobody's face."""
    x, y, width, height = box
    draw.rounded_rectangle((x, y, x + width, y + height), 10, fill=(206, 212, 222))
    head = (x + width * 0.3, y + height * 0.15, x + width * 0.7, y + height * 0.55)
    draw.ellipse(head, fill=(140, 148, 164))
    shoulders = (x + width * 0.08, y + height * 0.6, x + width * 0.92, y + height * 1.4)
    draw.pieslice(shoulders, 180, 360, fill=(140, 148, 164))


def noise(draw: ImageDraw.ImageDraw, somebody: Person, layout: Layout) -> None:
    """What cards bear besides their fields: small print, marks, a ghost of the birth date, a signature."""
    rng = random.Random(layout.seed * 17 + 3)
    look, tint = layout.look, somebody.jurisdiction.tint
    pale = (200 + (tint[0] - 200) // 5, 200 + (tint[1] - 200) // 5, 200 + (tint[2] - 200) // 5)
    for line in range(rng.choice((0, 1, 2))):  # too small to be read by anybody, as on real cards
        text = f"{somebody.jurisdiction.name} " * 12
        fonts.write(draw, (0, (look.header or 96) + 10 + 9 * line), text, size=7, fill=pale)
    if len(layout.regions) == 2 and layout.regions[1].left == 26:
        return  # the strip beneath the portrait leaves no room
    x, y, width, height = layout.portrait
    ghost = rng.choice((f"{somebody.born:%m%d%Y}", f"{somebody.born:%m%y}", somebody.number, ""))
    marks = [
        mark
        for mark, share in (
            ("DONOR", 0.25), ("ORGAN DONOR", 0.1), ("VETERAN", 0.15), ("REV 07/01/2019", 0.15), ("USA", 0.2),
            ("CORRECTIVE LENSES", 0.15), ("FEDERAL LIMITS APPLY", 0.1), ("DUPS: 00", 0.1),
        )
        if rng.random() < share
    ]  # fmt: skip
    baseline = y + height + 30
    if ghost and rng.random() < 0.5:
        fonts.write(draw, (x + 6, baseline), ghost, face=look.label_face, size=24, fill=pale)
        baseline += 26
    if rng.random() < 0.7:
        _signature(draw, (x + 10, baseline - 6, width - 20, 36), rng)
        baseline += 52
    for mark in marks:
        if baseline < 578:
            size = rng.choice((16, 18))
            fonts.write(draw, (x + 4, baseline), mark, face=look.label_face, size=size, fill=look.accent)
            baseline += 24


def _signature(draw: ImageDraw.ImageDraw, box: Box, rng: random.Random) -> None:
    """A scribble that spells nothing."""
    x, y, width, height = box
    turns = rng.uniform(5, 9)
    stroke = [
        (
            x + width * step / 90,
            y + height * (0.5 + 0.42 * math.sin(turns * step / 14) * math.cos(step / rng.uniform(9, 11))),
        )
        for step in range(91)
    ]
    draw.line(stroke, fill=(30, 34, 60), width=2)


def artwork(seed: int, tint: Colour, size: tuple[int, int] = CARD) -> Image.Image:
    """A pale ground with sine waves in the issuer's colour; drawn at twice the size for smooth lines."""
    rng = random.Random(seed * 31 + 7)
    width, height = size[0] * 2, size[1] * 2
    pale = tuple(238 + (channel - 238) // 14 for channel in tint)
    image = Image.new("RGB", (width, height), pale)
    draw = ImageDraw.Draw(image)
    strongest = rng.choice((0.15, 0.2, 0.3))
    for _ in range(14):
        strength = rng.uniform(0.1, strongest)
        colour = tuple(round(p + (c - p) * strength) for p, c in zip(pale, tint, strict=True))
        swing, pitch, phase = rng.uniform(30, 120), rng.uniform(0.002, 0.008), rng.uniform(0, math.tau)
        top = rng.uniform(0, height)
        for offset in range(0, 60, 12):
            wave: Sequence[tuple[float, float]] = [
                (
                    x,
                    top
                    + offset
                    + swing * math.sin(pitch * x + phase)
                    + swing / 3 * math.sin(pitch * 2.3 * x),
                )
                for x in range(0, width + 8, 8)
            ]
            draw.line(wave, fill=colour, width=2)
    return image.resize(size, Image.Resampling.LANCZOS)


def finish(card: Image.Image) -> Image.Image:
    """Overprint SPECIMEN, round the corners and lay the document on a table."""
    width, height = card.size
    overprint = Image.new("RGBA", card.size, (0, 0, 0, 0))
    draw = ImageDraw.Draw(overprint)
    font = ImageFont.load_default(round(width * 0.174))
    draw.text((width / 2, height / 2 + 40), "SPECIMEN", font=font, fill=(190, 40, 50, 44), anchor="mm")
    overprint = overprint.rotate(24, Image.Resampling.BICUBIC)
    card.paste(overprint, (0, 0), overprint)
    draw = ImageDraw.Draw(card)
    at = (width - 26, height - 22)
    fonts.write(draw, at, "SPECIMEN - NOT A VALID ID", size=26, fill=(180, 44, 52), anchor="rs")
    mask = Image.new("L", (width * 2, height * 2), 0)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, width * 2 - 1, height * 2 - 1), 68, fill=255)
    table = Image.new("RGB", (width + 2 * MARGIN, height + 2 * MARGIN), TABLE)
    table.paste(card, (MARGIN, MARGIN), mask.resize(card.size, Image.Resampling.LANCZOS))
    return table
