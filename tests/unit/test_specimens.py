"""Specimens are the same for the same seed, differ between seeds, and can never pass for a real card."""

from __future__ import annotations

import inspect
from datetime import date

import numpy as np
import pytest

from app.dev import specimens
from app.dev.specimen_layouts import LAYOUTS
from flows.extraction.normalise import STATES

TODAY = date(2026, 11, 20)


def test_a_seed_always_gives_the_same_person_and_picture() -> None:
    assert specimens.person(7, TODAY) == specimens.person(7, TODAY)
    pictures = [specimens.to_jpeg(specimens.front(specimens.person(7, TODAY))) for _ in range(2)]
    assert pictures[0] == pictures[1]


def test_seeds_differ_in_person_and_layout() -> None:
    people = {specimens.person(seed, TODAY).number for seed in range(50)}
    assert len(people) == 50
    assert len(LAYOUTS) >= 3


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


def test_jurisdictions_do_not_exist() -> None:
    for jurisdiction in specimens.JURISDICTIONS:
        assert jurisdiction.code not in STATES.values()
        assert jurisdiction.issuer.startswith("999")  # AAMVA's issuers begin with 636 or 604


def test_nothing_switches_the_overprint_off() -> None:
    for draw in (specimens.front, specimens.back, specimens.both):
        assert set(inspect.signature(draw).parameters) <= {"somebody", "layout", "content"}


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_the_overprint_lies_across_the_card(layout: str) -> None:
    somebody = specimens.person(3, TODAY)
    for side in (specimens.front(somebody, layout), specimens.back(somebody)):
        pixels = np.asarray(side, dtype=np.int16)
        reddish = (pixels[:, :, 0] - pixels[:, :, 1] > 12) & (pixels[:, :, 0] - pixels[:, :, 2] > 8)
        rows, columns = np.nonzero(reddish)
        assert rows.max() - rows.min() > 0.5 * side.height
        assert columns.max() - columns.min() > 0.5 * side.width


def test_both_sides_are_one_picture() -> None:
    somebody = specimens.person(3, TODAY)
    sheet = specimens.both(somebody)
    assert sheet.height == specimens.front(somebody).height + specimens.back(somebody).height
