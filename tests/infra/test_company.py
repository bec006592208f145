"""A company's installation, natively: each service by the command and the settings of infra/, on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg  # type: ignore[import-untyped]
import httpx
import psycopg
import pytest

from tests.flows.shop import LAST_DAY_OF_HISTORY, write_shop
from tests.house.tree import ROOT
from tests.infra.files import INFRA, in_compose, replaced, secret_names, settings_of
from tests.infra.running import QUIET, Running, answers, eventually, start
from tests.servers import free_port, postgres_server

pytestmark = [pytest.mark.slow, pytest.mark.postgres]

PROGRAMS = Path(sys.executable).parent
TODAY = LAST_DAY_OF_HISTORY + timedelta(days=4)
HAS_LOGIN = find_spec("flask_wtf") is not None  # MLflow checks no password without it
PASSWORDS = {
    "KEEPER_DB_PASSWORD": "db-keeper-0",
    "HOLDBACK_DB_PASSWORD": "db-holdback-1", "PREFECT_DB_PASSWORD": "db-prefect-2", "MLFLOW_DB_PASSWORD": "db-mlflow-3",
}  # fmt: skip
LOGIN = "ops:api-4"
MLFLOW_USER, MLFLOW_PASSWORD = "admin", "registry-password-5"
SECRETS = {
    "prefect-server": {
        "PGPASSWORD": PASSWORDS["PREFECT_DB_PASSWORD"], "PREFECT_SERVER_API_AUTH_STRING": LOGIN,
        "PREFECT_API_AUTH_STRING": LOGIN,
    },
    "mlflow": {
        "PGPASSWORD": PASSWORDS["MLFLOW_DB_PASSWORD"], "MLFLOW_AUTH_ADMIN_USERNAME": MLFLOW_USER,
        "MLFLOW_AUTH_ADMIN_PASSWORD": MLFLOW_PASSWORD, "MLFLOW_FLASK_SERVER_SECRET_KEY": "key-6",
    },
    "setup": {"PGPASSWORD": PASSWORDS["KEEPER_DB_PASSWORD"]},
    "prefect-worker": {
        "PGPASSWORD": PASSWORDS["HOLDBACK_DB_PASSWORD"], "PREFECT_API_AUTH_STRING": LOGIN,
        "MLFLOW_TRACKING_USERNAME": MLFLOW_USER, "MLFLOW_TRACKING_PASSWORD": MLFLOW_PASSWORD,
    },
}  # fmt: skip


@dataclass
class Installation:
    """Where everything is in this test instead of where the company has it."""

    folder: Path
    database: str
    ports: dict[str, int] = field(default_factory=lambda: {n: free_port() for n in ("4200", "5000", "8080", "8642")})
    services: dict[str, Running] = field(default_factory=dict)

    def environment(self, name: str) -> dict[str, str]:
        """The settings of infra/ for a service, with this test's places, and its secrets."""
        at = urlsplit(self.database)
        changes = {
            "postgres:5432": f"127.0.0.1:{at.port}",
            "prefect-server:4200": f"127.0.0.1:{self.ports['4200']}",
            "mlflow:5000": f"127.0.0.1:{self.ports['5000']}",
            "/var/lib": str(self.folder / "var"),
            "/tmp/holdback": str(self.folder / "setup"),
            "/tmp/prefect": str(self.folder / "portal"),
            "/etc/holdback/business.yaml": str(self.folder / "shop.yaml"),
            "/opt/holdback/infra/mlflow/basic-auth.ini": str(self.folder / "basic-auth.ini"),
            "/opt/holdback": str(ROOT),
            **{f":{old}": f":{new}" for old, new in self.ports.items()},
        }
        told = replaced(settings_of(name), changes)
        told |= {key: str(self.ports[value]) for key, value in told.items() if key.endswith("_PORT")}
        secrets = SECRETS.get("prefect-worker" if name == "deploy" else name, {})
        assert set(secrets) == secret_names(name)
        return {**told, **secrets, "PATH": f"{PROGRAMS}:{os.environ['PATH']}", "HOLDBACK_THREADS": "1"}

    def command(self, name: str) -> list[str]:
        words = list(in_compose(name).command)
        if name == "mlflow" and not HAS_LOGIN:
            words = words[: words.index("--app-name")]
        words = [str(self.ports.get(word, word)) for word in words]
        return [str(INFRA / words[0] if words[0] == "deploy.sh" else PROGRAMS / words[0]), *words[1:]]

    def begin(self, name: str) -> None:
        environment = self.environment(name)
        log = self.folder / f"{name}.log"
        running = start(self.command(name), environment=environment, log=log, cwd=ROOT)
        self.services[name] = running
        answers(environment["HEALTH_URL"], running)

    def run(self, name: str, *command: str) -> str:
        done = subprocess.run(
            [str(PROGRAMS / command[0]) if "/" not in command[0] else command[0], *command[1:]], cwd=ROOT,
            env={**os.environ, **QUIET, **self.environment(name)}, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout}\n{done.stderr}"
        return done.stdout


def _sql(database: str, *, name: str, user: str, password: str, statement: str) -> list[tuple[object, ...]]:
    at = urlsplit(database)
    with psycopg.connect(
        host="127.0.0.1", port=at.port, dbname=name, user=user, password=password, autocommit=True
    ) as connection:
        return connection.execute(statement).fetchall()


def _make_databases(database: str) -> None:
    at = urlsplit(database)
    for _ in range(2):  # run again, it renews the passwords
        subprocess.run(
            ["psql", "-qtA", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(at.port), "-U", "postgres", "-d",
             "postgres", "-f", str(INFRA / "databases.sql")],
            env={**os.environ, **PASSWORDS}, check=True, capture_output=True,
        )  # fmt: skip
    with psycopg.connect(database, autocommit=True) as connection:
        # The test's server trusts everybody; the company's asks for passwords, and so must this one.
        [place] = connection.execute("show hba_file").fetchone() or ("",)
        rules = "host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256"
        quoted = "', '".join(rules.splitlines())
        connection.execute(f"copy (select unnest(array['{quoted}'])) to '{place}'")
        connection.execute("select pg_reload_conf()")


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Everything of infra/ runs: database, Prefect's server, MLflow's server, the deployments, a worker."""
    folder = tmp_path_factory.mktemp("company")
    write_shop(folder)
    with postgres_server("postgres") as database:
        _make_databases(database)
        installed = Installation(folder, database)
        for place in ("prefect", "holdback", "mlflow"):
            (folder / "var" / place).mkdir(parents=True)
        ini = (INFRA / "mlflow" / "basic-auth.ini").read_text()
        (folder / "basic-auth.ini").write_text(ini.replace("postgres:5432", f"127.0.0.1:{urlsplit(database).port}"))
        try:
            installed.begin("prefect-server")
            installed.begin("mlflow")
            installed.run("setup", *installed.command("setup"))
            installed.run("deploy", str(INFRA / "deploy.sh"))
            # No run of the hour or of today may come between those that the tests start and what they ask afterwards.
            installed.run("deploy", "prefect", "--no-prompt", "deployment", "schedule", "pause", "--all")
            installed.begin("prefect-worker")
            installed.begin("portal")  # before there is a site: it says so, and ends nothing
            yield installed
        finally:
            for running in reversed(installed.services.values()):
                running.end()


def test_no_service_enters_anothers_database(company: Installation) -> None:
    password = PASSWORDS["MLFLOW_DB_PASSWORD"]
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        _sql(company.database, name="prefect", user="mlflow", password=password, statement="select 1")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        _sql(company.database, name="mlflow", user="mlflow", password="wrong", statement="select 1")


def test_one_setting_demands_tls_of_every_address(company: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    ini = (company.folder / "basic-auth.ini").read_text()
    addresses = {
        company.environment("prefect-server")["PREFECT_SERVER_DATABASE_CONNECTION_URL"],
        company.environment("mlflow")["MLFLOW_BACKEND_STORE_URI"],
        company.environment("setup")["HOLDBACK_DATABASE_URL"],
        company.environment("prefect-worker")["HOLDBACK_DATABASE_URL"],
        *re.findall(r"^database_uri = (.*)$", ini, flags=re.MULTILINE),
    }
    assert len(addresses) == 5
    monkeypatch.setenv("PGSSLMODE", "require")  # the test's server has no certificate: it must be refused
    for address in addresses:
        with pytest.raises((psycopg.OperationalError, ConnectionError), match="SSL"):
            _connect(address)


def _connect(address: str) -> None:
    """Connect as the service does: with its driver, and nothing but the address and the environment."""
    place = urlsplit(address)
    bare = f"postgresql://{place.netloc}{place.path}"
    if "asyncpg" in address:
        asyncio.run(asyncpg.connect(bare))
    else:
        psycopg.connect(bare).close()


def test_prefects_server_asks_who_it_is(company: Installation) -> None:
    api = company.environment("prefect-worker")["PREFECT_API_URL"]
    assert httpx.post(f"{api}/flows/filter", json={}).status_code == 401
    user, _, password = LOGIN.partition(":")
    assert httpx.post(f"{api}/flows/filter", json={}, auth=(user, "wrong")).status_code == 401
    assert httpx.post(f"{api}/flows/filter", json={}, auth=(user, password)).status_code == 200
    assert httpx.get(f"{api}/health").status_code == 200


def test_mlflow_answers_to_its_own_names_only(company: Installation) -> None:
    url = f"{company.environment('prefect-worker')['HOLDBACK_MLFLOW_URL']}/api/2.0/mlflow/experiments/search"
    known = httpx.post(url, json={"max_results": 1}, auth=(MLFLOW_USER, MLFLOW_PASSWORD))
    assert known.status_code == 200
    foreign = httpx.post(url, json={"max_results": 1}, headers={"Host": "evil.example.com"})
    assert foreign.status_code in (401, 403)
    assert "experiments" not in foreign.text


@pytest.mark.skipif(not HAS_LOGIN, reason="Flask-WTF is not installed: MLflow's server cannot ask for passwords")
def test_mlflow_asks_who_it_is(company: Installation) -> None:
    url = f"{company.environment('prefect-worker')['HOLDBACK_MLFLOW_URL']}/api/2.0/mlflow/experiments/search"
    assert httpx.post(url, json={"max_results": 1}).status_code == 401
    assert httpx.post(url, json={"max_results": 1}, auth=(MLFLOW_USER, "wrong")).status_code == 401


def test_no_password_stands_in_a_log_or_in_the_list_of_processes(company: Installation) -> None:
    secrets = {*PASSWORDS.values(), LOGIN.partition(":")[2], MLFLOW_PASSWORD}
    shown = subprocess.run(["ps", "-eww", "-o", "args"], capture_output=True, text=True, check=True).stdout
    said = {name: running.said() for name, running in company.services.items()}
    assert [secret for secret in secrets if secret in shown] == []
    assert [(name, secret) for name, text in said.items() for secret in secrets if secret in text] == []


def test_a_service_is_asked_how_it_is_as_its_container_asks(company: Installation) -> None:
    for name in ("prefect-server", "mlflow", "prefect-worker", "portal"):
        company.run(name, "python", str(INFRA / "healthy.py"))
    away = {**os.environ, "HEALTH_URL": f"http://127.0.0.1:{free_port()}/health"}
    assert subprocess.run([sys.executable, str(INFRA / "healthy.py")], env=away, capture_output=True).returncode == 1


def _ran(company: Installation, deployment: str, *parameters: str) -> str:
    """Start a run of a deployment, wait for its end, and return its state."""
    options = [word for parameter in parameters for word in ("-p", parameter)]
    began = time.monotonic()
    told = company.run("deploy", "prefect", "--no-prompt", "deployment", "run", deployment, *options)
    run_id = next(word for word in told.split() if len(word) == 36 and word.count("-") == 4)
    api = company.environment("prefect-worker")["PREFECT_API_URL"]
    user, _, password = LOGIN.partition(":")
    state = ""

    def ended() -> bool:
        nonlocal state
        found = httpx.get(f"{api}/flow_runs/{run_id}", auth=(user, password), timeout=30).json()
        state = str(found["state"]["type"])
        return state in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")

    eventually(ended, within_seconds=400 - (time.monotonic() - began), what=f"{deployment} ends")
    return state


@pytest.fixture(scope="module")
def lived(company: Installation) -> Installation:
    """The company after its first day: the history loaded, then everything a day needs, through the worker."""
    log = company.services["prefect-worker"]
    loaded = _ran(company, "ingest-daily/shop", f'as_of="{LAST_DAY_OF_HISTORY + timedelta(days=1)}"', "history=true")
    assert loaded == "COMPLETED", log.said()[-4000:]
    assert _ran(company, "daily/shop", f'as_of="{TODAY}"') == "COMPLETED", log.said()[-4000:]
    return company


def test_a_day_runs_through_the_worker_to_the_end(lived: Installation) -> None:
    listed = lived.run("prefect-worker", "holdback", "models", "list", "--json")
    assert '"champion"' in listed
    named = _sql(
        lived.database, name="mlflow", user="mlflow", password=PASSWORDS["MLFLOW_DB_PASSWORD"],
        statement="select name from registered_models",
    )  # fmt: skip
    assert ("shop-lapsed",) in named
    assert list((lived.folder / "var" / "mlflow" / "artifacts").rglob("model.cbm"))
    assert PASSWORDS["HOLDBACK_DB_PASSWORD"] not in listed


def test_the_site_of_the_day_is_served(lived: Installation) -> None:
    address = lived.environment("portal")["HEALTH_URL"]
    page = httpx.get(address)  # as a reverse proxy asks that passes no Host on
    assert page.status_code == 200
    assert httpx.get(address, headers={"Host": "holdback.example.com"}).status_code == 421
    assert page.text == (lived.folder / "var" / "holdback" / "shop" / "portal" / "index.html").read_text(
        encoding="utf-8"
    )


def test_prometheus_reads_that_the_day_was_done(lived: Installation) -> None:
    figures = Path(lived.environment("prefect-worker")["HOLDBACK_PROMETHEUS_FILE"]).read_text(encoding="utf-8")
    assert 'holdback_run_last_success_timestamp_seconds{business="shop",step="record_daily",subject=""}' in figures


def _script(
    installed: Installation, script: str, folder: Path, *, by_exec: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run a script of infra/; ``by_exec``: as `kubectl exec` is told to, from standard input."""
    places = {
        "PGHOST": "127.0.0.1", "PGPORT": str(urlsplit(installed.database).port), "PGUSER": "postgres",
        "HOLDBACK_HOME": str(installed.folder / "var" / "holdback"),
        "MLFLOW_ARTIFACTS": str(installed.folder / "var" / "mlflow" / "artifacts"),
    }  # fmt: skip
    command, said = [str(INFRA / script)], ""
    if by_exec:
        command, said = ["sh", "-s"], (INFRA / script).read_text(encoding="utf-8")
    return subprocess.run(
        [*command, str(folder)], env={**os.environ, **places}, input=said, capture_output=True, text=True, timeout=300
    )


def _state(installed: Installation) -> str:
    """What the tables hold, who is in office, and whether the ledger is whole."""
    checked = json.loads(installed.run("prefect-worker", "holdback", "warehouse", "check", "--json"))
    assert checked["unsound"] == []
    counts = {one["table"]: one["counted"] for one in checked["tables"]}
    [scored] = json.loads(installed.run("prefect-worker", "holdback", "score", "--as-of", str(TODAY), "--json"))
    assert scored["was_done_already"]
    installed.run("prefect-worker", "holdback", "ledger", "verify")
    return json.dumps([counts, scored["receipt"]["model_version"], scored["receipt"]["customer_count"]], sort_keys=True)


def test_a_copy_is_restored_on_an_empty_installation_and_says_the_same(lived: Installation, tmp_path: Path) -> None:
    (tmp_path / "copies").mkdir()
    made = _script(lived, "backup.sh", tmp_path / "copies")
    assert made.returncode == 0, made.stderr
    copy = Path(made.stdout.strip().splitlines()[-1])
    assert {path.name for path in copy.iterdir()} == {
        "holdback.dump", "mlflow.dump", "mlflow_auth.dump", "prefect.dump", "holdback-files.tar", "mlflow-files.tar",
        "SHA256SUMS",
    }  # fmt: skip
    assert all(path.stat().st_mode & 0o077 == 0 for path in copy.iterdir())

    with postgres_server("postgres") as database:
        _make_databases(database)
        anew = Installation(tmp_path, database)
        for place in ("holdback", "mlflow/artifacts", "prefect"):
            (tmp_path / "var" / place).mkdir(parents=True)
        shutil.copytree(lived.folder / "landing", tmp_path / "landing")
        (tmp_path / "shop.yaml").write_text((lived.folder / "shop.yaml").read_text())
        restored = _script(anew, "restore.sh", copy, by_exec=True)
        assert restored.returncode == 0, restored.stderr
        again = _script(anew, "restore.sh", copy)
        assert again.returncode == 6
        assert "not empty" in again.stderr

        anew.run("prefect-server", "prefect", "server", "database", "upgrade", "--yes")
        anew.run("mlflow", "mlflow", "db", "upgrade", anew.environment("mlflow")["MLFLOW_BACKEND_STORE_URI"])
        anew.ports = {**anew.ports, "5000": lived.ports["5000"]}  # the servers are the old ones; the data are new
        anew.ports["4200"] = lived.ports["4200"]
        assert _state(anew) == _state(lived)


def test_a_damaged_copy_is_refused(lived: Installation, tmp_path: Path) -> None:
    (tmp_path / "copies").mkdir()
    copy = Path(_script(lived, "backup.sh", tmp_path / "copies", by_exec=True).stdout.strip().splitlines()[-1])
    (copy / "holdback.dump").write_bytes(b"half a dump")
    refused = _script(Installation(tmp_path, lived.database), "restore.sh", copy)
    assert refused.returncode == 6
    assert "damaged" in refused.stderr
