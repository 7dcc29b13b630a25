"""A work pool that starts a container for each flow run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.docker.compose import PROJECT, ROOT, Compose, Journey, Operator, docker, until


@pytest.fixture(scope="module", autouse=True)
def routed_to_docker(stack: Compose, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The loan routes, but to the deployments of the pool with a container for each run."""
    routes = tmp_path_factory.mktemp("routes") / "routes.toml"
    routes.write_text((ROOT / "app/routes.toml").read_text("utf-8").replace('/default"', '/docker"'), "utf-8")
    routes.parent.chmod(0o755)
    stack.settings["SLUICE_ROUTES"] = str(routes)
    stack.up("gateway")
    yield
    del stack.settings["SLUICE_ROUTES"]
    stack.up("gateway")


def container_of(run: dict[str, str]) -> str:
    """The container a flow run is running in, or nothing."""
    label = f"label=io.prefect.flow-run-id={run['flow_run_id']}"
    return docker("ps", "--all", "--quiet", "--filter", label)


def test_a_run_has_its_own_container_and_leaves_none(stack: Compose, operator: Operator) -> None:
    with Journey(stack) as journey:
        application = journey.uploaded()
        run = operator.in_state(application, ["RUNNING"])
        container = container_of(run)
        described = "{{.Config.Image}} {{.HostConfig.NetworkMode}} {{.Config.User}}"
        image, network, user = docker("inspect", "--format", described, container).split()
        assert (image, network, user) == ("sluice-worker:test", f"{PROJECT}_default", "10001:10001")
        # Docker shows it to whoever may ask; Prefect stores what a pool or a deployment puts into it.
        environment = docker("inspect", "--format", "{{.Config.Env}}", container)
        assert "SLUICE_SECRETS_DIR=" in environment
        assert "SLUICE_ENCRYPTION_KEYS" not in environment
        assert "SLUICE_DATABASE_URL" not in environment

        assert operator.in_state(application, ["COMPLETED"])["id"] == run["id"]
        until(lambda: not container_of(run), "the container is gone")
        assert journey.succeeded(), journey.story


def test_a_container_killed_under_way_is_seen_as_crashed_and_can_be_replayed(
    stack: Compose, operator: Operator
) -> None:
    with Journey(stack) as journey:
        application = journey.uploaded()
    run = operator.in_state(application, ["RUNNING"])
    docker("kill", container_of(run))
    operator.in_state(application, ["CRASHED"])
    until(lambda: not container_of(run), "the container is gone")
    assert operator.application(application)["status"] == "in_review"

    operator.tell(run["id"], "replay")
    operator.until_approved(application)
