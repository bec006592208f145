"""A secret comes from the environment and goes nowhere: not into a message, a page, a file or a list of processes."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from campaigns.delivery.signing import endpoint_at, endpoint_of
from flows.diagnosis import examine
from holdback.business import load_business
from holdback.errors import HoldbackError
from holdback.sources import Offer, _without_secret
from holdback.workspace import Workspace
from tests.campaigns.delivery.company import FILE, make_workspace
from tests.house.tree import ROOT

SECRET = "hunter2-CANARYSECRET"
Change = Callable[[dict[str, Any]], object]


def put(*path: str) -> Callable[[object], Change]:
    def value(what: object) -> Change:
        def change(content: dict[str, Any]) -> None:
            here = content
            for key in path[:-1]:
                here = here.setdefault(key, {})
            here[path[-1]] = what

        return change

    return value


WRITTEN: dict[str, Change] = {
    "a source": put("feeds", "plans", "source")(f"postgresql://u:{SECRET}@db/x"),
    "a webhook's address": put("delivery", "webhook")({"url": f"https://hook/{SECRET}", "secret": "$S"}),
    "a webhook's secret": put("delivery", "webhook")({"url": "$U", "secret": SECRET}),
    "a table's database": put("delivery", "postgres")({"url": f"postgresql://u:{SECRET}@db/x"}),
    "a place to publish to": put("portal", "publish_to")(f"s3://key:{SECRET}@bucket/site"),
    "a channel's address": put("channels")([{"name": "a", "kind": "slack", "url": f"https://hooks/{SECRET}"}]),
    "a channel's password": put("channels")(
        [{"name": "a", "kind": "email", "host": "h", "sender": "a@b.c", "to": ["a@b.c"], "password": SECRET}]
    ),
    "a server's name": put("channels")([{"name": "a", "kind": "email", "host": f"u:{SECRET}@h", "sender": "a@b.c"}]),
    "an unknown key": put("password")(SECRET),
    "an unknown key with an address": put("database")(f"postgresql://u:{SECRET}@db/x"),
}


@pytest.mark.parametrize("where", WRITTEN)
def test_a_secret_in_a_business_file_is_refused_and_not_repeated(tmp_path: Path, where: str) -> None:
    content = copy.deepcopy(FILE)
    WRITTEN[where](content)
    path = tmp_path / "carrier.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(HoldbackError) as refused:
        load_business(path)
    assert SECRET not in str(refused.value)


@given(
    secret=st.text(st.characters(codec="ascii", exclude_characters="\0"), min_size=6).filter(str.strip),
    shape=st.sampled_from(
        ["{}", "http://h/{}", "https://u:{}@h/x", "ftp://{}", "https://[{}", "https://h:{}/", "file:///{}", "//{}"]
    ),
)
def test_an_address_that_cannot_be_used_is_refused_and_not_repeated(secret: str, shape: str) -> None:
    secret = "CANARY" + secret
    try:
        said = repr(endpoint_at(shape.format(secret), "signing-key", "U", "Alerts"))
    except HoldbackError as refused:
        said = str(refused)
    assert secret not in said
    assert "signing-key" not in said


def test_objects_that_hold_secrets_do_not_show_them(tmp_path: Path) -> None:
    environment = {"U": f"https://hook/{SECRET}", "S": SECRET}
    delivery = {**FILE["delivery"], "webhook": {"url": "$U", "secret": "$S"}}
    made = make_workspace(tmp_path, environment=environment, delivery=delivery)
    workspace = Workspace(made.root, made.business, environment, database_url=SECRET, registry_url=SECRET)
    endpoint = endpoint_of(workspace.business, environment)
    offer = Offer("plans", "postgresql://$DB", None, connection=f"postgresql://u:{SECRET}@h/x", query="select 1")
    assert endpoint is not None
    assert endpoint.secret == SECRET
    for shown in (repr(workspace), str(endpoint), repr(offer), workspace.business.model_dump_json()):
        assert SECRET not in shown


class Refused(Exception):
    """A driver's fault, with its state."""

    def __init__(self, message: str, sqlstate: str | None) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    ("message", "state"),
    [
        (f'invalid input syntax for type integer: "{SECRET}"', "22P02"),
        (f"duplicate key: Key (mail)=({SECRET}) already exists.", "23505"),
        (f"value {SECRET} raised by a function of theirs", "P0001"),
        (f'connection to "postgresql://u:{SECRET}@h/x" failed', None),
        (f'password authentication failed for "u" with {SECRET}', "28P01"),
    ],
)
def test_what_a_database_says_of_a_source_repeats_neither_a_cell_nor_the_password(
    message: str, state: str | None
) -> None:
    offer = Offer("plans", "postgresql://$DB", None, connection=f"postgresql://u:{SECRET}@h/x", query="select 1")
    assert SECRET not in _without_secret(Refused(message, state), offer)


def test_what_is_wrong_with_the_sql_is_told() -> None:
    offer = Offer("plans", "postgresql://$DB", None, connection="postgresql://u:pass@h/x", query="select 1")
    said = _without_secret(Refused('column "custmer" does not exist\nLINE 1: ...', "42703"), offer)
    assert said == 'column "custmer" does not exist'


def test_the_doctor_names_servers_without_their_passwords(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDBACK_HOME", str(tmp_path / "home"))
    for address in (f"http://u:{SECRET}@127.0.0.1:9/api", f"file:///etc/{SECRET}"):
        monkeypatch.setenv("PREFECT_API_URL", address)
        found = examine(None)
        assert SECRET not in json.dumps([asdict(one) for one in found])
        assert not next(one for one in found if one.what == "Prefect server").is_ok


def test_no_command_repeats_a_secret_of_its_environment(tmp_path: Path) -> None:
    """`doctor`, `business show` and a delivery whose receiver is not there, as JSON and as text."""
    content = {**FILE, "delivery": {**FILE["delivery"], "webhook": {"url": "$HOOK", "secret": "$KEY"}}}
    path = tmp_path / "carrier.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    environment = {
        **os.environ, "HOLDBACK_HOME": str(tmp_path / "home"), "HOLDBACK_BUSINESS": str(path), "KEY": SECRET,
        "HOOK": f"http://hook.example/{SECRET}", "PREFECT_API_URL": f"http://u:{SECRET}@127.0.0.1:9/api",
    }  # fmt: skip
    code = (
        "import sys, runpy\nfrom flows.cli.main import main\n"
        "for line in (['doctor'], ['doctor', '--json'], ['business', 'show'], ['business', 'show', '--json'],\n"
        "             ['decisions', 'deliver', '--as-of', '2026-03-02', '--json'], ['decisions', 'deliver']):\n"
        "    sys.argv = ['holdback', *line]\n"
        "    try: main()\n    except SystemExit as end: print('ended', end.code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True,
        check=False, timeout=120,
    )  # fmt: skip
    assert done.stdout.count("ended") >= 5, done.stderr[-2000:]
    assert SECRET not in done.stdout + done.stderr
