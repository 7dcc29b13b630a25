"""API keys: made once, shown once, known afterwards only by their SHA-256."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit
from app.errors import Unauthenticated
from app.models import ApiKey, Role

_PREFIX = "sluice_"
_LAST_USED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True)
class Caller:
    """Whose key it was."""

    key_id: uuid.UUID
    role: Role
    label: str

    @property
    def actor(self) -> str:
        """How the audit trail names the caller."""
        return f"{self.role}:{self.key_id}"


async def create(session: AsyncSession, *, role: Role, label: str, expires_at: datetime | None = None) -> str:
    """Make a key and return it: the only time it can be seen.

    256 random bits need no slow hash: nobody can guess them from a digest.
    """
    key = _PREFIX + secrets.token_urlsafe(32)
    row = ApiKey(hash=_hash(key), role=role, label=label, expires_at=expires_at)
    session.add(row)
    await session.flush()
    audit.record(session, actor="cli", action="api_key.created", subject=f"api_key:{row.id}", role=role)
    return key


async def authenticate(session: AsyncSession, key: str) -> Caller:
    """The key's caller. Raises Unauthenticated for a key that is unknown or has expired."""
    row = await session.scalar(
        select(ApiKey).where(
            ApiKey.hash == _hash(key), or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > func.now())
        )
    )
    if row is None:
        raise Unauthenticated("The API key is unknown or has expired. Make one with `sluice keys create`.")
    await session.execute(
        update(ApiKey)
        .where(
            ApiKey.id == row.id,
            or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at < func.now() - _LAST_USED_EVERY),
        )
        .values(last_used_at=func.now())
    )
    return Caller(row.id, row.role, row.label)


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
