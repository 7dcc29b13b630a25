"""Every kind of file people upload becomes upright pixels; what is refused is in test_hostile_files.py."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from flows.extraction.intake.picture import MIN_SIDE, WORKING_SIDE, NotAccepted, Rejected, Unreadable
from flows.extraction.intake.upload import Upload, open_upload, sniff
from tests.hostile_formats import flat, noise, saved, zip_file

KINDS = {
    "JPEG": "JPEG",
    "PNG": "PNG",
    "WEBP": "WebP",
    "TIFF": "TIFF",
    "HEIF": "HEIC",
    "AVIF": "AVIF",
    "PDF": "PDF",
}
"""Our names by Pillow's."""


def card() -> Image.Image:
    """White, its left quarter black."""
    image = Image.new("RGB", (400, 240), "white")
    image.paste("black", (0, 0, 100, 240))
    return image


def only(data: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    [page] = open_upload(data).pages
    return page.pixels


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_known_by_its_content_and_read(kind: str) -> None:
    upload = open_upload(saved(card(), kind))
    [page] = upload.pages
    assert upload.format == KINDS[kind]
    assert page.width / page.height == pytest.approx(400 / 240, rel=0.01)
    dark = page.pixels[:, : page.width // 5]
    light = page.pixels[:, page.width // 3 :]
    assert dark.mean() < 20
    assert light.mean() > 235


def test_a_file_is_known_again_by_its_digest() -> None:
    data = saved(card(), "PNG")
    assert open_upload(data).sha256 == open_upload(data).sha256 != open_upload(data + b"\0").sha256


@pytest.mark.parametrize(
    ("brands", "kind"),
    [
        (b"heic\0\0\0\0mif1heic", "HEIC"),
        (b"mif1\0\0\0\0mif1heic", "HEIC"),
        (b"mif1\0\0\0\0mif1avif", "AVIF"),
        (b"avif\0\0\0\0avifmif1", "AVIF"),
        (b"avis\0\0\0\0avis", "AVIF"),
        (b"qt  \0\0\0\0qt  ", "video"),
        (b"isom\0\0\0\0isommp42", "video"),
    ],
)
def test_a_container_is_known_by_any_of_its_brands(brands: bytes, kind: str) -> None:
    box = b"ftyp" + brands
    assert sniff((len(box) + 4).to_bytes(4, "big") + box) == kind


def test_a_pdf_may_begin_with_blanks() -> None:
    assert open_upload(b"\xef\xbb\xbf\r\n" + saved(card(), "PDF")).format == "PDF"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_camera_s_rotation_is_honoured(kind: str, orientation: int) -> None:
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Image.Transpose by EXIF value, undone
    image = card().transpose(Image.Transpose(undo[orientation])) if orientation > 1 else card()
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = only(saved(image, kind, exif=exif))
    assert pixels.shape == (240, 400, 3)
    assert pixels[:, :80].mean() < 20
    assert pixels[:, 120:].mean() > 235


def test_a_phone_s_heic_stands_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = only(saved(card().rotate(90, expand=True), "HEIF", exif=exif.tobytes()))
    assert pixels.shape == (240, 400, 3)
    assert pixels[:, :80].mean() < 20


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_mode_of_png_becomes_rgb(mode: str) -> None:
    pixels = only(saved(Image.new(mode, (300, 240)), "PNG"))
    assert pixels.shape == (240, 300, 3)
    assert pixels.dtype == np.uint8


@pytest.mark.parametrize(
    "mode", ["1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I;16", "I;16B", "I", "F"]
)
def test_every_mode_of_tiff_becomes_rgb(mode: str) -> None:
    assert only(saved(Image.new(mode, (300, 240)), "TIFF")).shape == (240, 300, 3)


def test_cmyk_keeps_black_black() -> None:
    pixels = only(saved(card().convert("CMYK"), "JPEG"))
    assert pixels[:, :80].mean() < 60
    assert pixels[:, 120:].mean() > 200


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_and_not_cut(kind: str) -> None:
    deep = Image.fromarray(np.full((240, 300), 0x8000, dtype=np.uint16))
    assert only(saved(deep, kind)).mean() == pytest.approx(128)


def test_fractions_are_spread_over_black_to_white() -> None:
    ramp = Image.fromarray(np.tile(np.linspace(-1, 1, 300, dtype=np.float32), (240, 1)))
    pixels = only(saved(ramp, "TIFF"))
    assert (pixels.min(), pixels.max()) == (0, 255)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("size", [(300, 240), (4_400, 2_200)])
def test_transparency_becomes_white(kind: str, size: tuple[int, int]) -> None:
    options: dict[str, object] = {}
    if kind == "TIFF":
        options = {"compression": "tiff_lzw"}
    assert only(saved(Image.new("RGBA", size, (0, 0, 0, 0)), kind, **options)).min() == 255


def test_a_palette_s_transparency_becomes_white() -> None:
    clear = Image.new("P", (300, 240))
    assert only(saved(clear, "PNG", transparency=0)).min() == 255


@pytest.mark.parametrize("kind", ["WEBP", "PNG", "AVIF"])
def test_of_an_animation_the_first_picture_counts(kind: str) -> None:
    data = saved(flat(colour="black"), kind, save_all=True, append_images=[flat(colour="white")])
    assert only(data).max() < 20


def test_of_several_heic_pictures_the_first_counts() -> None:
    data = saved(flat(colour="black"), "HEIF", save_all=True, append_images=[flat(colour="white")])
    assert only(data).max() < 20


@pytest.mark.parametrize("kind", ["TIFF", "PDF"])
def test_two_pages_are_front_and_back(kind: str) -> None:
    data = saved(flat(colour="black"), kind, save_all=True, append_images=[flat(colour="white")])
    front, back = open_upload(data).pages
    assert front.pixels.max() < 20
    assert back.pixels.min() > 235


def test_a_third_page_of_a_tiff_is_not_looked_at_and_a_pdf_s_is_refused() -> None:
    more = {"save_all": True, "append_images": [flat(), flat()]}
    assert len(open_upload(saved(flat(), "TIFF", **more)).pages) == 2
    with pytest.raises(Rejected, match="3 pages"):
        open_upload(saved(flat(), "PDF", **more))


def test_a_tiff_s_small_copy_of_its_picture_is_no_page() -> None:
    buffer = io.BytesIO()
    small = flat(90, 60)
    small.encoderinfo = {"tiffinfo": {254: 1}}  # how Pillow takes a frame's own tags
    flat().save(buffer, "TIFF", save_all=True, append_images=[small])
    assert len(open_upload(buffer.getvalue()).pages) == 1


def test_a_scan_s_page_is_drawn_large_enough_to_read() -> None:
    [page] = open_upload(saved(flat(850, 1_100), "PDF", resolution=100)).pages
    assert (page.width, page.height) == (2_550, 3_301)


def test_a_thumbnail_is_too_small() -> None:
    with pytest.raises(Unreadable, match="too small"):
        open_upload(saved(flat(300, MIN_SIDE - 1), "JPEG"))


def test_a_large_photo_is_brought_to_working_size() -> None:
    assert max(only(saved(Image.new("L", (6_000, 4_000)), "JPEG")).shape) == WORKING_SIDE


def edited(kind: str, software: str) -> Upload:
    exif = Image.Exif()
    exif[0x0131] = software
    return open_upload(saved(noise(), kind, exif=exif))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "HEIF", "AVIF"])
def test_the_program_that_wrote_a_file_is_known(kind: str) -> None:
    assert edited(kind, "Adobe Photoshop 27.1 (Macintosh)").software == "Adobe Photoshop 27.1 (Macintosh)"


def test_a_file_that_names_no_program() -> None:
    assert open_upload(saved(noise(), "JPEG")).software == ""


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "HEIF", "AVIF"])
def test_xmp_names_programs_too(kind: str) -> None:
    xmp = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="Adobe XMP Core 9"><rdf:Description '
        b'xmp:CreatorTool="GIMP 3.2"><rdf:li stEvt:softwareAgent="Snapseed"/></rdf:Description></x:xmpmeta>'
    )
    if kind == "PNG":
        texts = PngInfo()
        texts.add_itxt("XML:com.adobe.xmp", xmp.decode())
        data = saved(noise(), kind, pnginfo=texts)
    elif kind == "TIFF":
        data = saved(noise(), kind, tiffinfo={700: xmp})
    else:
        data = saved(noise(), kind, xmp=xmp)
    assert open_upload(data).software == "GIMP 3.2; Snapseed"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "HEIF", "AVIF", "PDF"])
def test_what_follows_the_end_of_a_picture_is_counted(kind: str) -> None:
    data = saved(noise(), kind)
    assert open_upload(data).trailing_bytes == 0
    assert open_upload(data + zip_file()).trailing_bytes == len(zip_file())


def said_of(data: bytes) -> str:
    try:
        return f"{len(open_upload(data).pages)} pages"
    except NotAccepted as error:
        return error.sentence


SOUND = {kind: saved(noise(260, 220), kind) for kind in KINDS}


@given(
    kind=st.sampled_from(sorted(KINDS)),
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=40),
    kept=st.floats(0.01, 1),
)
@settings(max_examples=150, deadline=None)
def test_whatever_is_damaged_there_is_a_sentence_or_a_picture(
    kind: str, changes: list[tuple[float, int]], kept: float
) -> None:
    data = bytearray(SOUND[kind])
    for place, value in changes:
        # Squared: most changes near the beginning, where the structure is.
        data[int(place**2 * len(data))] = value
    assert re.fullmatch(r"[A-Z].*; .*\.|[12] pages", said_of(bytes(data[: int(kept * len(data))])))
