"""The PDF417 on specimen backs, photographed the way people do."""

from __future__ import annotations

import io
from datetime import date

import numpy as np
import pytest
from PIL import Image

from app.dev import specimens
from app.dev.specimen_photos import DEGRADATIONS, photograph
from flows.extraction.barcodes import pdf417
from flows.extraction.barcodes.pdf417 import read_pdf417, without
from flows.extraction.intake.picture import Grey

TODAY = date(2026, 11, 20)


def grey(image: Image.Image) -> Grey:
    return np.asarray(image.convert("L"), dtype=np.uint8)


@pytest.mark.parametrize("seed", range(2))
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


@pytest.mark.parametrize("seed", [3])
@pytest.mark.parametrize("degradation", sorted(DEGRADATIONS))
def test_a_back_decodes_however_it_was_photographed(seed: int, degradation: str) -> None:
    somebody = specimens.person(seed, TODAY)
    photo = photograph(specimens.back(somebody), degradation, seed)
    symbol = read_pdf417(grey(Image.open(io.BytesIO(photo))))
    assert symbol is not None
    assert symbol.data == specimens.aamva(somebody)


@pytest.mark.parametrize("degrees", [30, 86, 94, 135, 176, 184, 266, 275])
def test_a_back_decodes_whichever_way_it_lies(degrees: float) -> None:
    somebody = specimens.person(7, TODAY)
    symbol = read_pdf417(grey(specimens.rotated(specimens.back(somebody), degrees)))
    assert symbol is not None
    assert symbol.data == specimens.aamva(somebody)


@pytest.mark.parametrize(
    ("readings", "believed"),
    [
        (["misread", "whole", "never looked at"], "whole"),
        (["misread", "card", "other", "card", "never looked at"], "card"),
        (["misread", "card", "other"], "card"),
        (["boarding pass", "boarding pass"], "boarding pass"),
        (["boarding pass"], "boarding pass"),
    ],
)
def test_a_misread_symbol_is_not_believed(
    readings: list[str], believed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """zxing-cpp decoded specimen 51007, turned by 4°, to 282 other bytes and called that valid."""
    whole = specimens.aamva(specimens.person(1, TODAY))
    meant = {
        "whole": whole,
        "card": whole.replace(b"DCS", b"DCSX"),  # a subfile of another length than stated
        "misread": b"@\n\x98OFAMFHKAFBPVAIBAAAAC3",
        "other": b"@\n\x98OFANFHKAFBPVAIBAAAAC3",
        "boarding pass": b"M1SMITH/JOHN  EABC123 LHRJFK",
        "never looked at": b"",
    }
    corners = np.zeros((4, 2), dtype=np.float32)
    symbols = [pdf417.Symbol(meant[name], name, corners) for name in readings]
    monkeypatch.setattr(pdf417, "_readings", lambda _: iter(symbols))
    found = read_pdf417(np.zeros((1, 1), dtype=np.uint8))
    assert found is not None
    assert found.data == meant[believed]


@pytest.mark.parametrize("degradation", sorted(DEGRADATIONS))
def test_print_is_not_looked_at_twice(degradation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A front has no symbol, and looking for it should cost next to nothing."""
    tries = []

    def counted(crop: Grey) -> None:
        tries.append(crop.shape)

    monkeypatch.setattr(pdf417, "_decode", counted)
    photo = photograph(specimens.front(specimens.person(1, TODAY)), degradation, 1)
    assert read_pdf417(grey(Image.open(io.BytesIO(photo)))) is None
    assert len(tries) <= 3


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
