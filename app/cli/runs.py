"""Runs: list them, explain one, cancel one, replay what ended badly."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from app import cancellation, replay, status
from app.cli.context import load_settings, with_database
from app.db import Sessions
from app.models import Run, RunState
from app.prefect_client import PrefectClient
from app.replay import Replayed
from app.run_filter import RunFilter
from app.status import RunView

commands = typer.Typer(help="Runs: list, explain, cancel, replay.", no_args_is_help=True)


def since_option(value: str) -> datetime:
    """A time in ISO 8601 (UTC unless it says otherwise), or an age such as 90m, 12h or 7d."""
    seconds = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
    try:
        if value[-1:] in seconds:
            return datetime.now(UTC) - timedelta(seconds=float(value[:-1]) * seconds[value[-1]])
        moment = datetime.fromisoformat(value)
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter(
            "Give a time such as 2026-11-20T08:00, or an age such as 90m, 12h, 7d."
        ) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


RunId = Annotated[uuid.UUID, typer.Argument(help="The run's id.")]
Route = Annotated[str | None, typer.Option(help="Only runs of this route.")]
States = Annotated[
    list[RunState] | None, typer.Option("--state", help="Only runs in this state; repeatable.")
]
Since = Annotated[
    datetime | None,
    typer.Option(
        parser=since_option, metavar="TIME", help="Accepted since: 2026-11-20T08:00, or 90m, 12h, 7d ago."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="As JSON.")]


@commands.command("list")
def list_runs(
    *,
    state: States = None,
    route: Route = None,
    application: Annotated[str | None, typer.Option(help="Only runs of this application.")] = None,
    since: Since = None,
    before: Annotated[uuid.UUID | None, typer.Option(help="Only runs older than this one.")] = None,
    limit: Annotated[int, typer.Option(help="How many, the newest first.", min=1)] = 50,
    as_json: Json = False,
) -> None:
    """Runs by state, route, application and age: `--state DEAD` are the dead letters.

    The next page are those `--before` the last one's id.
    """
    which = RunFilter(application_id=application, states=tuple(state or ()), route=route, since=since)

    async def find(sessions: Sessions) -> Sequence[RunView]:
        async with sessions() as session:
            return await status.runs(session, which, limit=limit, before=before)

    views = with_database(find)
    if as_json:
        typer.echo(json.dumps([view.model_dump(mode="json") for view in views], indent=2))
        return
    for view in views:
        typer.echo(_line(view))


def _line(view: RunView) -> str:
    state = f"{view.state} (stuck)" if view.stuck else view.state
    error = " ".join((view.last_error or "").split())[:100]
    return f"{view.id}  {view.accepted_at:%Y-%m-%d %H:%M:%S%z}  {state:9}  {view.route}  {error}".rstrip()


@commands.command("show")
def show(run_id: RunId) -> None:
    """All there is to know about one run, why it is dead included."""

    async def read(sessions: Sessions) -> RunView:
        async with sessions() as session:
            return await status.run(session, run_id)

    for name, value in with_database(read).model_dump(mode="json").items():
        typer.echo(f"{name:20}{value if value not in (None, []) else '-'}")


@commands.command("cancel")
def cancel(run_id: RunId) -> None:
    """Have Prefect cancel a run. A stuck one, or one that is cancelled again, ends at once."""

    async def through_prefect(sessions: Sessions) -> Run:
        async with PrefectClient(load_settings().prefect) as prefect:
            return await cancellation.cancel(sessions, prefect, run_id, actor="cli")

    typer.echo(f"Run {run_id} is {with_database(through_prefect).state}.")


@commands.command("replay")
def replay_runs(
    run_id: Annotated[uuid.UUID | None, typer.Argument(help="One run; or name a filter instead.")] = None,
    *,
    route: Route = None,
    state: States = None,
    since: Since = None,
    limit: Annotated[int, typer.Option(help="At most so many, the longest accepted first.", min=1)] = 1_000,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell which it would be.")] = False,
) -> None:
    """Give runs that ended badly a new attempt: one by its id, or all that a filter names.

    Without --state a filter means DEAD runs.
    """
    if (run_id is None) == (route is None and state is None and since is None):
        raise typer.BadParameter("Name either a run, or a filter: --route, --state, --since.")
    which = RunFilter(states=tuple(state or [RunState.DEAD]), route=route, since=since)

    async def work(sessions: Sessions) -> Replayed:
        if run_id is None:
            return await replay.replay_all(sessions, which, actor="cli", limit=limit, dry_run=dry_run)
        async with sessions() as session:
            await replay.replay(session, run_id, actor="cli")
            await (session.rollback() if dry_run else session.commit())
        return Replayed(1, [run_id])

    replayed = with_database(work)
    for one in replayed.run_ids:
        typer.echo(one)
    done = "would be replayed" if dry_run else "replayed"
    typer.echo(f"{len(replayed.run_ids)} of {replayed.matching} {done}.", err=True)
