"""API keys: made once, shown once, known afterwards only by their SHA-256."""

from __future__ import annotations

import hashlib
import hmac
import math
import secrets
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, changes
from app.cache import Cache
from app.db import Sessions
from app.errors import Conflict, NotFound, Unauthenticated
from app.models import ApiKey, Role

_PREFIX = "sluice_"
_LAST_USED_EVERY = timedelta(minutes=1)
_KNOWN_SECONDS = 30.0
_MOST_KNOWN = 10_000
_UNKNOWN = "The API key is unknown. Make one with `sluice keys create`."


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
    key, row = await _insert(session, role, label, expires_at)
    _record(session, "api_key.created", row.id, role=role)
    return key


async def every(session: AsyncSession) -> tuple[Sequence[ApiKey], datetime]:
    """All keys, oldest first, and the database's time, by which they expire."""
    rows = (await session.scalars(select(ApiKey).order_by(ApiKey.created_at, ApiKey.id))).all()
    return rows, await _now(session)


async def rotate(session: AsyncSession, key_id: uuid.UUID, *, grace: timedelta) -> str:
    """Make a key of the same role, label and lifetime, and return it; the old one works for `grace` longer.

    A key that would have expired before keeps its own end. Raises NotFound, and Conflict for a key that
    no longer works: there is nothing to hand over from it.
    """
    old, now = await _locked(session, key_id), await _now(session)
    if problem := why_refused(old, now):
        raise Conflict(f"{problem} Make a new key with `sluice keys create`.")
    lifetime = old.expires_at - old.created_at if old.expires_at else None
    key, new = await _insert(session, old.role, old.label, now + lifetime if lifetime else None)
    old.expires_at = min(old.expires_at, now + grace) if old.expires_at else now + grace
    await changes.notify(session, changes.KEYS)
    _record(session, "api_key.rotated", old.id, new=str(new.id), until=old.expires_at.isoformat())
    return key


async def revoke(session: AsyncSession, key_id: uuid.UUID) -> None:
    """End a key with this transaction, of which every gateway hears. Twice is once. Raises NotFound."""
    row = await _locked(session, key_id)
    if row.revoked_at is None:
        row.revoked_at = func.now()
        await changes.notify(session, changes.KEYS)
        _record(session, "api_key.revoked", row.id)


async def authenticate(session: AsyncSession, key: str) -> Caller:
    """The key's caller. Raises Unauthenticated for one that is unknown, revoked or has expired.

    Finding the row by the digest is safe although an index compares byte by byte: the time it takes can
    tell only how much of a stored SHA-256 the digest of a guess shares. Whoever learnt a whole digest that
    way would still have to find 256 random bits that hash to it. What decides is the comparison in
    constant time.
    """
    return (await _authenticated(session, _digest(key)))[0]


async def _authenticated(session: AsyncSession, digest: bytes) -> tuple[Caller, float]:
    """The caller, and the seconds until the key expires."""
    found = (await session.execute(select(ApiKey, func.now()).where(ApiKey.hash == digest))).one_or_none()
    if found is None or not hmac.compare_digest(found[0].hash, digest):
        raise Unauthenticated(_UNKNOWN)
    row, now = found
    if problem := why_refused(row, now):
        # Only the key's holder learns this.
        raise Unauthenticated(f"{problem} Make a new key with `sluice keys create`.")
    await session.execute(
        update(ApiKey)
        .where(
            ApiKey.id == row.id,
            or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at < func.now() - _LAST_USED_EVERY),
        )
        .values(last_used_at=func.now())
    )
    left = (row.expires_at - now).total_seconds() if row.expires_at else math.inf
    return Caller(row.id, row.role, row.label), left


@dataclass(frozen=True, slots=True)
class _Known:
    caller: Caller
    until: float
    """By the process's clock that only goes forward."""


class KnownKeys:
    """The keys one process has looked up in the last 30 s, by digest, so that few requests cost a query.

    A key that is revoked or rotated is announced, and all are forgotten; while nobody listens for that,
    none is known. What is not a key is never kept.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._known: Cache[_Known] = Cache(_MOST_KNOWN)
        self._clock = clock

    async def authenticate(self, sessions: Sessions, key: str) -> Caller:
        """As `authenticate`, from memory if the key was looked up a moment ago."""
        digest = _digest(key)

        async def look_up() -> _Known:
            asked = self._clock()
            async with sessions.begin() as session:
                caller, left = await _authenticated(session, digest)
            return _Known(caller, asked + min(left, _KNOWN_SECONDS))

        known = self._known.get(digest.hex())
        if known is None or known.until <= self._clock():
            known = await self._known.read(digest.hex(), look_up)
        return known.caller

    def forget_all(self) -> None:
        """A key has ended, whichever."""
        self._known.forget_all()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """While the block runs, `forget_all` is called whenever a key ends."""
        with self._known.trusted():
            yield


def why_refused(row: ApiKey, now: datetime) -> str | None:
    """Why the key no longer works, as a sentence; None while it does."""
    if row.revoked_at is not None:
        return f"The API key was revoked at {row.revoked_at:%Y-%m-%d %H:%M} UTC."
    if row.expires_at is not None and row.expires_at <= now:
        return f"The API key expired at {row.expires_at:%Y-%m-%d %H:%M} UTC."
    return None


async def _insert(
    session: AsyncSession, role: Role, label: str, expires_at: datetime | None
) -> tuple[str, ApiKey]:
    key = _PREFIX + secrets.token_urlsafe(32)
    row = ApiKey(hash=_digest(key), role=role, label=label, expires_at=expires_at)
    session.add(row)
    await session.flush()
    return key, row


async def _locked(session: AsyncSession, key_id: uuid.UUID) -> ApiKey:
    row = await session.get(ApiKey, key_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise NotFound(f"There is no API key {key_id}. `sluice keys list` shows those there are.")
    return row


async def _now(session: AsyncSession) -> datetime:
    now: datetime = (await session.execute(select(func.now()))).scalar_one()
    return now


def _record(session: AsyncSession, action: str, key_id: uuid.UUID, **detail: str) -> None:
    audit.record(session, actor="cli", action=action, subject=f"api_key:{key_id}", **detail)


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
