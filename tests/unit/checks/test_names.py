"""When two spellings are the same name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.extraction.checks.check import Status
from flows.extraction.checks.names import same_name, within_one_slip

_NAMES = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=2, max_size=12)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("O'NEIL", "ONEIL"),
        ("O\N{RIGHT SINGLE QUOTATION MARK}NEIL", "O NEIL"),
        ("SMITH-JONES", "SMITH JONES"),
        ("de la Cruz", "DELACRUZ"),
        ("MÜLLER", "MUELLER"),
        ("MÜLLER", "MULLER"),
        ("NÚÑEZ", "NUNEZ"),
        ("GROß", "GROSS"),
        ("ØRSTED", "OERSTED"),
    ],
)
def test_spaces_case_and_accents_do_not_count(left: str, right: str) -> None:
    assert same_name(left, right) is same_name(right, left) is Status.PASS


@pytest.mark.parametrize(
    ("left", "right"),
    [("LEE", "LEA"), ("MARIA", "MARIO"), ("HANSEN", "HANSON"), ("BRAIN", "BRIAN"), ("SMIT", "SMITH")],
)
def test_one_slip_never_passes(left: str, right: str) -> None:
    assert same_name(left, right) is same_name(right, left) is Status.WARN


@pytest.mark.parametrize(("left", "right"), [("SMITH", "JONES"), ("LEE", "LAI"), ("ANNA", "HANNAH")])
def test_more_than_one_slip_fails(left: str, right: str) -> None:
    assert same_name(left, right) is Status.FAIL


def test_another_script_cannot_be_compared() -> None:
    assert same_name("ИВАНОВ", "IVANOV") is Status.NOT_RUN
    assert same_name("", "") is Status.NOT_RUN


@given(_NAMES, st.data())
def test_a_changed_name_is_never_the_same(name: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(name) - 1))
    letter = data.draw(st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
    changed = data.draw(
        st.sampled_from(
            [
                name[:at] + letter + name[at + 1 :],
                name[:at] + letter + name[at:],
                name[:at] + name[at + 1 :],
                name[:at] + name[at : at + 2][::-1] + name[at + 2 :],
            ]
        )
    )
    assert same_name(name, changed) is (Status.PASS if changed == name else Status.WARN)


@given(_NAMES, _NAMES)
def test_slips_are_seen_from_both_sides(left: str, right: str) -> None:
    assert within_one_slip(left, right) == within_one_slip(right, left)
