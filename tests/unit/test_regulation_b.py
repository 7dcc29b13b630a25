"""The principal reasons of Regulation B's sample form."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from app.regulation_b import OWN_TEXT, PrincipalReason, is_reason, words


def test_the_form_has_twenty_three_reasons_beside_own_text() -> None:
    assert len(PrincipalReason) == 23
    assert len({reason.text for reason in PrincipalReason}) == 23


def test_callers_are_told_every_code_and_what_it_stands_for() -> None:
    guide = (Path(__file__).resolve().parents[2] / "docs/callers/underwriting-tool.md").read_text("utf-8")
    told = dict(re.findall(r"^\| `([a-z_]+)` \| ([A-Z][^|]+) \|$", guide, re.MULTILINE))
    assert {reason: told.get(reason) for reason in PrincipalReason} == {
        reason: reason.text for reason in PrincipalReason
    }


@pytest.mark.parametrize("reason", list(PrincipalReason))
def test_a_code_is_told_in_words_and_could_not_be_own_text(reason: PrincipalReason) -> None:
    assert is_reason(reason.value)
    assert re.search(OWN_TEXT, reason.value) is None
    assert words(reason.value)[0].isupper()


def test_a_mistyped_code_is_no_reason_and_own_text_is_told_as_it_is() -> None:
    assert not is_reason("income_not_verifed")
    assert is_reason("The document has expired")
    assert words("The document has expired") == "The document has expired"
