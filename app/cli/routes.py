"""The routes file: what it says, and whether it works."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from app import main as composition
from app import routes_check, routing
from app.cli.context import load_settings
from app.errors import PrefectUnavailable
from app.prefect_client import PrefectClient
from app.routes_check import Finding
from app.routing import Route, Routes
from app.settings import RoutesSettings, Settings

commands = typer.Typer(help="The routes file: what starts what.", no_args_is_help=True)

File = Annotated[
    Path | None,
    typer.Argument(help="The file; without one that of SLUICE_ROUTES_FILE, or else the shipped loan routes."),
]

PREFECT_UNAVAILABLE = 2
"""Exit status of a check that found the file good and could not ask Prefect."""


@commands.command("check")
def check_routes(
    file: File = None,
    offline: Annotated[bool, typer.Option("--offline", help="Check the file alone.")] = False,
) -> None:
    """Check the file as the gateway's start does, and that Prefect accepts what each route sends.

    Exits with 1 when a route cannot work, with 2 when Prefect could not be asked.
    """
    settings = _settings(file)
    entries = routing.parse(*composition.read_routes(settings.routes))
    findings = [Finding((entry.problem,) if entry.problem else ()) for entry in entries]
    if not any(finding.problems for finding in findings):
        routes = composition.load_routes(settings)
        if not offline:
            findings = _ask_prefect(settings, routes)
    for entry, finding in zip(entries, findings, strict=True):
        typer.echo(f"{entry.place}: {'; '.join(finding.problems) or 'OK'}")
        for warning in finding.warnings:
            typer.echo(f"    warning: {warning}")
    if any(finding.problems for finding in findings):
        raise typer.Exit(1)


@commands.command("list")
def list_routes(file: File = None) -> None:
    """Print what starts what, in the file's order. An event takes every route that matches it."""
    for route in composition.load_routes(_settings(file)).all:
        typer.echo(f"{route.name}: {_conditions(route)} -> {route.deployment}")


def _settings(file: Path | None) -> Settings:
    settings = load_settings()
    return settings if file is None else settings.model_copy(update={"routes": RoutesSettings(file=file)})


def _ask_prefect(settings: Settings, routes: Routes) -> list[Finding]:
    async def ask() -> list[Finding]:
        async with PrefectClient(settings.prefect) as prefect:
            return [await routes_check.check(prefect, route, settings.sns.topics) for route in routes.all]

    try:
        return asyncio.run(ask())
    except PrefectUnavailable as error:
        typer.echo(f"sluice: {error.title}: {error.detail} The file alone is good.", err=True)
        raise typer.Exit(PREFECT_UNAVAILABLE) from None


def _conditions(route: Route) -> str:
    conditions = {
        "event": route.event if route.source == "s3" else None,
        "topic": route.topic,
        "bucket": route.bucket,
        "key": route.key,
    }
    return " ".join(
        [route.source, *(f"{name}={text}" for name, text in conditions.items() if text is not None)]
    )
