"""What happens to a specimen between the table and the upload: eight ways, each from a seed.

Each takes a picture and gives the bytes of a JPEG file, as a phone, a scanner or an old web page would.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from app.dev import specimens
from app.dev.specimen_drawing import MARGIN, TABLE

Degradation = Callable[[Image.Image, random.Random], bytes]


def clean(image: Image.Image, _rng: random.Random) -> bytes:
    """As a flatbed scanner gives it."""
    return specimens.to_jpeg(image)


def rotated(image: Image.Image, rng: random.Random) -> bytes:
    """Turned by up to 5° either way."""
    return specimens.to_jpeg(specimens.rotated(image, rng.uniform(-5, 5)))


def perspective(image: Image.Image, rng: random.Random) -> bytes:
    """Seen from the side: every corner is off by up to 5 % of the side."""
    return specimens.to_jpeg(_tilted(image, rng, by=0.05))


def phone(image: Image.Image, rng: random.Random) -> bytes:
    """By hand: a little tilted and turned, not quite in focus, in uneven light, with noise."""
    taken = specimens.rotated(_tilted(image, rng, by=0.03), rng.uniform(-4, 4))
    taken = specimens.blurred(taken, 0.8 * image.width / 1012)
    light = np.linspace(rng.uniform(0.7, 0.9), rng.uniform(1.0, 1.12), taken.width)[None, :, None]
    noise = np.random.default_rng(rng.randrange(2**32)).normal(0, 7, (taken.height, taken.width, 3))
    pixels = (np.asarray(taken, dtype=np.float32) * light + noise).clip(0, 255).astype(np.uint8)
    return specimens.to_jpeg(Image.fromarray(pixels), quality=70)


def glare(image: Image.Image, rng: random.Random) -> bytes:
    """A lamp's reflection, bright at its middle and soft at its edge, through which ink is still seen."""
    width, height = image.size
    x, y = rng.uniform(0.3, 0.75) * width, rng.uniform(0.25, 0.7) * height
    spot = Image.new("L", image.size, 0)
    box = (x - width * 0.14, y - height * 0.16, x + width * 0.14, y + height * 0.16)
    ImageDraw.Draw(spot).ellipse(box, fill=rng.randint(190, 235))
    spot = spot.filter(ImageFilter.GaussianBlur(width * 0.04))
    return specimens.to_jpeg(Image.composite(Image.new("RGB", image.size, "white"), image, spot))


def low_quality(image: Image.Image, _rng: random.Random) -> bytes:
    """Compressed as an old messenger does."""
    return specimens.to_jpeg(image, quality=30)


def small(image: Image.Image, _rng: random.Random) -> bytes:
    """Cut to the document's edges and 520 pixels wide."""
    cut = image.crop((MARGIN, MARGIN, image.width - MARGIN, image.height - MARGIN))
    size = (520, round(520 * cut.height / cut.width))
    return specimens.to_jpeg(cut.resize(size, Image.Resampling.BILINEAR))


def upside_down(image: Image.Image, _rng: random.Random) -> bytes:
    """The other way round."""
    return specimens.to_jpeg(image.transpose(Image.Transpose.ROTATE_180))


DEGRADATIONS: Mapping[str, Degradation] = {
    "clean": clean,
    "rotated": rotated,
    "phone": phone,
    "glare": glare,
    "perspective": perspective,
    "jpeg q30": low_quality,
    "520 px": small,
    "upside down": upside_down,
}


def photograph(image: Image.Image, degradation: str, seed: int) -> bytes:
    """The picture after the degradation of this name; the same seed gives the same file."""
    return DEGRADATIONS[degradation](image, random.Random(f"{degradation} {seed}"))


def _tilted(image: Image.Image, rng: random.Random, *, by: float) -> Image.Image:
    """Through a lens that is not straight above; room is made for the corners."""
    width, height = image.size
    room = round(width * 0.1)
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], dtype=np.float32)
    moved = [
        (x + room + rng.uniform(-by, by) * width, y + room + rng.uniform(-by, by) * height)
        for x, y in corners
    ]
    matrix = cv2.getPerspectiveTransform(corners, np.array(moved, dtype=np.float32))
    size = (width + 2 * room, height + 2 * room)
    pixels: NDArray[np.uint8] = np.asarray(image, dtype=np.uint8)
    tilted = cv2.warpPerspective(pixels, matrix, size, flags=cv2.INTER_LINEAR, borderValue=TABLE)
    return Image.fromarray(np.asarray(tilted, dtype=np.uint8))
