"""The audit trail."""

from __future__ import annotations

import typer

from app import audit
from app.cli.context import with_database

commands = typer.Typer(help="The audit trail.", no_args_is_help=True)


@commands.callback()
def _group() -> None:
    """Keep `verify` a subcommand though it is the only one."""


@commands.command("verify")
def verify_trail() -> None:
    """Walk the hash chain; fails when an entry was changed, removed or inserted."""
    result = with_database(audit.verify)
    typer.echo(f"{result.sealed} entries sealed and intact, {result.unsealed} not sealed yet.")
    if result.broken_at is not None:
        typer.echo(f"The chain is broken at position {result.broken_at}.", err=True)
        raise typer.Exit(1)
