"""Values that callers send, no laxer than the API's description says they are."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, WithJsonSchema

_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt].+", re.DOTALL)


def without_nul(value: str) -> str:
    """PostgreSQL stores no NUL in a text."""
    if "\x00" in value:
        raise ValueError("must not hold a NUL character")
    return value


WITHOUT_NUL: dict[str, Any] = {"pattern": r"^[^\u0000]*$"}
"""The same, for the description."""


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("is too far away") from None


def _written(shape: re.Pattern[str], example: str) -> BeforeValidator:
    """Pydantic takes numbers for seconds since 1970, also where an ISO date was meant."""

    def check(value: Any) -> Any:
        if not isinstance(value, str) or not shape.fullmatch(value):
            raise ValueError(f"must be written like {example}")
        return value

    return BeforeValidator(check)


def _no_text(value: Any) -> Any:
    """Pydantic takes "7" and true for whole numbers."""
    if isinstance(value, str | bool):
        raise ValueError("must be a number")  # noqa: TRY004 (pydantic reports no TypeError)
    return value


Number = Annotated[int, BeforeValidator(_no_text)]
Text = Annotated[
    str, Field(min_length=1, max_length=200, json_schema_extra=WITHOUT_NUL), AfterValidator(without_nul)
]
Email = Annotated[str, Field(min_length=3, max_length=200, pattern=r"^[^@\s\x00]+@[^@\s\x00]+$")]
IsoDate = Annotated[date, _written(_DATE, "1990-02-28"), WithJsonSchema({"type": "string", "format": "date"})]
IsoTime = Annotated[
    AwareDatetime,
    _written(_TIME, "2026-11-20T10:00:00Z"),
    AfterValidator(_in_utc),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""RFC 3339, in UTC."""
