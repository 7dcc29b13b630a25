"""A flow that costs next to nothing, so that hundreds of causes can run while things break."""

from __future__ import annotations

import asyncio

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed


@flow(name="drill", persist_result=False)
async def drill(cause: str) -> State[None]:
    """Take a moment, then end; one in ten fails, so that not all ends are alike."""
    await asyncio.sleep(0.5)
    if cause.endswith("7"):
        return Failed(message="As drilled.")
    return Completed(message="As drilled.")
