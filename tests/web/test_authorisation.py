"""Who may do what: every endpoint with every role, and with none.

The table is the whole truth: an endpoint that is not in it fails the test, whoever adds it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from app import standard_webhooks
from app.models import Role
from tests.web.conftest import Headers

NOBODY, WRONG_KEY, SIGNATURE = "nobody", "wrong key", "underwriting tool's signature"

ANYBODY = frozenset([NOBODY, WRONG_KEY, SIGNATURE, *Role])
OPERATOR = frozenset({Role.OPERATOR})
LOAN_APP = frozenset({Role.LOAN_APP})
UNDERWRITER = frozenset({Role.UNDERWRITER, SIGNATURE})
READERS = frozenset(Role)

MATRIX: dict[tuple[str, str], frozenset[str]] = {
    # Whoever signs rightly may; a key changes nothing.
    ("POST", "/v1/sns"): ANYBODY,
    ("GET", "/v1/sns"): ANYBODY,
    ("PUT", "/v1/applications/{application_id}"): LOAN_APP,
    ("POST", "/v1/applications/{application_id}/uploads"): LOAN_APP,
    ("GET", "/v1/applications/{application_id}"): READERS,
    ("POST", "/v1/applications/{application_id}/decisions"): UNDERWRITER,
    ("GET", "/v1/documents/{document_id}"): READERS,
    ("GET", "/v1/applications/{application_id}/events"): READERS,
    ("GET", "/v1/runs"): READERS,
    ("GET", "/v1/runs/{run_id}"): READERS,
    ("GET", "/v1/runs/{run_id}/events"): READERS,
    ("POST", "/v1/runs/{run_id}/replay"): OPERATOR,
    ("POST", "/v1/runs/{run_id}/cancel"): OPERATOR,
    ("POST", "/v1/runs/replay"): OPERATOR,
    ("GET", "/v1/quarantine"): OPERATOR,
    ("POST", "/v1/quarantine/{entry_id}/release"): OPERATOR,
    ("GET", "/livez"): ANYBODY,
    ("GET", "/readyz"): ANYBODY,
    ("GET", "/metrics"): ANYBODY,
    ("GET", "/docs"): ANYBODY,
    ("GET", "/openapi.json"): ANYBODY,
}
"""From method and path to those who are let in."""

IDS = {"application_id": "A-1"}
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("PUT", "/v1/applications/{application_id}"): {
        "applicant": {"name": "Ada Specimen", "email": "ada@example.com"}
    },
    ("POST", "/v1/applications/{application_id}/uploads"): {
        "kind": "license-front",
        "content_type": "image/jpeg",
    },
    ("POST", "/v1/applications/{application_id}/decisions"): {
        "application_id": IDS["application_id"],
        "outcome": "approved",
        "decided_by": "underwriter-17",
    },
}


def endpoints(routes: Any) -> Iterator[tuple[str, str]]:
    """Method and path of everything that answers, also what the API's description leaves out."""
    for route in routes:
        if included := getattr(route, "original_router", None):
            yield from endpoints(included.routes)
            continue
        for method in route.methods - {"HEAD", "OPTIONS"}:
            yield method, route.path


Credentials = dict[str, Callable[[bytes], Headers]]
"""For each caller the headers that go with a body."""


@pytest.fixture
def credentials(
    loan_app: Headers, underwriter: Headers, operator: Headers, webhook_secret: SecretStr
) -> Credentials:
    return {
        NOBODY: lambda _: {},
        WRONG_KEY: lambda _: {"Authorization": "Bearer sluice_" + "A" * 43},
        SIGNATURE: lambda body: standard_webhooks.sign(webhook_secret, "msg_1", datetime.now(UTC), body),
        Role.LOAN_APP: lambda _: loan_app,
        Role.UNDERWRITER: lambda _: underwriter,
        Role.OPERATOR: lambda _: operator,
    }


def test_every_endpoint_is_in_the_table(app: FastAPI) -> None:
    assert set(endpoints(app.routes)) == set(MATRIX)
    described = {
        (method.upper(), path) for path, operations in app.openapi()["paths"].items() for method in operations
    }
    assert described <= set(MATRIX)


@pytest.mark.parametrize("endpoint", list(MATRIX), ids=" ".join)
async def test_each_caller_is_let_in_exactly_as_the_table_says(
    client: httpx.AsyncClient, credentials: Credentials, endpoint: tuple[str, str]
) -> None:
    method, template = endpoint
    path = template.format_map(_AnyId(IDS))
    body = json.dumps(BODIES[endpoint]).encode() if endpoint in BODIES else b""
    common = {"Content-Type": "application/json", "Idempotency-Key": "decision-1"}
    let_in = set()
    for caller, headers in credentials.items():
        answer = await client.request(method, path, content=body, headers={**common, **headers(body)})
        if answer.status_code in {401, 403}:
            known = caller in set(Role)
            problem = "role-missing" if known else "unauthenticated"
            assert answer.status_code == (403 if known else 401)
            assert answer.json()["type"] == f"urn:sluice:problem:{problem}"
        else:
            assert answer.status_code < 500
            let_in.add(caller)

    assert let_in == MATRIX[endpoint]


async def test_a_key_does_not_open_other_methods(client: httpx.AsyncClient, operator: Headers) -> None:
    for _, template in MATRIX:
        path = template.format_map(_AnyId(IDS))
        allowed = {method for method, other in MATRIX if other == template}
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - allowed:
            answer = await client.request(method, path, headers=operator)
            # 422: the path is another endpoint's too, with a word where it wants an id.
            assert answer.status_code in {404, 405, 422}, f"{method} {path}"


class _AnyId(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "01980000-0000-7000-8000-000000000000"
