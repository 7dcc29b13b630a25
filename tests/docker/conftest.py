"""One compose stack for all tests here, from nothing; its images are built first."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.docker.compose import Compose, Operator


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> None:
    Compose(tmp_path_factory.mktemp("build"), "local-aws", "docker", "scale").build()


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, images: None) -> Iterator[Compose]:
    stack = Compose(tmp_path_factory.mktemp("compose"), "local-aws", "docker")
    stack.down()
    try:
        stack.up()
        yield stack
    finally:
        stack.down()


@pytest.fixture(scope="session")
def operator(stack: Compose) -> Operator:
    return Operator(stack)
