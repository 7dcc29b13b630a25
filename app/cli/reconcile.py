"""Our runs held against all that Prefect has."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Annotated

import typer

from app.cli.context import load_settings, with_database
from app.db import Sessions
from app.prefect_client import PrefectClient
from app.reconcile import Report, reconcile

commands = typer.Typer()

_SHOWN = 20


@commands.command("reconcile")
def reconcile_command(
    hours: Annotated[float, typer.Option(help="How far back finished runs are compared.", min=0)] = 24,
    waiting_minutes: Annotated[
        float, typer.Option(help="How long a run may wait to be created.", min=0)
    ] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="All ids, as JSON.")] = False,
) -> None:
    """Count causes without flow run, flow runs without cause, and disagreements; fails unless all are 0.

    `--hours` should be less than Prefect's own retention, if it removes finished flow runs.
    """

    async def compare(sessions: Sessions) -> Report:
        async with PrefectClient(load_settings().prefect) as prefect:
            return await reconcile(
                sessions,
                prefect,
                since=timedelta(hours=hours),
                waiting=timedelta(minutes=waiting_minutes),
            )

    report = with_database(compare)
    if as_json:
        typer.echo(json.dumps({"counts": report.counts(), **vars(report)}, indent=2))
    else:
        for kind, found in vars(report).items():
            typer.echo(f"{len(found):6}  {kind.replace('_', ' ')}")
            for one in found[:_SHOWN]:
                typer.echo(f"        {one}")
    if any(report.counts().values()):
        raise typer.Exit(1)
