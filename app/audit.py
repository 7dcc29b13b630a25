"""The audit trail: append-only entries, sealed into a hash chain afterwards.

An entry is written in the transaction of what it describes, so neither exists without the other. The
chain is made later, in batches, by whoever holds the sealer's lock: a chain computed inside each
transaction would make every writer wait for the last one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ARRAY, BigInteger, LargeBinary, Row, bindparam, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import Direct, Sessions, insert_many
from app.models import AuditEntry

GENESIS = bytes(32)
_SEALER_LOCK = 0x5EA1
_BATCH = 250
"""Entries that are hashed in one go, while the process does nothing else."""

_SEALED_COLUMNS = ("sequence", "at", "actor", "action", "subject", "detail")


def record(session: AsyncSession, *, actor: str, action: str, subject: str, **detail: Any) -> None:
    """Add an entry to the caller's transaction. `detail` holds ids and outcomes, never personal data."""
    session.add(AuditEntry(actor=actor, action=action, subject=subject, detail=detail))


@dataclass(frozen=True)
class NewEntry:
    """An entry to add together with others."""

    actor: str
    action: str
    subject: str
    detail: dict[str, Any]


_RECORD = Direct(insert_many(AuditEntry, "actor", "action", "subject", "detail"))


async def record_all(session: AsyncSession, entries: Sequence[NewEntry]) -> None:
    """As `record`, for any number of entries in one statement."""
    if entries:
        await _RECORD.run(session, rows=[vars(entry) for entry in entries])


def entry_hash(previous: bytes, position: int, entry: AuditEntry | Row[Any]) -> bytes:
    """SHA-256 over the previous hash and the entry's canonical JSON."""
    content = {name: getattr(entry, name) for name in _SEALED_COLUMNS}
    content |= {"position": position, "at": entry.at.isoformat()}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(previous + canonical.encode()).digest()


# Rows, not entities: thousands a second may pass here, beside the requests that caused them.
_UNSEALED = (
    select(*(AuditEntry.__table__.c[name] for name in _SEALED_COLUMNS))
    .where(AuditEntry.position.is_(None))
    .order_by(AuditEntry.sequence)
    .limit(_BATCH)
)

_seals = (
    func.unnest(
        bindparam("sequences", type_=ARRAY(BigInteger)),
        bindparam("positions", type_=ARRAY(BigInteger)),
        bindparam("previous", type_=ARRAY(LargeBinary)),
        bindparam("hashes", type_=ARRAY(LargeBinary)),
    )
    .table_valued("sequence", "position", "previous_hash", "hash")
    .render_derived(name="seals")
)
_SEAL = (
    update(AuditEntry)
    .where(AuditEntry.sequence == _seals.c.sequence)
    .values(position=_seals.c.position, previous_hash=_seals.c.previous_hash, hash=_seals.c.hash)
    .execution_options(synchronize_session=False)
)


async def seal(sessions: Sessions) -> int:
    """Seal one batch of committed entries; returns how many. Zero when another sealer is at work.

    A transaction may commit after a later sequence was sealed, so the chain's order is the order of
    sealing (`position`), not of `sequence`.
    """
    async with sessions.begin() as session:
        if not await session.scalar(select(func.pg_try_advisory_xact_lock(_SEALER_LOCK))):
            return 0
        last = await session.scalar(
            select(AuditEntry)
            .where(AuditEntry.position.is_not(None))
            .order_by(AuditEntry.position.desc())
            .limit(1)
        )
        position, previous = (last.position or 0, last.hash or GENESIS) if last else (0, GENESIS)
        entries = (await session.execute(_UNSEALED)).all()
        hashes: list[bytes] = []
        for place, entry in enumerate(entries, position + 1):
            hashes.append(entry_hash(hashes[-1] if hashes else previous, place, entry))
        if entries:
            await session.execute(
                _SEAL,
                {
                    "sequences": [entry.sequence for entry in entries],
                    "positions": list(range(position + 1, position + 1 + len(entries))),
                    "previous": [previous, *hashes[:-1]],
                    "hashes": hashes,
                },
            )
        return len(entries)


async def oldest_unsealed_seconds(session: AsyncSession) -> float:
    """How long the oldest entry has waited for its seal; 0 when none waits."""
    oldest = (
        select(AuditEntry.at).where(AuditEntry.position.is_(None)).order_by(AuditEntry.sequence).limit(1)
    ).scalar_subquery()
    age = await session.scalar(select(func.extract("epoch", func.now() - oldest)))
    return max(0.0, float(age or 0))


@dataclass(frozen=True)
class Verification:
    """What walking the chain found. `broken_at` is the first position that does not fit, or None."""

    sealed: int
    unsealed: int
    broken_at: int | None


async def verify(sessions: Sessions) -> Verification:
    """Walk the chain from its start and recompute every hash."""
    async with sessions() as session:
        unsealed = await session.scalar(
            select(func.count()).select_from(AuditEntry).where(AuditEntry.position.is_(None))
        )
        sealed, previous = 0, GENESIS
        chain = select(AuditEntry).where(AuditEntry.position.is_not(None)).order_by(AuditEntry.position)
        stream = await session.stream_scalars(chain.execution_options(yield_per=_BATCH))
        async for entry in stream:
            fits = (
                entry.position == sealed + 1
                and entry.previous_hash == previous
                and entry.hash == entry_hash(previous, sealed + 1, entry)
            )
            if not fits:
                return Verification(sealed, unsealed or 0, broken_at=sealed + 1)
            sealed, previous = sealed + 1, entry.hash or GENESIS
        return Verification(sealed, unsealed or 0, broken_at=None)
