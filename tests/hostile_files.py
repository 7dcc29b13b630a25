"""Files that harm whoever opens them carelessly, what people upload by mistake, and what is said of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flows.extraction.intake.upload import MAX_BYTES
from tests.hostile_formats import (
    RGB,
    declaring,
    flat,
    half,
    heic,
    heic_of_many_tiles,
    jpeg_cmyk_of_40_megapixels,
    jpeg_declaring,
    jpeg_of_many_scans,
    jpeg_progressive_of_40_megapixels,
    jpeg_with_absurd_exif,
    jpeg_with_rubbish_profile,
    noise,
    pdf,
    pdf_of_drawings_within_drawings,
    pdf_showing,
    pdf_that_acts,
    pdf_whose_pages_contain_themselves,
    pdf_with_endless_content,
    pdf_with_hidden_picture,
    pdf_with_jbig2,
    pdf_with_picture,
    pdf_with_picture_in_a_pattern,
    picture_object,
    png,
    png_profile_bomb,
    png_rows,
    png_text_bomb,
    png_with_chunk_of_two_gigabytes,
    png_with_more_rows_than_declared,
    saved,
    sixteen_bit_png,
    tiff,
    tiff_deflate_bomb,
    tiff_entries,
    tiff_of_65_000_pages,
    tiff_whose_directory_follows_itself,
    tiff_with_four_billion_values,
    tiny_print,
    webp_lossless_declaring,
    zip_file,
)

DAMAGED = "damaged or incomplete"
MEGAPIXELS = "40 megapixels"
NOT_A_PICTURE = "not a picture"
BLANK = "too blurred"
"""What is said of a picture that could be opened and has nothing on it."""


@dataclass(frozen=True)
class Hostile:
    """`says` is part of the sentence for the applicant; empty where it depends on how far a decoder gets."""

    build: Callable[[], bytes]
    says: str
    status: str = "unreadable"


REFUSED = {
    # What is no picture of a document at all.
    "empty": Hostile(lambda: b"", "empty", "rejected"),
    "one byte": Hostile(lambda: b"\xff", NOT_A_PICTURE, "rejected"),
    "text": Hostile(lambda: b"Dear Sir or Madam", NOT_A_PICTURE, "rejected"),
    "zeros": Hostile(lambda: bytes(1_000_000), NOT_A_PICTURE, "rejected"),
    "too large": Hostile(lambda: b"\xff\xd8\xff" + bytes(MAX_BYTES), "15 MB", "rejected"),
    "web page": Hostile(lambda: b"<!DOCTYPE html><html></html>", "web page", "rejected"),
    "SVG": Hostile(lambda: b'<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG", "rejected"),
    "SVG with entities": Hostile(
        lambda: (
            b'<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY a SYSTEM "file:///etc/passwd">]><svg>&a;</svg>'
        ),
        "SVG",
        "rejected",
    ),
    "GIF": Hostile(lambda: saved(flat(), "GIF"), "GIF", "rejected"),
    "BMP": Hostile(lambda: saved(flat(), "BMP"), "BMP", "rejected"),
    "ZIP": Hostile(zip_file, "ZIP", "rejected"),
    "film": Hostile(lambda: b"\0\0\0\x18ftypisom\0\0\0\0isommp42" + bytes(9_000), "video", "rejected"),
    "program": Hostile(lambda: b"MZ" + bytes(9_000), NOT_A_PICTURE, "rejected"),
    # More pixels than memory.
    "PNG of 900 megapixels": Hostile(lambda: png(30_000, 30_000), MEGAPIXELS, "rejected"),
    "PNG of 81 megapixels": Hostile(lambda: png(9_000, 9_000), MEGAPIXELS, "rejected"),
    "PNG of 41 megapixels": Hostile(lambda: png(8_200, 5_000), MEGAPIXELS, "rejected"),
    "PNG of 2^62 pixels": Hostile(lambda: png(2**31 - 1, 2**31 - 1), MEGAPIXELS, "rejected"),
    "JPEG of 4 gigapixels": Hostile(lambda: jpeg_declaring(65_500, 65_500), MEGAPIXELS, "rejected"),
    "TIFF of 3.6 gigapixels": Hostile(lambda: tiff(tiff_entries(60_000, 60_000, 9)), MEGAPIXELS, "rejected"),
    "WebP of 268 megapixels": Hostile(lambda: webp_lossless_declaring(16_383), MEGAPIXELS, "rejected"),
    "HEIC of 4 gigapixels": Hostile(
        lambda: declaring(saved(flat(), "HEIF"), 65_535, 65_535), MEGAPIXELS, "rejected"
    ),
    "AVIF of 256 megapixels": Hostile(
        lambda: declaring(saved(flat(), "AVIF", speed=10), 16_000, 16_000), MEGAPIXELS, "rejected"
    ),
    "PDF of 900 megapixels": Hostile(lambda: pdf_with_picture(30_000, 30_000), MEGAPIXELS, "rejected"),
    "PDF of 900 megapixels in JBIG2": Hostile(pdf_with_jbig2, MEGAPIXELS, "rejected"),
    "one row": Hostile(lambda: saved(flat(10_000, 1), "PNG"), "too small"),
    "strip": Hostile(lambda: saved(flat(10_000, 250), "PNG"), "narrow strip"),
    "JPEG of 20,000 scans": Hostile(jpeg_of_many_scans, "far more memory", "rejected"),
    # More of something else than memory.
    "PNG of 5 GB of text": Hostile(png_text_bomb, DAMAGED),
    "PNG of 200 MB of colour profile": Hostile(png_profile_bomb, DAMAGED),
    "PNG with a chunk of 2 GB": Hostile(png_with_chunk_of_two_gigabytes, DAMAGED),
    "TIFF with a strip of 4 GB": Hostile(lambda: tiff(tiff_entries(300, 300, 0xFFFFFFFF)), DAMAGED),
    "PDF of 21 pages": Hostile(lambda: pdf(pages=21), "21 pages", "rejected"),
    "PDF of 3 pages": Hostile(lambda: pdf(pages=3), "3 pages", "rejected"),
    "PDF as narrow as a hair": Hostile(lambda: pdf(box="0 0 1 100000"), "narrow strip"),
    "PDF whose pages contain themselves": Hostile(pdf_whose_pages_contain_themselves, DAMAGED),
    "PDF with a password": Hostile(
        lambda: pdf(
            trailer=f"/ID[<00><00>]/Encrypt<</Filter/Standard/V 1/R 2/P -4/O<{'01' * 32}>/U<{'02' * 32}>>>"
        ),
        "password",
        "rejected",
    ),
    # Damaged.
    **{
        f"{kind} cut short": Hostile(lambda kind=kind: half(saved(noise(), kind)), DAMAGED)  # type: ignore[misc]
        for kind in ("JPEG", "PNG", "WEBP", "TIFF", "HEIF", "AVIF")
    },
    "PDF cut short": Hostile(lambda: half(pdf_showing(picture_object(9, 9, bytes(9_000), RGB))), DAMAGED),
    "JPEG of 16 bytes": Hostile(lambda: saved(noise(), "JPEG")[:16], DAMAGED),
    "PDF of one line": Hostile(lambda: b"%PDF-1.7\n", DAMAGED),
}
"""Known at no cost by their first bytes, by what they declare, or by the damage."""

OPENED = {
    # More of something else than memory or time.
    "PNG of more rows than declared": Hostile(png_with_more_rows_than_declared, BLANK),
    "TIFF that follows itself": Hostile(tiff_whose_directory_follows_itself, BLANK),
    "TIFF of 65,000 pages": Hostile(tiff_of_65_000_pages, BLANK),
    "TIFF that unfolds": Hostile(tiff_deflate_bomb, BLANK),
    "TIFF with 4 billion values": Hostile(tiff_with_four_billion_values, BLANK),
    "HEIC of 900 tiles": Hostile(heic_of_many_tiles, BLANK),
    "HEIC larger than declared": Hostile(lambda: declaring(heic(3_000, 3_000), 300, 300), ""),
    "AVIF larger than declared": Hostile(
        lambda: declaring(saved(flat(8_000, 8_000), "AVIF", speed=10), 300, 300), ""
    ),
    "PDF of a square kilometre": Hostile(lambda: pdf(box="0 0 2834645 2834645"), BLANK),
    "PDF with a hidden picture": Hostile(pdf_with_hidden_picture, BLANK),
    "PDF with a picture in a pattern": Hostile(pdf_with_picture_in_a_pattern, BLANK),
    "PDF of endless content": Hostile(pdf_with_endless_content, ""),
    "PDF nested 100,000 deep": Hostile(lambda: pdf(b"[" * 100_000 + b"]" * 100_000), BLANK),
    "PDF of drawings within drawings": Hostile(pdf_of_drawings_within_drawings, ""),
    "PDF that acts": Hostile(pdf_that_acts, BLANK),
    # Sound files with nothing on them, the largest of their kind.
    "black": Hostile(lambda: saved(flat(colour="black"), "JPEG"), BLANK),
    "white": Hostile(lambda: saved(flat(colour="white"), "PNG"), BLANK),
    "noise": Hostile(lambda: saved(noise(400, 300), "JPEG"), "We found no"),
    "tiny print": Hostile(lambda: saved(tiny_print(), "PNG"), "We found no"),
    "PNG of 40 megapixels": Hostile(lambda: png(8_000, 5_000, rows=png_rows(8_000, 5_000)), BLANK),
    "PNG of 40 megapixels in 64 bits": Hostile(sixteen_bit_png, BLANK),
    "JPEG of 40 megapixels, progressive": Hostile(jpeg_progressive_of_40_megapixels, BLANK),
    "JPEG of 40 megapixels in CMYK": Hostile(jpeg_cmyk_of_40_megapixels, BLANK),
    "WebP of 40 megapixels": Hostile(
        lambda: saved(flat(8_000, 5_000), "WEBP", lossless=True, method=0), BLANK
    ),
    "HEIC of 40 megapixels": Hostile(lambda: heic(8_000, 5_000), BLANK),
    "AVIF of 40 megapixels": Hostile(lambda: saved(flat(8_000, 5_000), "AVIF", speed=10), BLANK),
    # Rubbish around a sound picture, which is opened all the same.
    "JPEG with absurd EXIF": Hostile(jpeg_with_absurd_exif, BLANK),
    "JPEG with a rubbish profile": Hostile(jpeg_with_rubbish_profile, BLANK),
    "JPEG and ZIP in one": Hostile(lambda: saved(flat(), "JPEG") + zip_file(), BLANK),
    "PDF and ZIP in one": Hostile(lambda: pdf() + zip_file(), BLANK),
}
"""Those that have to be opened before anything can be said of them."""
