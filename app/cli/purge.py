"""Removing what has been kept for long enough, and one application on request."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from app import erasure, retention
from app.cli.context import load_settings, with_database
from app.cli.runs import since_option
from app.db import Sessions
from app.envelopes import Counts
from app.object_store import ObjectStore
from app.retention import Cutoffs
from app.settings import Settings

commands = typer.Typer()


@commands.command("purge")
def purge_command(
    *,
    application: Annotated[
        str | None, typer.Option(help="This application at once, whatever its age and status.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="With --application: even while a run of it is not over.")
    ] = False,
    before: Annotated[
        datetime | None,
        typer.Option(
            parser=since_option,
            metavar="TIME",
            help="All that is over since before then, whatever the settings say: 2026-01-31, or 400d ago.",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
) -> None:
    """Remove what is older than SLUICE_RETENTION_… say, pictures in the bucket included.

    Nothing is removed by age for which no period is set. What an earlier purge began is always finished.
    """
    if application is not None and before is not None:
        raise typer.BadParameter("--application goes at once; --before does not go with it.")
    if application is None and force:
        raise typer.BadParameter("--force goes with --application: what is under way is never purged by age.")
    settings = load_settings()
    if application is not None:
        counts = _on_request(settings, application, force=force, dry_run=dry_run)
    else:
        which = retention.cutoffs(settings.retention, now=datetime.now(UTC), before=before)
        if not which.any():
            typer.echo(
                "No retention period is set, so nothing is removed by age. Set SLUICE_RETENTION_…_DAYS, or "
                "give --before.",
                err=True,
            )
        counts = _by_age(settings, which, dry_run=dry_run)
    _report(counts, dry_run=dry_run)


def _by_age(settings: Settings, which: Cutoffs, *, dry_run: bool) -> Counts:
    async def work(sessions: Sessions) -> Counts:
        if dry_run:
            return await retention.due(sessions, which)
        store = ObjectStore(settings.s3)
        return await retention.purge(sessions, store, which, batch_size=settings.retention.batch_size)

    return with_database(work)


def _on_request(settings: Settings, application: str, *, force: bool, dry_run: bool) -> Counts:
    async def work(sessions: Sessions) -> Counts:
        counts = await erasure.erase_application(
            sessions, application, actor="cli", force=force, dry_run=dry_run
        )
        if not dry_run:
            counts += await erasure.delete_objects(sessions, ObjectStore(settings.s3))
        return counts

    return with_database(work)


def _report(counts: Counts, *, dry_run: bool) -> None:
    kept = counts.pop("objects_kept", 0)
    for kind, count in sorted(counts.items()):
        typer.echo(f"{count:8}  {kind}")
    typer.echo("would be removed." if dry_run else "removed.", err=True)
    if kept:
        typer.echo(f"S3 refused to delete {kept} pictures; the log says why. Purge again then.", err=True)
        raise typer.Exit(1)
