"""The sections `alerts` and `channels`: what is refused, in which words, and that no secret is repeated."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from holdback.business import business_schema, check_business, load_business
from holdback.business.alerts import DEFAULT_RULES, MEASURED_DAILY, METRICS
from monitoring.alerts.rules import rules_of
from monitoring.history import METRICS as KEPT
from tests.monitoring.company import BUSINESS

MAIL = {"name": "ops", "kind": "email", "host": "mail.example.com", "from": "h@example.com", "to": ["a@example.com"]}
SECRET = "write $NAME, where the environment variable NAME holds it; secrets never stand in a business file"


def _faults(folder: Path, **sections: Any) -> list[str]:
    path = folder / "shop.yaml"
    path.write_text(yaml.safe_dump({**BUSINESS, **sections}), encoding="utf-8")
    return check_business(path)


def _rule(**told: Any) -> dict[str, Any]:
    return {"alerts": {"rules": [{"name": "own", "metric": "auc", "below": 0.7, **told}]}}


def test_every_kind_of_channel_can_be_declared(tmp_path: Path) -> None:
    channels = [
        MAIL,
        {**MAIL, "name": "signed", "port": 465, "encryption": "tls", "user": "shop", "password": "$SMTP_PASSWORD"},
        {"name": "log", "kind": "log"},
        {"name": "book", "kind": "file", "path": "log/alerts.jsonl"},
        {"name": "hook", "kind": "webhook", "url": "$HOOK", "secret": "$KEY"},
        {"name": "team", "kind": "slack", "url": "$SLACK_URL"},
    ]
    assert _faults(tmp_path, channels=channels, **_rule(channels=["team", "ops"])) == []


@pytest.mark.parametrize(
    ("sections", "fault"),
    [
        (_rule(channels=["ops"]), "alerts.rules[0].channels: 'ops' is not one of the channels: none is declared."),
        ({"channels": [MAIL], **_rule(channels="op")}, "'op' is not one of the channels. Did you mean 'ops'?"),
        ({"channels": [MAIL], "alerts": {"channels": "opss"}}, "alerts.channels: 'opss' is not one of the channels."),
        (_rule(metric="auk"), "alerts.rules[0]: metric: 'auk' is not a metric. Did you mean 'auc'?"),
        (_rule(above=1), "above and below are both there: write either above or below"),
        (_rule(below=None), "there is no line: write either above or below"),
        (_rule(about="til"), "alerts.rules[0].about: 'til' is not a feed"),
        (_rule(severity="bad"), "alerts.rules[0].severity: must be one of 'notice', 'warning' or 'critical'"),
        (_rule(for_days=0), "alerts.rules[0].for_days: must be at least 1"),
        ({"alerts": {"off": ["feed_to_old"]}}, "Did you mean 'feed_too_old'?"),
        ({"alerts": {"rules": [_rule()["alerts"]["rules"][0]] * 2}}, "alerts: rules: two rules have the same name"),
        ({"channels": [MAIL, MAIL]}, "channels: two channels have the same name"),
        ({"channels": [{**MAIL, "to": []}]}, "channels[0]: to: an e-mail needs at least one recipient"),
        ({"channels": [{k: v for k, v in MAIL.items() if k != "to"}]}, "channels[0].to: is missing. Add it."),
        ({"channels": [{**MAIL, "to": "nobody"}]}, "to: 'nobody' is not an address such as name@example.com"),
        ({"channels": [{**MAIL, "to": "x@["}]}, "to: 'x@[' is not an address such as name@example.com"),
        ({"channels": [{**MAIL, "to": ["a@example.com", "b@a..b"]}]}, "to: 'b@a..b' is not an address"),
        ({"channels": [{**MAIL, "to": "peña@example.com"}]}, "to: 'peña@example.com' is not an address"),
        ({"channels": [{**MAIL, "from": "@example.com"}]}, "'@example.com' is not an address such as"),
        ({"channels": [{**MAIL, "host": "mail..example.com"}]}, "host: 'mail..example.com' is not a server's name"),
        ({"channels": [{**MAIL, "host": f"{'a' * 64}.com"}]}, "is not a server's name, such as mail.example.com"),
        ({"channels": [{**MAIL, "encryption": "none"}]}, "encryption: none is only for a server on this machine"),
        ({"channels": [{**MAIL, "user": "shop"}]}, "user and password go together"),
        ({"channels": [{"name": "x", "kind": "pager"}]}, "kind must be one of 'log', 'file', 'email', 'webhook'"),
        ({"channels": [{"name": "x", "kind": "file", "path": "/etc/x"}]}, "path: must lie in the workspace"),
        ({"channels": [{"name": "x", "kind": "file", "path": "../x"}]}, "path: must lie in the workspace"),
        ({"channels": [{"name": "x", "kind": "file", "path": "journal.db"}]}, "path: must lie in the workspace"),
        ({"channels": [{"name": "x", "kind": "file", "path": "warehouse/x.jsonl"}]}, "path: must lie in the workspace"),
        ({"channels": [{"name": "x", "kind": "file", "path": "log/../portal/x.jsonl"}]}, "path: must lie in the"),
        ({"training": {"retrain": "often"}}, "training.retrain: must be one of 'propose', 'start' or 'never'"),
    ],
)
def test_what_does_not_fit_is_said_where_it_stands(tmp_path: Path, sections: dict[str, Any], fault: str) -> None:
    assert fault in "\n".join(_faults(tmp_path, **sections))


@pytest.mark.parametrize(
    "channel",
    [
        {**MAIL, "user": "shop", "password": "hunter2"},
        {**MAIL, "user": "shop", "password": ["hunter2"]},
        {**MAIL, "host": "shop:hunter2@mail.example.com"},
        {"name": "team", "kind": "slack", "url": "https://hooks.example.com/hunter2"},
        {"name": "hook", "kind": "webhook", "url": "$HOOK", "secret": "hunter2"},
        {"name": "hook", "kind": "webhook", "url": "$HOOK", "secret": "$hunter2"},
    ],
)
def test_a_secret_in_the_file_is_refused_and_not_repeated(tmp_path: Path, channel: dict[str, Any]) -> None:
    [fault] = _faults(tmp_path, channels=[channel])
    assert SECRET in fault or "without user and password" in fault
    assert "hunter2" not in fault


def test_rules_can_be_about_every_figure_that_is_kept_of_a_day() -> None:
    assert set(MEASURED_DAILY) == set(KEPT)


def test_rules_that_hold_anyway_can_be_switched_off_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"

    def names(**alerts: Any) -> set[str]:
        path.write_text(yaml.safe_dump({**BUSINESS, "alerts": alerts}), encoding="utf-8")
        return {rule.name for rule in rules_of(load_business(path)) if rule.is_default}

    always = set(DEFAULT_RULES) - {"channel_unreached"}  # which is about channels, of which there is none here
    assert names() == always
    assert names(off=["trigger_flooded"]) == always - {"trigger_flooded"}
    own = {"name": "ledger_broken", "metric": "ledger_broken", "above": 0, "severity": "notice"}
    assert names(rules=[own]) == always - {"ledger_broken"}
    assert {rule.metric for rule in rules_of(load_business(path))} <= set(METRICS)


def test_off_is_a_word_and_no_boolean_of_yaml(tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text(yaml.safe_dump(BUSINESS) + "alerts:\n  off: [trigger_flooded]\n", encoding="utf-8")
    assert load_business(path).alerts.off == ("trigger_flooded",)
    path.write_text(yaml.safe_dump(BUSINESS) + "alerts:\n  off: [flooded]\n", encoding="utf-8")
    assert "Did you mean 'trigger_flooded'?" in check_business(path)[0]


def test_editors_know_the_sections() -> None:
    names = business_schema()["$defs"]["EmailChannel"]["properties"]
    assert "from" in names
    assert "sender" not in names
