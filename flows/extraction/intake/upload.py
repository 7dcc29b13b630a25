"""From an uploaded file to the pixels of its pages, or to a sentence that tells the applicant what to do.

The file is judged by its content, never by its name, and by the cheapest evidence first: its size, its first
bytes, the dimensions it declares. Only what is left is decoded, by `raster` or `pdf`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from flows.extraction.intake import pdf, raster
from flows.extraction.intake.picture import Picture, Rejected
from flows.extraction.intake.structure import trailing_bytes

MAX_BYTES = 15 * 1024 * 1024

_WHAT_WE_TAKE = "upload a photo of the document (JPEG, PNG, HEIC, AVIF, WebP or TIFF) or a PDF"

_SIGNATURES = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),
    (b"MM\x00+", "TIFF"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"8BPS", "Photoshop"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
    (b"\x00\x00\x00\x0cjP  ", "JPEG 2000"),
    (b"PK\x03\x04", "ZIP"),
    (b"\x1a\x45\xdf\xa3", "video"),
)
_BRANDS = (
    ("AVIF", frozenset((b"avif", b"avis"))),
    ("HEIC", frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"))),
)
"""Brands of a file type box (ISO/IEC 23008-12, annex B; AV1 Image File Format, 8). `mif1` alone does not say
which codec; what bears it without AVIF's own brand is HEIC in practice."""


@dataclass(frozen=True)
class Upload:
    """What an accepted file holds."""

    pages: tuple[Picture, ...]
    """One or two."""
    format: str
    """`JPEG`, `PNG`, `WebP`, `TIFF`, `HEIC`, `AVIF` or `PDF`."""
    sha256: str
    """Of the file as it was uploaded."""
    software: str
    """The programs that the file says wrote it, an image editor perhaps; empty when it names none."""
    trailing_bytes: int
    """Bytes after the end of the picture, which may be another file."""


def open_upload(data: bytes) -> Upload:
    """Decode an uploaded file.

    Blocking, up to seconds and hundreds of megabytes for the largest pictures. Raises Rejected for what is
    nothing we take, Unreadable for what is damaged, too small or a strip.
    """
    kind = _accepted_kind(data)
    pages, named = pdf.decode(data) if kind == "PDF" else raster.decode(data, kind)
    return Upload(pages, kind, hashlib.sha256(data).hexdigest(), named, trailing_bytes(data, kind))


def sniff(data: bytes) -> str:
    """The kind of file by its first bytes; `unknown` when they say nothing."""
    for signature, kind in _SIGNATURES:
        if data.startswith(signature):
            return kind
    if data[:4] == b"RIFF":
        return "WebP" if data[8:12] == b"WEBP" else "video"
    if data[4:8] == b"ftyp":
        return _by_brands(data)
    head = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n\0").lower()
    if head.startswith(b"%pdf-"):
        return "PDF"
    if b"<svg" in head:
        return "SVG"
    return "web page" if head.startswith((b"<!doctype html", b"<html", b"<?xml")) else "unknown"


def _by_brands(data: bytes) -> str:
    """By the major brand and the compatible ones, which follow a version of four bytes."""
    box = data[8 : min(int.from_bytes(data[:4], "big"), 512)]
    brands = {box[:4], *(box[at : at + 4] for at in range(8, len(box), 4))}
    return next((kind for kind, own in _BRANDS if brands & own), "video")


def _accepted_kind(data: bytes) -> str:
    if not data:
        raise Rejected("The file is empty; upload the photo again.")
    if len(data) > MAX_BYTES:
        raise Rejected(f"The file is larger than {MAX_BYTES // 1024**2} MB; upload a smaller photo.")
    kind = sniff(data)
    if kind == "unknown":
        raise Rejected(f"The file is not a picture; {_WHAT_WE_TAKE}.")
    if kind != "PDF" and kind not in raster.KINDS:
        raise Rejected(f"The file is a {kind} file; {_WHAT_WE_TAKE}.")
    return kind
