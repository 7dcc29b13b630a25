"""The benchmark on documents counts what it says: tried on readings that were written by hand."""

from __future__ import annotations

from datetime import date

import pytest

from app.dev import specimen_passports, specimens
from app.dev.specimen_photos import DEGRADATIONS
from bench.documents import figures, report, scoring
from bench.documents.shots import BACK, CARD_BACK, FRONT, PASSPORT, Shot
from flows.extraction.checks import Recommendation
from flows.extraction.fields import Field, FieldName, Source
from flows.extraction.result import Extraction, Kind

TODAY = date(2026, 11, 20)
SEEDS = (1, 2, 3)


def shot(
    seed: int, subject: str, kind: Kind, source: Source, values: dict[str, str], *, confidence: float = 95
) -> Shot:
    fields = {
        FieldName(name): Field(value=value, confidence=confidence, source=source)
        for name, value in values.items()
    }
    extraction = Extraction(
        kind=kind,
        fields=fields,
        checks=(),
        recommendation=Recommendation.REVIEW,
        engine="by hand",
        versions={},
        timings={},
        sha256="0" * 64,
    )
    return Shot(seed, subject, "clean", extraction, 0.5, 100 * 1024**2)


def perfect(seed: int) -> list[Shot]:
    somebody, holder = specimens.person(seed, TODAY), specimen_passports.holder(seed, TODAY)
    return [
        shot(seed, FRONT, Kind.LICENSE_FRONT, Source.OCR, specimens.truth(somebody)),
        shot(seed, BACK, Kind.LICENSE_BACK, Source.BARCODE, specimens.truth_of_back(somebody)),
        shot(seed, PASSPORT, Kind.PASSPORT, Source.MRZ, specimen_passports.truth(holder)),
        *(
            shot(
                seed,
                what,
                Kind.LICENSE_FRONT,
                Source.OCR,
                specimens.truth(specimens.altered(somebody, what)),
            )
            for what in specimens.ALTERATIONS
        ),
    ]


def measured(shots: list[Shot]) -> dict[str, figures.Figure]:
    by_key = {(one.seed, one.subject, one.degradation): one for one in shots}
    documents = list(scoring.documents(by_key, TODAY))
    forgeries = list(scoring.forgeries(by_key, TODAY))
    card = [shot(9, CARD_BACK, Kind.IDENTITY_CARD, Source.MRZ, {})]
    return {figure.name: figure for figure in figures.of(documents, forgeries, [*shots, *card])}


def test_a_perfect_reader_reaches_every_aim() -> None:
    found = measured([one for seed in SEEDS for one in perfect(seed)])
    assert not [name for name, figure in found.items() if figure.reached is False]
    assert found["fields exactly right, front and back"].overall == 100
    assert found["flagged: somebody else's back"].overall == 100
    assert found["honest, yet said to differ"].overall == 0


@pytest.mark.parametrize(("confidence", "certain"), [(95.0, True), (60.0, False)])
def test_a_wrong_value_counts_and_more_so_when_it_claims_to_be_certain(
    confidence: float, certain: bool
) -> None:
    shots = [one for seed in SEEDS for one in perfect(seed)]
    front = shots[0]
    assert front.extraction is not None
    wrong = Field(value="NOBODY", confidence=confidence, source=Source.OCR)
    front.extraction.fields[FieldName.LAST_NAME] = wrong
    front.extraction.fields[FieldName.PLACE_OF_BIRTH] = wrong
    found = measured(shots)
    assert found["fields exactly right, front"].overall < 100
    assert found["documents entirely right, front"].overall == pytest.approx(100 * 2 / 3)
    assert (found["wrong at confidence ≥ 90, front"].overall > 0) == certain
    listed = report.misses(
        scoring.documents({(1, FRONT, "clean"): front, (1, BACK, "clean"): shots[1]}, TODAY)
    )
    assert "LAST_NAME" in listed
    assert "PLACE_OF_BIRTH\t''\t'NOBODY'" in listed


def test_a_row_has_a_cell_for_every_column() -> None:
    figure = figures.Figure("of something", "%", 12.345, {"clean": 100.0}, at_least=99)
    heading, row = figures.table([figure])
    assert len(row) == len(heading) == len(DEGRADATIONS) + 4
    assert row[-3:] == ("12.35%", "≥ 99", "no")
