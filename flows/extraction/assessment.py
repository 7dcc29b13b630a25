"""What the documents of one application say together, and what that recommends.

Pure: it knows neither pictures nor tables, so it runs where a picture is read, for that one alone, as well as
in the flow, for all that an application has.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date

from pydantic import BaseModel, ConfigDict

from flows.extraction import checks
from flows.extraction.checks import (
    BARCODE_CHECKS,
    PICTURE_CHECKS,
    Check,
    CheckName,
    Duplicate,
    Policy,
    Recommendation,
    Registered,
    Status,
)
from flows.extraction.fields import Field, FieldName, Reading, Source, merge, said_by

_TRUST = (Source.BARCODE, Source.MRZ, Source.CLOUD, Source.OCR)
"""The most trusted first: exact codes before print, and of print the engine that names fields itself."""


class DocumentRead(BaseModel):
    """What one picture gave. Of `checks` those of `PICTURE_CHECKS` count; all others are run anew."""

    model_config = ConfigDict(frozen=True)

    kind: str
    fields: dict[FieldName, Field]
    checks: tuple[Check, ...] = ()


class Assessment(BaseModel):
    """All that is known of an application's documents. `model_dump(mode="json")` is the stored form."""

    model_config = ConfigDict(frozen=True)

    fields: dict[FieldName, Field]
    checks: tuple[Check, ...]
    recommendation: Recommendation
    missing: tuple[str, ...] = ()
    """Required kinds of which there is no picture."""


def assess(
    documents: Sequence[DocumentRead],
    *,
    required: Collection[str],
    registered: Registered | None,
    duplicates: Collection[Duplicate] | None,
    policy: Policy,
    today: date,
) -> Assessment:
    """Merge what was read, run every check that applies, and recommend by the policy.

    `required` are the kinds of picture that the application needs; None for `registered` or `duplicates`
    when that is not known yet. The order of the documents is of no importance. A check that applies is always
    among the findings, as `not_run` when nobody ran it.
    """
    fields = _merged(documents)
    missing = checks.missing_kinds(required, [(document.kind, document.fields) for document in documents])
    of_application = _of_application(_cards(documents), fields, missing, registered, duplicates)
    judged = (
        *check_documents(documents, policy=policy, today=today),
        *(policy.applied(check) for check in of_application),
    )
    return Assessment(fields=fields, checks=judged, recommendation=checks.recommend(judged), missing=missing)


def check_documents(documents: Sequence[DocumentRead], *, policy: Policy, today: date) -> tuple[Check, ...]:
    """The checks that need nothing but the documents themselves, judged by the policy."""
    documents = sorted(documents, key=lambda document: document.kind)
    found = (*_of_pictures(documents), *_of_cards(_cards(documents), policy, today))
    return tuple(policy.applied(check) for check in found)


def _cards(documents: Iterable[DocumentRead]) -> dict[str, list[DocumentRead]]:
    """The pictures of each card. An application without any has one card of which nothing is known."""
    cards: dict[str, list[DocumentRead]] = {}
    for document in documents:
        cards.setdefault(checks.card_of(document.kind), []).append(document)
    return cards or {"license": []}


def _merged(documents: Iterable[DocumentRead]) -> Reading:
    """Every field by its most trusted source, then by confidence, whichever picture it stands on.

    What a document itself believes goes before what it only mentions, however trusted the source of that: a
    zone whose check digits fail is overruled by the print above it.
    """
    said = [(name, field) for document in documents for name, field in document.fields.items()]
    said.sort(key=lambda pair: (_TRUST.index(pair[1].source), -pair[1].confidence, pair[1].value))
    return merge({name: field} for name, field in said)


def _of_pictures(documents: Sequence[DocumentRead]) -> list[Check]:
    """Each picture check over all pictures: the worst counts."""
    found = [
        checks.combined(name, _each(name, documents)) for name in PICTURE_CHECKS if name not in BARCODE_CHECKS
    ]
    licenses = [one for one in documents if not checks.is_travel_document(one.kind, one.fields)]
    for name in BARCODE_CHECKS if licenses else ():
        each = _each(name, licenses)
        ran = [(kind, check) for kind, check in each if check.status is not Status.NOT_RUN]
        found.append(checks.combined(name, ran or each[:1]))
    kinds = [(one.kind, checks.wanted_kind(one.kind, one.fields)) for one in documents]
    return [*found, checks.combined(CheckName.WANTED_KIND, kinds)]


def _each(name: CheckName, documents: Iterable[DocumentRead]) -> list[tuple[str, Check]]:
    unknown = checks.not_run(name, "The picture was not checked for it.")
    return [
        (one.kind, next((check for check in one.checks if check.check is name), unknown)) for one in documents
    ]


def _of_cards(cards: Mapping[str, Sequence[DocumentRead]], policy: Policy, today: date) -> list[Check]:
    """Each check of a card's fields over all cards: the worst counts."""
    found: dict[CheckName, list[tuple[str, Check]]] = {}
    for card, documents in cards.items():
        for check in _of_card(card, documents, policy, today):
            found.setdefault(check.check, []).append((card, check))
    return [checks.combined(name, each) for name, each in found.items()]


def _of_card(card: str, documents: Sequence[DocumentRead], policy: Policy, today: date) -> Iterable[Check]:
    reading = _merged(documents)
    travel_document = checks.is_travel_document(card, reading)
    yield checks.complete(reading, travel_document=travel_document, least_confidence=policy.least_confidence)
    yield checks.expired(reading, today)
    yield checks.under_age(reading, today, policy.adult_age)
    yield checks.plausible_age(reading, today)
    yield checks.issue_date(reading, today)
    yield checks.validity_span(reading, travel_document=travel_document)
    zones = _said(documents, Source.MRZ)
    if travel_document:
        yield checks.mrz_matches_print(zones, _printed(documents))
    else:
        yield checks.barcode_matches_print(_said(documents, Source.BARCODE), _printed(documents))
        yield checks.number_format(reading)
    if travel_document or zones:
        yield from (checks.mrz_check_digits(zone) for zone in zones or [{}])


def _said(documents: Iterable[DocumentRead], source: Source) -> list[Reading]:
    """What a source says on each picture."""
    said = (reading for document in documents for reading in _both(document.fields, source))
    return [reading for reading in said if reading]


def _printed(documents: Iterable[DocumentRead]) -> list[Reading]:
    """What is printed on each picture, by the most trusted engine that read the field."""
    found = []
    for document in documents:
        cloud, besides = _both(document.fields, Source.CLOUD)
        ocr, also = _both(document.fields, Source.OCR)
        found += [merge([cloud, ocr]), besides, also]
    return [reading for reading in found if reading]


def _both(reading: Reading, source: Source) -> tuple[Reading, Reading]:
    """What a source says, and what else it says of the same fields: one file can show two cards."""
    said, besides = said_by(reading, source), {}
    for name, field in reading.items():
        others = (one for one in field.alternatives if one.source is source)
        other = next((one for one in others if one.value != said[name].value), None)
        if other is not None:
            besides[name] = Field(**other.model_dump())
    return said, besides


def _of_application(
    cards: Mapping[str, Sequence[DocumentRead]],
    fields: Reading,
    missing: Collection[str],
    registered: Registered | None,
    duplicates: Collection[Duplicate] | None,
) -> list[Check]:
    agreeing = [checks.cards_agree([_merged(documents) for documents in cards.values()])]
    return [
        *(agreeing if len(cards) > 1 else []),
        checks.required_kinds(missing),
        checks.name_matches_application(fields, registered),
        checks.birth_date_matches_application(fields, registered),
        *(
            checks.same_elsewhere(name, duplicates)
            for name in (CheckName.SAME_FILE, CheckName.SAME_IMAGE, CheckName.SAME_PERSON)
        ),
    ]
