"""Pages out of picture files, with Pillow: the first image of most kinds, two pages of a TIFF.

Dimensions are read and limited before any pixel is decoded, because a file of a few kilobytes can declare
gigabytes of them. Colour profiles are not applied: letters need no true colours, and a profile is one more
hostile thing to parse.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import AvifImagePlugin, ExifTags, Image
from pillow_heif import register_heif_opener

from flows.extraction.intake.picture import (
    MAX_PIXELS,
    WORKING_SIDE,
    NotAccepted,
    Picture,
    check_dimensions,
    damaged,
    too_many_pixels,
    too_much_memory,
)
from flows.extraction.intake.software import named
from flows.extraction.intake.structure import scans

# Pillow only warns between one and two times its own limit. Set once for the process: the context manager
# that would undo it is not safe with threads.
warnings.simplefilter("error", Image.DecompressionBombWarning)
Image.MAX_IMAGE_PIXELS = MAX_PIXELS

# One thread each: a decoder's memory grows with its threads.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1
register_heif_opener(thumbnails=False, depth_images=False, aux_images=False, decode_threads=1)

_PILLOWS_NAMES = {
    "JPEG": "JPEG",
    "PNG": "PNG",
    "WebP": "WEBP",
    "TIFF": "TIFF",
    "HEIC": "HEIF",
    "AVIF": "AVIF",
}
KINDS = tuple(_PILLOWS_NAMES)

_MOST_PAGES = 2
_MOST_SCANS = 100
"""Of a JPEG. Progressive ones have about ten; each scan costs as much time as the whole picture, and a file
of a few megabytes has room for thousands."""

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What undoes each EXIF orientation (Exif 3.0, tag 0x0112); 1 is upright."""

_XMP = ("xmp", "XML:com.adobe.xmp")
"""Pillow's names for it; the second is a PNG's."""
_XMP_OF_TIFF = 700
_PROGRAMS = (ExifTags.Base.ProcessingSoftware, ExifTags.Base.Software)


def decode(data: bytes, kind: str) -> tuple[tuple[Picture, ...], str]:
    """The pages of a file of one of KINDS, and the programs that wrote it.

    Raises Rejected and Unreadable.
    """
    if kind == "JPEG" and scans(data) > _MOST_SCANS:
        raise too_much_memory()
    first, software = _page(data, kind, 0)
    if kind != "TIFF":
        return (first,), software
    further = [_page(data, kind, number)[0] for number in range(1, _pages_of_tiff(data))]
    return (first, *further), software


def _page(data: bytes, kind: str, number: int) -> tuple[Picture, str]:
    with _no_other_errors(), _opened(data, kind) as image:
        if number:
            image.seek(number)
        check_dimensions(image.width, image.height)
        image.draft("RGB", (WORKING_SIDE, WORKING_SIDE))
        image.load()
        # Where a decoder finds other dimensions than the file declares, the decoder's count.
        check_dimensions(image.width, image.height)
        exif = _exif(image)
        upright = _turned(_to_rgb(_scaled(image)), exif.get(ExifTags.Base.Orientation))
        return Picture(np.asarray(upright, dtype=np.uint8)), _software(image, exif)


def _pages_of_tiff(data: bytes) -> int:
    """1 or 2. A second image that is a small copy of the first is none (TIFF 6.0, NewSubfileType)."""
    with _no_other_errors(), _opened(data, "TIFF") as image:
        try:
            image.seek(_MOST_PAGES - 1)
        except EOFError:
            return 1
        reduced_copy = int(image.getexif().get(ExifTags.Base.NewSubfileType, 0)) & 1
        return 1 if reduced_copy else _MOST_PAGES


def _opened(data: bytes, kind: str) -> Image.Image:
    return Image.open(io.BytesIO(data), formats=(_PILLOWS_NAMES[kind],))


@contextmanager
def _no_other_errors() -> Iterator[None]:
    """Every failure as one of ours. Pillow's parsers are Python over hostile bytes and raise whatever the
    bytes lead them to."""
    try:
        yield
    except NotAccepted:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise too_many_pixels() from None
    except MemoryError:
        raise too_much_memory() from None
    except Exception as error:
        raise damaged() from error


def _scaled(image: Image.Image) -> Image.Image:
    """At most `WORKING_SIDE` long. Scaled before its colours are converted, which takes less memory; a mode
    that cannot be scaled smoothly is converted first."""
    if image.mode == "LAB":
        image = image.getchannel("L")
    elif image.mode in {"1", "P", "PA"}:
        transparent = image.mode == "PA" or "transparency" in image.info
        image = image.convert("RGBA" if transparent else "RGB")
    elif image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    image.thumbnail((WORKING_SIDE, WORKING_SIDE), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return image


def _to_rgb(image: Image.Image) -> Image.Image:
    """Transparency becomes white; integers and fractions have none of their own, their largest is."""
    if image.mode in {"I", "F"}:
        values = np.nan_to_num(np.asarray(image, dtype=np.float64), posinf=0.0, neginf=0.0)
        darkest, span = values.min(), np.ptp(values)
        return Image.fromarray(((values - darkest) * (255 / (span or 1))).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        layered = image.convert("RGBA")
        white = Image.new("RGB", layered.size, "white")
        white.paste(layered, mask=layered.getchannel("A"))
        return white
    return image.convert("RGB")


def _turned(image: Image.Image, orientation: object) -> Image.Image:
    """Upright, by the EXIF orientation; as it is for a value that is none."""
    method = _UPRIGHT.get(orientation) if isinstance(orientation, int) else None
    return image if method is None else image.transpose(method)


def _exif(image: Image.Image) -> Image.Exif:
    """Empty when it cannot be understood: a photo is readable without what its camera says of it."""
    try:
        return image.getexif()
    except Exception:  # Whatever absurd values lead to.
        return Image.Exif()


def _software(image: Image.Image, exif: Image.Exif) -> str:
    programs = [exif.get(tag) for tag in _PROGRAMS] + [image.info.get("Software")]
    xmp = next((found for key in _XMP if (found := image.info.get(key))), exif.get(_XMP_OF_TIFF, b""))
    text = xmp.decode("utf-8", "replace") if isinstance(xmp, bytes) else str(xmp)
    return named(programs, text)
