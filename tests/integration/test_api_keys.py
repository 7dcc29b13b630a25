"""API keys over their life: made, used, rotated, revoked, expired."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update
from typer.testing import CliRunner, Result

from app import api_keys
from app.cli import cli
from app.db import Sessions
from app.errors import Conflict, NotFound, Unauthenticated
from app.models import ApiKey, AuditEntry, Role
from app.settings import DatabaseSettings

DAY = timedelta(days=1)


async def made(sessions: Sessions, **changes: datetime) -> tuple[str, uuid.UUID]:
    """A loan app's key and its id."""
    async with sessions.begin() as session:
        key = await api_keys.create(session, role=Role.LOAN_APP, label="loan app", **changes)
    async with sessions() as session:
        newest = await session.scalar(select(ApiKey.id).order_by(ApiKey.id.desc()).limit(1))
    assert newest is not None
    return key, newest


async def used(sessions: Sessions, key: str) -> api_keys.Caller:
    async with sessions.begin() as session:
        return await api_keys.authenticate(session, key)


async def test_a_key_is_known_by_its_digest_alone(sessions: Sessions) -> None:
    key, key_id = await made(sessions)
    caller = await used(sessions, key)

    assert (caller.key_id, caller.role) == (key_id, Role.LOAN_APP)
    async with sessions() as session:
        row = await session.get_one(ApiKey, key_id)
    assert row.last_used_at is not None
    assert key.encode() not in row.hash
    assert len(row.hash) == 32


@pytest.mark.parametrize("key", ["", "sluice_", "sluice_" + "A" * 43, "é" * 50, "x" * 10_000])
async def test_a_guess_is_unknown(sessions: Sessions, key: str) -> None:
    await made(sessions)
    with pytest.raises(Unauthenticated, match="unknown"):
        await used(sessions, key)


async def test_an_expired_key_says_when_it_expired(sessions: Sessions) -> None:
    key, _ = await made(sessions, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    with pytest.raises(Unauthenticated, match="expired at 2"):
        await used(sessions, key)


async def test_a_revoked_key_ends_at_once_and_is_revoked_once(sessions: Sessions) -> None:
    key, key_id = await made(sessions)
    await used(sessions, key)
    for _ in range(2):
        async with sessions.begin() as session:
            await api_keys.revoke(session, key_id)

    with pytest.raises(Unauthenticated, match="revoked at"):
        await used(sessions, key)
    assert await _audited(sessions) == ["api_key.created", "api_key.revoked"]


async def test_a_rotated_key_works_beside_the_new_one_until_its_grace_is_over(sessions: Sessions) -> None:
    old, old_id = await made(sessions)
    async with sessions.begin() as session:
        new = await api_keys.rotate(session, old_id, grace=timedelta(hours=2))

    assert (await used(sessions, new)).role is Role.LOAN_APP
    assert (await used(sessions, new)).label == "loan app"
    assert (await used(sessions, old)).key_id == old_id
    async with sessions.begin() as session:
        [first, _], now = await api_keys.every(session)
        assert first.expires_at is not None
        assert timedelta(hours=1) < first.expires_at - now < timedelta(hours=2)
        hence = ApiKey.expires_at - timedelta(hours=2)
        await session.execute(update(ApiKey).where(ApiKey.id == old_id).values(expires_at=hence))
    with pytest.raises(Unauthenticated, match="expired"):
        await used(sessions, old)
    assert await _audited(sessions) == ["api_key.created", "api_key.rotated"]


async def test_a_rotation_keeps_the_lifetime_and_never_lengthens_the_old_keys(sessions: Sessions) -> None:
    end = datetime.now(UTC) + DAY
    _, old_id = await made(sessions, expires_at=end)
    async with sessions.begin() as session:
        await api_keys.rotate(session, old_id, grace=30 * DAY)
    async with sessions() as session:
        keys, now = await api_keys.every(session)

    assert keys[0].expires_at == end
    assert keys[1].expires_at is not None
    assert abs(keys[1].expires_at - now - DAY) < timedelta(minutes=1)


async def test_a_key_that_no_longer_works_cannot_be_rotated_and_an_unknown_one_is_not_found(
    sessions: Sessions,
) -> None:
    _, key_id = await made(sessions, expires_at=datetime.now(UTC) - DAY)
    async with sessions.begin() as session:
        with pytest.raises(Conflict, match="sluice keys create"):
            await api_keys.rotate(session, key_id, grace=DAY)
        with pytest.raises(NotFound, match="sluice keys list"):
            await api_keys.rotate(session, uuid.uuid4(), grace=DAY)
        with pytest.raises(NotFound, match="sluice keys list"):
            await api_keys.revoke(session, uuid.uuid4())


Sluice = Callable[..., Result]


@pytest.fixture
def sluice(database: DatabaseSettings, monkeypatch: pytest.MonkeyPatch) -> Sluice:
    """Run a `sluice` command on the test's database."""
    monkeypatch.setenv("SLUICE_DATABASE_URL", database.url.get_secret_value())
    return lambda *arguments: CliRunner().invoke(cli, arguments)


def test_keys_by_command(sluice: Sluice) -> None:
    first = sluice("keys", "create", "--role", "operator", "--label", "night shift", "--days", "30").stdout
    [row] = sluice("keys", "list").stdout.splitlines()[1:]
    key_id = row.split()[0]
    second = sluice("keys", "rotate", key_id, "--grace-hours", "0").stdout
    revoked = sluice("keys", "revoke", key_id)
    listed = sluice("keys", "list").stdout

    assert revoked.exit_code == 0
    assert first.startswith("sluice_")
    assert second.startswith("sluice_")
    assert first != second
    assert "active" in row
    assert [line.split()[2] for line in listed.splitlines()[1:]] == ["revoked", "active"]
    assert listed.count("night shift") == 2
    assert first.strip() not in listed
    assert second.strip() not in listed


async def _audited(sessions: Sessions) -> list[str]:
    async with sessions() as session:
        return list(await session.scalars(select(AuditEntry.action).order_by(AuditEntry.sequence)))
