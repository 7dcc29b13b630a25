"""The whole main job through the compose stack, while each of its containers dies in turn."""

from __future__ import annotations

import time

import pytest

from tests.docker.compose import NOBODY, Compose, Journey, Operator, docker, lost_while_each_dies, until

OURS = ("postgres", "prefect-server", "gateway", "dispatcher", "follower", "mail")
"""May die at any moment of a document's way."""

STAND_INS = ("s3", "sns", "underwriter")
"""Keep what they have in memory, as their originals do not: they die between two documents."""


def test_up_alone_sends_a_document_the_whole_way(stack: Compose) -> None:
    until(lambda: stack.inspect("journey", "{{.State.Status}}") == "exited", "the journey ends", within=120)
    assert stack.inspect("journey", "{{.State.ExitCode}}") == "0", stack.run("logs", "journey")
    assert "emailed" in stack.run("logs", "journey")


def test_the_mail_is_in_the_sink(stack: Compose) -> None:
    mail = stack.run("exec", "--no-TTY", "mail", "sh", "-c", "cat *.eml")
    assert "<applicant@example.com>" in mail


def test_each_container_may_die_under_way(stack: Compose) -> None:
    assert lost_while_each_dies(stack, OURS) == {}


@pytest.mark.parametrize("later", [1.5, 2.25])
def test_postgres_may_die_while_a_run_begins(stack: Compose, operator: Operator, later: float) -> None:
    """For a second Prefect then answers 500 to the first that the run's process asks of it."""
    with Journey(stack) as journey:
        operator.in_state(journey.uploaded(), ["PENDING", "RUNNING"])
        time.sleep(later)
        stack.crash("postgres")
        assert journey.succeeded(), journey.story


def test_the_stand_ins_come_back(stack: Compose) -> None:
    for service in STAND_INS:
        stack.crash(service)
    for service in (*STAND_INS, "sns"):  # the last, once more, makes the bucket
        stack.until_healthy(service)
    with Journey(stack) as journey:
        assert journey.succeeded(), journey.story


def test_a_run_that_died_with_its_worker_is_cancelled_and_replayed(
    stack: Compose, operator: Operator
) -> None:
    with Journey(stack) as journey:
        application = journey.uploaded()
    run = operator.in_state(application, ["RUNNING"])
    stack.crash("worker")
    operator.tell(run["id"], "cancel")
    operator.tell(run["id"], "cancel")  # the process that should have answered is gone
    operator.in_state(application, ["CANCELLED"])
    operator.tell(run["id"], "replay")
    operator.until_approved(application)


def test_only_the_gateway_and_prefect_are_published_and_only_here(stack: Compose) -> None:
    published = docker(
        "ps", "--filter", "label=com.docker.compose.project=sluice-test", "--format", "{{.Ports}}"
    )
    hosts = {
        port.split("->")[0] for line in published.splitlines() for port in line.split(", ") if "->" in port
    }
    assert hosts == {f"127.0.0.1:{stack.settings[name]}" for name in ("SLUICE_PORT", "PREFECT_PORT")}


def test_prefect_lets_in_nobody_without_its_password(stack: Compose) -> None:
    with stack.prefect as client:
        assert client.post("/flow_runs/filter", json={}).status_code == 200
        assert client.post("/flow_runs/filter", json={}, auth=NOBODY).status_code == 401
        assert client.get("/ready", auth=NOBODY).status_code == 200


def test_a_schedule_makes_its_runs(stack: Compose) -> None:
    """Prefect's scheduler fails with some releases of SQLAlchemy that Prefect allows."""
    wanted = {
        "flows": {"name": {"any_": ["daily-etl"]}},
        "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}},
    }
    with stack.prefect as client:
        until(lambda: client.post("/flow_runs/filter", json=wanted).json(), "a run is scheduled", within=90)


def test_nothing_runs_as_root_or_can_write_to_its_image(stack: Compose) -> None:
    for service in ("gateway", "dispatcher", "follower", "worker", "docker-worker"):
        script = "id -u; touch /opt/sluice/x /var/lib/sluice/x 2>&1 | grep -c 'Read-only file system'"
        assert stack.run("exec", "--no-TTY", service, "sh", "-c", script).split() == ["10001", "2"]


def test_each_worker_has_a_temporary_folder_of_its_own(stack: Compose) -> None:
    stack.run("exec", "--no-TTY", "worker", "sh", "-c", "touch $TMPDIR/mine")
    assert "mine" not in stack.run("exec", "--no-TTY", "docker-worker", "sh", "-c", "ls $TMPDIR")
