"""Makes files that harm whoever opens them carelessly: a few kilobytes that ask for gigabytes or hours."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterable

import numpy as np
from PIL import Image, ImageDraw

import flows.extraction.intake.raster  # noqa: F401 - teaches Pillow HEIC


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def heic(width: int, height: int, **options: object) -> bytes:
    return saved(flat(width, height), "HEIF", enc_params={"preset": "ultrafast"}, **options)


def noise(width: int = 900, height: int = 600) -> Image.Image:
    dots = np.random.default_rng(1).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(dots)


def flat(width: int = 900, height: int = 600, colour: str = "grey") -> Image.Image:
    return Image.new("RGB", (width, height), colour)


def half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def replaced(data: bytes, old: bytes, new: bytes) -> bytes:
    assert old in data
    return data.replace(old, new)


def tiny_print() -> Image.Image:
    """Lines a hundred times as long as they are high, which text recognition enlarges."""
    page = Image.new("RGB", (2_000, 600), "white")
    draw = ImageDraw.Draw(page)
    for top in (100, 200, 300):
        draw.text((10, top), "THE QUICK BROWN FOX JUMPS OVER THE LAZY DOG " * 20, fill="black", font_size=14)
    return page


# --- PNG (https://www.w3.org/TR/png-3/)


def png(width: int, height: int, *extra: bytes, rows: bytes | None = None) -> bytes:
    """Declares any number of pixels in a few hundred bytes; `extra` chunks come before the pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(100_000) if rows is None else rows, 9)
    parts = [chunk(b"IHDR", header), *extra, chunk(b"IDAT", body), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png_rows(width: int, height: int) -> bytes:
    return bytes((1 + 3 * width) * height)


def png_text_bomb() -> bytes:
    """A hundred texts of 50 MB each, compressed."""
    text = chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(50_000_000)))
    return png(300, 300, *([text] * 100), rows=png_rows(300, 300))


def png_profile_bomb() -> bytes:
    return png(
        300, 300, chunk(b"iCCP", b"k\0\0" + zlib.compress(bytes(200_000_000))), rows=png_rows(300, 300)
    )


def png_with_chunk_of_two_gigabytes() -> bytes:
    return replaced(png(300, 300, chunk(b"tEXt", b"k\0v")), b"\0\0\0\x03tEXt", b"\x7f\xff\xff\xfftEXt")


def png_with_more_rows_than_declared() -> bytes:
    return png(300, 300, rows=bytes(500_000_000))


def sixteen_bit_png() -> bytes:
    """40 megapixels of red, green, blue and transparency in 16 bits each."""
    width, height = 8_000, 5_000
    header = struct.pack(">IIBBBBB", width, height, 16, 6, 0, 0, 0)
    body = zlib.compress(bytes((1 + 8 * width) * height), 1)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


# --- JPEG (ITU-T T.81)


def jpeg_declaring(width: int, height: int) -> bytes:
    data = saved(flat(), "JPEG")
    return replaced(data, struct.pack(">HH", 600, 900), struct.pack(">HH", height, width))


def jpeg_of_many_scans() -> bytes:
    """The last scan of a progressive picture, 20,000 times."""
    data = saved(flat(4_000, 3_000), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * 20_000 + data[-2:]


def jpeg_progressive_of_40_megapixels() -> bytes:
    return saved(flat(8_000, 5_000), "JPEG", progressive=True, subsampling=0)


def jpeg_cmyk_of_40_megapixels() -> bytes:
    return saved(Image.new("CMYK", (8_000, 5_000)), "JPEG", progressive=True)


def jpeg_with_absurd_exif() -> bytes:
    """Orientation 60,000, a thumbnail at 4 GB, counts of 4 billion."""
    entries = b"".join(
        struct.pack("<HHII", tag, kind, count, value)
        for tag, kind, count, value in (
            (0x0112, 3, 1, 60_000),
            (0x0131, 2, 0xFFFFFFFF, 8),
            (0x0201, 4, 1, 0xFFFFFFF0),
            (0x8769, 4, 1, 8),
            (0x9286, 7, 0x7FFFFFFF, 0),
        )
    )
    exif = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 5) + entries + struct.pack("<I", 8)
    return with_segment(saved(flat(), "JPEG"), 0xE1, exif)


def jpeg_with_rubbish_profile() -> bytes:
    return with_segment(saved(flat(), "JPEG"), 0xE2, b"ICC_PROFILE\0\x01\x01" + bytes(range(256)) * 200)


def with_segment(jpeg: bytes, marker: int, body: bytes) -> bytes:
    return jpeg[:2] + bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


# --- TIFF (revision 6.0)


def tiff(entries: Iterable[tuple[int, int, int, int]], following: int = 0) -> bytes:
    """One directory of (tag, type, count, value), at byte 8."""
    listed = sorted(entries)
    body = b"".join(struct.pack("<HHII", *entry) for entry in listed)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(listed)) + body + struct.pack("<I", following)


def tiff_entries(
    width: int, height: int, strip: int, *, compression: int = 1
) -> list[tuple[int, int, int, int]]:
    return [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 1, 8),
        (259, 3, 1, compression),
        (262, 3, 1, 1),
        (273, 4, 1, 200),
        (277, 3, 1, 1),
        (278, 4, 1, height),
        (279, 4, 1, strip),
    ]


def tiff_whose_directory_follows_itself() -> bytes:
    return tiff(tiff_entries(300, 300, 90_000), following=8).ljust(200, b"\0") + bytes(90_000)


def tiff_of_65_000_pages() -> bytes:
    """Each directory points to the next; all show the same strip."""
    entries = b"".join(struct.pack("<HHII", *entry) for entry in sorted(tiff_entries(300, 300, 90_000)))
    size = 2 + len(entries) + 4
    first = 200 + 90_000
    directories = (
        struct.pack("<H", 9)
        + entries
        + struct.pack("<I", first + (number + 1) * size if number < 64_999 else 0)
        for number in range(65_000)
    )
    head = b"II*\0" + struct.pack("<I", first)
    return head.ljust(200, b"\0") + bytes(90_000) + b"".join(directories)


def tiff_deflate_bomb() -> bytes:
    """A strip of 90 kB that unfolds to a gigabyte."""
    return tiff(tiff_entries(300, 300, 10_000_000, compression=8)).ljust(200, b"\0") + unfolding(1_000)


def tiff_with_four_billion_values() -> bytes:
    return tiff([*tiff_entries(300, 300, 90_000), (270, 2, 0xFFFFFFFF, 8)]).ljust(200, b"\0") + bytes(90_000)


# --- HEIC and AVIF (ISO/IEC 14496-12, 23008-12)


def declaring(data: bytes, width: int, height: int) -> bytes:
    """The file with its `ispe` boxes, which state dimensions, saying something else."""
    at = data.index(b"ispe")
    while at >= 0:
        data = data[: at + 8] + struct.pack(">II", width, height) + data[at + 16 :]
        at = data.find(b"ispe", at + 16)
    return data


def heic_of_many_tiles() -> bytes:
    return heic(1_900, 1_900, tile_size=64)


# --- WebP (RFC 9649)


def webp_lossless_declaring(side: int) -> bytes:
    data = bytearray(saved(flat(), "WEBP", lossless=True))
    at = data.index(b"VP8L") + 9
    bits = int.from_bytes(data[at : at + 4], "little") & ~0xFFFFFFF | (side - 1) | (side - 1) << 14
    data[at : at + 4] = bits.to_bytes(4, "little")
    return bytes(data)


# --- PDF (ISO 32000-1)


def pdf(
    *objects: bytes,
    content: bytes = b"",
    box: str = "0 0 612 792",
    resources: str = "<<>>",
    pages: int = 1,
    catalog: str = "",
    trailer: str = "",
) -> bytes:
    """Pages that share their content and resources; `objects` are numbered from 10."""
    kids = " ".join(["3 0 R"] * pages)
    page = f"<</Type/Page/Parent 2 0 R/MediaBox[{box}]/Contents 4 0 R/Resources {resources}>>"
    bodies = {
        1: f"<</Type/Catalog/Pages 2 0 R{catalog}>>".encode(),
        2: f"<</Type/Pages/Kids[{kids}]/Count {pages}>>".encode(),
        3: page.encode(),
        4: stream(content),
        **dict(enumerate(objects, start=10)),
    }
    out, at = bytearray(b"%PDF-1.7\n"), {}
    for number, body in bodies.items():
        at[number] = len(out)
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    table = len(out)
    out += b"xref\n" + b"".join(b"%d 1\n%010d 00000 n \n" % entry for entry in at.items())
    out += b"trailer\n<</Size %d/Root 1 0 R%b>>\n" % (max(at) + 1, trailer.encode())
    return bytes(out + b"startxref\n%d\n%%%%EOF\n" % table)


def stream(body: bytes, entries: str = "") -> bytes:
    return b"<</Length %d%b>>stream\n%b\nendstream" % (len(body), entries.encode(), body)


def unfolding(megabytes: int) -> bytes:
    """zlib data that unfolds to that many zeros, made of one piece repeated, without a checksum."""
    squeeze = zlib.compressobj(9)
    head = squeeze.compress(bytes(1 << 20)) + squeeze.flush(zlib.Z_FULL_FLUSH)
    piece = squeeze.compress(bytes(1 << 20)) + squeeze.flush(zlib.Z_FULL_FLUSH)
    return head + piece * (megabytes - 1)


def picture_object(width: int, height: int, body: bytes, entries: str) -> bytes:
    return stream(body, f"/Type/XObject/Subtype/Image/Width {width}/Height {height}{entries}")


RGB = "/ColorSpace/DeviceRGB/BitsPerComponent 8/Filter/FlateDecode"
_SHOW = b"q 612 0 0 792 0 0 cm /X Do Q"


def pdf_showing(*objects: bytes, content: bytes = _SHOW) -> bytes:
    """A page that shows object 10 as `X`."""
    return pdf(*objects, content=content, resources="<</XObject<</X 10 0 R>>>>")


def pdf_with_picture(width: int, height: int) -> bytes:
    return pdf_showing(picture_object(width, height, unfolding(2_700), RGB))


def pdf_with_jbig2() -> bytes:
    """A page and one generic region of 30,000 by 30,000 (T.88, 7.4.6 and 7.4.8), with no data to speak of."""
    page = struct.pack(">IIIIBH", 30_000, 30_000, 0, 0, 0, 0)
    region = struct.pack(">IIIIBB", 30_000, 30_000, 0, 0, 0, 0) + bytes(8) + bytes(64)
    segments = struct.pack(">IBBBI", 0, 48, 0, 1, len(page)) + page
    segments += struct.pack(">IBBBI", 1, 38, 0, 1, len(region)) + region
    entries = "/ColorSpace/DeviceGray/BitsPerComponent 1/Filter/JBIG2Decode"
    return pdf_showing(picture_object(30_000, 30_000, segments, entries))


def pdf_with_hidden_picture() -> bytes:
    """A small picture whose transparency is a large one."""
    mask = picture_object(
        30_000, 30_000, unfolding(900), "/ColorSpace/DeviceGray/BitsPerComponent 8/Filter/FlateDecode"
    )
    small = picture_object(10, 10, zlib.compress(bytes(300)), RGB + "/SMask 11 0 R")
    return pdf_showing(small, mask)


def pdf_with_picture_in_a_pattern() -> bytes:
    inside = "<</XObject<</X 11 0 R>>>>"
    pattern = "/PatternType 1/PaintType 1/TilingType 1/BBox[0 0 612 792]/XStep 612/YStep 792"
    tile = stream(_SHOW, f"{pattern}/Resources {inside}")
    large = picture_object(30_000, 30_000, unfolding(2_700), RGB)
    return pdf(
        tile,
        large,
        content=b"/Pattern cs /P scn 0 0 612 792 re f",
        resources="<</Pattern<</P 10 0 R>>>>",
    )


def pdf_of_drawings_within_drawings() -> bytes:
    """Each of nine drawings shows the next one 16 times: 69 billion in the end."""

    def drawing(number: int) -> bytes:
        inside = f"/Resources<</XObject<</X {11 + number} 0 R>>>>" if number < 8 else ""
        shown = b"/X Do " * 16 if number < 8 else b"0 0 1 1 re f "
        return stream(shown, f"/Type/XObject/Subtype/Form/BBox[0 0 612 792]{inside}")

    return pdf_showing(*(drawing(number) for number in range(9)))


def pdf_with_endless_content() -> bytes:
    """Two layers of compression over four gigabytes of blanks."""
    squeezed = zlib.compress(unfolding(4_000), 9)
    body = stream(squeezed, "/Filter[/FlateDecode/FlateDecode]")
    return replaced(pdf(body), b"/Contents 4 0 R", b"/Contents 10 0 R")


def pdf_that_computes_each_spot() -> bytes:
    """A colour gradient whose function takes 20,000 steps for each of eight million spots."""
    steps = b"{" + b"exch " * 20_000 + b"0}"
    function = stream(steps, "/FunctionType 4/Domain[0 1 0 1]/Range[0 1 0 1 0 1]")
    gradient = b"<</ShadingType 1/ColorSpace/DeviceRGB/Matrix[612 0 0 792 0 0]/Function 10 0 R>>"
    return pdf(function, gradient, content=b"/S sh", resources="<</Shading<</S 11 0 R>>>>")


def pdf_whose_pages_contain_themselves() -> bytes:
    return replaced(pdf(), b"/Kids[3 0 R]/Count 1", b"/Kids[2 0 R]/Count 1")


def pdf_that_acts() -> bytes:
    """Opens a site, starts a program and runs a script, if it is let."""
    actions = (
        "/OpenAction<</S/JavaScript/JS(while(true){app.alert\\(1\\)})>>"
        "/AA<</WC<</S/Launch/F(/bin/sh)>>/DP<</S/URI/URI(http://127.0.0.1:9/)>>>>"
        "/AcroForm<</Fields[]/XFA(<x/>)>>"
    )
    return pdf(catalog=actions)


def zip_file() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("word/document.xml", "<w:document/>")
    return buffer.getvalue()
