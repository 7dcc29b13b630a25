"""Specimens are the same for the same seed, differ between seeds, and can never pass for a real card."""

from __future__ import annotations

import inspect
import random
from datetime import date
from itertools import combinations

import numpy as np
import pytest
from PIL import Image

from app.dev import specimen_mrz, specimen_passports, specimen_photos, specimens
from app.dev.specimen_card import CARD
from app.dev.specimen_layouts import LAYOUTS, Layout, layout_of
from app.dev.specimen_people import grouped
from app.dev.specimen_typesetting import Printed, printed_values, typeset
from flows.extraction.normalise import STATES

TODAY = date(2026, 11, 20)
SEEDS = range(0, 4_000, 57)


def test_a_seed_always_gives_the_same_person_and_picture() -> None:
    assert specimens.person(7, TODAY) == specimens.person(7, TODAY)
    pictures = [specimens.to_jpeg(specimens.front(specimens.person(7, TODAY))) for _ in range(2)]
    assert pictures[0] == pictures[1]
    page = specimen_passports.page(specimen_passports.holder(7, TODAY))
    photos = [specimen_photos.photograph(page, "phone", 7) for _ in range(2)]
    assert photos[0] == photos[1]


def test_seeds_differ_in_person_and_layout() -> None:
    people = [specimens.person(seed, TODAY) for seed in range(300)]
    assert len({somebody.number for somebody in people}) == 300
    layouts = [layout_of(somebody) for somebody in people]
    assert {layout.style for layout in layouts} == set(LAYOUTS)
    assert len({layout.names for layout in layouts}) == 5
    assert len({_arrangement(layout) for layout in layouts}) > 250


def _arrangement(layout: Layout) -> str:
    """Everything that is arranged, less what the person's own seed would make different."""
    cells = [cell for region in layout.regions for row in region.rows for cell in row]
    return f"{layout.portrait} {layout.title} {layout.names} {layout.look} {cells}"


@pytest.mark.parametrize("seed", range(20))
def test_kinds_are_what_they_say(seed: int) -> None:
    assert specimens.person(seed, TODAY).expires > TODAY
    assert specimens.person(seed, TODAY, "expired").expires < TODAY
    young = specimens.person(seed, TODAY, "under_age").born
    assert (TODAY.year - young.year) == 17


def test_every_kind_exists_on_every_day_of_a_leap_year() -> None:
    for day in (date(2028, 1, 1), date(2028, 2, 29), date(2028, 12, 31)):
        for kind in ("valid", "expired", "under_age"):
            for seed in range(30):
                specimens.person(seed, day, kind)
                specimen_passports.holder(seed, day)


def test_jurisdictions_do_not_exist() -> None:
    for jurisdiction in specimens.JURISDICTIONS:
        assert jurisdiction.code not in STATES.values()
        assert jurisdiction.name not in STATES
        assert jurisdiction.issuer.startswith("999")  # AAMVA's issuers begin with 636 or 604


def test_issuers_of_passports_do_not_exist() -> None:
    for issuer in specimen_passports.ISSUERS:
        user_assigned = issuer.code[0] == "X" or issuer.code[:2] == "ZZ" or "QM" <= issuer.code[:2] <= "QZ"
        assert issuer.code == "UTO" or user_assigned


@pytest.mark.parametrize("seed", SEEDS)
def test_everything_true_is_printed_and_nothing_else(seed: int) -> None:
    somebody = specimens.person(seed, TODAY)
    layout = layout_of(somebody)
    pieces = typeset(somebody, layout)
    printed = " ".join(piece.text for piece in pieces)
    truth = specimens.truth(somebody)
    for name in ("FIRST_NAME", "LAST_NAME", "CITY_IN_ADDRESS", "ZIP_CODE_IN_ADDRESS"):
        assert truth[name] in printed
    assert somebody.address in printed  # in one line or in two
    assert grouped(somebody) in printed
    assert layout.formats.date(somebody.born) in printed
    for name, key in (("CLASS", "class"), ("SEX", "sex"), ("EYES", "eyes"), ("HEIGHT", "height")):
        assert (name in truth) == any(piece.key == key for piece in pieces)
    assert not ({"RESTRICTIONS", "ENDORSEMENTS"} & truth.keys() and "NONE" in truth.values())
    assert {piece.key for piece in pieces if piece.key} <= printed_values(somebody, layout).keys()


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_printed_over_anything_else_or_off_the_card(seed: int) -> None:
    somebody = specimens.person(seed, TODAY)
    for one, other in combinations(typeset(somebody, layout_of(somebody)), 2):
        assert not _overlap(one, other), f"{one.text} lies over {other.text}"
    for piece in typeset(somebody, layout_of(somebody)):
        assert piece.left >= 0
        assert piece.right <= CARD[0]
        assert piece.baseline < CARD[1] - 40
        assert piece.size >= 14


def _overlap(one: Printed, other: Printed) -> bool:
    """By the height of capitals, which most of the text is."""
    beside = one.left < other.right and other.left < one.right
    tops = one.baseline - 0.7 * one.size, other.baseline - 0.7 * other.size
    return beside and tops[0] < other.baseline and tops[1] < one.baseline


@pytest.mark.parametrize("seed", range(60))
def test_an_alteration_changes_one_thing(seed: int) -> None:
    somebody = specimens.person(seed, TODAY)
    for what in specimens.ALTERATIONS:
        honest, forged = (
            specimens.truth_of_back(one) for one in (somebody, specimens.altered(somebody, what))
        )
        assert sum(honest[name] != forged[name] for name in honest) == 1


def test_nothing_switches_the_overprint_off() -> None:
    for draw in (specimens.front, specimens.back, specimens.both):
        assert set(inspect.signature(draw).parameters) <= {"somebody", "layout", "content"}
    for draw_page in (specimen_passports.page, specimen_passports.td1_back, specimen_passports.td2_card):
        assert set(inspect.signature(draw_page).parameters) == {"somebody"}


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_the_overprint_lies_across_every_side(layout: str) -> None:
    somebody = specimens.person(3, TODAY)
    for side in (specimens.front(somebody, layout), specimens.back(somebody)):
        assert _is_overprinted(side)


def test_the_overprint_lies_across_every_page() -> None:
    holder = specimen_passports.holder(3, TODAY)
    for draw in (specimen_passports.page, specimen_passports.td1_back, specimen_passports.td2_card):
        assert _is_overprinted(draw(holder))


def _is_overprinted(side: Image.Image) -> bool:
    pixels = np.asarray(side, dtype=np.int16)
    reddish = (pixels[:, :, 0] - pixels[:, :, 1] > 12) & (pixels[:, :, 0] - pixels[:, :, 2] > 8)
    rows, columns = np.nonzero(reddish)
    return bool(np.ptp(rows) > 0.5 * side.height and np.ptp(columns) > 0.5 * side.width)


def test_both_sides_are_one_picture() -> None:
    somebody = specimens.person(3, TODAY)
    sheet = specimens.both(somebody)
    assert sheet.height == specimens.front(somebody).height + specimens.back(somebody).height


def test_a_zone_is_written_as_icao_s_own_specimen() -> None:
    """The passport of ICAO 9303-4, appendix B, and the cards of parts 5 and 6."""
    anna = specimen_mrz.Traveller(
        issuer="UTO",
        nationality="UTO",
        last="ERIKSSON",
        given="ANNA MARIA",
        number="L898902C3",
        born=date(1974, 8, 12),
        sex="F",
        expires=date(2012, 4, 15),
        personal_number="ZE184226B",
    )
    assert specimen_mrz.td3(anna) == (
        "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<",
        "L898902C36UTO7408122F1204159ZE184226B<<<<<10",
    )
    card = specimen_mrz.Traveller(
        **{**anna.__dict__, "number": "D23145890", "personal_number": ""},
    )
    assert specimen_mrz.td2(card) == (
        "I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<",
        "D231458907UTO7408122F1204159<<<<<<<6",
    )
    assert specimen_mrz.td1(card) == (
        "I<UTOD231458907<<<<<<<<<<<<<<<",
        "7408122F1204159UTO<<<<<<<<<<<6",
        "ERIKSSON<<ANNA<MARIA<<<<<<<<<<",
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_a_passport_s_truth_is_printed(seed: int) -> None:
    holder = specimen_passports.holder(seed, TODAY)
    pieces = specimen_passports.visual_zone(holder, specimen_passports.PAGE)
    printed = " ".join(piece.text for piece in pieces)
    truth = specimen_passports.truth(holder)
    names = ("FIRST_NAME", "LAST_NAME", "PLACE_OF_BIRTH", "DOCUMENT_NUMBER")
    assert all(truth[name] in printed for name in names)
    assert truth.get("MIDDLE_NAME", "") == holder.person.middle
    assert [len(line) for line in truth["MRZ_CODE"].split("\n")] == [44, 44]
    assert [len(line) for line in specimen_mrz.td1(holder.traveller)] == [30, 30, 30]
    assert [len(line) for line in specimen_mrz.td2(holder.traveller)] == [36, 36]
    for one, other in combinations(pieces, 2):
        assert not _overlap(one, other), f"{one.text} lies over {other.text}"


@pytest.mark.parametrize("degradation", specimen_photos.DEGRADATIONS)
def test_a_photo_is_a_picture_like_the_one_before(degradation: str) -> None:
    side = specimens.back(specimens.person(3, TODAY))
    first = specimen_photos.photograph(side, degradation, 5)
    assert first.startswith(b"\xff\xd8\xff")
    assert first == specimen_photos.DEGRADATIONS[degradation](side, random.Random(f"{degradation} 5"))
