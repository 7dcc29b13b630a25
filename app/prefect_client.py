"""Prefect's REST API, as far as the gateway needs it: create flow runs and read them.

Works with a self-hosted server (no authentication, or Basic) and with Prefect Cloud (Bearer). The
endpoints are described at https://docs.prefect.io/v3/api-ref/rest-api; what its answers can be trusted
for is written beside each call.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx
import structlog
from pydantic import BaseModel, TypeAdapter, ValidationError

from app.errors import PrefectUnavailable
from app.models import RunState
from app.prefect_flow_runs import (
    MESSAGE_LIMIT,
    TAG,
    BulkAnswer,
    FlowRun,
    NewFlowRun,
    Refusal,
    bulk_outcome,
    refusal_of,
)
from app.settings import PrefectSettings

log = structlog.get_logger()

PAGE = 200
"""The most flow runs Prefect returns for one question."""

_BULK_LIMIT = 100
_KEEPALIVE_SECONDS = 4.0
"""Prefect's server drops an idle connection after 5 s; one dropped as we use it looks like an outage."""

_REFUSALS = frozenset({400, 409, 413, 422})
"""Statuses that mean Prefect understood the request and does not accept its content."""


class PrefectFailed(PrefectUnavailable):
    """Prefect answered 5xx: it is in trouble, or it is what it was asked that it cannot do."""


class DeploymentMissing(Exception):
    """Prefect has no deployment of that name. It may still be on its way there."""

    def __init__(self, deployment: str) -> None:
        super().__init__(f"Prefect has no deployment {deployment}. Deploy it, or correct the route.")


class _Id(BaseModel):
    id: uuid.UUID


_ANYTHING: TypeAdapter[Any] = TypeAdapter(Any)
_ID = TypeAdapter(_Id)
_BULK_ANSWER = TypeAdapter(BulkAnswer)
_FLOW_RUNS = TypeAdapter(list[FlowRun])
_COUNT = TypeAdapter(int)

Answer = TypeVar("Answer")


class _RequestRefused(Exception):
    """A 4xx about what was asked, not about who asks or how often."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message

    def refusal(self) -> Refusal:
        # Prefect's answer when two requests create the same work queue at once: the next try finds it.
        clash = self.message.startswith("Data integrity conflict")
        return Refusal(self.message, permanent=self.status in _REFUSALS and not clash)


class PrefectClient:
    """One pool of connections to Prefect; an async context manager. Calls may run concurrently.

    Every call raises PrefectUnavailable when Prefect could not be asked, did not answer in time, was
    overloaded, refused our credentials, or answered what is not Prefect's: trouble that says nothing
    about the runs in question.
    """

    def __init__(
        self, settings: PrefectSettings, *, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        """`transport` replaces the network, to rehearse answers that a healthy Prefect does not give."""
        self.settings = settings
        self._deployments: dict[str, uuid.UUID] = {}
        self._http = httpx.AsyncClient(
            base_url=settings.api_url,
            headers={} if settings.api_key is None else _bearer(settings.api_key.get_secret_value()),
            auth=None if settings.auth_string is None else _basic(settings.auth_string.get_secret_value()),
            timeout=httpx.Timeout(settings.timeout_seconds, connect=5.0),
            limits=httpx.Limits(max_connections=20, keepalive_expiry=_KEEPALIVE_SECONDS),
            transport=transport,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def ready(self) -> None:
        """Raises PrefectUnavailable unless Prefect and its database answer."""
        # Only a self-hosted server has /ready; its /health knows nothing of its database.
        path = "/ready" if self.settings.api_key is None else "/health"
        try:
            await self._call("GET", path, _ANYTHING)
        except _RequestRefused as refused:
            raise PrefectUnavailable(f"Prefect is not ready: {refused.message}") from refused

    async def find_deployment(self, deployment: str) -> uuid.UUID:
        """The id of `flow/deployment`. Raises DeploymentMissing."""
        found = await self.look_up(deployment_path(deployment), _ID)
        if found is None:
            raise DeploymentMissing(deployment)
        self._deployments[deployment] = found.id
        return found.id

    async def look_up(self, path: str, answer: TypeAdapter[Answer]) -> Answer | None:
        """What Prefect has at `path`, or None when it has no such thing."""
        try:
            return await self._call("GET", path, answer)
        except _RequestRefused:
            return None

    async def create_flow_runs(
        self, deployment: str, wanted: Collection[NewFlowRun]
    ) -> dict[str, uuid.UUID | Refusal]:
        """Create flow runs of one deployment; returns by idempotency key what became of each.

        A key that Prefect knows already gets its existing flow run, so asking again is always safe. When
        this raises, some may have been created nevertheless: see `find_flow_runs`. Raises
        DeploymentMissing.
        """
        outcomes: dict[str, uuid.UUID | Refusal] = {}
        storable: list[NewFlowRun] = []
        # Two bulk calls that insert the same keys in opposite orders deadlock in Prefect's database.
        for new in sorted(wanted, key=lambda new: new.idempotency_key):
            refusal = refusal_of(new.parameters)
            if refusal is None:
                storable.append(new)
            else:
                outcomes[new.idempotency_key] = refusal
        for start in range(0, len(storable), _BULK_LIMIT):
            outcomes |= await self._create(deployment, storable[start : start + _BULK_LIMIT])
        return outcomes

    async def _create(
        self, deployment: str, batch: Sequence[NewFlowRun]
    ) -> Mapping[str, uuid.UUID | Refusal]:
        if len(batch) > 1:
            believed = await self._create_bulk(deployment, batch)
            if believed is not None:
                return believed
        return {new.idempotency_key: await self._create_one(deployment, new) for new in batch}

    async def _create_bulk(
        self, deployment: str, batch: Sequence[NewFlowRun]
    ) -> Mapping[str, uuid.UUID | Refusal] | None:
        """Create in one transaction of Prefect's; None when its answer must not be believed."""
        deployment_id = self._deployments.get(deployment) or await self.find_deployment(deployment)
        try:
            answer = await self._call(
                "POST",
                f"/deployments/{deployment_id}/create_flow_run/bulk",
                _BULK_ANSWER,
                [new.body() for new in batch],
            )
        except _RequestRefused:
            # One malformed item refuses them all, and a deployment may have been deployed anew.
            return None
        outcomes = [bulk_outcome(item) for item in answer.results]
        if len(outcomes) != len(batch):
            return None
        believed: dict[str, uuid.UUID | Refusal] = {}
        for new, outcome in zip(batch, outcomes, strict=True):
            if outcome is None:
                # An item that failed in the database has rolled back its neighbours too, although
                # they still say CREATED.
                return None
            believed[new.idempotency_key] = outcome
        return believed

    async def _create_one(self, deployment: str, new: NewFlowRun) -> uuid.UUID | Refusal:
        known = self._deployments.get(deployment)
        if known is not None:
            outcome = await self._create_in(known, new)
            if outcome is not None:
                return outcome
        outcome = await self._create_in(await self.find_deployment(deployment), new)
        if outcome is None:
            raise DeploymentMissing(deployment)
        return outcome

    async def _create_in(self, deployment_id: uuid.UUID, new: NewFlowRun) -> uuid.UUID | Refusal | None:
        """None when there is no such deployment: one that is deployed anew may get another id."""
        try:
            path = f"/deployments/{deployment_id}/create_flow_run"
            answer = await self._call("POST", path, _ID, new.body())
        except _RequestRefused as refused:
            return None if refused.status == 404 else refused.refusal()
        return answer.id

    async def find_flow_runs(self, idempotency_keys: Collection[str]) -> dict[str, uuid.UUID]:
        """Which of at most PAGE keys have a flow run already; returns its id by key."""
        found = await self._filter({"idempotency_key": {"any_": sorted(idempotency_keys)}})
        return {run.idempotency_key: run.id for run in found if run.idempotency_key is not None}

    async def read_flow_runs(
        self, ids: Collection[uuid.UUID], *, unlike: tuple[RunState, str] | None = None
    ) -> list[FlowRun]:
        """At most PAGE flow runs by id, as committed; unknown ones are left out.

        `unlike` leaves out those still in that state, by type and name: what has not changed then costs
        Prefect an index lookup instead of a full answer.
        """
        filters: dict[str, Any] = {"id": _any_of(ids)}
        if unlike is not None:
            state, name = unlike
            filters["state"] = {
                "operator": "or_",
                "type": {"not_any_": [state]},
                "name": {"not_any_": [name]},
            }
        return await self._filter(filters)

    async def count_flow_runs(self, ids: Collection[uuid.UUID]) -> int:
        """How many of these flow runs Prefect still has."""
        body = {"flow_runs": {"id": _any_of(ids)}}
        return await self._ask("/flow_runs/count", _COUNT, body)

    async def read_our_flow_runs(self, *, expected_after: datetime, offset: int = 0) -> list[FlowRun]:
        """A page of the flow runs with our tag that were to start after a time, the newest first.

        Flow runs created between two pages move the later ones down: some may be seen twice, none is missed.
        """
        filters = {"tags": {"all_": [TAG]}, "expected_start_time": {"after_": expected_after.isoformat()}}
        return await self._filter(filters, sort="EXPECTED_START_TIME_DESC", offset=offset)

    async def cancel(self, flow_run_id: uuid.UUID, *, force: bool) -> None:
        """Ask Prefect to cancel a flow run; `force` ends it at once, though nobody may be there to stop it.

        Prefect may refuse, or put it into another state than asked: read it afterwards.
        """
        kind = RunState.CANCELLED if force else RunState.CANCELLING
        state = {"type": kind, "name": kind.capitalize(), "message": "Cancelled through Sluice."}
        try:
            await self._call(
                "POST", f"/flow_runs/{flow_run_id}/set_state", _ANYTHING, {"state": state, "force": force}
            )
        except _RequestRefused as refused:
            log.warning("cancellation refused", flow_run=str(flow_run_id), error=refused.message)

    async def _filter(self, filters: Mapping[str, Any], **options: Any) -> list[FlowRun]:
        body = {"flow_runs": filters, "limit": PAGE, **options}
        return await self._ask("/flow_runs/filter", _FLOW_RUNS, body)

    async def _ask(self, path: str, answer: TypeAdapter[Answer], body: Any) -> Answer:
        """A question whose refusal would mean that we do not speak with the Prefect we know."""
        try:
            return await self._call("POST", path, answer, body)
        except _RequestRefused as refused:
            raise PrefectUnavailable(
                f"Prefect does not understand {path}: {refused.message}. Check SLUICE_PREFECT_API_URL."
            ) from refused

    async def _call(self, method: str, path: str, answer: TypeAdapter[Answer], body: Any = None) -> Answer:
        try:
            response = await self._http.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise PrefectUnavailable(f"Prefect does not answer ({type(error).__name__}).") from error
        if response.is_success:
            try:
                return answer.validate_json(response.content)
            except ValidationError as error:
                raise PrefectUnavailable(
                    f"The answer to {path} is not Prefect's. Check SLUICE_PREFECT_API_URL."
                ) from error
        if response.status_code in {401, 403}:
            raise PrefectUnavailable(
                "Prefect refuses our credentials. Check SLUICE_PREFECT_API_KEY or SLUICE_PREFECT_AUTH_STRING."
            )
        if response.is_client_error and response.status_code not in {408, 425, 429}:
            raise _RequestRefused(response.status_code, _message(response))
        kind = PrefectFailed if response.is_server_error else PrefectUnavailable
        raise kind(f"Prefect answers {response.status_code}.")


def deployment_path(deployment: str) -> str:
    """Where Prefect answers about `flow/deployment`. Raises DeploymentMissing for what is no such name."""
    flow, _, name = deployment.partition("/")
    if not flow or not name:
        raise DeploymentMissing(deployment)
    return f"/deployments/name/{quote(flow, safe='')}/{quote(name, safe='')}"


def _message(response: httpx.Response) -> str:
    """What Prefect says was wrong, without the request it repeats."""
    try:
        answer = response.json()
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        return f"Prefect answers {response.status_code}."
    said = answer.get("detail") or answer.get("exception_detail") or answer.get("exception_message")
    text = said if isinstance(said, str) else json.dumps(said)
    return text[:MESSAGE_LIMIT]


def _any_of(ids: Collection[uuid.UUID]) -> dict[str, list[str]]:
    return {"any_": [str(flow_run_id) for flow_run_id in ids]}


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def _basic(auth_string: str) -> httpx.BasicAuth:
    user, _, password = auth_string.partition(":")
    return httpx.BasicAuth(user, password)
