"""docs/routes.md says what a routes file may hold: every key and placeholder, and examples that work."""

from __future__ import annotations

import re
from pathlib import Path

from app import routing

TEXT = (Path(__file__).parents[2] / "docs" / "routes.md").read_text("utf-8")
TOPIC = "arn:aws:sns:us-east-1:123456789012:uploads"


def table(heading: str) -> dict[str, list[str]]:
    """The other cells of each row of the table below that heading of the document, by its first word."""
    section = TEXT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in section.splitlines()]
    return {cells[0].strip("`"): cells[1:] for cells in rows if cells and cells[0].startswith("`")}


def sources(cell: str) -> set[str]:
    return set(re.findall(r"`(\w+)`", cell))


def test_every_key_is_documented_with_its_sources_and_default() -> None:
    documented = table("Keys")
    assert list(documented) == list(routing.Route.model_fields)
    everywhere = set(routing._VALUES)
    for name, field in routing.Route.model_fields.items():
        source, default, _ = documented[name]
        assert sources(source) == routing._ONLY_FOR.get(name, everywhere), name
        assert (default == "*needed*") == field.is_required(), name
        if isinstance(field.default, (str, int)):
            assert default == f"`{field.default}`"


def test_every_placeholder_is_documented_with_its_sources() -> None:
    by_source = routing._VALUES | {"s3": routing._VALUES["s3"] | routing._OF_A_DOCUMENT}
    every = frozenset[str]().union(*by_source.values())
    known = {name: {source for source, names in by_source.items() if name in names} for name in every}
    assert {name.strip("{}"): sources(row[0]) for name, row in table("Placeholders").items()} == known


def test_the_first_route_of_the_documents_does_what_they_say() -> None:
    first, own = re.findall(r"```toml\n(.+?)```", TEXT, re.DOTALL)
    [match] = routing.load(first, "first").for_object(
        key="scans/b7/page-1.png",
        topic_arn=TOPIC,
        event_name="ObjectCreated:Put",
        bucket="scanner-output",
    )
    values = {**match.captures, "bucket": "scanner-output", "key": "scans/b7/page-1.png"}
    assert match.route.render(values) == {
        "batch": "b7",
        "location": "s3://scanner-output/scans/b7/page-1.png",
        "dpi": 300,
    }
    lines = [line.removeprefix("   ") for line in own.splitlines()]
    assert routing.load("\n".join(lines), "own").for_message(TOPIC)
