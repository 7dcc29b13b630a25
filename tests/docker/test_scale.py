"""The same stack, become one with several Prefect API servers behind a proxy."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.docker.compose import NOBODY, Compose, lost_while_each_dies, until

REPLICAS = 2


@pytest.fixture(scope="module", autouse=True)
def scaled(stack: Compose) -> Iterator[None]:
    """What the single server knew is kept: all share its database."""
    stack.profiles.append("scale")
    stack.up("--scale", "prefect-server=0")
    yield
    stack.profiles.remove("scale")


def servers(stack: Compose) -> list[str]:
    return stack.run("ps", "--quiet", "prefect-api").split()


def test_there_are_several_servers_and_not_the_single_one(stack: Compose) -> None:
    assert len(servers(stack)) == REPLICAS
    assert stack.run("ps", "--quiet", "prefect-server") == ""


def test_documents_come_through_while_each_part_dies(stack: Compose) -> None:
    assert lost_while_each_dies(stack, ("redis", "prefect-api", "prefect-services", "prefect-proxy")) == {}


def test_the_proxy_asks_for_the_password_and_serves_the_ui(stack: Compose) -> None:
    with stack.prefect as client:
        until(lambda: client.get("/ready").status_code == 200, "a server is there")
        assert client.post("/flow_runs/filter", json={}).status_code == 200
        assert client.post("/flow_runs/filter", json={}, auth=NOBODY).status_code == 401
        page = str(client.base_url).removesuffix("api/")
        assert "<html" in client.get(page, follow_redirects=True).text.lower()
