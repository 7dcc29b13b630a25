"""API keys and secrets."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from app import api_keys, encryption, standard_webhooks
from app.cli.context import with_database
from app.db import Sessions
from app.models import ApiKey, Role

commands = typer.Typer(help="API keys and secrets.", no_args_is_help=True)

KeyId = Annotated[uuid.UUID, typer.Argument(help="As `sluice keys list` shows it.")]


@commands.command("create")
def create_key(
    role: Annotated[Role, typer.Option(help="What the key's holder may do.")],
    label: Annotated[str, typer.Option(help="Whose key it is.")],
    days: Annotated[int | None, typer.Option(help="Days until it expires.", min=1)] = None,
) -> None:
    """Make an API key and print it: the only time it can be seen."""
    expires_at = datetime.now(UTC) + timedelta(days=days) if days else None

    async def create(sessions: Sessions) -> str:
        async with sessions.begin() as session:
            return await api_keys.create(session, role=role, label=label, expires_at=expires_at)

    typer.echo(with_database(create))


@commands.command("list")
def list_keys() -> None:
    """Show the keys there are, and when each was last used; never the keys themselves."""

    async def rows(sessions: Sessions) -> list[tuple[str, ...]]:
        async with sessions() as session:
            keys, now = await api_keys.every(session)
        return [_row(key, now) for key in keys]

    table = [("ID", "ROLE", "STATE", "LAST USED", "CREATED", "EXPIRES", "LABEL"), *with_database(rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        typer.echo("  ".join(cells).rstrip())


@commands.command("rotate")
def rotate_key(
    key_id: KeyId,
    grace_hours: Annotated[
        float, typer.Option(help="Hours for which the old key works on.", min=0, max=24 * 365)
    ],
) -> None:
    """Make a key that takes another one's place, and print it: the only time it can be seen."""

    async def rotate(sessions: Sessions) -> str:
        async with sessions.begin() as session:
            return await api_keys.rotate(session, key_id, grace=timedelta(hours=grace_hours))

    typer.echo(with_database(rotate))


@commands.command("revoke")
def revoke_key(key_id: KeyId) -> None:
    """End a key at once."""

    async def revoke(sessions: Sessions) -> None:
        async with sessions.begin() as session:
            await api_keys.revoke(session, key_id)

    with_database(revoke)


@commands.command("encryption")
def create_encryption_key(
    key_id: Annotated[str, typer.Argument(help="Names the key, such as 2026-11.")],
) -> None:
    """Print a new key for SLUICE_ENCRYPTION_KEYS. Put it first; keep the older ones to decrypt."""
    typer.echo(encryption.new_key(key_id))


@commands.command("fingerprint")
def create_fingerprint_key(
    key_id: Annotated[str, typer.Argument(help="Names the key, such as 2026-11.")],
) -> None:
    """Print a new key for SLUICE_FINGERPRINT_KEYS. Put it first; keep the older ones to find duplicates."""
    typer.echo(encryption.new_key(key_id))


@commands.command("webhook")
def create_webhook_secret() -> None:
    """Print a new Standard Webhooks secret, for SLUICE_DECISIONS_WEBHOOK_SECRETS."""
    typer.echo(standard_webhooks.new_secret())


def _row(key: ApiKey, now: datetime) -> tuple[str, ...]:
    if key.revoked_at is not None:
        state = "revoked"
    else:
        state = "expired" if api_keys.why_refused(key, now) else "active"
    times = (_minute(time) for time in (key.last_used_at, key.created_at, key.expires_at))
    return (str(key.id), key.role, state, *times, key.label)


def _minute(time: datetime | None) -> str:
    return "never" if time is None else f"{time.astimezone(UTC):%Y-%m-%d %H:%M}"
