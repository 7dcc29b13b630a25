"""Prefect's states, brought into our runs.

Reads are the truth and events the hint. On a period Prefect is asked about every run it has not
finished, which alone keeps the projection right; and what an event names is read at once, which makes it
prompt. States are applied in the order of Prefect's own timestamps, so it does no harm that either way
brings one twice or late, or that two followers overlap for a moment.
"""

from __future__ import annotations

import asyncio
import random
import uuid
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

import structlog
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from app import outcomes, reconcile, run_spans, runs
from app.circuit import Circuit
from app.db import Sessions
from app.election import while_elected
from app.errors import PrefectUnavailable
from app.hints import Hints
from app.loops import repeat
from app.models import FOLLOWED_RUN_STATES, Run, RunState
from app.prefect_client import PAGE, PrefectClient
from app.prefect_events import listen
from app.prefect_flow_runs import FlowRun, FlowRunState
from app.settings import DatabaseSettings, ProjectionSettings
from app.telemetry import FOLLOWING, UNRECONCILED

log = structlog.get_logger()

_FOLLOWER_LOCK = 0xF0110E
_LONGEST_PAUSE_SECONDS = 4.0
"""When Prefect comes back, the projection is right again within 10 s."""


def _circuit(name: str) -> Callable[[], Circuit]:
    return lambda: Circuit(name, _LONGEST_PAUSE_SECONDS)


@dataclass(frozen=True)
class Circuits:
    """Each way of asking Prefect fails and is tried again for itself."""

    events: Circuit = field(default_factory=_circuit("events"))
    hints: Circuit = field(default_factory=_circuit("hints"))
    refresh: Circuit = field(default_factory=_circuit("refresh"))
    reconciliation: Circuit = field(default_factory=_circuit("reconciliation"))

    def note(self) -> str | None:
        """What is amiss, in words; None when nothing is."""
        if (note := self.refresh.note()) is not None:
            return note
        note = self.events.note()
        return None if note is None else f"{note} for events: states come a little later"


async def follow(
    database: DatabaseSettings,
    sessions: Sessions,
    prefect: PrefectClient,
    settings: ProjectionSettings,
    circuits: Circuits | None = None,
) -> float:
    """Follow Prefect for as long as we are the one elected among all copies; the others stand by.

    Ends only by raising: when our own database fails or the election's session is lost. Prefect being
    unavailable is waited out, and shows in `circuits`.
    """
    by = circuits or Circuits()
    hints, refresh_now, never = Hints(), asyncio.Event(), asyncio.Event()

    async def work() -> None:
        with FOLLOWING.track_inprogress():
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_listen(prefect, hints, refresh_now, by.events))
                for circuit, body, wake in (
                    (by.hints, lambda: read_hinted(sessions, prefect, hints), hints.arrived),
                    (by.refresh, lambda: refresh(sessions, prefect, settings), refresh_now),
                    (by.reconciliation, lambda: compare(sessions, prefect, settings), never),
                ):
                    tasks.create_task(repeat(partial(_through, circuit, body), wake))

    try:
        await while_elected(database, _FOLLOWER_LOCK, work)
    finally:
        UNRECONCILED.clear()  # from now on another process knows better
    return 0.0


async def _listen(prefect: PrefectClient, hints: Hints, refresh_now: asyncio.Event, circuit: Circuit) -> None:
    """Note what events name. Each time the stream begins, everything is read: some were missed."""
    while True:
        try:
            async with listen(prefect.settings) as events:
                circuit.succeeded()
                refresh_now.set()
                async for event in events:
                    hints.add(event)
        except PrefectUnavailable as error:
            circuit.failed(error)
            await asyncio.sleep(circuit.seconds_left())


async def _through(circuit: Circuit, body: Callable[[], Awaitable[float]]) -> float:
    """One round of the body. When Prefect cannot be asked it is left alone, and nothing cuts that short."""
    try:
        seconds = await body()
    except PrefectUnavailable as error:
        circuit.failed(error)
        await asyncio.sleep(circuit.seconds_left())
        return 0.0
    circuit.succeeded()
    return seconds


async def read_hinted(sessions: Sessions, prefect: PrefectClient, hints: Hints) -> float:
    """One round: read what events have named; returns the seconds until the next hint is due.

    Prefect publishes an event before it commits the state, and it may come before the dispatcher has
    written down the flow run's id. So a hint that is not borne out yet is looked at again shortly.
    Raises PrefectUnavailable, and the hints taken are lost: the next refresh brings what they were about.
    """
    taken = hints.take(PAGE)
    if taken:
        known = await _known(sessions, taken)
        behind = {
            flow_run_id: hint
            for flow_run_id, hint in taken.items()
            if flow_run_id in known and _older(known[flow_run_id], hint.state_at)
        }
        found = await prefect.read_flow_runs(behind) if behind else []
        await apply(sessions, found)
        borne_out = {run.id for run in found if run.state.timestamp >= behind[run.id].state_at}
        for flow_run_id, hint in taken.items():
            if flow_run_id not in known or (flow_run_id in behind and flow_run_id not in borne_out):
                hints.again(flow_run_id, hint)
    return hints.seconds_until_due()


async def _known(sessions: Sessions, ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, datetime | None]:
    """The time of the state we know, for those of the flow runs that are ours."""
    async with sessions() as session:
        ours = select(Run.flow_run_id, Run.state_at).where(Run.flow_run_id.in_(list(ids)))
        rows = (await session.execute(ours)).all()
    return {flow_run_id: state_at for flow_run_id, state_at in rows if flow_run_id is not None}


def _older(known: datetime | None, than: datetime) -> bool:
    return known is None or known < than


async def refresh(sessions: Sessions, prefect: PrefectClient, settings: ProjectionSettings) -> float:
    """One round: ask Prefect about every run that is its own to finish; returns the seconds to sleep.

    Prefect is asked only for what differs from what we know, which costs it little while nothing has
    happened. A state that was left and entered again unseen keeps its first time. Raises
    PrefectUnavailable.
    """
    unseen: list[uuid.UUID] = []
    seen: defaultdict[tuple[RunState, str], list[uuid.UUID]] = defaultdict(list)
    async with sessions() as session:
        followed = select(Run.flow_run_id, Run.state, Run.state_name, Run.state_at).where(
            Run.state.in_(FOLLOWED_RUN_STATES)
        )
        for flow_run_id, state, name, state_at in (await session.execute(followed)).all():
            if flow_run_id is not None:
                (unseen if state_at is None else seen[state, name]).append(flow_run_id)
    for page in _pages(unseen):
        await _confirm(sessions, prefect, page)
    for known, ids in seen.items():
        for page in _pages(ids):
            await apply(sessions, await prefect.read_flow_runs(page, unlike=known))
    everything = [flow_run_id for ids in seen.values() for flow_run_id in ids]
    if everything:
        # One page a round, at random: deletions are rare, and found within minutes however many run.
        await _find_deleted(sessions, prefect, random.choice(list(_pages(everything))))
    await _mark_stuck(sessions, settings)
    return settings.poll_seconds


async def _mark_stuck(sessions: Sessions, settings: ProjectionSettings) -> None:
    """Worker or machine may have died without a word, and Prefect would show the state for ever."""
    brief = timedelta(seconds=settings.stuck_pending_seconds)
    longest = {
        RunState.PENDING: brief,
        RunState.CANCELLING: brief,
        RunState.RUNNING: timedelta(seconds=settings.stuck_running_seconds),
    }
    async with sessions.begin() as session:
        for run in await runs.mark_stuck(session, longest):
            log.warning("run is stuck", run=str(run.id), state=run.state, since=str(run.state_at))


def _pages(ids: Sequence[uuid.UUID]) -> Iterator[Sequence[uuid.UUID]]:
    for start in range(0, len(ids), PAGE):
        yield ids[start : start + PAGE]


async def _confirm(sessions: Sessions, prefect: PrefectClient, page: Sequence[uuid.UUID]) -> None:
    """See for the first time what Prefect said it had created; what is not there is dispatched again.

    A bulk creation can report flow runs that were rolled back. The same key makes this safe even when
    the flow run appears after all.
    """
    found = await prefect.read_flow_runs(page)
    await apply(sessions, found)
    for flow_run_id in _missing(page, found):
        async with sessions.begin() as session:
            run = await runs.never_created(session, flow_run_id)
        if run is not None:
            log.warning("flow run was never created", run=str(run.id), flow_run=str(flow_run_id))


async def _find_deleted(sessions: Sessions, prefect: PrefectClient, page: Sequence[uuid.UUID]) -> None:
    """End the runs whose flow runs somebody has deleted from Prefect: nothing will tell us more of them.

    They become CANCELLED by the name of Deleted, which reaches a person and can be replayed.
    """
    if await prefect.count_flow_runs(page) == len(page):
        return
    found = await prefect.read_flow_runs(page)
    missing = _missing(page, found)
    for flow_run_id in missing:
        log.warning("flow run was deleted", flow_run=str(flow_run_id))
    deleted = FlowRunState(type=RunState.CANCELLED, name=runs.DELETED, timestamp=datetime.now(UTC))
    await apply(sessions, [*found, *(FlowRun(id=flow_run_id, state=deleted) for flow_run_id in missing)])


async def compare(sessions: Sessions, prefect: PrefectClient, settings: ProjectionSettings) -> float:
    """One round of the reconciliation that the metrics show. Raises PrefectUnavailable."""
    report = await reconcile.reconcile(sessions, prefect)
    for kind, count in report.counts().items():
        UNRECONCILED.labels(kind).set(count)
    if any(report.counts().values()):
        log.error("runs and Prefect disagree", **report.counts())
    return settings.reconcile_seconds


def _missing(page: Collection[uuid.UUID], found: Iterable[FlowRun]) -> set[uuid.UUID]:
    return set(page) - {run.id for run in found}


async def apply(sessions: Sessions, found: Collection[FlowRun]) -> None:
    """Bring these flow runs' states into our runs, with what follows for their documents."""
    if not found:
        return
    try:
        await _apply_together(sessions, found)
    except DBAPIError as error:
        # Two that hold many applications at once may deadlock; and one bad row must not stop the others.
        log.warning("applying states one by one", error=type(error.orig).__name__)
        for one in found:
            await _apply_together(sessions, [one])


async def _apply_together(sessions: Sessions, found: Collection[FlowRun]) -> None:
    async with sessions.begin() as session:
        changed = await runs.apply_states(session, found)
        for run in sorted(changed, key=lambda run: run.application_id or ""):
            await outcomes.run_changed_state(session, run)
    for run in changed:
        run_spans.changed_state(run)
