"""The `sluice` command: a module for each group of subcommands."""

from __future__ import annotations

import sys

import typer

from app.cli import audit, aws, keys, mail, purge, quarantine, reconcile, routes, runs, services
from app.errors import SluiceError

cli = typer.Typer(
    help="The ingestion gateway in front of Prefect.", no_args_is_help=True, add_completion=False
)
cli.add_typer(services.commands)
cli.add_typer(keys.commands, name="keys")
cli.add_typer(audit.commands, name="audit")
cli.add_typer(routes.commands, name="routes")
cli.add_typer(quarantine.commands, name="quarantine")
cli.add_typer(runs.commands, name="runs")
cli.add_typer(reconcile.commands)
cli.add_typer(purge.commands)
cli.add_typer(aws.commands, name="aws")
cli.add_typer(mail.commands, name="mail")


def main() -> None:
    """Entry point: an error with a meaning is one line on standard error, not a trace."""
    try:
        cli()
    except SluiceError as error:
        sys.exit(f"sluice: {error.title}: {error.detail}")
