"""What runs: the gateway, its loops alone, the migrations, the development stack."""

from __future__ import annotations

import asyncio
import socket
from typing import Annotated

import typer

from app import main as composition
from app import migrate
from app.cli.context import load_settings
from app.web import server, workers

commands = typer.Typer()


@commands.command()
def serve(
    count: Annotated[
        int, typer.Option("--workers", min=1, help="Processes that share the port, to use more cores.")
    ] = 1,
) -> None:
    """Run the gateway: HTTP, and beside it the dispatcher and the projection unless settings say no."""
    settings = load_settings()
    if count == 1:
        server.Server(composition.create_app(settings), settings.http).run()
    else:
        workers.run(count, serve_on, workers.listen(settings.http.host, settings.http.port))


def serve_on(listening: socket.socket) -> None:
    """One worker's part: the gateway on a socket that it shares with others."""
    settings = load_settings()
    server.Server(composition.create_app(settings), settings.http).run(sockets=[listening])


@commands.command()
def dispatch() -> None:
    """Run only the dispatcher. Any number of copies may run."""
    asyncio.run(composition.run_loops(load_settings(), dispatching=True))


@commands.command()
def follow() -> None:
    """Run only the projection. Any number of copies may run; one of them listens to Prefect's events."""
    asyncio.run(composition.run_loops(load_settings(), following=True))


@commands.command("migrate")
def migrate_command() -> None:
    """Bring the database's schema up to this release. Safe to run from several places at once."""
    migrate.upgrade(load_settings().database)


@commands.command()
def dev() -> None:
    """Run the whole embedded stack on this machine: PostgreSQL, Prefect, a worker, S3, SNS, mail, Sluice."""
    from app.dev.command import run_dev  # noqa: PLC0415 - the gateway's image has no development packages

    run_dev()


@commands.command()
def demo(
    once: Annotated[bool, typer.Option(help="Exit after the email instead of staying up.")] = False,
) -> None:
    """Run the embedded stack and send one identity document the whole way."""
    from app.dev.command import run_demo  # noqa: PLC0415 - as above

    run_demo(once=once)
