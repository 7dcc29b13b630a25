"""What follows from each check, and from which measure on some of them speak up: the lender's choice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from app import document_checks
from app.document_checks import CheckName
from flows.extraction.checks.check import Check, Severity

if TYPE_CHECKING:
    from app.settings import ChecksSettings


class Policy(BaseModel):
    """Taken from `SLUICE_CHECKS_…`. As JSON it can be handed to a process that has no settings."""

    model_config = ConfigDict(frozen=True)

    reject: frozenset[CheckName] = frozenset(document_checks.REJECT)
    advise: frozenset[CheckName] = frozenset(document_checks.ADVISE)
    required: frozenset[CheckName] = frozenset(document_checks.REQUIRED)
    least_sharpness: float = 100.0
    """Variance of the Laplacian at 1,000 pixels: clean about 1,600, a phone's 255, unreadable below 100."""
    most_glare: float = 0.02
    """Share of the picture, as one saturated blob."""
    adult_age: int = 18
    """Years; the age of majority in most states."""
    least_confidence: float = 80.0
    """Of 100; a core field below this should be read by a person."""

    @classmethod
    def of(cls, settings: ChecksSettings) -> Policy:
        return cls.model_validate(settings.model_dump())

    def applied(self, check: Check) -> Check:
        """The same finding with what follows from it."""
        return check.model_copy(
            update={"severity": self.severity(check.check), "required": check.check in self.required}
        )

    def severity(self, name: CheckName) -> Severity:
        if name in self.reject:
            return Severity.REJECT
        return Severity.ADVISE if name in self.advise else Severity.REVIEW
