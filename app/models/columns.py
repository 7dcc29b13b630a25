"""The types of columns that several tables have."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import DateTime, Enum


def enumerated(kind: type[StrEnum], name: str) -> Enum:
    """Text with a CHECK: readable in psql, and a wrong value cannot be stored."""
    return Enum(
        kind,
        name=name,
        native_enum=False,
        create_constraint=True,
        length=32,
        values_callable=lambda members: [member.value for member in members],
    )


timestamp = DateTime(timezone=True)
"""With a time zone: PostgreSQL keeps UTC."""
