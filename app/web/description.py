"""The API's description: what FastAPI cannot know from the endpoints, said once for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from app import standard_webhooks
from app.web import examples, webhooks
from app.web.problems import Problem

_DESCRIPTION = """\
Every event that reaches the gateway becomes one row in PostgreSQL before it is answered, one flow run in
Prefect soon after, and one status that can be watched until it ends.

**Who calls what.** SNS sends to `/v1/sns`. The loan app registers applications, lets applicants upload and
follows the status. The underwriting tool decides, and is told of each document (*Webhooks*). Operators read
everything, cancel and replay runs, and let refused messages in.

**Proving who you are.** An API key as `Authorization: Bearer …`; what it opens depends on its role, which
each endpoint names. A decision may be signed by [Standard Webhooks](https://www.standardwebhooks.com)
instead. SNS signs its messages in their body.

**Errors** are problem details (RFC 9457, `application/problem+json`) of one shape; tell them apart by
`type`, never by `title` or `detail`. Where trying again can help, the answer has `Retry-After`. A path that
does not exist is 404 (`urn:sluice:problem:http-404`), a method that it does not have 405 with `Allow`.

**Every answer** carries `X-Request-Id`, the caller's own if it sent one of letters, digits, `.`, `_` and
`-`.
"""

_TAGS = [
    {
        "name": "SNS",
        "description": "The HTTPS subscription. SNS repeats what is answered 5xx and gives up after a 4xx.",
    },
    {"name": "Applications", "description": "The loan app: register, upload, follow the status."},
    {"name": "Decisions", "description": "The underwriting tool: decide once, and follow what came of it."},
    {"name": "Documents", "description": "What became of an upload, and what was read from it."},
    {"name": "Runs", "description": "One cause on one route, from its acceptance to its end in Prefect."},
    {"name": "Quarantine", "description": "Refused messages that SNS had signed. For operators."},
    {"name": "Operations", "description": "For the platform. Keep these inside."},
    {"name": "Webhooks", "description": "What the gateway's flows send to the underwriting tool."},
]


def operation_id(route: APIRoute) -> str:
    """The endpoint's function name: generated clients call their methods so."""
    return route.name


PAGE: dict[str, Any] = {
    "title": "Sluice",
    "summary": "The ingestion gateway in front of Prefect: every event becomes exactly one flow run.",
    "description": _DESCRIPTION,
    "license_info": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    "servers": [{"url": "/", "description": "This gateway"}],
    "openapi_tags": _TAGS,
    "webhooks": webhooks.router,
    "generate_unique_id_function": operation_id,
}
"""What `FastAPI` is told of the API as a whole."""


def _signature_header(name: str, says: str) -> dict[str, str]:
    return {"type": "apiKey", "in": "header", "name": name, "description": says}


SIGNATURE_SCHEMES = {
    "WebhookId": _signature_header(
        standard_webhooks.ID_HEADER,
        "Standard Webhooks: new for each message, the same for each attempt to send it; the idempotency key.",
    ),
    "WebhookTimestamp": _signature_header(
        standard_webhooks.TIMESTAMP_HEADER,
        "Standard Webhooks: seconds since 1970, of this attempt; at most five minutes from our clock.",
    ),
    "WebhookSignature": _signature_header(
        standard_webhooks.SIGNATURE_HEADER,
        "Standard Webhooks: `v1,` and the base64 of HMAC-SHA256, by a shared secret, over "
        "`{webhook-id}.{webhook-timestamp}.{body}`. Several may stand here, with a space between.",
    ),
}
"""The three headers of a signature. A requirement names all of them: they only go together."""


def install(app: FastAPI) -> None:
    """Let the application answer with the complete description."""
    generate = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            _complete(generate())
        return generate()

    app.openapi = described  # type: ignore[method-assign] # FastAPI's documented way to extend it


def _complete(document: dict[str, Any]) -> None:
    components = document["components"]
    components["schemas"]["Problem"] = Problem.model_json_schema()
    components["securitySchemes"] |= SIGNATURE_SCHEMES
    for name, example in examples.BY_MODEL.items():
        if name in components["schemas"]:
            components["schemas"][name]["examples"] = [example]
    for operation in _operations(document):
        roles = [role for way in operation.get("security", []) for role in way.get("ApiKey", [])]
        if roles:
            keys = ", ".join(f"`{role}`" for role in roles)
            operation["description"] += f"\n\n**API key's role:** {keys}"
        # FastAPI's own description of a body that is not valid; ours is a problem, and said everywhere.
        invalid = operation["responses"].get("422", {}).get("content", {})
        if "application/problem+json" not in invalid:
            operation["responses"].pop("422", None)
    for unused in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)


def _operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for paths in (document["paths"], document["webhooks"]):
        for path in paths.values():
            yield from path.values()
