"""How specimens look: a pale card with waves, a faceless portrait, and SPECIMEN across everything."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from app.dev.specimen_layouts import Cell

Colour = tuple[int, int, int]

CARD = (1012, 638)
"""An ID-1 card (ISO/IEC 7810: 85.60 by 53.98 mm) at 300 dots per inch."""
MARGIN = 36
TABLE: Colour = (120, 122, 126)
INK: Colour = (24, 26, 34)
ACCENT: Colour = (168, 24, 34)
LABEL: Colour = (48, 66, 120)


def text(
    draw: ImageDraw.ImageDraw,
    at: tuple[float, float],
    text: str,
    size: int,
    fill: Colour | str,
    *,
    bold: bool = False,
    anchor: str = "la",
) -> float:
    """Write in Pillow's built-in typeface, which needs no font file; returns the width in pixels."""
    font = ImageFont.load_default(size)
    if not bold:
        draw.text(at, text, font=font, fill=fill, anchor=anchor)
        return draw.textlength(text, font=font)
    # There is no bold face: outline each letter, and move the next one on by as much.
    stroke = max(1, size // 30)
    x, y = at
    for letter in text:
        draw.text((x, y), letter, font=font, fill=fill, stroke_width=stroke, stroke_fill=fill)
        x += draw.textlength(letter, font=font) + stroke
    return x - at[0]


def cell(draw: ImageDraw.ImageDraw, cell: Cell, values: dict[str, str]) -> None:
    """A label with its value beside it, or beneath it when the layout stacks them."""
    x, y = float(cell.x), float(cell.y)
    label_size = max(16, cell.size * 2 // 3)
    if cell.stacked:
        text(draw, (x, y), cell.label, label_size, LABEL)
        y += label_size + 4
    elif cell.label:
        x += text(draw, (x, y + (cell.size - label_size) * 0.8), cell.label, label_size, LABEL) + 9
    text(draw, (x, y), values[cell.key], cell.size, ACCENT if cell.accent else INK, bold=True)


def artwork(seed: int, tint: Colour) -> Image.Image:
    """A pale card with sine waves in the jurisdiction's colour; drawn at twice the size for smooth lines."""
    rng = random.Random(seed * 31 + 7)
    width, height = CARD[0] * 2, CARD[1] * 2
    pale = tuple(238 + (channel - 238) // 14 for channel in tint)
    image = Image.new("RGB", (width, height), pale)
    draw = ImageDraw.Draw(image)
    for _ in range(14):
        strength = rng.uniform(0.10, 0.20)
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
    return image.resize(CARD, Image.Resampling.LANCZOS)


def portrait(draw: ImageDraw.ImageDraw, x: int) -> None:
    """A grey silhouette: nobody's face."""
    draw.rounded_rectangle((x, 116, x + 270, 470), 10, fill=(206, 212, 222))
    draw.ellipse((x + 80, 170, x + 190, 312), fill=(140, 148, 164))
    draw.pieslice((x + 22, 330, x + 248, 610), 180, 360, fill=(140, 148, 164))


def finish(card: Image.Image) -> Image.Image:
    """Overprint SPECIMEN, round the corners and lay the card on a table."""
    overprint = Image.new("RGBA", CARD, (0, 0, 0, 0))
    draw = ImageDraw.Draw(overprint)
    centre = (CARD[0] / 2, CARD[1] / 2 + 40)
    draw.text(centre, "SPECIMEN", font=ImageFont.load_default(176), fill=(190, 40, 50, 44), anchor="mm")
    overprint = overprint.rotate(24, Image.Resampling.BICUBIC)
    card.paste(overprint, (0, 0), overprint)
    draw = ImageDraw.Draw(card)
    text(draw, (CARD[0] - 26, CARD[1] - 46), "SPECIMEN - NOT A VALID ID", 26, (180, 44, 52), anchor="ra")
    mask = Image.new("L", (CARD[0] * 2, CARD[1] * 2), 0)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, CARD[0] * 2 - 1, CARD[1] * 2 - 1), 68, fill=255)
    table = Image.new("RGB", (CARD[0] + 2 * MARGIN, CARD[1] + 2 * MARGIN), TABLE)
    table.paste(card, (MARGIN, MARGIN), mask.resize(CARD, Image.Resampling.LANCZOS))
    return table
