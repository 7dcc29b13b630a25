"""What is measured of a photo: sharp or blurred, washed out or not, the same picture or another."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import date
from functools import cache

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from app.dev import specimens
from flows.extraction.intake import photo
from flows.extraction.intake.picture import Pixels

TODAY = date(2026, 11, 20)
SAME = 24
"""Bits of distance up to which two pictures are one."""


@cache
def front(seed: int = 11) -> Image.Image:
    return specimens.front(specimens.person(seed, TODAY)).convert("RGB")


def pixels(image: Image.Image) -> Pixels:
    return np.asarray(image.convert("RGB"))


def grey(image: Image.Image) -> Pixels:
    return np.asarray(image.convert("L"))


def on_a_table(card: Image.Image) -> Image.Image:
    table = Image.new("RGB", (card.width * 3 // 2, card.height * 3 // 2), (96, 72, 54))
    table.paste(card, (card.width // 4, card.height // 4))
    return table


def reflected(image: Image.Image, radius: float) -> Image.Image:
    """A lamp's reflection off the middle: white at its heart, fading outwards."""
    y, x = np.mgrid[: image.height, : image.width]
    away = np.hypot(x - image.width * 0.55, y - image.height * 0.45) / (radius * image.width)
    light = np.clip(1.6 - away**2, 0, 1)[:, :, None]
    return Image.fromarray((pixels(image) * (1 - light) + 255 * light).astype(np.uint8))


def compressed(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer)


def test_a_clean_card_is_sharp_and_a_blurred_one_is_not() -> None:
    card = front()
    assert photo.sharpness(grey(card)) > 400
    assert photo.sharpness(grey(card.filter(ImageFilter.GaussianBlur(8)))) < 20


def test_sharpness_is_measured_at_one_size_for_all_cameras() -> None:
    card = front()
    large = card.resize((card.width * 3, card.height * 3), Image.Resampling.LANCZOS)
    assert photo.sharpness(grey(large)) == pytest.approx(photo.sharpness(grey(card)), rel=0.35)


@pytest.mark.parametrize("scene", [lambda card: card, on_a_table])
@pytest.mark.parametrize("radius", [0.08, 0.15, 0.3])
def test_a_reflection_is_found(scene: Callable[[Image.Image], Image.Image], radius: float) -> None:
    assert photo.glare(pixels(reflected(scene(front()), radius))) > 0.01


def white_card() -> Image.Image:
    card = Image.new("RGB", (1_000, 630), "white")
    draw = ImageDraw.Draw(card)
    for row in range(40, 600, 45):
        draw.text((60, row), "SPECIMEN 4d N1234567 3 DOB 01/02/1990", fill="black", font_size=30)
    return card


def boxed() -> Image.Image:
    """A white box with sharp edges, where some cards have the signature."""
    card = front()
    ImageDraw.Draw(card).rectangle((600, 450, 1_000, 640), fill="white")
    return card


@pytest.mark.parametrize(
    "image",
    [
        front(),
        on_a_table(front()),
        white_card(),
        on_a_table(white_card()),
        boxed(),
        specimens.back(specimens.person(11, TODAY)),
        specimens.both(specimens.person(11, TODAY)),
        Image.new("RGB", (900, 600), "white"),
        Image.new("RGB", (900, 600), "black"),
    ],
    ids=["card", "on a table", "white", "white on a table", "boxed", "back", "both", "paper", "dark"],
)
def test_what_is_white_by_itself_is_no_reflection(image: Image.Image) -> None:
    assert photo.glare(pixels(image)) == 0


def distance(one: Image.Image, other: Image.Image) -> int:
    return photo.distance(photo.difference_hash(grey(one)), photo.difference_hash(grey(other)))


def on_a_page(card: Image.Image) -> Image.Image:
    """As a flatbed scanner shows it."""
    page = Image.new("RGB", (1_700, 2_200), "white")
    page.paste(card.resize((720, 470)), (400, 300))
    return page


def by_a_phone(card: Image.Image) -> Image.Image:
    """On a table, with a sensor's grain, in light from one side."""
    scene = pixels(on_a_table(card)).astype(np.float64)
    scene += np.random.default_rng(1).normal(0, 6, scene.shape[:2])[:, :, None]
    scene += np.linspace(-10, 15, scene.shape[1])[None, :, None]
    return Image.fromarray(scene.clip(0, 255).astype(np.uint8))


SCENES = {"bare": lambda card: card, "table": on_a_table, "page": on_a_page, "phone": by_a_phone}


@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES)
@pytest.mark.parametrize(
    "change",
    [
        lambda image: image,
        lambda image: compressed(image, 30),
        lambda image: compressed(compressed(image, 60), 85),
        lambda image: image.resize((image.width // 3, image.height // 3)),
        lambda image: image.resize((image.width * 2, image.height * 2)),
        lambda image: image.resize((520, 520 * image.height // image.width)),
        lambda image: image.point(lambda value: min(255, value * 1.1)),
        lambda image: image.filter(ImageFilter.GaussianBlur(1)),
        lambda image: image.convert("L"),
    ],
    ids=["same", "q30", "twice", "third", "double", "520 px", "brighter", "soft", "grey"],
)
def test_a_picture_stored_anew_is_known_again(
    change: Callable[[Image.Image], Image.Image], scene: Callable[[Image.Image], Image.Image]
) -> None:
    image = scene(front())
    assert distance(image, change(image)) <= SAME


@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES)
def test_another_card_is_another_picture(scene: Callable[[Image.Image], Image.Image]) -> None:
    one = scene(front(11))
    assert min(distance(one, scene(front(seed))) for seed in range(12, 16)) > 2 * SAME


def test_another_photo_of_the_same_card_is_another_picture() -> None:
    assert distance(by_a_phone(front()), by_a_phone(front()).rotate(3)) > 2 * SAME


def test_the_printed_part_of_a_scanned_page_is_the_card_and_a_little_around_it() -> None:
    rows, columns = photo.printed_part(grey(on_a_page(front())))
    assert 250 <= rows.start <= 300
    assert 770 <= rows.stop <= 820
    assert 350 <= columns.start <= 400
    assert 1_120 <= columns.stop <= 1_170


@pytest.mark.parametrize("ink", [0, 170])
def test_a_short_line_far_below_the_rest_belongs_to_the_printed_part(ink: int) -> None:
    page = on_a_page(front())
    ImageDraw.Draw(page).text((420, 1_600), "DD 12345", fill=(ink, ink, ink), font_size=20)
    rows, _ = photo.printed_part(grey(page))
    assert rows.stop >= 1_620


@pytest.mark.parametrize("shade", ["white", "black"])
def test_of_a_picture_of_nothing_all_is_kept(shade: str) -> None:
    nothing = grey(Image.new("RGB", (900, 600), shade))
    assert nothing[photo.printed_part(nothing)].shape == nothing.shape


def test_the_hash_has_256_bits_whatever_the_size() -> None:
    for size in [(200, 200), (4_000, 400), (17, 16)]:
        assert len(photo.difference_hash(np.zeros(size, dtype=np.uint8))) == 32
