"""What every flow run shares: its settings and database, and the rule about what may reach Prefect.

Prefect stores and shows parameters, state messages, logs and exceptions. So parameters are ids, no result
is persisted but numbers, and an exception leaves a task only with a message that holds no personal data.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, ParamSpec, TypeVar

from prefect import Task
from prefect.cache_policies import NO_CACHE, CachePolicy
from prefect.client.schemas.objects import State, TaskRun
from prefect.task_engine import TaskRunTimeoutError
from pydantic import ValidationError

from app import tracing
from app.db import Sessions, create_engine, session_factory, unavailable
from app.errors import Misconfigured, SluiceError
from app.settings import Settings, TracingSettings
from flows.discretion import UnexpectedError, describe

P = ParamSpec("P")
R = TypeVar("R")

PATIENT = (1, 2, 4, 8, 15, 30, 60)
"""Seconds between the attempts of a step whose trouble may pass: two minutes outlast a restart."""


# Prefect begins a flow run's span once it has imported the flow, and before it calls it.
tracing.export_from_flows(TracingSettings())


class Context:
    """What a run works with. No dataclass: Prefect walks through those among a task's arguments.

    And with slots: of a subflow's arguments Prefect stores whatever it can take apart.
    """

    __slots__ = ("sessions", "settings")

    def __init__(self, settings: Settings, sessions: Sessions) -> None:
        self.settings = settings
        self.sessions = sessions


@asynccontextmanager
async def opened() -> AsyncIterator[Context]:
    """Settings from the environment and an engine that lives as long as the run.

    Raises Misconfigured, which names the settings that cannot work but not their values.
    """
    try:
        settings = Settings()
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise Misconfigured(f"The worker's {error.title} is not valid: {problems}.") from None
    engine = create_engine(settings.database, application_name="sluice-flow")
    try:
        yield Context(settings, session_factory(engine))
    finally:
        await engine.dispose()


@contextmanager
def discreet() -> Iterator[None]:
    """Let out only errors whose text we wrote: any other may quote a row, a URL or a line of a document.

    Their causes are cut off, since Prefect logs the whole chain. Trouble with the database that passes
    becomes DatabaseUnavailable.
    """
    try:
        yield
    except (SluiceError, UnexpectedError, TaskRunTimeoutError) as error:
        raise error from None
    except Exception as error:
        raise (unavailable(error) or UnexpectedError(describe(error))) from None


def transient(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Whether trying again can help."""
    return isinstance(state.data, SluiceError) and state.data.retryable


def step(
    *,
    timeout: float,
    retry_delays: Sequence[float] = (),
    retry_if: Callable[[Task[..., Any], TaskRun, State[Any]], bool] = transient,
    cached_by: CachePolicy = NO_CACHE,
) -> Callable[[Callable[P, Coroutine[Any, Any, R]]], Task[P, Coroutine[Any, Any, R]]]:
    """A Prefect task whose errors are discreet. Times are in seconds.

    Its result is not persisted unless it is `cached_by` something. Prefect then keeps it as JSON in the
    clear, so it must be such as anybody may read.
    """

    def wrap(function: Callable[P, Coroutine[Any, Any, R]]) -> Task[P, Coroutine[Any, Any, R]]:
        @functools.wraps(function)
        async def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            with discreet():
                return await function(*args, **kwargs)

        return Task(
            guarded,
            name=function.__name__.replace("_", "-"),
            persist_result=cached_by is not NO_CACHE,
            result_serializer="json",
            cache_policy=cached_by,
            retries=len(retry_delays),
            retry_delay_seconds=list(retry_delays),
            retry_condition_fn=retry_if,
            timeout_seconds=timeout,
        )

    return wrap
