"""A Prefect worker that runs drills inside its own process: `python -m tests.faults.drill_worker`.

It is Prefect's own worker in everything but the process it would start for each run, which costs two
seconds of CPU. Killing it leaves its runs as dead as those of any other.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

import anyio.abc
from prefect.client.schemas.objects import FlowRun
from prefect.flow_engine import run_flow_async
from prefect.workers.base import BaseJobConfiguration, BaseVariables, BaseWorker, BaseWorkerResult

from tests.faults.flows import drill

WORK_POOL = "drills"
WORK_POOL_TYPE = "drill"


class DrillResult(BaseWorkerResult):
    """Always 0: how the flow ended, it has told Prefect itself."""


class DrillWorker(BaseWorker[BaseJobConfiguration, BaseVariables, DrillResult]):
    type = WORK_POOL_TYPE
    job_configuration = BaseJobConfiguration

    async def run(
        self,
        flow_run: FlowRun,
        configuration: BaseJobConfiguration,  # noqa: ARG002 (Prefect's signature)
        task_status: anyio.abc.TaskStatus[int] | None = None,
    ) -> DrillResult:
        """Run the flow here and now."""
        if task_status is not None:
            task_status.started(os.getpid())
        parameters: dict[str, Any] = dict(flow_run.parameters)
        await run_flow_async(drill, flow_run=flow_run, parameters=parameters, return_type="state")
        return DrillResult(identifier=str(flow_run.id), status_code=0)


if __name__ == "__main__":
    asyncio.run(DrillWorker(WORK_POOL, create_pool_if_not_found=False, limit=20).start())
