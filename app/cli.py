"""The `sluice` command."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, TypeVar

import typer
import uvicorn
from pydantic import ValidationError

from app import api_keys, audit, db, encryption, migrate, standard_webhooks
from app import main as composition
from app.db import Sessions
from app.errors import SluiceError
from app.models import Role
from app.settings import Settings
from app.telemetry import configure_logging

Result = TypeVar("Result")

cli = typer.Typer(
    help="The ingestion gateway in front of Prefect.", no_args_is_help=True, add_completion=False
)
keys = typer.Typer(help="Make API keys and secrets.", no_args_is_help=True)
trail = typer.Typer(help="The audit trail.", no_args_is_help=True)
cli.add_typer(keys, name="keys")
cli.add_typer(trail, name="audit")


@cli.command()
def serve() -> None:
    """Run the gateway: HTTP, and beside it the dispatcher and the projection unless settings say no."""
    settings = _settings()
    uvicorn.run(
        composition.create_app(settings),
        host=settings.http.host,
        port=settings.http.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=int(settings.http.shutdown_seconds),
    )


@cli.command()
def dispatch() -> None:
    """Run only the dispatcher. Any number of copies may run."""
    asyncio.run(composition.run_loops(_settings(), dispatching=True))


@cli.command()
def follow() -> None:
    """Run only the projection. Any number of copies may run; one of them listens to Prefect's events."""
    asyncio.run(composition.run_loops(_settings(), following=True))


@cli.command("migrate")
def migrate_command() -> None:
    """Bring the database's schema up to this release. Safe to run from several places at once."""
    migrate.upgrade(_settings().database)


@keys.command("create")
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

    typer.echo(_with_database(create))


@keys.command("encryption")
def create_encryption_key(
    key_id: Annotated[str, typer.Argument(help="Names the key, such as 2026-11.")],
) -> None:
    """Print a new key for SLUICE_ENCRYPTION_KEYS. Put it first; keep the older ones to decrypt."""
    typer.echo(encryption.new_key(key_id))


@keys.command("webhook")
def create_webhook_secret() -> None:
    """Print a new Standard Webhooks secret, for SLUICE_DECISIONS_WEBHOOK_SECRETS."""
    typer.echo(standard_webhooks.new_secret())


@trail.command("verify")
def verify_trail() -> None:
    """Walk the hash chain; fails when an entry was changed, removed or inserted."""
    result = _with_database(audit.verify)
    typer.echo(f"{result.sealed} entries sealed and intact, {result.unsealed} not sealed yet.")
    if result.broken_at is not None:
        typer.echo(f"The chain is broken at position {result.broken_at}.", err=True)
        raise typer.Exit(1)


@cli.command()
def dev() -> None:
    """Run the whole embedded stack on this machine: PostgreSQL, Prefect, a worker, S3, SNS, mail, Sluice."""
    from app.dev.command import run_dev  # noqa: PLC0415 - the gateway's image has no development packages

    run_dev()


@cli.command()
def demo(
    once: Annotated[bool, typer.Option(help="Exit after the email instead of staying up.")] = False,
) -> None:
    """Run the embedded stack and send one identity document the whole way."""
    from app.dev.command import run_demo  # noqa: PLC0415 - as above

    run_demo(once=once)


def main() -> None:
    """Entry point: an error with a meaning is one line on standard error, not a trace."""
    try:
        cli()
    except SluiceError as error:
        sys.exit(f"sluice: {error.title}: {error.detail}")


def _settings() -> Settings:
    try:
        settings = Settings()
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        sys.exit(f"sluice: {error.title} is not valid: {problems}")
    configure_logging(settings.log)
    return settings


def _with_database(work: Callable[[Sessions], Awaitable[Result]]) -> Result:
    async def run() -> Result:
        engine = db.create_engine(_settings().database, application_name="sluice-cli")
        try:
            return await work(db.session_factory(engine))
        finally:
            await engine.dispose()

    return asyncio.run(run())
