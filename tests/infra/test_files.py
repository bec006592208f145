"""What the company installs: three ways of saying the same, each by the rules of its own world."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from tests.house.tree import ROOT
from tests.infra.files import (
    INFRA,
    SERVICES,
    compose,
    copies,
    env_file,
    in_compose,
    in_kubernetes,
    in_systemd,
    manifests,
    pods,
    secret_names,
    sent_to_the_builder,
    settings_of,
    unit,
)

PINNED = re.compile(r"^(holdback:0\.1\.0|docker\.io/library/[a-z]+:\d+\.\d+(\.\d+)?-[a-z-]+)$")
SECRET = re.compile(r"(PASSWORD|SECRET|TOKEN|AUTH_STRING)")
HARDENED = {
    "NoNewPrivileges": "yes", "ProtectSystem": "strict", "ProtectHome": "yes", "PrivateTmp": "yes",
    "Restart": "on-failure", "User": "holdback", "CapabilityBoundingSet": "", "UMask": "0077",
    "StartLimitIntervalSec": "0", "RestartSec": "30",  # a database that is away for an hour ends nothing for good
}  # fmt: skip


@pytest.mark.parametrize("name", SERVICES)
def test_compose_kubernetes_and_systemd_start_the_same(name: str) -> None:
    said = in_compose(name)
    assert in_kubernetes(name) == said
    assert in_systemd(name) == said


def test_every_image_is_pinned() -> None:
    images = [service["image"] for service in compose()["services"].values()]
    images = [re.sub(r"^\$\{[A-Z_]+:-(.*)\}$", r"\1", image) for image in images]
    images += [container["image"] for _, pod in pods() for container in pod["containers"]]
    images += re.findall(r"^FROM (\S+)", (INFRA / "Containerfile").read_text(), flags=re.MULTILINE)
    assert images
    assert [image for image in images if not PINNED.match(image)] == []


def test_the_images_python_is_the_projects() -> None:
    bases = set(re.findall(r"^FROM (\S+)", (INFRA / "Containerfile").read_text(), flags=re.MULTILINE))
    [base] = bases
    assert ":3.11." in base


def test_no_secret_stands_in_a_file_of_ours() -> None:
    for path in (INFRA / "secrets.template").glob("*.env"):
        assert not any(env_file(path).values()), path
    for path in (INFRA / "environment").glob("*.env"):
        for name, value in env_file(path).items():
            assert not SECRET.search(name), (path, name)
            assert not re.search(r"://[^/\s]*:[^/\s]*@", value), (path, name)
    for one in manifests():
        assert one["kind"] != "Secret"
    for _, pod in pods():
        for container in pod["containers"]:
            for variable in container.get("env", ()):
                assert not SECRET.search(variable["name"]) or "secretKeyRef" in variable["valueFrom"]


def test_a_secret_is_no_setting_and_a_command_has_neither() -> None:
    for name in SERVICES:
        assert not secret_names(name) & set(settings_of(name))
        assert not SECRET.search(" ".join(in_compose(name).command).upper())


def test_each_service_has_its_own_database_and_user() -> None:
    places = {
        settings_of("prefect-server")["PREFECT_SERVER_DATABASE_CONNECTION_URL"],
        settings_of("mlflow")["MLFLOW_BACKEND_STORE_URI"],
        settings_of("prefect-worker")["HOLDBACK_DATABASE_URL"],
    }
    made = (INFRA / "databases.sql").read_text()
    found = {re.fullmatch(r"(\S+)://(\w+)@postgres:5432/(\w+)", place) for place in places}
    assert {match.groups() for match in found if match} == {
        ("postgresql+asyncpg", "prefect", "prefect"),
        ("postgresql+psycopg", "mlflow", "mlflow"),
        ("postgresql", "holdback", "holdback"),
    }
    assert all(f"('{name}')" in made for name in ("keeper", "holdback", "prefect", "mlflow"))


def test_nobody_is_told_that_anything_runs() -> None:
    for name in SERVICES:
        told = settings_of(name)
        assert told["DO_NOT_TRACK"] == "true"  # MLflow takes no other word
        assert told["MLFLOW_DISABLE_TELEMETRY"] == "true"
        assert told["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"


def test_the_server_answers_to_the_names_by_which_it_is_called() -> None:
    called = settings_of("prefect-worker")["HOLDBACK_MLFLOW_URL"].removeprefix("http://")
    told = settings_of("mlflow")
    assert called in told["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    assert called.endswith(told["MLFLOW_PORT"])


def test_containers_of_compose_may_do_little_and_are_asked_how_they_are() -> None:
    for name, service in compose()["services"].items():
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert {"mem_limit", "cpus"} <= set(service), name
        if name not in ("databases", "deploy", "setup", "backup", "restore"):
            assert "healthcheck" in service, name
        if name not in ("postgres", "databases"):
            assert service["read_only"] is True, name
            assert service["user"] == "10001:10001", name
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:"), name
        for needed, how in service.get("depends_on", {}).items():
            target = compose()["services"][needed]
            wanted = (
                "service_completed_successfully" if needed in ("databases", "deploy", "setup") else "service_healthy"
            )
            assert how["condition"] == wanted, (name, needed)
            assert wanted != "service_healthy" or "test" in target["healthcheck"], (name, needed)


def test_pods_keep_the_strictest_rules_of_kubernetes() -> None:
    copying = [(one["metadata"]["name"], one["spec"]) for one in copies() if one["kind"] == "Pod"]
    for name, pod in [*pods(), *copying]:
        assert pod["automountServiceAccountToken"] is False, name
        assert pod["enableServiceLinks"] is False, name
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["runAsUser"] > 0, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for volume in pod.get("volumes", ()):
            assert set(volume) - {"name"} <= {"emptyDir", "configMap", "persistentVolumeClaim"}, name
        for container in pod["containers"]:
            allowed = container["securityContext"]
            assert allowed["allowPrivilegeEscalation"] is False, name
            assert allowed["readOnlyRootFilesystem"] is True, name
            assert allowed["capabilities"] == {"drop": ["ALL"]}, name
            for bound in ("requests", "limits"):
                assert set(container["resources"][bound]) == {"cpu", "memory"}, name


def test_every_pod_that_serves_is_probed() -> None:
    for one in manifests():
        if one["kind"] in ("Deployment", "StatefulSet"):
            for container in one["spec"]["template"]["spec"]["containers"]:
                probes = [container[name] for name in ("startupProbe", "readinessProbe", "livenessProbe")]
                asked = {probe["httpGet"]["path"] for probe in probes if "httpGet" in probe}
                if one["kind"] == "Deployment":
                    assert asked == {urlsplit(settings_of(one["metadata"]["name"])["HEALTH_URL"]).path}
        if one["kind"] == "Deployment":
            assert one["spec"]["strategy"] == {"type": "Recreate"}
            assert one["spec"]["replicas"] == 1  # a second worker would make calls again: receipts are files


def test_labels_claims_and_ports_of_the_manifests_fit_together() -> None:
    found = manifests()
    claims = {one["metadata"]["name"] for one in found if one["kind"] == "PersistentVolumeClaim"}
    apps = dict(pods())
    for name, pod in apps.items():
        mounted = {mount["name"] for container in pod["containers"] for mount in container["volumeMounts"]}
        offered = {volume["name"] for volume in pod.get("volumes", ())}
        assert mounted - offered <= {"data"}, name  # the database's is a template of its set
        assert offered <= mounted, name
        used = {v["persistentVolumeClaim"]["claimName"] for v in pod.get("volumes", ()) if "persistentVolumeClaim" in v}
        assert used <= claims, name
    for one in found:
        if one["kind"] == "Service":
            [container] = apps[one["spec"]["selector"]["app"]]["containers"]
            [port], [offered_port] = one["spec"]["ports"], container["ports"]
            assert port["port"] == offered_port["containerPort"]
            assert port["targetPort"] == offered_port["name"]
        assert one["kind"] != "CronJob", "Prefect holds the schedules"


def test_without_a_policy_no_pod_speaks_to_another() -> None:
    policies = [one["spec"] for one in manifests() if one["kind"] == "NetworkPolicy"]
    assert {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]} in policies
    apps = {name for name, _ in pods()}
    for policy in policies:
        for values in _values(policy):
            assert set(values) <= apps


def _values(policy: object) -> list[list[str]]:
    if isinstance(policy, dict):
        own = [policy["values"]] if policy.get("key") == "app" else []
        own += [[policy["matchLabels"]["app"]]] if "app" in policy.get("matchLabels", {}) else []
        return own + [found for value in policy.values() for found in _values(value)]
    if isinstance(policy, list):
        return [found for value in policy for found in _values(value)]
    return []


@pytest.mark.parametrize("name", SERVICES)
def test_units_are_hardened(name: str) -> None:
    lines = dict(unit(name))
    assert {key: lines.get(key) for key in HARDENED} == HARDENED
    assert lines["ReadWritePaths"].startswith("/var/lib/")
    assert {"TimeoutStopSec", "MemoryMax"} <= set(lines)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    for path in (INFRA / "systemd").glob("*.service"):
        text = path.read_text().replace("/opt/holdback/.venv/bin", str(ROOT / ".venv" / "bin"))
        (tmp_path / path.name).write_text(text.replace("/opt/holdback", str(ROOT)))
    if not (ROOT / ".venv" / "bin" / "mlflow").exists():
        pytest.skip("the programs are not in .venv")
    done = subprocess.run(
        ["systemd-analyze", "verify", *map(str, sorted(tmp_path.glob("*.service")))], capture_output=True, text=True
    )
    ours = [line for line in done.stderr.splitlines() if "holdback-" in line]
    assert ours == []


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_kustomize_takes_the_manifests() -> None:
    done = subprocess.run(["kubectl", "kustomize", str(INFRA)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    built = [one for one in yaml.safe_load_all(done.stdout) if one]
    named = {one["metadata"]["name"] for one in built if one["kind"] == "ConfigMap"}
    for one in built:
        assert one["kind"] == "Namespace" or one["metadata"]["namespace"] == "holdback"
    for pod in (one["spec"]["template"]["spec"] for one in built if "template" in one.get("spec", {})):
        for container in pod["containers"]:
            for each in container.get("envFrom", ()):
                assert "secretRef" in each or each["configMapRef"]["name"] in named


def test_the_image_is_small_in_rights_and_whole_in_content() -> None:
    said = (INFRA / "Containerfile").read_text()
    last = said.rpartition("\nFROM ")[2]
    assert "\nUSER 10001:10001\n" in last
    assert 'ENTRYPOINT ["/usr/bin/tini", "--"]' in last
    assert "HEALTHCHECK" in last
    assert "-c constraints.txt" in said
    pyproject = (ROOT / "pyproject.toml").read_text()
    packages = re.search(r"^packages = \[(.*)\]", pyproject, flags=re.MULTILINE)
    assert packages is not None
    wanted = {name.strip(' "') for name in packages.group(1).split(",")} | {"businesses", "infra"}
    copied = set(re.findall(r"^COPY (\w+) \1$", said, flags=re.MULTILINE))
    assert copied == wanted
    assert all(sent_to_the_builder(f"{name}/anything.py") for name in wanted - {"infra"})
    assert not sent_to_the_builder("flows/__pycache__/anything.pyc")
    assert "'.[postgres,server]'" in said
    assert all(path.stat().st_mode & 0o111 for path in INFRA.glob("*.sh"))


def test_what_services_read_of_infra_is_in_the_image_and_what_a_company_puts_there_is_not() -> None:
    read = {
        word for name in SERVICES for word in [*settings_of(name).values(), *compose()["services"][name]["command"]]
    }
    places = {f"{word.removeprefix('/opt/holdback/')}" for word in read if word.startswith("/opt/holdback/infra/")}
    assert {"infra/deploy.sh", "infra/mlflow/basic-auth.ini"} <= places
    for place in {*places, "infra/healthy.py", "infra/prefect.yaml"}:
        assert (ROOT / place).is_file(), place
        assert sent_to_the_builder(place), place
    own = ["infra/secrets/mlflow.env", "infra/landing/customers.csv", "infra/business.yaml", "infra/ours/notes.txt"]
    assert [place for place in own if sent_to_the_builder(place)] == []


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a checkout")
def test_what_a_company_puts_into_the_folder_is_in_no_commit() -> None:
    own = ["infra/secrets/mlflow.env", "infra/landing/customers.csv", "infra/business.yaml"]
    told = subprocess.run(["git", "check-ignore", *own], cwd=ROOT, capture_output=True, text=True)
    assert told.stdout.splitlines() == own
    mounted = {path.split(":")[0] for one in compose()["services"].values() for path in one.get("volumes", ())}
    placed = {path.removeprefix("./") for path in mounted if path.startswith("./") and not (INFRA / path).exists()}
    assert placed <= {"business.yaml", "landing"}


def test_a_worker_that_is_replaced_is_known_again() -> None:
    told = settings_of("prefect-worker")
    assert told["HOLDBACK_MACHINE"]  # a new container has a new host name
    assert told["HOLDBACK_PROMETHEUS_FILE"].startswith(told["HOLDBACK_HOME"])  # written where it may write


def test_copies_are_made_where_the_files_and_the_programs_are() -> None:
    services = compose()["services"]
    [pod] = [one["spec"] for one in copies() if one["kind"] == "Pod"]
    [container] = pod["containers"]
    assert container["image"] == services["postgres"]["image"]
    told = {one["name"]: one["value"] for one in container["env"] if "value" in one}
    for name in ("backup", "restore"):
        service = services[name]
        assert service["image"] == container["image"]
        assert service["profiles"] == ["copies"]  # only when somebody asks
        assert service["environment"] == told
        assert service["entrypoint"][-1] == f"/sql/{name}.sh"
        assert f"./{name}.sh:/sql/{name}.sh:ro" in service["volumes"]
        script = (INFRA / f"{name}.sh").read_text()
        assert set(re.findall(r"\$\{([A-Z_]+):\?", script)) <= {*told, "PGPASSWORD"}
    assert told["HOLDBACK_HOME"] == settings_of("prefect-worker")["HOLDBACK_HOME"]
    assert told["MLFLOW_ARTIFACTS"] == settings_of("mlflow")["MLFLOW_ARTIFACTS_DESTINATION"]
    claims = {v["persistentVolumeClaim"]["claimName"] for v in pod["volumes"] if "persistentVolumeClaim" in v}
    known = {one["metadata"]["name"] for one in [*manifests(), *copies()] if one["kind"] == "PersistentVolumeClaim"}
    assert claims == {"holdback", "mlflow", "backups"} <= known
    [label] = [one["metadata"]["labels"]["app"] for one in copies() if one["kind"] == "Pod"]
    [policy] = [one["spec"] for one in manifests() if one["metadata"]["name"] == "to-postgres"]
    assert label in _values(policy)[0]


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "deploy"])
def test_a_command_by_hand_has_the_environment_of_its_unit(name: str) -> None:
    read = [value.removeprefix("/etc/holdback/") for key, value in unit(name) if key == "EnvironmentFile"]
    wanted = ["environment/common.env", f"environment/{name}.env", f"secrets/{name}.env"]
    assert read == wanted[: len(read)]  # the portal has no secret
    script = (INFRA / "as.sh").read_text()
    given = re.findall(r'EnvironmentFile="-?([^"]+)"', script)
    replaced_by = {"$settings": "/etc/holdback/environment", "$service": name}
    for old, new in replaced_by.items():
        given = [value.replace(old, new) for value in given]
    assert [value.removeprefix("/etc/holdback/") for value in given] == wanted
