"""Hold what was read against what was drawn, as the application would judge it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from app.dev import specimen_passports, specimens
from app.dev.specimen_layouts import layout_of
from app.document_checks import CheckName
from bench.documents.shots import BACK, CARD_BACK, FRONT, PASSPORT, Shot
from flows.extraction.assessment import Assessment, DocumentRead, assess
from flows.extraction.checks import Policy, Recommendation, Registered, Status
from flows.extraction.fields import Field, FieldName, Source, said_by

BOTH = "front and back"
SOMEBODY_ELSE = "somebody else's back"
CERTAIN = 90.0
"""Of 100; a wrong value that claims more is the worst error there is."""

_NOT_COUNTED = frozenset(("STATE_NAME",))
"""Printed only as the heading of a jurisdiction that does not exist, so no reader can be held to it."""
_OF_SPECIMENS = frozenset((CheckName.SPECIMEN_WORDS, CheckName.ISSUER_MATCHES_STATE))
_COMPARISONS = frozenset((CheckName.BARCODE_MATCHES_PRINT, CheckName.MRZ_MATCHES_PRINT))
POLICY = Policy(
    advise=Policy().advise | _OF_SPECIMENS,
    required=Policy().required - _OF_SPECIMENS,
)
"""The one that ships, except that a specimen could be accepted."""


@dataclass(frozen=True)
class Wrong:
    """A field that is not as it was drawn: missed (`got` is empty), misread, or made up (`expected` is)."""

    field: str
    expected: str
    got: str
    confidence: float


@dataclass(frozen=True)
class Scored:
    """One document as judged. `wrong` is empty when every field is right and none is made up."""

    kind: str
    seed: int
    degradation: str
    layout: str
    fields: int
    wrong: tuple[Wrong, ...]
    recommendation: Recommendation
    comparison: Status
    """What became of holding barcode, or machine-readable zone, against print."""
    unchecked: bool
    """Whether a required check did not run."""

    @property
    def right(self) -> int:
        return self.fields - sum(1 for one in self.wrong if one.expected)


Shots = Mapping[tuple[int, str, str], Shot]
"""By seed, subject and degradation."""


def documents(shots: Shots, today: date) -> Iterator[Scored]:
    """Every honest document: fronts alone, with their backs, passports, and zones of identity cards."""
    for (seed, subject, degradation), shot in shots.items():
        if subject == FRONT:
            somebody = specimens.person(seed, today)
            back = shots[seed, BACK, degradation]
            yield _license(FRONT, somebody, [shot], specimens.truth(somebody), today)
            yield _license(BOTH, somebody, [shot, back], specimens.truth_of_back(somebody), today)
        elif subject in {PASSPORT, CARD_BACK}:
            yield _travel_document(shot, today)


def forgeries(shots: Shots, today: date) -> Iterator[Scored]:
    """Every dishonest one: an altered front with the honest back, and honest sides of two people."""
    seeds = sorted({seed for seed, _, _ in shots})
    for (seed, subject, degradation), shot in shots.items():
        somebody = specimens.person(seed, today)
        if subject in specimens.ALTERATIONS:
            yield _license(subject, somebody, [shot, shots[seed, BACK, degradation]], {}, today)
        elif subject == FRONT and len(seeds) > 1:
            other = seeds[(seeds.index(seed) + 1) % len(seeds)]
            yield _license(SOMEBODY_ELSE, somebody, [shot, shots[other, BACK, degradation]], {}, today)


def is_flagged(forgery: Scored) -> bool:
    """Whether the comparison of the two sides says so, whatever else is found."""
    return forgery.comparison in {Status.FAIL, Status.WARN}


def is_decoded(back: Shot) -> bool:
    """Whether the picture's barcode was read."""
    return back.extraction is not None and bool(said_by(back.extraction.fields, Source.BARCODE))


def _license(
    kind: str, somebody: specimens.Person, shots: Sequence[Shot], truth: Mapping[str, str], today: date
) -> Scored:
    kinds = {BACK: "license-back"}
    read = [(kinds.get(shot.subject, "license-front"), shot) for shot in shots]
    registered = Registered(f"{somebody.first} {somebody.middle} {somebody.last}", somebody.born)
    assessment = _assessed(read, ("license-front", "license-back"), registered, today)
    layout = layout_of(somebody)
    words = f"{layout.style}, {layout.names}, {len(layout.regions)} regions, {layout.look.face}"
    return _scored(kind, shots[0], words, truth, assessment)


def _travel_document(shot: Shot, today: date) -> Scored:
    holder = specimen_passports.holder(shot.seed, today)
    kind = "passport" if shot.subject == PASSPORT else "identity-card"
    truth = (
        specimen_passports.truth(holder)
        if shot.subject == PASSPORT
        else specimen_passports.truth_of_td1_back(holder)
    )
    registered = Registered(f"{holder.given} {holder.person.last}", holder.person.born)
    assessment = _assessed([(kind, shot)], (kind,), registered, today)
    return _scored(shot.subject, shot, holder.issuer.code, truth, assessment)


def _assessed(
    shots: Sequence[tuple[str, Shot]], required: Sequence[str], registered: Registered, today: date
) -> Assessment:
    """As the application's transaction does it, with nobody else's documents stored."""
    read = [
        DocumentRead(kind=kind, fields=shot.extraction.fields, checks=shot.extraction.checks)
        for kind, shot in shots
        if shot.extraction is not None
    ]
    return assess(read, required=required, registered=registered, duplicates=(), policy=POLICY, today=today)


def _scored(kind: str, shot: Shot, layout: str, truth: Mapping[str, str], assessment: Assessment) -> Scored:
    comparisons = [check.status for check in assessment.checks if check.check in _COMPARISONS]
    return Scored(
        kind=kind,
        seed=shot.seed,
        degradation=shot.degradation,
        layout=layout,
        fields=len(truth),
        wrong=tuple(_wrong(truth, assessment.fields)),
        recommendation=assessment.recommendation,
        comparison=comparisons[0] if comparisons else Status.NOT_RUN,
        unchecked=any(one.required and one.status is Status.NOT_RUN for one in assessment.checks),
    )


def _wrong(truth: Mapping[str, str], read: Mapping[FieldName, Field]) -> Iterator[Wrong]:
    known = {name.value: field for name, field in read.items() if name.value not in _NOT_COUNTED}
    for name in sorted({*truth, *known}):
        expected, field = truth.get(name, ""), known.get(name)
        got = field.value if field else ""
        if got != expected:
            yield Wrong(name, expected, got, field.confidence if field else 0.0)
