"""The routes file: which event starts which deployment with which parameters.

A file is TOML with one `[[route]]` per route; docs/routes.md describes every key and placeholder.

Parameters are stored and shown by Prefect, so a route passes ids, never personal data. A file is taken
whole or not at all.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cached_property
from importlib import resources
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from app.errors import Misconfigured

SHIPPED = "routes.toml"
"""The loan routes, a file beside this module."""

Source = Literal["s3", "sns", "decision"]

APPLICATION_ID = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
"""The loan app's ids: safe in a URL path, an S3 key and a log line."""

KIND = r"[a-z][a-z0-9-]{0,31}"
"""What a picture shows, such as `license-front`, in the loan app's words."""

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
    "requires": frozenset({"s3"}),
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
Kind = Annotated[str, _shape(KIND, "1 to 32 lower-case letters, digits and hyphens, the first a letter")]
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
    priority: Annotated[int, Field(ge=0, le=1_000)] = 100
    tags: Annotated[tuple[Text, ...], Field(strict=False)] = ()
    requires: Annotated[tuple[Kind, ...], Field(strict=False)] = ()
    """The kinds of documents that an application on this route needs, in the order to ask for them."""

    @model_validator(mode="after")
    def _can_work(self) -> Self:
        for key, sources in _ONLY_FOR.items():
            if key in self.model_fields_set and self.source not in sources:
                raise ValueError(f'"{key}" means nothing to a route with source "{self.source}"; remove it')
        if self.event.startswith("s3:"):
            raise ValueError(f'event "{self.event}" never matches: event names arrive without "s3:"')
        if self.requires:
            self._check_requires()
        known = self.values
        for placeholder in _placeholders(self.parameters):
            if placeholder not in known:
                raise ValueError(
                    f'no value is known for "{{{placeholder}}}" in parameters; '
                    f"known here: {', '.join(sorted(known))}"
                )
        return self

    def _check_requires(self) -> None:
        if not (self.records_document and "kind" in self.key_pattern.groupindex):
            raise ValueError(
                '"requires" needs a key with {application_id} and {kind}, of created objects: '
                "from elsewhere no document of a kind can come"
            )
        if len(set(self.requires)) != len(self.requires):
            raise ValueError('"requires" names a kind twice')

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
    only: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The names of the routes open to a topic, by ARN. A topic that is not here may take any."""

    def limited(self, allowed: Mapping[str, Collection[str]]) -> Routes:
        """With only these routes open to each topic, by ARN; no names at all leave a topic every route.

        Raises Misconfigured for a name that no message of the topic can take.
        """
        only = {topic_arn: frozenset(names) for topic_arn, names in allowed.items() if names}
        for topic_arn, names in only.items():
            reachable = {route.name for route in self.all if _reaches(topic_arn, route)}
            if unknown := sorted(names - reachable):
                raise Misconfigured(
                    f"SLUICE_SNS_TOPICS sends {topic_arn} to {', '.join(unknown)}, which it cannot take. "
                    f"Routes it can take: {', '.join(sorted(reachable)) or 'none'}."
                )
        return replace(self, only=only)

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
        only = self.only.get(topic_arn)
        return (
            route
            for route in self.all
            if route.source == source and _reaches(topic_arn, route) and (only is None or route.name in only)
        )


@dataclass(frozen=True)
class Entry:
    """One `[[route]]` as it stands in the file: the route, or the problem that keeps it from being one."""

    place: str
    """Such as `line 3, route "scans"`."""
    route: Route | None
    problem: str | None = None


def load(text: str, source_name: str) -> Routes:
    """Read a routes file. Raises Misconfigured, which names the file and each problem by line and route."""
    entries = parse(text, source_name)
    problems = [f"{entry.place}: {entry.problem}" for entry in entries if entry.problem is not None]
    if problems:
        raise Misconfigured(f"{source_name} cannot be used. {'. '.join(problems)}.")
    return Routes(tuple(entry.route for entry in entries if entry.route is not None))


def parse(text: str, source_name: str) -> list[Entry]:
    """Every `[[route]]` of a routes file, good or bad. Raises Misconfigured for what is no such file."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(f"{source_name} is not TOML: {error}.") from None
    tables = content.pop("route", [])
    if content or not isinstance(tables, list) or not tables:
        raise Misconfigured(f"{source_name} must hold one or more [[route]] tables and nothing else.")
    lines = _header_lines(text)
    entries: list[Entry] = []
    for number, table in enumerate(tables):
        place = f"line {lines[number]}" if len(lines) == len(tables) else f"route number {number + 1}"
        if isinstance(table, dict) and "name" in table:
            place += f', route "{table["name"]}"'
        taken = {entry.route.name for entry in entries if entry.route is not None}
        entries.append(_entry(place, table, taken))
    return entries


def _entry(place: str, table: Any, taken: Collection[str]) -> Entry:
    try:
        route = Route.model_validate(table)
    except ValidationError as error:
        return Entry(place, None, _reasons(error))
    return Entry(place, route, "another route has this name" if route.name in taken else None)


def _reaches(topic_arn: str, route: Route) -> bool:
    """Whether messages of the topic can take the route at all."""
    return route.source in _ONLY_FOR["topic"] and route.topic in {None, topic_arn}


def shipped() -> Routes:
    """The loan routes that come with the package."""
    return load(shipped_text(), SHIPPED)


def shipped_text() -> str:
    """Their file."""
    return resources.files("app").joinpath(SHIPPED).read_text("utf-8")


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
            for name, value in template.items():
                _check_name(name)
                yield from _placeholders(value)
        case list():
            for value in template:
                yield from _placeholders(value)
        case int() if -(2**63) <= template < 2**63:  # true and false among them
            pass
        case float() if math.isfinite(template):
            pass
        case _:
            raise ValueError(f"{template!r} in parameters is not a JSON value; write it as text")


def _check_name(name: str) -> None:
    if name == "__prefect_kind":
        raise ValueError('"__prefect_kind" in parameters would make Prefect evaluate them; rename it')
    if re.search(r"[\x00{}]", name):
        raise ValueError(f'the name "{name}" in parameters must hold no NUL and no brace')


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
        plain = {"missing": "is needed", "extra_forbidden": "is not a key of a route"}.get(problem["type"])
        message = plain or problem["msg"].removeprefix("Value error, ")
        reasons.append(f"{place}: {message}" if place else message)
    return "; ".join(reasons)
