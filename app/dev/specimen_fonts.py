"""Typefaces for specimens: Pillow's own, those inside Prefect's web pages, and DejaVu where there is one.

A face that is missing is replaced by Pillow's own, so every machine draws every layout; two machines with
different fonts draw different pictures of it.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from PIL import ImageDraw, ImageFont

Face = Literal["aileron", "geist", "geist mono", "sans", "condensed", "serif", "mono"]
Fill = tuple[int, int, int] | tuple[int, int, int, int] | str

_DEJAVU = {
    "sans": ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf"),
    "condensed": ("DejaVuSansCondensed.ttf", "DejaVuSansCondensed-Bold.ttf"),
    "serif": ("DejaVuSerifCondensed.ttf", "DejaVuSerifCondensed-Bold.ttf"),
    "mono": ("DejaVuSansMono.ttf", "DejaVuSansMono-Bold.ttf"),
}
_GEIST = {"geist": "Geist-VariableFont_wght.ttf", "geist mono": "GeistMono-VariableFont_wght.ttf"}
_REGULAR, _BOLD = 400, 700


@cache
def font(face: Face, size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The face at `size` pixels, or its replacement."""
    if face in _DEJAVU:
        try:
            return ImageFont.truetype(_DEJAVU[face][bold], size)
        except OSError:
            return font("geist mono" if face == "mono" else "geist", size, bold=bold)
    if (path := _in_prefect(_GEIST.get(face, ""))) is not None:
        variable = ImageFont.truetype(str(path), size)
        variable.set_variation_by_axes([_BOLD if bold else _REGULAR])
        return variable
    return ImageFont.load_default(size)


@cache
def _in_prefect(name: str) -> Path | None:
    package = find_spec("prefect") if name else None
    if package is None or package.origin is None:
        return None
    return next(iter(sorted(Path(package.origin).parent.glob(f"server/ui*/fonts/{name}"))), None)


def width(text: str, face: Face, size: int, *, bold: bool = False) -> float:
    """How far `text` reaches, in pixels."""
    face = _able_to_write(text, face)
    chosen = font(face, size, bold=bold)
    stroke = _stroke(face, size, bold=bold)
    return chosen.getlength(text) + stroke * len(text)


def write(
    draw: ImageDraw.ImageDraw,
    at: tuple[float, float],
    text: str,
    *,
    face: Face = "aileron",
    size: int,
    fill: Fill,
    bold: bool = False,
    anchor: str = "ls",
) -> None:
    """Write with the left end of the baseline at `at`, unless another of Pillow's anchors is named."""
    face = _able_to_write(text, face)
    chosen = font(face, size, bold=bold)
    stroke = _stroke(face, size, bold=bold)
    if not stroke:
        draw.text(at, text, font=chosen, fill=fill, anchor=anchor)
        return
    # Pillow's own face has no bold: outline each letter, and move the next one on by as much.
    x, y = at
    if anchor.startswith("r"):
        x, anchor = x - width(text, face, size, bold=True), f"l{anchor[1:]}"
    for letter in text:
        draw.text((x, y), letter, font=chosen, fill=fill, stroke_width=stroke, anchor=anchor)
        x += chosen.getlength(letter) + stroke


def _able_to_write(text: str, face: Face) -> Face:
    """Pillow's own face has no accents."""
    return "geist" if face == "aileron" and not text.isascii() else face


def _stroke(face: Face, size: int, *, bold: bool) -> int:
    return max(1, size // 30) if bold and face == "aileron" else 0
