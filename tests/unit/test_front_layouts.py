"""Fronts as issuers all over North America arrange them, none of which the parser is told about beforehand.

A file of fixtures/fronts has three parts: what is unusual about the card; the lines that text recognition
reports, each as `x y height text`, its place in pixels on a card of 1,000 by 630 and the height of its box;
and the fields that are on it. Persons, numbers and addresses are invented.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.extraction.engine import Line
from flows.extraction.fronts.front import read_front
from tests.unit.readings import line

LAYOUTS = sorted((Path(__file__).parents[1] / "fixtures" / "fronts").glob("*.txt"))

each_layout = pytest.mark.parametrize("layout", LAYOUTS, ids=lambda path: path.stem)


def lines_and_fields(layout: Path) -> tuple[list[Line], dict[str, str]]:
    _, rows, fields = layout.read_text("utf-8").split("\n\n")
    truth = {name: value for name, _, value in (field.partition(" ") for field in fields.splitlines())}
    return [placed(row) for row in rows.splitlines()], truth


def placed(row: str) -> Line:
    x, y, height, text = row.split(maxsplit=3)
    return line(text, float(x), float(y), float(height))


@each_layout
def test_every_field_of_the_layout(layout: Path) -> None:
    lines, truth = lines_and_fields(layout)
    found = {name.value: field.value for name, field in read_front(lines).items()}
    assert {name: found.get(name) for name in truth} == truth


@each_layout
def test_a_line_that_was_not_read_makes_no_other_field_wrong_and_sure(layout: Path) -> None:
    lines, truth = lines_and_fields(layout)
    for missing in lines:
        found = read_front([each for each in lines if each is not missing])
        wrong = {
            name: field.value
            for name, field in found.items()
            if field.confidence >= 90
            and field.value != truth.get(name, field.value)
            and missing.text not in truth[name]  # nothing shows that a value had a second line
        }
        assert not wrong, missing.text
