"""Whether a live Prefect will accept what a route sends, asked before any event depends on it.

The parameters of a route are templates, so they are checked by an example: ids are UUIDs, and a
placeholder whose text only an event can tell stands for itself. Of such text only the type is checked.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend
from referencing import Registry
from referencing.exceptions import Unresolvable

from app.prefect_client import DeploymentMissing, PrefectClient
from app.prefect_deployments import Deployment, read_deployment, read_work_queue
from app.routing import Route

_AN_ID = "01987654-3210-7000-8000-0123456789ab"
_IDS = ("notification_id", "message_id", "document_id", "decision_id")


@dataclass(frozen=True)
class Finding:
    """What is to be said of a route, in sentences. Problems keep it from working; warnings may."""

    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def __add__(self, other: Finding) -> Finding:
        return Finding(self.problems + other.problems, self.warnings + other.warnings)


async def check(prefect: PrefectClient, route: Route, topics: Collection[str]) -> Finding:
    """Ask Prefect about one route. `topics` are the ARNs that may send. Raises PrefectUnavailable."""
    try:
        deployment = await read_deployment(prefect, route.deployment)
    except DeploymentMissing as missing:
        return Finding((str(missing),))
    names = Finding(tuple(_wrong_names(route, deployment)), tuple(_topic_unlisted(route, topics)))
    return names + _check_types(route, deployment) + await _check_queue(prefect, route, deployment)


def _wrong_names(route: Route, deployment: Deployment) -> Iterator[str]:
    schema = deployment.parameter_openapi_schema
    if not schema:
        return
    known = schema.get("properties", {}).keys()
    for name in route.parameters:
        if name not in known:
            yield f'the flow has no parameter "{name}"; it has {", ".join(known) or "none"}'
    for name in schema.get("required", []):
        if name not in route.parameters and name not in deployment.parameters:
            yield f'the flow needs the parameter "{name}"'


def _check_types(route: Route, deployment: Deployment) -> Finding:
    """What Prefect would refuse is a problem; what it leaves to the flow, which converts much, a warning.

    Prefect checks no formats, such as "uuid", and nothing where the schema is not enforced.
    """
    refused = tuple(_wrong_types(route, deployment))
    formats = Draft202012Validator.FORMAT_CHECKER
    doubtful = tuple(said for said in _wrong_types(route, deployment, formats) if said not in refused)
    return (
        Finding(refused, doubtful) if deployment.enforce_parameter_schema else Finding((), refused + doubtful)
    )


def _wrong_types(route: Route, deployment: Deployment, formats: FormatChecker | None = None) -> Iterator[str]:
    schema = deployment.parameter_openapi_schema or {}
    validator = _Validator(schema, format_checker=formats, registry=Registry())  # which fetches nothing
    try:
        for error in validator.iter_errors(_example(route)):
            if error.absolute_path:  # what concerns no single parameter concerns their names
                yield f'parameter "{".".join(map(str, error.absolute_path))}": {error.message}'
    except Unresolvable as error:
        yield f"the flow's parameter schema cannot be used: {error}"


def _example(route: Route) -> dict[str, Any]:
    """What the route might send."""
    known = {"topic_arn": route.topic, "bucket": route.bucket, **dict.fromkeys(_IDS, _AN_ID)}
    captured = route.key_pattern.groupindex
    return route.render(
        {name: (None if name in captured else known.get(name)) or f"{{{name}}}" for name in route.values}
    )


def _topic_unlisted(route: Route, topics: Collection[str]) -> Iterator[str]:
    if route.topic is not None and route.topic not in topics:
        yield f"topic {route.topic} is not in SLUICE_SNS_TOPICS, so nothing takes this route"


async def _check_queue(prefect: PrefectClient, route: Route, deployment: Deployment) -> Finding:
    queue, pool = route.work_queue, deployment.work_pool_name
    if queue is None:
        return Finding()
    if pool is None:
        return Finding((f'work_queue "{queue}" needs a work pool, and the deployment has none',))
    found = await read_work_queue(prefect, pool, queue)
    if found is None:
        missing = f'work pool "{pool}" has no work queue "{queue}" yet; Prefect makes it with the first run'
        return Finding(warnings=(f"{missing}, and a worker that names its queues must name it",))
    return Finding(warnings=(f'work queue "{queue}" is paused',) if found.is_paused else ())


_Keyword = Callable[[Any, Any, Any, Any], Iterator[ValidationError] | None]


def _of_known_text(keyword: _Keyword) -> _Keyword:
    """The keyword, satisfied by text that holds a placeholder: braces mark nothing else."""

    def check(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError] | None:
        if isinstance(instance, str) and "{" in instance:
            return None
        return keyword(validator, value, instance, schema)

    return check


_Validator = extend(
    Draft202012Validator,
    {
        name: _of_known_text(Draft202012Validator.VALIDATORS[name])
        for name in ("const", "enum", "format", "maxLength", "minLength", "pattern")
    },
)
