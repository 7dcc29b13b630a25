"""Flow runs as Prefect's REST API speaks of them: what creates them, and what it answers.

Bodies and answers only; asking is app/prefect_client.py's.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from app.models import RunState

TAG = "sluice"
"""On every flow run we create, so that its events and the runs themselves can be told from others."""

MESSAGE_LIMIT = 1_000
"""Characters that we keep of what Prefect says was wrong."""


@dataclass(frozen=True)
class Refusal:
    """Why Prefect did not create a flow run. A permanent one is repeated however often it is asked."""

    message: str
    permanent: bool


@dataclass(frozen=True)
class NewFlowRun:
    """A flow run to create. Prefect stores and shows all of it."""

    idempotency_key: str
    name: str
    parameters: Mapping[str, Any]
    tags: Sequence[str] = ()
    work_queue: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """As Prefect's DeploymentFlowRunCreate."""
        body: dict[str, Any] = {
            "idempotency_key": self.idempotency_key,
            "name": self.name,
            "parameters": dict(self.parameters),
            "tags": [*self.tags, TAG],
        }
        if self.work_queue is not None:
            body["work_queue_name"] = self.work_queue
        if self.labels:
            body["labels"] = dict(self.labels)
        return body


class FlowRunState(BaseModel):
    """A state as Prefect tells it: its type, its name and when the run entered it."""

    type: RunState
    name: str
    timestamp: datetime


class FlowRun(BaseModel):
    """A flow run as Prefect has committed it."""

    id: uuid.UUID
    idempotency_key: str | None = None
    state: FlowRunState


class BulkItem(BaseModel):
    """What Prefect says of one flow run of a bulk creation."""

    flow_run_id: uuid.UUID | None = None
    status: str
    error: str | None = None


class BulkAnswer(BaseModel):
    """Prefect's answer to a bulk creation: an item for each flow run, in the order asked."""

    results: list[BulkItem]


def bulk_outcome(item: BulkItem) -> uuid.UUID | Refusal | None:
    """What became of one item, or None when it casts doubt on all the others."""
    if item.status == "CREATED":
        return item.flow_run_id
    if (item.error or "").startswith("Parameter validation failed"):
        return Refusal((item.error or "")[:MESSAGE_LIMIT], permanent=True)
    return None


def refusal_of(value: Any) -> Refusal | None:
    """Why a parameter must not be sent to Prefect at all."""
    if isinstance(value, str):
        # PostgreSQL cannot store it, and Prefect would answer 503 for ever.
        return Refusal("A parameter holds a NUL character.", permanent=True) if "\0" in value else None
    if isinstance(value, Mapping):
        # Prefect would run it as a template, with its variables in reach.
        if "__prefect_kind" in value:
            return Refusal(
                "A parameter holds `__prefect_kind`, which Prefect would evaluate.", permanent=True
            )
        return refusal_of([*value.keys(), *value.values()])
    if isinstance(value, list | tuple):
        return next((refusal for item in value if (refusal := refusal_of(item))), None)
    return None
