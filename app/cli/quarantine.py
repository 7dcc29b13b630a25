"""Refused messages that SNS had signed."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Annotated

import httpx
import typer

from app import main as composition
from app import quarantine
from app.cli.context import load_settings, with_database
from app.db import Sessions
from app.models import QuarantinedMessage
from app.sns_client import CertificateCache

commands = typer.Typer(help="Refused messages that SNS had signed.", no_args_is_help=True)


@commands.command("list")
def list_quarantine(
    limit: Annotated[int, typer.Option(help="How many, the newest first.", min=1)] = 50,
) -> None:
    """What was refused, when and why. Never what it said."""

    async def newest(sessions: Sessions) -> Sequence[QuarantinedMessage]:
        async with sessions() as session:
            return await quarantine.listing(session, limit=limit)

    for entry in with_database(newest):
        typer.echo(
            f"{entry.id}  {entry.received_at:%Y-%m-%d %H:%M:%S%z}  {entry.reason}  {entry.topic_arn}  "
            f"{'waits' if entry.outcome is None else f'released: {entry.outcome}'}"
        )


@commands.command("release")
def release(
    entry_id: Annotated[uuid.UUID, typer.Argument(help="The message's id, as `list` shows it.")],
) -> None:
    """Verify a message anew, by the present settings, and take it as if it arrived now."""
    settings = load_settings()
    routes = composition.load_routes(settings)

    async def let_in(sessions: Sessions) -> QuarantinedMessage:
        async with httpx.AsyncClient() as client:
            certificates = CertificateCache(client, timeout_seconds=settings.sns.certificate_timeout_seconds)
            return await quarantine.release(
                sessions, certificates, settings.sns, routes, entry_id, actor="cli"
            )

    entry = with_database(let_in)
    typer.echo(f"Released {entry.released_at:%Y-%m-%d %H:%M:%S%z}: {entry.outcome}.")
