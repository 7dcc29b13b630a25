"""The routes file: which event starts which deployment with which parameters.

A file is TOML with one `[[route]]` per route:

    name        unique; lower-case letters, digits and hyphens
    source      "s3" (an S3 event), "sns" (any other message on a topic) or "decision"
    deployment  "flow/deployment", as Prefect writes it
    parameters  table of the flow's parameters; texts may hold {placeholders}
    topic       exact ARN (s3, sns); absent: any topic that is allowed to send
    event       pattern of S3 event names such as "ObjectCreated:*" (s3; this is the default)
    bucket      exact name (s3); absent: any bucket
    key         template of object keys such as "scans/{batch}/{filename}" (s3); absent: any key
    work_queue  of Prefect's work pool; absent: the deployment's own
    priority    whole number, lower goes first; 100 when absent
    tags        list, given to the flow run

Parameters are stored and shown by Prefect, so a route passes ids, never personal data. A file is taken
whole or not at all.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from importlib import resources
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from app.errors import Misconfigured

Source = Literal["s3", "sns", "decision"]

APPLICATION_ID = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
"""The loan app's ids: safe in a URL path, an S3 key and a log line."""

_PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")

_VALUES: dict[Source, frozenset[str]] = {
    "s3": frozenset({"bucket", "key", "version_id", "event_name", "notification_id"}),
    "sns": frozenset({"notification_id", "message_id", "topic_arn"}),
    "decision": frozenset({"decision_id", "application_id"}),
}
"""What a route's parameters may name, by source; an S3 route adds what its key template captures."""

_OF_A_DOCUMENT = frozenset({"application_id", "document_id"})
"""Known to a route that records documents."""

_ONLY_FOR: dict[str, frozenset[Source]] = {
    "topic": frozenset({"s3", "sns"}),
    "event": frozenset({"s3"}),
    "bucket": frozenset({"s3"}),
    "key": frozenset({"s3"}),
}


def _shape(pattern: str, meaning: str) -> AfterValidator:
    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"must be {meaning}")
        return text

    return AfterValidator(check)


Text = Annotated[str, _shape(r"[^\x00]{1,1024}", "text of 1 to 1,024 characters, NUL excepted")]
Name = Annotated[str, _shape(r"[a-z0-9][a-z0-9-]{0,63}", "1 to 64 lower-case letters, digits and hyphens")]
Deployment = Annotated[str, _shape(r"[^/\x00]+/[^/\x00]+", '"flow/deployment", as Prefect writes it')]
TopicArn = Annotated[str, _shape(r"arn:aws[a-z-]*:sns:[^:]+:\d{12}:[^:]+", "an SNS topic's ARN")]


class Route(BaseModel):
    """One `[[route]]`, as the file says it."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    name: Name
    source: Source
    deployment: Deployment
    parameters: dict[str, Any] = {}
    topic: TopicArn | None = None
    event: Text = "ObjectCreated:*"
    bucket: Text | None = None
    key: Text | None = None
    work_queue: Text | None = None
    priority: int = 100
    tags: Annotated[tuple[Text, ...], Field(strict=False)] = ()

    @model_validator(mode="after")
    def _can_work(self) -> Self:
        for field, sources in _ONLY_FOR.items():
            if field in self.model_fields_set and self.source not in sources:
                raise ValueError(f'"{field}" means nothing to a route with source "{self.source}"; remove it')
        if self.event.startswith("s3:"):
            raise ValueError(f'event "{self.event}" never matches: event names arrive without "s3:"')
        known = self.values
        for placeholder in _placeholders(self.parameters):
            if placeholder not in known:
                raise ValueError(
                    f'no value is known for "{{{placeholder}}}" in parameters; '
                    f"known here: {', '.join(sorted(known))}"
                )
        return self

    @property
    def values(self) -> frozenset[str]:
        """The names its parameters may use. Raises ValueError for a key template that cannot work."""
        known = _VALUES[self.source] | frozenset(self.key_pattern.groupindex)
        return known | _OF_A_DOCUMENT if self.records_document else known

    @property
    def records_document(self) -> bool:
        """Whether its events are uploads to an application: created objects whose key names one."""
        return "application_id" in self.key_pattern.groupindex and self.event.startswith("ObjectCreated:")

    @cached_property
    def key_pattern(self) -> re.Pattern[str]:
        """The key template as a pattern for a whole key. A capture matches one path segment."""
        if self.key is None:
            return re.compile(r".*", re.DOTALL)
        captures: set[str] = set()
        return re.compile("/".join(_segment(part, captures) for part in self.key.split("/")))

    def render(self, values: Mapping[str, str]) -> dict[str, Any]:
        """The flow's parameters, with every placeholder filled from `values`."""
        return {name: _fill(template, values) for name, template in self.parameters.items()}


@dataclass(frozen=True)
class Match:
    """A route an event is to take, and what its key template captured."""

    route: Route
    captures: Mapping[str, str]


@dataclass(frozen=True)
class Routes:
    """All routes of one file, in its order. An event takes every route that matches it."""

    all: tuple[Route, ...]

    def for_object(self, *, topic_arn: str, event_name: str, bucket: str, key: str) -> list[Match]:
        """The routes for one S3 event. `event_name` is without `s3:`, `key` is decoded."""
        matches = []
        for route in self._of("s3", topic_arn):
            if route.bucket not in {None, bucket} or not fnmatchcase(event_name, route.event):
                continue
            if found := route.key_pattern.fullmatch(key):
                matches.append(Match(route, found.groupdict()))
        return matches

    def for_message(self, topic_arn: str) -> list[Match]:
        """The routes for a message that is not an S3 event."""
        return [Match(route, {}) for route in self._of("sns", topic_arn)]

    def for_decision(self) -> list[Match]:
        """The routes for an underwriting decision."""
        return [Match(route, {}) for route in self.all if route.source == "decision"]

    def _of(self, source: Source, topic_arn: str) -> Iterator[Route]:
        return (route for route in self.all if route.source == source and route.topic in {None, topic_arn})


def load(text: str, source_name: str) -> Routes:
    """Read a routes file. Raises Misconfigured, which names the file and each problem by line and route."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(f"{source_name} is not TOML: {error}.") from None
    tables = content.pop("route", [])
    if content or not isinstance(tables, list) or not tables:
        raise Misconfigured(f"{source_name} must hold one or more [[route]] tables and nothing else.")
    lines = _header_lines(text)
    routes: list[Route] = []
    problems: list[str] = []
    for number, table in enumerate(tables):
        where = f"line {lines[number]}" if len(lines) == len(tables) else f"route number {number + 1}"
        if isinstance(table, dict) and "name" in table:
            where += f', route "{table["name"]}"'
        try:
            route = Route.model_validate(table)
        except ValidationError as error:
            problems.append(f"{where}: {_reasons(error)}")
            continue
        if any(route.name == other.name for other in routes):
            problems.append(f"{where}: another route has this name")
        routes.append(route)
    if problems:
        raise Misconfigured(f"{source_name} cannot be used. " + ". ".join(problems) + ".")
    return Routes(tuple(routes))


def shipped() -> Routes:
    """The loan routes that come with the package."""
    return load(resources.files("app").joinpath("routes.toml").read_text("utf-8"), "routes.toml")


def _segment(part: str, captures: set[str]) -> str:
    """One path segment of a key template as a pattern: literal text, or one capture."""
    capture = _PLACEHOLDER.fullmatch(part)
    if capture is None:
        if "{" in part or "}" in part or not part:
            raise ValueError(f'"{part}" in key must be plain text or one {{capture}} between slashes')
        return re.escape(part)
    name = capture[1]
    if name in captures or name in _VALUES["s3"] or name == "document_id":
        raise ValueError(f'"{{{name}}}" in key is already the name of something else')
    captures.add(name)
    return f"(?P<{name}>{APPLICATION_ID if name == 'application_id' else '[^/]+'})"


def _placeholders(template: Any) -> Iterator[str]:
    match template:
        case str():
            if "{" in (rest := _PLACEHOLDER.sub("", template)) or "}" in rest:
                raise ValueError(f'"{template}" in parameters has a brace that belongs to no {{placeholder}}')
            if "\x00" in template:
                raise ValueError("parameters hold a NUL character, which Prefect cannot store")
            yield from _PLACEHOLDER.findall(template)
        case dict():
            for value in template.values():
                yield from _placeholders(value)
        case list():
            for value in template:
                yield from _placeholders(value)
        case bool() | int() | float():
            pass
        case _:
            raise ValueError(f"{template!r} in parameters is not a JSON value; write it as text")


def _fill(template: Any, values: Mapping[str, str]) -> Any:
    match template:
        case str():
            return _PLACEHOLDER.sub(lambda found: values[found[1]], template)
        case dict():
            return {name: _fill(value, values) for name, value in template.items()}
        case list():
            return [_fill(value, values) for value in template]
        case _:
            return template


def _header_lines(text: str) -> list[int]:
    """The line of each `[[route]]`, counted from 1; tomllib does not say where a table stood."""
    header = re.compile(r"\s*\[\[\s*route\s*\]\]")
    return [number for number, line in enumerate(text.splitlines(), start=1) if header.match(line)]


def _reasons(error: ValidationError) -> str:
    reasons = []
    for problem in error.errors(include_url=False, include_context=False):
        place = ".".join(str(part) for part in problem["loc"])
        message = problem["msg"].removeprefix("Value error, ")
        reasons.append(f"{place}: {message}" if place else message)
    return "; ".join(reasons)
