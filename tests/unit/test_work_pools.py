"""The base job templates and prefect.yaml, held against the worker packages that are installed."""

from __future__ import annotations

import re
import shlex
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
import jsonschema
import pytest
import yaml
from botocore.validate import ParamValidator
from docker.models.containers import RUN_CREATE_KWARGS, RUN_HOST_CONFIG_KWARGS
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.utilities.templating import find_placeholders
from prefect.workers.base import BaseJobConfiguration, BaseWorker
from prefect.workers.process import ProcessWorker
from prefect_aws.workers.ecs_worker import ECSJobConfiguration, ECSWorker
from prefect_docker.worker import DockerWorker
from prefect_kubernetes.worker import KubernetesWorker, KubernetesWorkerJobConfiguration

from deploy.work_pools import POOLS, template
from tests.unit.kubernetes_schema import complaints
from tests.unit.settings_names import SECRETS, SETTINGS

ROOT = Path(__file__).resolve().parents[2]
WORKERS: dict[str, type[BaseWorker[Any, Any, Any]]] = {
    "process": ProcessWorker,
    "docker": DockerWorker,
    "ecs": ECSWorker,
    "ecs:push": ECSWorker,
    "kubernetes": KubernetesWorker,
}
ARN = "arn:aws:iam::123456789012:role/sluice"
GIVEN = {"secret_arn": ARN, "execution_role_arn": ARN, "task_role_arn": ARN}

DEPLOYMENTS = yaml.safe_load((ROOT / "prefect.yaml").read_text("utf-8"))["deployments"]

every_kind = pytest.mark.parametrize("kind", POOLS)


def properties(of: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = of["variables"]["properties"]
    return found


async def prepared(kind: str, **values: Any) -> BaseJobConfiguration:
    """What the worker makes of the template and a deployment's job variables for one flow run."""
    nobody = PrefectClient(
        "http://127.0.0.1:1/api"
    )  # asked for blocks and variables, of which there are none
    configuration: BaseJobConfiguration = await WORKERS[kind].job_configuration.from_template_and_values(
        template(kind), {**GIVEN, **values} if kind == "ecs" else values, client=nobody
    )
    configuration.prepare_for_flow_run(FlowRun(flow_id=uuid.uuid4(), name="document-1"))
    return configuration


def test_every_kind_of_pool_has_a_worker_here() -> None:
    assert set(WORKERS) == set(POOLS)


@every_kind
def test_the_variables_are_a_json_schema_whose_defaults_obey_it(kind: str) -> None:
    variables = template(kind)["variables"]
    jsonschema.Draft202012Validator.check_schema(variables)
    for name, schema in variables["properties"].items():
        if "default" in schema:
            jsonschema.validate(schema["default"], schema)
        assert schema.get("title"), f"{name} has no title in Prefect's UI"
    assert set(variables.get("required", ())) <= set(variables["properties"])


@every_kind
def test_what_a_template_sets_is_what_the_worker_knows(kind: str) -> None:
    """A member that the worker's configuration does not have would be ignored without a word."""
    known = set(WORKERS[kind].job_configuration.model_fields)
    assert set(template(kind)["job_configuration"]) <= known


@every_kind
def test_every_placeholder_is_a_variable_and_every_variable_is_used(kind: str) -> None:
    ours = template(kind)
    used = {placeholder.name for placeholder in find_placeholders(ours["job_configuration"])}
    # The worker itself adds the variable `env` to a configuration that has an environment of its own.
    assert used | {"env"} == set(properties(ours))


def typed(schema: dict[str, Any]) -> dict[str, Any]:
    """What a schema says of values, null left out: a job variable is set or is not there."""
    others = [part for part in schema.get("anyOf", ()) if part != {"type": "null"}]
    if others:
        return typed(others[0])
    kept = ("type", "enum", "items", "exclusiveMinimum", "additionalProperties")
    found = {name: schema[name] for name in kept if schema.get(name, True) is not True}
    return {name: typed(value) if isinstance(value, dict) else value for name, value in found.items()}


@every_kind
def test_a_variable_of_the_workers_own_template_keeps_its_type(kind: str) -> None:
    theirs = properties(WORKERS[kind].get_default_base_job_template())
    ours = properties(template(kind))
    both = set(ours) & set(theirs)
    assert {name: typed(ours[name]) for name in both} == {name: typed(theirs[name]) for name in both}
    added = {"secret_arn", "settings_config_map", "settings_secret"}
    assert set(ours) - set(theirs) <= added


@pytest.mark.parametrize("entry", DEPLOYMENTS, ids=lambda entry: f"{entry['entrypoint']}/{entry['name']}")
async def test_a_deployments_job_variables_are_ones_its_pool_has(entry: dict[str, Any]) -> None:
    [kind] = [kind for kind, name in POOLS.items() if name == entry["work_pool"]["name"] and ":" not in kind]
    variables = entry["work_pool"].get("job_variables", {})
    schema = template(kind)["variables"]
    assert set(variables) <= set(schema["properties"])
    jsonschema.validate({**GIVEN, **variables} if kind == "ecs" else variables, schema)
    await prepared(kind, **variables)


@every_kind
def test_an_environment_names_only_settings_there_are_and_no_secret(kind: str) -> None:
    environment = template(kind)["job_configuration"]["env"]
    named = set(environment) if isinstance(environment, dict) else set()
    ours = {name for name in named if name.startswith("SLUICE_")}
    assert ours <= SETTINGS - SECRETS


@pytest.mark.parametrize("kind", ["process", "docker", "ecs", "kubernetes"])
async def test_a_run_asks_again_while_prefects_database_starts_again(kind: str) -> None:
    """Prefect answers 500 meanwhile, and by itself its client gives up at the first."""
    configuration = await prepared(kind, env={"SLUICE_LOG_LEVEL": "DEBUG"})
    assert configuration.env.items() >= {
        ("PREFECT_CLIENT_RETRY_EXTRA_CODES", "500,504"),
        ("SLUICE_LOG_LEVEL", "DEBUG"),
    }


async def test_a_job_is_one_that_kubernetes_takes_and_hardened() -> None:
    configuration = await prepared("kubernetes", env={"SLUICE_LOG_LEVEL": "DEBUG"}, memory_limit="2Gi")
    assert isinstance(configuration, KubernetesWorkerJobConfiguration)
    job = configuration.job_manifest
    pod = job["spec"]["template"]["spec"]
    # Prefect 3.8 insists on finding these two here. They belong to the job; Kubernetes ignores them.
    assert (pod.pop("parallelism"), pod.pop("completions")) == (1, 1)
    assert complaints(job, "V1Job") == []
    [container] = pod["containers"]
    assert {"name": "SLUICE_LOG_LEVEL", "value": "DEBUG"} in container["env"]
    # Prefect then has the run of an evicted pod start anew.
    again = {"name": "PREFECT_FLOW_RUN_EXECUTE_SIGTERM_BEHAVIOR", "value": "reschedule"}
    assert again in container["env"]
    assert container["resources"]["limits"]["memory"] == "2Gi"
    assert [list(source) for source in container["envFrom"]] == [["configMapRef"], ["secretRef"]]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


async def test_a_task_is_one_that_ecs_takes_and_its_secrets_are_named_not_shown() -> None:
    configuration = await prepared(
        "ecs",
        cpu=1024,
        memory=2048,
        cluster="loans",
        vpc_id="vpc-1",
        network_configuration={"subnets": ["subnet-1"], "securityGroups": ["sg-1"]},
        env={"SLUICE_S3_BUCKET": "uploads"},
    )
    assert isinstance(configuration, ECSJobConfiguration)
    ecs = botocore.session.Session().get_service_model("ecs")
    for operation, request in requests_to_ecs(configuration).items():
        shape = ecs.operation_model(operation).input_shape
        assert shape is not None
        report = ParamValidator().validate(request, shape)
        assert not report.has_errors(), report.generate_report()

    [container] = requests_to_ecs(configuration)["RegisterTaskDefinition"]["containerDefinitions"]
    assert {secret["name"] for secret in container["secrets"]} <= SECRETS
    assert {secret["valueFrom"] for secret in container["secrets"]} == {
        f"{ARN}:{secret['name']}::" for secret in container["secrets"]
    }
    assert "environment" not in container


def requests_to_ecs(configuration: ECSJobConfiguration) -> dict[str, Any]:
    """What the worker would send to AWS; of the second, the part that is ours."""
    worker = ECSWorker(work_pool_name="sluice-ecs")
    flow_run = FlowRun(flow_id=uuid.uuid4(), name="document-1")
    definition = worker._prepare_task_definition(configuration, region="us-east-1", flow_run=flow_run)
    request = dict(configuration.task_run_request)
    overrides = request["overrides"]
    [container] = overrides["containerOverrides"]
    container["environment"] = [{"name": name, "value": value} for name, value in configuration.env.items()]
    container["command"] = ["prefect", "flow-run", "execute"]
    overrides["cpu"], overrides["memory"] = str(overrides["cpu"]), str(overrides["memory"])
    request["tags"] = [{"key": key, "value": value} for key, value in configuration.labels.items()]
    return {"RegisterTaskDefinition": definition, "RunTask": {**request, "taskDefinition": "sluice-worker:1"}}


async def test_a_container_has_no_more_rights_than_it_needs() -> None:
    configuration = await prepared("docker", mem_limit="2g", volumes=["/srv/secrets:/run/secrets/sluice:ro"])
    made = configuration.model_dump()
    assert (made["privileged"], made["auto_remove"], made["mem_limit"]) == (False, True, "2g")
    assert made["container_create_kwargs"]["read_only"] is True
    assert made["container_create_kwargs"]["cap_drop"] == ["ALL"]
    assert set(made["container_create_kwargs"]) <= {*RUN_CREATE_KWARGS, *RUN_HOST_CONFIG_KWARGS}


def documented() -> Iterator[list[str]]:
    """The commands of the documents that make a pool with values."""
    for name in ("deployments.md", "your-own-flow.md"):
        text = (ROOT / "docs" / name).read_text("utf-8").replace("\\\n", " ")
        for line in re.findall(r"^ *python deploy/work_pools.py (.+)$", text, re.MULTILINE):
            yield [word for word in shlex.split(line) if word not in {"--overwrite", "…"}]


def test_the_documents_values_are_ones_a_pool_takes() -> None:
    commands = list(documented())
    assert {kind for kind, *_ in commands} == {"docker", "ecs", "ecs:push", "kubernetes"}
    for kind, *values in commands:
        variables = properties(template(kind, values))
        for value in values:
            assert "default" in variables[value.partition("=")[0]]
