"""Real servers for tests, started on free ports and taken down afterwards."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def find_postgres() -> Path | None:
    on_path = shutil.which("postgres")
    found = [Path(on_path)] if on_path else sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    return found[-1].parent if found else None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def postgres_server(owner: str) -> Iterator[str]:
    """Run a PostgreSQL server of its own as an unprivileged user; its connection string. Skips where there is none."""
    pytest.importorskip("psycopg", reason="psycopg is not installed (the extra `postgres`)")
    programs = find_postgres()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    data = Path(tempfile.mkdtemp(prefix="holdback-postgres-"))  # pytest's own folders are closed to other users
    as_root = subprocess.run(["id", "-u"], capture_output=True, text=True, check=True).stdout.strip() == "0"
    user = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] if as_root else []
    if as_root:
        subprocess.run(["chown", "nobody:nogroup", str(data)], check=True)
    port = free_port()
    with tempfile.TemporaryFile("w") as log:

        def run(*command: str) -> None:
            subprocess.run([*user, *command], check=True, stdout=log, stderr=log, cwd="/")

        run(str(programs / "initdb"), "-D", str(data / "db"), "-U", owner, "-A", "trust", "-E", "UTF8", "--locale=C")
        options = f"-p {port} -k {data} -c listen_addresses=127.0.0.1 -c fsync=off"
        run(str(programs / "pg_ctl"), "-D", str(data / "db"), "-o", options, "-w", "-t", "60", "start")
        try:
            yield f"postgresql://{owner}:hunter2@127.0.0.1:{port}/postgres"
        finally:
            run(str(programs / "pg_ctl"), "-D", str(data / "db"), "-m", "immediate", "stop")
            shutil.rmtree(data)
