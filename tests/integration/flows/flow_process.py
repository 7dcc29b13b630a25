"""Runs flows in a process of their own, as a worker does: a request per line in, the final state out.

One process serves many tests, since importing Prefect takes longer than most flows. It is a process and
not the test's own, because Prefect leaves connections to the garbage collector, which our tests call a
failure.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from typing import Any

from prefect.logging.handlers import APILogHandler

from flows.daily_etl import daily_etl
from flows.document_verification import document_verification
from flows.underwriting_decision import underwriting_decision

FLOWS: dict[str, Callable[..., Any]] = {
    "daily-etl": daily_etl,
    "document-verification": document_verification,
    "underwriting-decision": underwriting_decision,
}


async def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    while line := await asyncio.to_thread(sys.stdin.readline):
        request = json.loads(line)
        os.environ.update(request["environment"])
        state = await FLOWS[request["flow"]](*request["arguments"], **request["named"], return_state=True)
        for name in request["environment"]:
            del os.environ[name]
        await APILogHandler.aflush()
        print(json.dumps([state.type, state.name, state.message]), file=answers, flush=True)


asyncio.run(main())
