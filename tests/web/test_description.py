"""The API's description: complete enough for a stranger, and true."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from jsonschema import Draft202012Validator

from app.errors import SluiceError
from app.models import Role
from app.web.description import SIGNATURE_SCHEMES
from tests.web.test_authorisation import ANYBODY, MATRIX, SIGNATURE

Operation = dict[str, Any]


@pytest.fixture
def description(app: FastAPI) -> dict[str, Any]:
    return app.openapi()


def operations(description: dict[str, Any]) -> Iterator[tuple[str, Operation]]:
    for kind in ("paths", "webhooks"):
        for path, methods in description[kind].items():
            for method, operation in methods.items():
                yield f"{method.upper()} {path}", operation


def bodies(description: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each media type of each request and each answer, with where it stands."""
    for name, operation in operations(description):
        places = {"request": operation.get("requestBody", {}), **operation["responses"]}
        for place, described in places.items():
            for content in described.get("content", {}).values():
                yield f"{name} {place}", content


def examples(description: dict[str, Any], content: dict[str, Any]) -> list[Any]:
    """Those beside the schema, or else those in it."""
    if "example" in content:
        return [content["example"]]
    if "examples" in content:
        return [example["value"] for example in content["examples"].values()]
    name = content["schema"].get("$ref", "").rpartition("/")[2]
    found: list[Any] = description["components"]["schemas"].get(name, {}).get("examples", [])
    return found


def test_it_says_what_a_stranger_needs_of_every_endpoint(description: dict[str, Any]) -> None:
    tags = {tag["name"]: tag["description"] for tag in description["tags"]}
    for name, operation in operations(description):
        assert operation["summary"], name
        assert len(operation["description"]) > 40, name
        assert set(operation["tags"]) <= set(tags), name
        for status, answer in operation["responses"].items():
            assert answer["description"], f"{name} {status}"
    ids = [operation["operationId"] for _, operation in operations(description)]
    assert len(ids) == len(set(ids))
    assert description["info"]["license"]["identifier"] == "Apache-2.0"
    assert description["servers"]


def test_every_body_has_an_example_that_its_schema_accepts(description: dict[str, Any]) -> None:
    for place, content in bodies(description):
        found = examples(description, content)
        assert found, f"{place} has no example: add it to app/web/examples.py"
        validator = Draft202012Validator({**content["schema"], "components": description["components"]})
        for example in found:
            validator.validate(example)


def test_every_error_has_its_problem_type(description: dict[str, Any]) -> None:
    known = {SluiceError.type_uri()}
    waiting = [SluiceError]
    while waiting:
        for kind in waiting.pop().__subclasses__():
            known.add(kind.type_uri())
            waiting.append(kind)
    for name, operation in operations(description):
        if name.removeprefix("POST ") in description["webhooks"] or name == "GET /readyz":
            continue
        for status, answer in operation["responses"].items():
            if int(status) >= 400:
                described = answer["content"]["application/problem+json"]["examples"].values()
                assert {example["value"]["type"] for example in described} <= known
                assert {str(example["value"]["status"]) for example in described} == {status}


def test_each_endpoint_names_the_roles_that_it_lets_in(description: dict[str, Any]) -> None:
    for (method, path), callers in MATRIX.items():
        operation = description["paths"].get(path, {}).get(method.lower())
        if operation is None:
            continue
        ways = operation.get("security", [])
        assert {role for way in ways for role in way.get("ApiKey", [])} == (
            set() if callers == ANYBODY else callers & set(Role)
        )
        signed: dict[str, list[str]] = {name: [] for name in SIGNATURE_SCHEMES}
        assert (signed in ways) == (SIGNATURE in callers and callers != ANYBODY)
        for way in ways:
            assert set(way) <= set(description["components"]["securitySchemes"])
        for role in callers & set(Role) if ways else ():
            assert f"`{role}`" in operation["description"]


def test_the_webhooks_are_signed(description: dict[str, Any]) -> None:
    assert set(description["webhooks"]) == {"document.read", "document.unreadable"}
    for webhook in description["webhooks"].values():
        headers = {one["name"] for one in webhook["post"]["parameters"] if one["required"]}
        assert headers == {scheme["name"] for scheme in SIGNATURE_SCHEMES.values()}


async def test_it_is_served(client: httpx.AsyncClient, description: dict[str, Any]) -> None:
    assert (await client.get("/openapi.json")).json() == description


@pytest.mark.parametrize(
    ("path", "allowed"),
    [("/v1/applications/A-1", "GET, PUT"), ("/v1/sns", "GET, POST"), ("/v1/quarantine", "GET")],
)
async def test_a_method_that_a_path_lacks_is_405_and_names_those_it_has(
    client: httpx.AsyncClient, path: str, allowed: str
) -> None:
    answer = await client.delete(path)

    assert answer.status_code == 405
    assert answer.headers["allow"] == allowed
    assert answer.json()["type"] == "urn:sluice:problem:http-405"
