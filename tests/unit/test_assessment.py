"""What the documents of one application say together."""

from __future__ import annotations

import string
from collections.abc import Collection, Iterable
from datetime import date, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app import document_checks
from flows.extraction import checks
from flows.extraction.assessment import Assessment, DocumentRead, assess
from flows.extraction.checks import (
    PICTURE_CHECKS,
    Check,
    CheckName,
    Duplicate,
    Policy,
    Recommendation,
    Registered,
    Severity,
    Status,
)
from flows.extraction.fields import Field, FieldName, Reading, Source, merge
from tests.unit.readings import LICENSE, PASSPORT, ZONE, reading

TODAY = date(2026, 11, 20)
SIDES = ("license-front", "license-back")
REGISTERED = Registered("Anna Marie O'Neil", date(1980, 1, 31))
GOOD_PICTURE = tuple(Check(check=name, status=Status.PASS) for name in PICTURE_CHECKS)


def document(kind: str, fields: Reading, found: Iterable[Check] = GOOD_PICTURE) -> DocumentRead:
    return DocumentRead(kind=kind, fields=fields, checks=tuple(found))


FRONT = document("license-front", reading(LICENSE))
BACK = document("license-back", reading(LICENSE, Source.BARCODE, confidence=100))
STILL_VALID = {**PASSPORT, "EXPIRATION_DATE": "2031-04-15"}
PAGE = document(
    "passport", merge([reading({**STILL_VALID, "MRZ_CODE": ZONE}, Source.MRZ), reading(STILL_VALID)])
)


def assessed(*documents: DocumentRead, **changed: Any) -> Assessment:
    usual: dict[str, Any] = {
        "required": SIDES,
        "registered": REGISTERED,
        "duplicates": (),
        "policy": Policy(),
        "today": TODAY,
    }
    return assess(documents, **{**usual, **changed})


def by_name(assessment: Assessment) -> dict[CheckName, Check]:
    return {check.check: check for check in assessment.checks}


def test_two_good_sides_of_the_registered_persons_licence_are_accepted() -> None:
    assessment = assessed(FRONT, BACK)
    assert assessment.recommendation is Recommendation.ACCEPT
    assert assessment.fields[FieldName.LAST_NAME].source is Source.BARCODE
    assert assessment.fields[FieldName.LAST_NAME].agreeing == (Source.OCR,)
    assert {check.status for check in assessment.checks} == {Status.PASS}
    assert assessment.missing == ()


def test_a_good_passport_is_accepted_without_an_address_or_a_barcode() -> None:
    assessment = assessed(
        PAGE, required=["passport"], registered=Registered("Anna Maria Eriksson", date(1974, 8, 12))
    )
    assert assessment.recommendation is Recommendation.ACCEPT
    assert CheckName.BARCODE_MATCHES_PRINT not in by_name(assessment)


def test_every_check_has_a_name_that_settings_know_and_is_run() -> None:
    found = {check.check for check in assessed(FRONT, BACK, PAGE).checks}
    assert found == set(CheckName)


def test_the_most_trusted_source_is_believed_and_what_differs_kept() -> None:
    other = reading({"SEX": "M", "EYES": "BRO"})
    fields = assessed(document("license-front", other), BACK).fields
    assert (fields[FieldName.SEX].value, fields[FieldName.SEX].source) == ("F", Source.BARCODE)
    assert [one.value for one in fields[FieldName.SEX].alternatives] == ["M"]
    assert fields[FieldName.EYES].source is Source.OCR


def test_a_zone_that_its_own_document_overrules_is_not_believed() -> None:
    rescued = merge(
        [reading({"DOCUMENT_NUMBER": "L898902C3"}), reading({"DOCUMENT_NUMBER": "X"}, Source.MRZ)]
    )
    fields = assessed(document("passport", PAGE.fields | rescued), required=["passport"]).fields
    assert fields[FieldName.DOCUMENT_NUMBER].value == "L898902C3"


def test_a_side_that_is_missing_is_named_and_asks_for_a_look() -> None:
    assessment = assessed(FRONT)
    assert assessment.missing == ("license-back",)
    assert assessment.recommendation is Recommendation.REVIEW
    assert by_name(assessment)[CheckName.REQUIRED_KINDS].status is Status.NOT_RUN


def test_the_fronts_of_one_and_the_back_of_another() -> None:
    somebody_else = {**LICENSE, "LAST_NAME": "TANAKA", "DOCUMENT_NUMBER": "B7654321"}
    assessment = assessed(FRONT, document("license-back", reading(somebody_else, Source.BARCODE)))
    found = by_name(assessment)[CheckName.BARCODE_MATCHES_PRINT]
    assert (found.status, found.detail) == (
        Status.FAIL,
        "Barcode and print differ in: LAST_NAME, DOCUMENT_NUMBER.",
    )
    assert assessment.recommendation is Recommendation.REVIEW
    assert [one.value for one in assessment.fields[FieldName.LAST_NAME].alternatives] == ["O'NEIL"]


def test_a_front_of_somebody_else_in_the_file_of_a_good_licence_shows() -> None:
    somebody_else = reading({**LICENSE, "LAST_NAME": "X", "FIRST_NAME": "Y", "DATE_OF_BIRTH": "1970-01-01"})
    both_pages = merge([BACK.fields, FRONT.fields, somebody_else])
    found = by_name(assessed(document("license-front", both_pages)))
    assert found[CheckName.BARCODE_MATCHES_PRINT].status is Status.FAIL


def test_a_licence_and_a_passport_of_different_persons() -> None:
    assessment = assessed(FRONT, BACK, PAGE, required=[*SIDES, "passport"])
    assert by_name(assessment)[CheckName.CARDS_AGREE].status is Status.FAIL
    assert by_name(assessment)[CheckName.BARCODE_MATCHES_PRINT].status is Status.PASS


def test_the_worst_picture_counts_and_is_named() -> None:
    blurred = [check for check in GOOD_PICTURE if check.check is not CheckName.SHARPNESS]
    assessment = assessed(FRONT, document("license-back", BACK.fields, [*blurred, checks.sharpness(60.0)]))
    found = by_name(assessment)[CheckName.SHARPNESS]
    assert found.status is Status.WARN
    assert found.detail.startswith("license-back: The picture is blurred;")
    assert assessment.recommendation is Recommendation.REVIEW


def test_the_side_without_a_barcode_need_not_answer_for_it() -> None:
    no_barcode = {
        check.check: check
        for check in (checks.barcode_structure(None), checks.issuer_matches_state(None, None))
    }
    front = document(
        "license-front", FRONT.fields, [no_barcode.get(check.check, check) for check in GOOD_PICTURE]
    )
    found = by_name(assessed(front, BACK))
    assert found[CheckName.BARCODE_STRUCTURE].status is Status.PASS
    assert by_name(assessed(front))[CheckName.BARCODE_STRUCTURE].status is Status.NOT_RUN


def test_what_makes_it_unacceptable_can_be_set() -> None:
    expired = assessed(FRONT, BACK, today=date(2032, 1, 1))
    assert expired.recommendation is Recommendation.REJECT
    lenient = Policy(reject=frozenset())
    assert (
        assessed(FRONT, BACK, today=date(2032, 1, 1), policy=lenient).recommendation is Recommendation.REVIEW
    )

    elsewhere = [Duplicate("person", "A-2")]
    assert assessed(FRONT, BACK, duplicates=elsewhere).recommendation is Recommendation.REVIEW
    strict = Policy(reject=frozenset({CheckName.SAME_PERSON}))
    assert assessed(FRONT, BACK, duplicates=elsewhere, policy=strict).recommendation is Recommendation.REJECT
    advised = Policy(advise=frozenset({CheckName.SAME_PERSON}), required=frozenset())
    assert assessed(FRONT, BACK, duplicates=elsewhere, policy=advised).recommendation is Recommendation.ACCEPT

    assert assessed(FRONT, BACK, policy=Policy(adult_age=50)).recommendation is Recommendation.REJECT
    assert assessed(FRONT, BACK, policy=Policy(required=frozenset(CheckName))).recommendation is (
        Recommendation.ACCEPT
    )


def test_a_check_that_only_advises_is_shown_and_changes_nothing() -> None:
    wrong = [check for check in GOOD_PICTURE if check.check is not CheckName.BARCODE_STRUCTURE]
    back = document("license-back", BACK.fields, [*wrong, checks.barcode_structure(["subfile DL"])])
    assessment = assessed(FRONT, back)
    found = by_name(assessment)[CheckName.BARCODE_STRUCTURE]
    assert (found.status, found.severity) == (Status.WARN, Severity.ADVISE)
    assert assessment.recommendation is Recommendation.ACCEPT


def test_nothing_at_all_is_not_accepted() -> None:
    assert assessed(required=()).recommendation is Recommendation.REVIEW
    one = assess([FRONT], required=(), registered=None, duplicates=None, policy=Policy(), today=TODAY)
    assert one.recommendation is Recommendation.REVIEW


# What follows holds for whatever was read.

_DATES = st.dates(date(1880, 1, 1), date(2070, 1, 1)).map(date.isoformat)
_WORDS = st.text(string.ascii_uppercase + "ÄÑ' -", min_size=3, max_size=14).filter(lambda text: text.strip())
_PEOPLE = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("LAST_NAME", "FIRST_NAME", "MIDDLE_NAME", "ADDRESS", "CITY_IN_ADDRESS"), _WORDS),
        **dict.fromkeys(("DATE_OF_BIRTH", "DATE_OF_ISSUE", "EXPIRATION_DATE"), _DATES),
        "DOCUMENT_NUMBER": st.text(string.ascii_uppercase + string.digits, min_size=6, max_size=12),
        "STATE_IN_ADDRESS": st.sampled_from(["CA", "TX", "AZ", "XS"]),
        "ZIP_CODE_IN_ADDRESS": st.from_regex(r"\A[0-9]{5}\Z"),
        "SEX": st.sampled_from("MFX"),
        "NATIONALITY": st.just("UTO"),
        "MRZ_CODE": st.just(ZONE),
    },
)
_KNOWN = st.sampled_from([LICENSE, STILL_VALID])
_CONFIDENCES = st.sampled_from([40.0, 95.0, 100.0])
_READINGS = st.builds(
    lambda values, source, confidence, repaired: reading(
        values, source, confidence=confidence, repaired=repaired
    ),
    _PEOPLE | _KNOWN,
    st.sampled_from(Source),
    _CONFIDENCES,
    st.booleans(),
)
_CHECKS = st.builds(Check, check=st.sampled_from(PICTURE_CHECKS), status=st.sampled_from(Status))
_DOCUMENTS = st.lists(
    st.builds(
        document,
        st.sampled_from(["license-front", "license-back", "id-front", "passport", "identity", "payslip"]),
        st.lists(_READINGS, max_size=3).map(merge),
        st.lists(_CHECKS, max_size=8),
    ),
    max_size=4,
)
_CASES = st.fixed_dictionaries(
    {
        "required": st.lists(st.sampled_from([*SIDES, "passport"]), unique=True),
        "registered": st.none() | st.just(REGISTERED) | st.builds(Registered, _WORDS, st.none() | st.dates()),
        "duplicates": st.none()
        | st.lists(
            st.builds(Duplicate, st.sampled_from(["file", "image", "person"]), st.just("A-2")), max_size=2
        ),
        "policy": st.builds(
            Policy,
            reject=st.frozensets(st.sampled_from(CheckName), max_size=3),
            advise=st.frozensets(st.sampled_from(CheckName), max_size=3),
            required=st.just(frozenset(document_checks.REQUIRED)) | st.frozensets(st.sampled_from(CheckName)),
        ),
    }
)


@settings(max_examples=400)
@given(_DOCUMENTS | st.just([FRONT, BACK]), _CASES)
def test_nothing_is_accepted_while_a_required_check_has_not_passed(
    documents: list[DocumentRead], case: dict[str, Any]
) -> None:
    assessment = assessed(*documents, **case)
    required = [check for check in assessment.checks if check.required]
    assert {check.check for check in required} <= case["policy"].required
    if assessment.recommendation is Recommendation.ACCEPT:
        assert {check.status for check in required} <= {Status.PASS}
        assert not (assessment.missing and CheckName.REQUIRED_KINDS in case["policy"].required)


@settings(max_examples=200)
@given(_DOCUMENTS, _CASES, st.randoms())
def test_the_order_of_the_documents_is_of_no_importance(
    documents: list[DocumentRead], case: dict[str, Any], chance: Any
) -> None:
    shuffled = list(documents)
    chance.shuffle(shuffled)
    first, second = assessed(*documents, **case), assessed(*shuffled, **case)
    assert first.recommendation is second.recommendation
    assert {check.check: check.status for check in first.checks} == {
        check.check: check.status for check in second.checks
    }
    assert {name: field.value for name, field in first.fields.items()} == {
        name: field.value for name, field in second.fields.items()
    }


def values_of(documents: Iterable[DocumentRead]) -> set[str]:
    """What the documents say about somebody; not what is too short to say anything."""
    fields: list[Field] = [field for one in documents for field in one.fields.values()]
    said = {field.value for field in fields} | {one.value for field in fields for one in field.alternatives}
    return {part for value in said for part in {value, *value.split()} if len(part) > 3}


def words_of_details(assessment: Assessment) -> Collection[str]:
    return [check.detail for check in assessment.checks]


@settings(max_examples=300)
@given(_DOCUMENTS, _CASES)
def test_no_detail_holds_personal_data(documents: list[DocumentRead], case: dict[str, Any]) -> None:
    said = " ".join(words_of_details(assessed(*documents, **case)))
    # The names of fields and the sentences themselves are in capitals only where they name a field.
    capitals = " ".join(word for word in said.split() if word.strip(",.:") not in set(FieldName))
    if registered := case["registered"]:
        assert registered.name not in capitals
    for value in values_of(documents):
        assert value not in capitals


def test_dates_of_the_registered_person_stand_in_no_detail() -> None:
    other = Registered("Somebody Else", REGISTERED.date_of_birth and REGISTERED.date_of_birth + timedelta(1))
    said = " ".join(words_of_details(assessed(FRONT, BACK, registered=other)))
    assert not any(part in said for part in ("Somebody", "1980", *LICENSE.values()) if len(part) > 3)


def test_a_policy_crosses_to_a_process_without_settings() -> None:
    policy = Policy(reject=frozenset({CheckName.EDITED}), least_sharpness=50)
    assert Policy.model_validate_json(policy.model_dump_json()) == policy


def test_an_assessment_is_stored_and_read_again() -> None:
    assessment = assessed(FRONT, BACK)
    assert Assessment.model_validate(assessment.model_dump(mode="json")) == assessment
