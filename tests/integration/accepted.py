"""Runs from their acceptance on: in the queue, then with Prefect."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

from sqlalchemy import select

from app import runs
from app.circuit import Circuit
from app.db import Sessions
from app.dispatcher import dispatch
from app.models import Application, ApplicationStatus, Document, Run, RunCause, RunState
from app.prefect_client import PrefectClient
from app.settings import DispatcherSettings


async def accept(
    sessions: Sessions, deployment: str, count: int = 1, *, route: str = "documents", **parameters: Any
) -> list[uuid.UUID]:
    """Put runs into the queue, each with a document's id unless other parameters are given."""
    accepted = []
    async with sessions.begin() as session:
        for _ in range(count):
            cause_id = str(uuid.uuid4())
            new = runs.NewRun(
                cause_kind=RunCause.OBJECT,
                cause_id=cause_id,
                route=route,
                deployment=deployment,
                parameters=parameters or {"document_id": cause_id},
            )
            run_id = await runs.enqueue(session, new)
            assert run_id is not None
            accepted.append(run_id)
    return accepted


async def accept_document(sessions: Sessions, deployment: str, **parameters: Any) -> uuid.UUID:
    """Likewise one run for a document that is there, of application `loan-1`; returns the document's id."""
    async with sessions.begin() as session:
        session.add(Application(id="loan-1", status=ApplicationStatus.VERIFYING))
        document = Document(application_id="loan-1", bucket="b", key="k", object_version="1", kind="front")
        session.add(document)
        await session.flush()
        new = runs.NewRun(
            cause_kind=RunCause.DOCUMENT,
            cause_id=str(document.id),
            route="documents",
            deployment=deployment,
            parameters=parameters or {"document_id": str(document.id)},
            application_id="loan-1",
        )
        await runs.enqueue(session, new)
        return document.id


async def dispatched(sessions: Sessions, prefect: PrefectClient, deployment: str) -> uuid.UUID:
    """A run that Prefect has; returns its flow run's id."""
    [run_id] = await accept(sessions, deployment)
    return await hand_over(sessions, prefect, run_id)


async def hand_over(sessions: Sessions, prefect: PrefectClient, run_id: uuid.UUID) -> uuid.UUID:
    """Dispatch this run, with others that are due; returns its flow run's id."""
    await dispatch(sessions, prefect, DispatcherSettings(), Circuit("test"))
    flow_run_id = (await run_by_id(sessions, run_id)).flow_run_id
    assert flow_run_id is not None
    return flow_run_id


async def dispatch_all(
    sessions: Sessions, prefect: PrefectClient, settings: DispatcherSettings, circuit: Circuit
) -> None:
    """Rounds until nothing is left to hand over."""
    while True:
        await asyncio.sleep(min(0.05, await dispatch(sessions, prefect, settings, circuit)))
        async with sessions() as session:
            if await session.scalar(select(Run.id).where(Run.state == RunState.ACCEPTED).limit(1)) is None:
                return


async def run_by_id(sessions: Sessions, run_id: uuid.UUID) -> Run:
    async with sessions() as session:
        return await session.get_one(Run, run_id)


async def run_by_flow_run(sessions: Sessions, flow_run_id: uuid.UUID) -> Run:
    async with sessions() as session:
        return (await session.scalars(select(Run).where(Run.flow_run_id == flow_run_id))).one()


async def state_of(sessions: Sessions, flow_run_id: uuid.UUID) -> tuple[RunState, str]:
    """State and its name, as our run has them."""
    run = await run_by_flow_run(sessions, flow_run_id)
    return run.state, run.state_name
