"""The PDF417 on specimen backs, photographed the way people do."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from PIL import Image

from app.dev import specimens
from flows.extraction.barcode import Grey, read_pdf417, without

TODAY = date(2026, 11, 20)


def grey(image: Image.Image) -> Grey:
    return np.asarray(image.convert("L"), dtype=np.uint8)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("degrees", [0, 1.5, -3, 5, -5, 8, 90, 180])
def test_a_back_decodes_at_any_skew(seed: int, degrees: float) -> None:
    somebody = specimens.person(seed, TODAY)
    symbol = read_pdf417(grey(specimens.rotated(specimens.back(somebody), degrees)))
    assert symbol is not None
    assert symbol.data == specimens.aamva(somebody)


@pytest.mark.parametrize("seed", range(5))
def test_a_slightly_blurred_back_decodes(seed: int) -> None:
    somebody = specimens.person(seed, TODAY)
    photo = specimens.blurred(specimens.rotated(specimens.back(somebody), 3), 1.2)
    symbol = read_pdf417(grey(photo))
    assert symbol is not None
    assert symbol.data == specimens.aamva(somebody)


def test_a_front_has_none() -> None:
    assert read_pdf417(grey(specimens.front(specimens.person(1, TODAY)))) is None


def test_an_empty_picture_has_none() -> None:
    assert read_pdf417(np.full((300, 400), 128, dtype=np.uint8)) is None


@pytest.mark.parametrize("degrees", [0, 5])
def test_the_symbol_can_be_painted_over(degrees: float) -> None:
    photo = specimens.rotated(specimens.back(specimens.person(1, TODAY)), degrees)
    symbol = read_pdf417(grey(photo))
    assert symbol is not None
    blank = without(np.asarray(photo, dtype=np.uint8), symbol.corners)
    assert read_pdf417(grey(Image.fromarray(blank))) is None
