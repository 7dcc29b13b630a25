"""The Kubernetes manifests: what the API would refuse, and what it would take and would not work."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from fastapi.routing import APIRoute

from app.cli import cli
from app.encryption import new_key
from app.settings import Settings
from app.standard_webhooks import new_secret
from app.web import ops
from deploy.work_pools import template
from tests.unit.kubernetes_schema import complaints
from tests.unit.settings_names import SECRETS, SETTINGS

FOLDER = Path(__file__).resolve().parents[2] / "deploy/kubernetes"
CLUSTER_WIDE = {"Namespace"}
OF_OTHERS = {"PodMonitor"}
"""Kinds that the operator of a cluster adds, whose schema Kubernetes does not have."""

Object = dict[str, Any]


def load(folder: Path) -> list[Object]:
    files = sorted(path for path in folder.glob("*.yaml") if path.name != "kustomization.yaml")
    return [found for path in files for found in yaml.safe_load_all(path.read_text("utf-8"))]


OBJECTS = load(FOLDER)
EXAMPLES = load(FOLDER / "examples")


def named(found: Object) -> str:
    return f"{found['kind']}/{found['metadata']['name']}"


def of_kind(*kinds: str) -> list[Object]:
    return [found for found in [*OBJECTS, *EXAMPLES] if found["kind"] in kinds]


def each(objects: list[Object]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("found", objects, ids=named)


WORKLOADS = of_kind("Deployment", "Job", "CronJob")
OURS = [found for found in WORKLOADS if found["metadata"]["name"].startswith("sluice-")]


def pod_template(workload: Object) -> Object:
    spec = workload["spec"].get("jobTemplate", workload)["spec"]
    template: Object = spec["template"]
    return template


def pod(workload: Object) -> Object:
    spec: Object = pod_template(workload)["spec"]
    return spec


def container(workload: Object) -> Object:
    [only] = pod(workload)["containers"]
    assert isinstance(only, dict)
    return only


def pods_labels() -> dict[str, dict[str, str]]:
    """The labels of every pod there will be: those of the workloads, and of a flow run's job."""
    found = {named(workload): pod_template(workload)["metadata"]["labels"] for workload in WORKLOADS}
    job = template("kubernetes")["job_configuration"]["job_manifest"]
    return {**found, "flow run": job["spec"]["template"]["metadata"]["labels"]}


def selected(selector: Object) -> set[str]:
    """Which of them a selector takes."""
    wanted = selector.get("matchLabels", {}).items()
    among = {part["key"]: part["values"] for part in selector.get("matchExpressions", ())}
    return {
        name
        for name, labels in pods_labels().items()
        if wanted <= labels.items() and all(labels.get(key) in values for key, values in among.items())
    }


@each([*OBJECTS, *EXAMPLES])
def test_kubernetes_would_take_it(found: Object) -> None:
    if found["kind"] not in OF_OTHERS:
        version = found["apiVersion"].rpartition("/")[2].capitalize()
        assert complaints(found, f"{version}{found['kind']}") == []


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"replica": 2}, "V1Deployment.spec.replica: V1DeploymentSpec has no such member"),
        ({"replicas": "two"}, "V1Deployment.spec.replicas: 'two' is no int"),
        ({"selector": None}, "V1Deployment.spec.selector: is no V1LabelSelector"),
    ],
)
def test_a_mistake_is_found(change: Object, complaint: str) -> None:
    [deployment] = [found for found in OURS if named(found) == "Deployment/sluice-gateway"]
    wrong = {**deployment, "spec": {**deployment["spec"], **change}}
    assert complaint in complaints(wrong, "V1Deployment")


def test_what_is_missing_is_found() -> None:
    [complaint] = complaints({"metadata": {}, "spec": {"template": {}}}, "V1Deployment")[:1]
    assert "selector" in complaint


def test_kustomize_takes_every_file() -> None:
    kustomization = yaml.safe_load((FOLDER / "kustomization.yaml").read_text("utf-8"))
    files = {path.name for path in FOLDER.glob("*.yaml")} - {"kustomization.yaml"}
    assert set(kustomization["resources"]) == files
    images = {container(workload)["image"] for workload in OURS}
    assert {entry["name"] for entry in kustomization["images"]} == images


@each([*OBJECTS, *EXAMPLES])
def test_everything_is_in_the_one_namespace(found: Object) -> None:
    if found["kind"] in CLUSTER_WIDE:
        assert found["metadata"]["name"] == "sluice"
    else:
        assert found["metadata"]["namespace"] == "sluice"


def test_no_two_objects_have_one_name() -> None:
    names = [named(found) for found in [*OBJECTS, *EXAMPLES]]
    assert len(names) == len(set(names))


@each(of_kind("Deployment"))
def test_a_deployment_selects_its_own_pods_and_no_others(found: Object) -> None:
    assert selected(found["spec"]["selector"]) == {named(found)}
    for constraint in pod(found).get("topologySpreadConstraints", ()):
        assert selected(constraint["labelSelector"]) == {named(found)}


@each(of_kind("Service"))
def test_a_service_reaches_a_port_of_a_deployment(found: Object) -> None:
    [name] = selected({"matchLabels": found["spec"]["selector"]})
    [workload] = [workload for workload in WORKLOADS if named(workload) == name]
    ports = {port["name"] for port in container(workload)["ports"]}
    assert {port["targetPort"] for port in found["spec"]["ports"]} <= ports


@each(of_kind("Ingress"))
def test_an_ingress_reaches_a_port_of_a_service(found: Object) -> None:
    services_ports = {
        (service["metadata"]["name"], port["name"])
        for service in of_kind("Service")
        for port in service["spec"]["ports"]
    }
    for rule in found["spec"]["rules"]:
        for path in rule["http"]["paths"]:
            service = path["backend"]["service"]
            assert (service["name"], service["port"]["name"]) in services_ports
    assert {host for entry in found["spec"]["tls"] for host in entry["hosts"]} == {
        rule["host"] for rule in found["spec"]["rules"]
    }


@each(of_kind("PodDisruptionBudget"))
def test_a_budget_leaves_room_to_drain_a_node(found: Object) -> None:
    [name] = selected(found["spec"]["selector"])
    [workload] = [workload for workload in WORKLOADS if named(workload) == name]
    assert 0 < found["spec"]["minAvailable"] < workload["spec"]["replicas"]


@each(of_kind("NetworkPolicy"))
def test_a_network_policy_is_for_pods_and_ports_that_there_are(found: Object) -> None:
    spec = found["spec"]
    taken = selected(spec["podSelector"])
    values = [value for part in spec["podSelector"].get("matchExpressions", ()) for value in part["values"]]
    assert taken
    assert len(taken) >= len(values), "a value that no pod has"
    for rule in spec.get("ingress", ()):
        for name in taken:
            [workload] = [workload for workload in WORKLOADS if named(workload) == name]
            ports = {port["name"] for port in container(workload)["ports"]}
            assert {port["port"] for port in rule["ports"]} <= ports


def test_nothing_is_open_that_no_policy_names() -> None:
    [closed] = [found for found in of_kind("NetworkPolicy") if found["spec"]["podSelector"] == {}][:1]
    assert set(closed["spec"]["policyTypes"]) == {"Ingress", "Egress"}
    assert not {"ingress", "egress"} & set(closed["spec"])


@each(OURS)
def test_its_arguments_are_a_command_of_sluice(found: Object) -> None:
    sluice = typer.main.get_command(cli)
    assert isinstance(sluice, typer.core.TyperGroup)
    [word] = container(found)["args"]
    assert word in sluice.commands


def probes(workload: Object) -> Iterator[Object]:
    for name in ("startupProbe", "livenessProbe", "readinessProbe"):
        if name in container(workload):
            yield container(workload)[name]["httpGet"]


@each([found for found in OURS if found["kind"] == "Deployment"])
def test_its_probes_ask_endpoints_that_there_are(found: Object) -> None:
    paths = {route.path for route in ops.router.routes if isinstance(route, APIRoute)}
    ports = {port["name"] for port in container(found)["ports"]}
    asked = [(probe["path"], probe["port"]) for probe in probes(found)]
    assert [path for path, _ in asked] == ["/livez", "/livez", "/readyz"]
    assert {path for path, _ in asked} <= paths
    assert {port for _, port in asked} <= ports


def environment(workload: Object) -> dict[str, str]:
    """What its container's variables would be, with secrets made up where the example says <…>."""
    kinds = {"configMapRef": ("ConfigMap", "data"), "secretRef": ("Secret", "stringData")}
    found: dict[str, str] = {}
    for source in container(workload).get("envFrom", ()):
        [(key, reference)] = source.items()
        kind, member = kinds[key]
        [holder] = [one for one in of_kind(kind) if one["metadata"]["name"] == reference["name"]]
        found |= holder[member]
    found |= {entry["name"]: entry["value"] for entry in container(workload).get("env", ())}
    made_up = {
        "SLUICE_DATABASE_URL": "postgresql+asyncpg://sluice:x@db/sluice?ssl=require",
        "SLUICE_ENCRYPTION_KEYS": new_key("test"),
        "SLUICE_DECISIONS_WEBHOOK_SECRETS": new_secret(),
        "SLUICE_PREFECT_AUTH_STRING": "user:password",
    }
    return {
        name: made_up[name] if "<" in value and name in SECRETS else value for name, value in found.items()
    }


@each(OURS)
def test_it_starts_with_settings_that_there_are_and_that_work(
    found: Object, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = environment(found)
    assert set(variables) <= SETTINGS
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    where = {settings.http.port, settings.ops.port}
    assert {port["containerPort"] for port in container(found).get("ports", ())} <= where
    assert (settings.http.host, settings.ops.host) == ("0.0.0.0", "0.0.0.0")  # noqa: S104 (in its own pod)
    if found["kind"] == "Deployment":
        grace = pod(found)["terminationGracePeriodSeconds"]
        assert grace > settings.http.drain_seconds + settings.http.shutdown_seconds


def test_the_gateway_runs_no_loop_that_has_a_deployment_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    [gateway] = [found for found in OURS if named(found) == "Deployment/sluice-gateway"]
    for name, value in environment(gateway).items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert (settings.dispatcher.enabled, settings.projection.enabled) == (False, False)
    assert {"dispatch", "follow"} < {container(found)["args"][0] for found in OURS}


def test_secrets_are_secret_settings_and_the_other_settings_hold_none() -> None:
    for found in of_kind("ConfigMap"):
        assert not set(found["data"]) & SECRETS
    for found in of_kind("Secret"):
        if found["metadata"]["name"].startswith("sluice-"):
            assert set(found["stringData"]) <= SECRETS
        for name, value in found["stringData"].items():
            assert "<" in value, f"{name} looks like a real secret"


@each(WORKLOADS)
def test_every_pod_is_hardened(found: Object) -> None:
    """What the Pod Security Standards call restricted, and a root file system that cannot be written."""
    security = pod(found)["securityContext"]
    assert security["runAsNonRoot"] is True
    assert security["runAsUser"] == 10001
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container(found)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    resources = container(found)["resources"]
    assert {"cpu", "memory"} <= set(resources["requests"])
    assert "memory" in resources["limits"]


@each(WORKLOADS)
def test_a_pod_has_an_account_and_only_the_worker_may_ask_kubernetes(found: Object) -> None:
    accounts = {one["metadata"]["name"]: one for one in of_kind("ServiceAccount")}
    account = accounts[pod(found)["serviceAccountName"]]
    bound = {subject["name"] for one in of_kind("RoleBinding") for subject in one["subjects"]}
    assert (account["metadata"]["name"] in bound) is account.get("automountServiceAccountToken", True)


def test_what_the_work_pool_names_is_there() -> None:
    variables = template("kubernetes")["variables"]["properties"]
    names = {named(found) for found in [*OBJECTS, *EXAMPLES]}
    assert {
        f"Namespace/{variables['namespace']['default']}",
        f"ServiceAccount/{variables['service_account_name']['default']}",
        f"ConfigMap/{variables['settings_config_map']['default']}",
        f"Secret/{variables['settings_secret']['default']}",
    } <= names
