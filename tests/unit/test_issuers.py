"""AAMVA's issuer identification numbers."""

from __future__ import annotations

import pytest

from flows.extraction.barcodes import issuers
from flows.extraction.normalise import STATES


@pytest.mark.parametrize(
    ("issuer", "state", "country"),
    [("636014", "CA", "USA"), ("636015", "TX", "USA"), ("636012", "ON", "CAN"), ("604428", "QC", "CAN"),
     ("990876", "AB", "CAN"), ("604431", "PR", "USA"), ("999001", "", ""), ("", "", "")],
)  # fmt: skip
def test_whose_number_it_is(issuer: str, state: str, country: str) -> None:
    assert (issuers.state_of(issuer), issuers.country_of(issuer)) == (state, country)


def test_every_state_and_province_has_one() -> None:
    everywhere = {
        issuers.state_of(f"{number:06d}") for number in (*range(604420, 604440), *range(636000, 636070))
    }
    assert set(STATES.values()) <= everywhere
