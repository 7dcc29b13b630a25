"""From an uploaded file to pixels, or to a sentence that tells the applicant what to do.

The file is judged by its content, never by its name. Dimensions are read and limited before any pixel is
decoded, because a file of a few kilobytes can declare gigabytes of them.
"""

from __future__ import annotations

import hashlib
import io
import struct
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

# Pillow only warns between one and two times its own limit. Set once for the process: the context manager
# that would undo it is not safe with threads.
warnings.simplefilter("error", Image.DecompressionBombWarning)

MAX_BYTES = 15 * 1024 * 1024
MAX_PIXELS = 40_000_000
MIN_SIDE = 200
"""Pixels; a card smaller than this has letters of three pixels."""
WORKING_SIDE = 4_000
"""Pixels of the longer side that are kept: enough for the finest barcode, and a bound on memory."""

Pixels = NDArray[np.uint8]
"""Rows by columns by red, green and blue."""


class NotAccepted(Exception):
    """The file gives no document. `sentence` is for the applicant and holds no personal data."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class Rejected(NotAccepted):
    """Not something we take: wrong kind of file, too large, empty."""


class Unreadable(NotAccepted):
    """The right kind of file, with nothing in it that can be read."""


@dataclass(frozen=True)
class Picture:
    """A decoded upload, upright as its camera meant it, at most `WORKING_SIDE` pixels long."""

    pixels: Pixels
    format: str
    width: int
    height: int
    sha256: str


_SIGNATURES = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF8", "GIF"),
    (b"%PDF-", "PDF"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"BM", "BMP"),
    (b"PK\x03\x04", "ZIP"),
)
_ACCEPTED = ("JPEG", "PNG")


def sniff(data: bytes) -> str:
    """The kind of file by its first bytes; `unknown` when they say nothing."""
    for signature, kind in _SIGNATURES:
        if data.startswith(signature):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    if data[4:8] == b"ftyp":
        return "HEIC" if data[8:12] in {b"heic", b"heix", b"mif1", b"msf1"} else "video"
    head = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in head:
        return "SVG"
    return "web page" if head.startswith((b"<!doctype html", b"<html", b"<?xml")) else "unknown"


def open_picture(data: bytes) -> Picture:
    """Decode an uploaded JPEG or PNG.

    Raises Rejected for what is not a photo we take, Unreadable for one that is damaged or too small.
    """
    kind = _accepted_kind(data)
    try:
        with Image.open(io.BytesIO(data), formats=_ACCEPTED) as image:
            _check_dimensions(image.width, image.height)
            image.draft("RGB", (WORKING_SIDE, WORKING_SIDE))
            image.load()
            upright = ImageOps.exif_transpose(image)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Rejected(_too_many_pixels()) from None
    except (OSError, SyntaxError, ValueError, EOFError, struct.error) as error:
        # Pillow reports damage as any of these, depending on which chunk it meets first.
        raise Unreadable("The picture file is damaged or incomplete; take the photo again.") from error
    upright.thumbnail((WORKING_SIDE, WORKING_SIDE), Image.Resampling.LANCZOS, reducing_gap=2.0)
    rgb = _to_rgb(upright)
    return Picture(
        pixels=np.asarray(rgb, dtype=np.uint8),
        format=kind,
        width=rgb.width,
        height=rgb.height,
        sha256=hashlib.sha256(data).hexdigest(),
    )


def _accepted_kind(data: bytes) -> str:
    if not data:
        raise Rejected("The file is empty; upload the photo again.")
    if len(data) > MAX_BYTES:
        raise Rejected(f"The file is larger than {MAX_BYTES // 1024**2} MB; upload a smaller photo.")
    kind = sniff(data)
    if kind == "unknown":
        raise Rejected("The file is not a photo; upload a JPEG or PNG picture of the document.")
    if kind not in _ACCEPTED:
        raise Rejected(f"The file is a {kind} file; upload a JPEG or PNG picture of the document.")
    return kind


def _too_many_pixels() -> str:
    return f"The picture has more than {MAX_PIXELS // 1_000_000} megapixels; upload an ordinary photo."


def _check_dimensions(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise Rejected(_too_many_pixels())
    if min(width, height) < MIN_SIDE:
        raise Unreadable("The picture is too small to read; take a photo that the document fills.")


def _to_rgb(image: Image.Image) -> Image.Image:
    """Any of Pillow's modes as RGB: transparency becomes white, 16 bits become 8 by scaling, not cutting."""
    if image.mode == "I" or image.mode.startswith("I;16"):
        deep = np.asarray(image).astype(np.uint32)
        return Image.fromarray((deep >> 8).clip(0, 255).astype(np.uint8)).convert("RGB")
    if "A" in image.getbands() or "transparency" in image.info:
        layered = image.convert("RGBA")
        white = Image.new("RGBA", layered.size, "white")
        return Image.alpha_composite(white, layered).convert("RGB")
    return image.convert("RGB")
