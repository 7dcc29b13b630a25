"""API keys and secrets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from app import api_keys, encryption, standard_webhooks
from app.cli.context import with_database
from app.db import Sessions
from app.models import Role

commands = typer.Typer(help="Make API keys and secrets.", no_args_is_help=True)


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


@commands.command("encryption")
def create_encryption_key(
    key_id: Annotated[str, typer.Argument(help="Names the key, such as 2026-11.")],
) -> None:
    """Print a new key for SLUICE_ENCRYPTION_KEYS. Put it first; keep the older ones to decrypt."""
    typer.echo(encryption.new_key(key_id))


@commands.command("webhook")
def create_webhook_secret() -> None:
    """Print a new Standard Webhooks secret, for SLUICE_DECISIONS_WEBHOOK_SECRETS."""
    typer.echo(standard_webhooks.new_secret())
