"""Where a picture ends in its file, as phones write them and as forgers do."""

from __future__ import annotations

from flows.extraction.intake.structure import scans, trailing_bytes
from tests.hostile_formats import flat, jpeg_of_many_scans, noise, saved, with_segment, zip_file

FILM = b"\0\0\0\x18ftypmp42" + bytes(900)


def test_scans_are_counted_without_decoding() -> None:
    assert scans(saved(noise(), "JPEG")) == 1
    assert 5 < scans(saved(noise(), "JPEG", progressive=True)) < 15
    assert scans(jpeg_of_many_scans()) > 20_000


def test_a_jpeg_within_a_jpeg_s_header_is_not_its_end() -> None:
    thumbnail = saved(flat(160, 120), "JPEG")
    assert trailing_bytes(with_segment(saved(noise(), "JPEG"), 0xE1, b"Exif\0\0" + thumbnail), "JPEG") == 0


def test_what_phones_put_behind_a_picture_is_not_counted() -> None:
    photo = saved(noise(), "JPEG")
    gain_map = saved(flat(), "JPEG")
    announcing = with_segment(photo, 0xE2, b"MPF\0II*\0")
    moving = with_segment(photo, 0xE1, b"http://ns.adobe.com/xap/1.0/\0<x GCamera:MotionPhoto='1'/>")
    assert trailing_bytes(announcing + bytes(3) + gain_map + gain_map, "JPEG") == 0
    assert trailing_bytes(moving + FILM, "JPEG") == 0
    assert trailing_bytes(photo + b"SEFH" + bytes(40) + b"SEFT", "JPEG") == 0
    assert trailing_bytes(photo + bytes(4_000), "JPEG") == 0


def test_the_same_without_being_announced_is_counted() -> None:
    photo = saved(noise(), "JPEG")
    second = saved(flat(), "JPEG")
    assert trailing_bytes(photo + second, "JPEG") == len(second)
    assert trailing_bytes(photo + FILM, "JPEG") == len(FILM)
    announcing = with_segment(photo, 0xE2, b"MPF\0II*\0")
    assert trailing_bytes(announcing + second + zip_file(), "JPEG") == len(zip_file())
