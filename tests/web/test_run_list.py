"""`GET /v1/runs`."""

from __future__ import annotations

import httpx
import pytest
from sqlalchemy import select, update

from app import runs
from app.db import Sessions
from app.models import Run, RunCause, RunState
from app.runs import NewRun
from tests.web.conftest import Headers, Notify, s3_event


@pytest.fixture
async def made(notify: Notify, sessions: Sessions) -> list[str]:
    """The ids of nine runs of applications, the newest first; five more have no application."""
    for number in range(9):
        await notify(s3_event(f"applications/A-{number % 3}/license-front/{number}.jpg"))
    async with sessions.begin() as session:
        for number in range(5):
            new = NewRun(
                cause_kind=RunCause.MESSAGE,
                cause_id=str(number),
                route="reports",
                deployment="flow/default",
                parameters={},
            )
            await runs.enqueue(session, new)
    async with sessions() as session:
        of_applications = select(Run.id).where(Run.application_id.is_not(None)).order_by(Run.id.desc())
        return [str(run_id) for run_id in await session.scalars(of_applications)]


async def listed(client: httpx.AsyncClient, headers: Headers, **query: str | int) -> list[str]:
    answer = await client.get("/v1/runs", params=query, headers=headers)
    assert answer.status_code == 200, answer.text
    return [run["id"] for run in answer.json()["runs"]]


async def test_pages_lead_through_all_runs(
    client: httpx.AsyncClient, operator: Headers, made: list[str]
) -> None:
    seen: list[str] = []
    query: dict[str, str | int] = {"limit": 4}
    sizes = []
    while True:
        page = (await client.get("/v1/runs", params=query, headers=operator)).json()
        seen += [run["id"] for run in page["runs"]]
        sizes.append(len(page["runs"]))
        if page["next"] is None:
            break
        query["cursor"] = page["next"]

    assert sizes == [4, 4, 4, 2]
    assert seen == sorted(set(seen), reverse=True)
    assert seen[5:] == made


async def test_each_filter_narrows_the_list(
    client: httpx.AsyncClient, operator: Headers, sessions: Sessions, made: list[str]
) -> None:
    async with sessions.begin() as session:
        await session.execute(update(Run).where(Run.id == made[0]).values(state=RunState.DEAD))
        moment = (await session.scalars(select(Run.accepted_at).where(Run.id == made[4]))).one()

    assert len(await listed(client, operator, application="A-1")) == 3
    assert len(await listed(client, operator, route="reports")) == 5
    assert await listed(client, operator, state="DEAD") == made[:1]
    assert await listed(client, operator, state="DEAD", route="reports") == []
    assert await listed(client, operator, since=moment.isoformat(), route="document-verification") == made[:5]
    assert await listed(client, operator, since="2100-01-01T00:00:00Z") == []


async def test_the_loan_app_sees_the_runs_of_applications_only(
    client: httpx.AsyncClient, loan_app: Headers, underwriter: Headers, made: list[str]
) -> None:
    assert await listed(client, loan_app) == made
    assert await listed(client, loan_app, route="reports") == []
    assert len(await listed(client, underwriter)) == len(made) + 5


@pytest.mark.parametrize("cursor", ["", "7", "not a cursor", "A" * 21, "A" * 23, "é" * 22])
async def test_a_cursor_that_is_none_is_refused(
    client: httpx.AsyncClient, operator: Headers, cursor: str
) -> None:
    answer = await client.get("/v1/runs", params={"cursor": cursor}, headers=operator)
    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:sluice:problem:cursor-invalid"


@pytest.mark.parametrize(
    "query",
    [{"limit": 0}, {"limit": 201}, {"state": "LOST"}, {"since": "yesterday"}, {"route": "\0"}, {"page": 2}],
)
async def test_what_cannot_be_meant_is_refused(
    client: httpx.AsyncClient, operator: Headers, query: dict[str, str | int]
) -> None:
    assert (await client.get("/v1/runs", params=query, headers=operator)).status_code == 422
