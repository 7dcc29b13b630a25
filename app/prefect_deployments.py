"""What Prefect knows of a deployment and of the work queue that its runs are put in."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from pydantic import BaseModel, TypeAdapter

from app.prefect_client import DeploymentMissing, PrefectClient, deployment_path


class Deployment(BaseModel):
    """A deployment, as far as it says which flow runs it accepts."""

    work_pool_name: str | None = None
    parameters: dict[str, Any] = {}
    """Its own values, for the parameters that a flow run is not given."""
    parameter_openapi_schema: dict[str, Any] | None = None
    """JSON Schema (draft 2020-12) of the flow's parameters."""
    enforce_parameter_schema: bool = False
    """Whether Prefect refuses flow runs whose parameters do not fit the schema."""


class WorkQueue(BaseModel):
    """A queue of a work pool."""

    is_paused: bool = False


_DEPLOYMENT = TypeAdapter(Deployment)
_WORK_QUEUE = TypeAdapter(WorkQueue)


async def read_deployment(prefect: PrefectClient, deployment: str) -> Deployment:
    """The deployment `flow/deployment`. Raises DeploymentMissing, PrefectUnavailable."""
    found = await prefect.look_up(deployment_path(deployment), _DEPLOYMENT)
    if found is None:
        raise DeploymentMissing(deployment)
    return found


async def read_work_queue(prefect: PrefectClient, pool: str, queue: str) -> WorkQueue | None:
    """A queue by the names of its pool and its own; None when there is none. Raises PrefectUnavailable."""
    path = f"/work_pools/{quote(pool, safe='')}/queues/{quote(queue, safe='')}"
    return await prefect.look_up(path, _WORK_QUEUE)
