"""Fronts in many arrangements, none of which the parser is told about beforehand."""

from __future__ import annotations

import numpy as np
import pytest

from flows.extraction.engine import Line
from flows.extraction.fronts.front import read_front
from tests.unit.front_layouts import LAYOUTS


def lines(rows: str) -> list[Line]:
    """Lines of text at their places; a character is half as wide as its line is high."""
    found = []
    for row in rows.strip().splitlines():
        x, y, height, text = row.split(maxsplit=3)
        left, top, bottom = float(x), float(y), float(y) + float(height)
        right = left + len(text) * float(height) / 2
        corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)], dtype=np.float32)
        found.append(Line(text, 99.0, corners))
    return found


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_every_field_of_the_layout(layout: str) -> None:
    rows, truth = LAYOUTS[layout]
    found = {name.value: field.value for name, field in read_front(lines(rows)).items()}
    assert {name: found.get(name) for name in truth} == truth


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_a_line_that_was_not_read_makes_no_other_field_wrong_and_sure(layout: str) -> None:
    rows, truth = LAYOUTS[layout]
    whole = lines(rows)
    for missing in whole:
        found = read_front([each for each in whole if each is not missing])
        wrong = {
            name: field.value
            for name, field in found.items()
            if field.confidence >= 90
            and field.value != truth.get(name, field.value)
            and missing.text not in truth[name]  # nothing shows that a value had a second line
        }
        assert not wrong, missing.text
