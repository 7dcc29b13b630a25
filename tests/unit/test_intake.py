"""Every kind of file people upload ends as pixels or as a sentence that says what to do."""

from __future__ import annotations

import io
import struct
import time
import zlib

import numpy as np
import pytest
from PIL import Image

from flows.extraction.intake import MAX_BYTES, WORKING_SIDE, Rejected, Unreadable, open_picture, sniff


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png_claiming(width: int, height: int) -> bytes:
    """A few hundred bytes that declare any number of pixels."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(100_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("width", "height"), [(10_000, 6_000), (9_000, 9_000), (10_000, 10_000), (30_000, 30_000)]
)
def test_a_bomb_is_rejected_before_a_pixel_is_decoded(width: int, height: int) -> None:
    began = time.perf_counter()
    with pytest.raises(Rejected, match="megapixels"):
        open_picture(png_claiming(width, height))
    assert time.perf_counter() - began < 0.5


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b"\xff\xd8\xff" + bytes(MAX_BYTES), "15 MB"),
        (b"<!DOCTYPE html><html></html>", "web page"),
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (encoded(Image.new("P", (400, 400)), "GIF"), "GIF"),
        (encoded(Image.new("RGB", (400, 400)), "WEBP"), "WebP"),
        (b"%PDF-1.7\n", "PDF"),
        (b"\x00\x00\x00\x18ftypheic", "HEIC"),
        (b"just some text", "not a photo"),
    ],
)
def test_what_is_no_photo_is_rejected_by_name(data: bytes, says: str) -> None:
    with pytest.raises(Rejected, match=says):
        open_picture(data)


def test_the_name_of_a_file_is_never_asked() -> None:
    assert sniff(encoded(Image.new("RGB", (8, 8)), "JPEG")) == "JPEG"
    assert sniff(encoded(Image.new("RGB", (8, 8)), "PNG")) == "PNG"


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_file_cut_short_says_take_it_again(kind: str) -> None:
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 255, (400, 400, 3), dtype=np.uint8))
    data = encoded(noise, kind)
    with pytest.raises(Unreadable, match="damaged or incomplete"):
        open_picture(data[: len(data) // 2])
    with pytest.raises(Unreadable, match="damaged or incomplete"):
        open_picture(data[:16])


def test_a_thumbnail_is_too_small() -> None:
    with pytest.raises(Unreadable, match="too small"):
        open_picture(encoded(Image.new("RGB", (160, 100)), "JPEG"))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_mode_of_png_becomes_rgb(mode: str) -> None:
    picture = open_picture(encoded(Image.new(mode, (300, 200))))
    assert picture.pixels.shape == (200, 300, 3)
    assert picture.pixels.dtype == np.uint8


def test_cmyk_jpeg_becomes_rgb() -> None:
    assert open_picture(encoded(Image.new("CMYK", (300, 200)), "JPEG")).pixels.shape == (200, 300, 3)


def test_sixteen_bits_are_scaled_and_not_cut() -> None:
    deep = Image.fromarray(np.full((200, 300), 0x8000, dtype=np.uint16))
    assert open_picture(encoded(deep)).pixels.mean() == pytest.approx(128)


def test_transparency_becomes_white() -> None:
    clear = Image.new("RGBA", (300, 200), (0, 0, 0, 0))
    assert open_picture(encoded(clear)).pixels.min() == 255


def test_the_camera_s_rotation_is_honoured() -> None:
    image = Image.new("RGB", (400, 200), "white")
    image.paste("black", (0, 0, 100, 200))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned clockwise to be seen upright
    picture = open_picture(encoded(image, "JPEG", exif=exif))
    assert (picture.width, picture.height) == (200, 400)
    assert picture.pixels[:80].mean() < 20


def test_a_large_photo_is_brought_to_working_size() -> None:
    picture = open_picture(encoded(Image.new("L", (6_000, 4_000)), "JPEG"))
    assert max(picture.width, picture.height) == WORKING_SIDE
