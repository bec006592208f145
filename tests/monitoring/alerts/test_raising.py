"""What a day of alerts does: told once, again when it worsens or lasts, silenced by whoever knows, closed once."""

import json
import logging
import os
import signal
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest

from holdback.errors import DataError
from monitoring.alerts import acknowledge, read_alerts, try_channels
from tests.campaigns.delivery.receivers import answer, receiver
from tests.monitoring.alerts.world import (
    MONDAY,
    alerted,
    company,
    days_from,
    events,
    figures,
    late,
    lines,
    mail_server,
    noon,
    states,
)

FILE = {"name": "book", "kind": "file"}
HOOK = {"name": "hook", "kind": "webhook", "url": "$HOOK", "secret": "$KEY"}
SLACK = {"name": "team", "kind": "slack", "url": "$SLACK"}


def test_a_line_that_is_crossed_is_told_once_and_closed_once(tmp_path: Path) -> None:
    shop = company(tmp_path, [FILE])
    for day, age in zip(days_from(MONDAY, 6), [1, 4, 5, 5, 2, 2], strict=True):
        late(shop, day, age)
        alerted(shop, day)
    assert [(line["rule"], line["about"], line["state"]) for line in lines(shop)] == [
        ("feed_too_old", "tills", "new"),
        ("feed_too_old", "tills", "over"),
    ]
    assert states(shop) == ["raised", "seen_again", "seen_again", "over"]
    [alert] = read_alerts(shop.warehouse)
    assert (alert.state, alert.since) == ("over", MONDAY + timedelta(days=1))


def test_the_same_day_twice_changes_and_sends_nothing(tmp_path: Path) -> None:
    shop = company(tmp_path, [FILE])
    late(shop, MONDAY, 4)
    first, second = alerted(shop, MONDAY), alerted(shop, MONDAY, now=noon(MONDAY) + timedelta(hours=3))
    assert (first.raised, first.told) == (1, {"book": 1})
    assert second.did_nothing
    assert (len(events(shop)), len(lines(shop))) == (1, 1)


def test_what_worsens_is_told_again_and_what_improves_is_not(tmp_path: Path) -> None:
    shop = company(tmp_path, [FILE])  # the limit is 3 days: from 7 on it is critical
    for day, age in zip(days_from(MONDAY, 4), [4, 7, 4, 7], strict=True):
        late(shop, day, age)
        alerted(shop, day)
    told = [(line["severity"], line["state"]) for line in lines(shop)]
    assert told == [("warning", "new"), ("critical", "worse")]


def test_what_lasts_is_told_again_after_some_days(tmp_path: Path) -> None:
    shop = company(tmp_path, [FILE], repeat_after_days=3)
    for day in days_from(MONDAY, 8):
        late(shop, day, 5)
        alerted(shop, day)
    assert [line["state"] for line in lines(shop)] == ["new", "still", "still"]


def test_what_somebody_takes_care_of_is_silent_until_it_is_over(tmp_path: Path) -> None:
    shop = company(tmp_path, [FILE], repeat_after_days=2)
    late(shop, MONDAY, 4)
    alerted(shop, MONDAY)
    [alert] = read_alerts(shop.warehouse)
    silent = acknowledge(shop, alert.alert_id[:5], by="Ana", note="the tills' server is down", now=noon(MONDAY))
    assert (silent.state, silent.newest.by_whom, silent.newest.detail["note"]) == (
        "acknowledged",
        "Ana",
        "the tills' server is down",
    )
    assert silent.newest.message == alert.newest.message  # whoever reads the newest row reads what is seen
    for day, age in zip(days_from(MONDAY, 6)[1:], [5, 6, 6, 6, 1], strict=True):
        late(shop, day, age)
        alerted(shop, day)
    assert [line["state"] for line in lines(shop)] == ["new", "over"]
    assert states(shop) == ["raised", "acknowledged", *["seen_again"] * 4, "over"]
    with pytest.raises(DataError, match="is over since"):
        acknowledge(shop, alert.alert_id, by="Ana", now=noon(MONDAY))
    with pytest.raises(DataError, match="no alert has this id"):
        acknowledge(shop, "zzzz", by="Ana", now=noon(MONDAY))


def test_what_is_worse_than_when_it_was_acknowledged_is_told_and_can_be_acknowledged_again(tmp_path: Path) -> None:
    shop = company(tmp_path, [FILE], repeat_after_days=2)
    days = days_from(MONDAY, 5)
    late(shop, days[0], 4)
    alerted(shop, days[0])
    [alert] = read_alerts(shop.warehouse)
    acknowledge(shop, alert.alert_id, by="Ana", now=noon(MONDAY))
    late(shop, days[1], 9)
    alerted(shop, days[1])
    [worse] = read_alerts(shop.warehouse)
    assert (worse.state, worse.newest.severity) == ("open", "critical")
    assert acknowledge(shop, alert.alert_id, by="Bo", now=noon(days[1])).state == "acknowledged"
    for day in days[2:]:
        late(shop, day, 10)
        alerted(shop, day)
    assert [(line["state"], line["severity"]) for line in lines(shop)] == [("new", "warning"), ("worse", "critical")]


def test_an_acknowledgement_that_is_taken_back_is_told_again(tmp_path: Path) -> None:
    shop = company(tmp_path, [FILE], repeat_after_days=2)
    late(shop, MONDAY, 4)
    alerted(shop, MONDAY)
    [alert] = read_alerts(shop.warehouse)
    acknowledge(shop, alert.alert_id, by="Ana", now=noon(MONDAY))
    back = acknowledge(shop, alert.alert_id, by="Ana", undo=True, now=noon(MONDAY))
    assert (back.state, back.acknowledged) == ("open", None)
    for day in days_from(MONDAY, 3)[1:]:
        late(shop, day, 4)
        alerted(shop, day)
    assert [line["state"] for line in lines(shop)] == ["new", "still"]


def test_an_alert_without_a_value_is_told_again_and_is_over_after_a_month(tmp_path: Path) -> None:
    shop = company(tmp_path, [FILE], repeat_after_days=10)
    late(shop, MONDAY, 4)
    for day in days_from(MONDAY, 32):
        alerted(shop, day)
    assert [(line["state"], line["seen"]) for line in lines(shop)] == [
        ("new", "The newest event (tills) is 4 days old."),
        ("still", "The newest event (tills) is 4 days old."),
        ("still", "The newest event (tills) is 4 days old."),
        ("over", "Nothing has been known of it for 30 days: it is looked at no more."),
    ]
    assert states(shop) == ["raised", "seen_again", "seen_again", "over"]


def test_an_alert_that_begins_anew_is_another_one(tmp_path: Path) -> None:
    shop = company(tmp_path, [FILE])
    for day, age in zip(days_from(MONDAY, 3), [4, 1, 4], strict=True):
        late(shop, day, age)
        alerted(shop, day)
    first, second = read_alerts(shop.warehouse)
    assert (first.state, second.state, first.alert_id != second.alert_id) == ("over", "open", True)


def test_a_day_without_a_figure_begins_and_ends_nothing(tmp_path: Path) -> None:
    shop = company(tmp_path, [FILE])
    late(shop, MONDAY, 4)
    alerted(shop, MONDAY)
    figures(shop, MONDAY + timedelta(days=1), feed_age_days__tills=None)
    alerted(shop, MONDAY + timedelta(days=1))
    alerted(shop, MONDAY + timedelta(days=2))
    assert states(shop) == ["raised"]


def test_the_first_day_without_any_history_is_quiet(tmp_path: Path) -> None:
    found = alerted(company(tmp_path, [FILE]), MONDAY)
    assert found.did_nothing
    assert str(found) == "shop as of 2025-09-01: 0 raised, 0 over; open: none"


def test_one_message_per_channel_lists_everything_the_worst_first(tmp_path: Path) -> None:
    with receiver([]) as team:
        shop = company(tmp_path, [SLACK])
        figures(
            shop, MONDAY, feed_age_days__tills=4, critical_rules_broken__tills=2, days_since_training=200,
            quarantined_share__tills=(0.15, 0.13, 0.17), quarantined_share=(0.15, 0.13, 0.17),
        )  # fmt: skip
        assert alerted(shop, MONDAY, SLACK=team.url).told == {"team": 4}
    [call] = team.calls
    content = json.loads(call.body)
    assert set(content) == {"text"}
    text = content["text"]
    assert text.startswith("*[Holdback] Shop: 1 critical alert, 2 warnings, 1 notice (2025-09-01)*\n")
    places = [text.index(word) for word in ("[CRITICAL]", "[WARNING]", "[NOTICE]")]
    assert places == sorted(places)
    for part in (
        "The newest event (tills) is 4 days old.",
        "Seen since 1\u00a0September\u00a02025.",
        "Alert above 3.",
        "Ask whoever delivers it.",
        "docs/runbook.md#feed-too-old",
        "Of the rows that came today (tills), 15.0% (13.0% to 17.0%) are in quarantine.",
    ):
        assert part in text, part


def test_a_business_that_speaks_spanish_is_told_in_spanish(tmp_path: Path) -> None:
    shop = company(tmp_path, [FILE])
    spanish = shop.business.model_copy(update={"language": "es"})
    object.__setattr__(shop, "business", spanish)
    late(shop, MONDAY, 4)
    alerted(shop, MONDAY)
    assert lines(shop)[0]["seen"] == "El último evento (tills) tiene 4 días de antigüedad."


def test_own_rules_have_their_channels_their_days_and_their_interval(tmp_path: Path) -> None:
    rules = [
        {"name": "weak", "metric": "auc", "below": 0.7, "severity": "critical", "channels": ["book"], "for_days": 2},
        {"name": "weak_today", "metric": "auc", "below": 0.7, "beyond_chance": False, "channels": []},
    ]
    shop = company(tmp_path, [FILE], rules=rules)
    values = [(0.65, 0.60, 0.72), (0.65, 0.62, 0.68), (0.66, 0.63, 0.69), (0.68, 0.62, 0.74), (0.72, 0.66, 0.78)]
    for day, value in zip(days_from(MONDAY, 5), values, strict=True):
        figures(shop, day, auc=value)
        alerted(shop, day)
    assert [(line["rule"], line["state"]) for line in lines(shop)] == [("weak", "new"), ("weak", "over")]
    assert lines(shop)[0]["seen"].endswith(": 0.660 (0.630 to 0.690), below 0.700.")
    raised = [event for event in events(shop) if event[2] == "raised"]
    assert raised == [("weak_today", "", "raised"), ("weak", "", "raised")]


def test_a_rule_that_is_switched_off_ends_what_it_began(tmp_path: Path) -> None:
    shop = company(tmp_path, [FILE])
    late(shop, MONDAY, 4)
    alerted(shop, MONDAY)
    without = company(tmp_path, [FILE], off=["feed_too_old"])
    late(without, MONDAY + timedelta(days=1), 5)
    alerted(without, MONDAY + timedelta(days=1))
    assert states(without) == ["raised", "over"]
    assert lines(without)[-1]["seen"] == "Its rule or its subject is no longer in the business file."


def test_a_rule_of_ones_own_takes_the_place_of_the_default_of_its_name(tmp_path: Path) -> None:
    rule = {"name": "feed_too_old", "metric": "feed_age_days", "above": 10}
    shop = company(tmp_path, [FILE], rules=[rule])
    late(shop, MONDAY, 5)
    assert alerted(shop, MONDAY).raised == 0


def test_a_channel_that_cannot_be_reached_stops_no_other_and_is_told_by_the_next_run(tmp_path: Path) -> None:
    with receiver([answer(500)] * 2) as hook:
        shop = company(tmp_path, [HOOK, FILE])
        late(shop, MONDAY, 4)
        first = alerted(shop, MONDAY, HOOK=hook.url, KEY="k")
        assert first.told == {"book": 2}
        assert first.unreached == {"hook": "answered 500 (2 tries)."}
        second = alerted(shop, MONDAY, HOOK=hook.url, KEY="k")
    assert (second.told, second.unreached) == ({"hook": 1, "book": 1}, {})
    assert [(line["rule"], line["severity"], line["state"], line["seen"]) for line in lines(shop)] == [
        ("feed_too_old", "warning", "new", "The newest event (tills) is 4 days old."),
        ("channel_unreached", "notice", "new",
         "Alerts could not be told through a channel (hook) (answered 500 (2 tries))."),
        ("channel_unreached", "notice", "over", "A channel was not reached (hook): no longer so."),
    ]  # fmt: skip
    assert len(set(hook.keys)) == 1  # the receiver can tell that it is the same


def test_what_is_over_before_a_channel_heard_of_it_is_told_as_over(tmp_path: Path) -> None:
    with receiver([answer(503)] * 2) as hook:
        shop = company(tmp_path, [HOOK])
        late(shop, MONDAY, 4)
        alerted(shop, MONDAY, HOOK=hook.url, KEY="k")
        late(shop, MONDAY + timedelta(days=1), 1)
        alerted(shop, MONDAY + timedelta(days=1), HOOK=hook.url, KEY="k")
    told = json.loads(hook.calls[-1].body)
    assert [item["state"] for item in told["alerts"]] == ["over"]
    assert "From 1\u00a0September\u00a02025 to 2\u00a0September\u00a02025." in told["text"]


def test_an_address_that_is_not_set_is_said_and_stops_nothing(tmp_path: Path) -> None:
    shop = company(tmp_path, [HOOK, FILE])
    late(shop, MONDAY, 4)
    found = alerted(shop, MONDAY)
    assert found.told == {"book": 2}
    assert "the environment variable HOOK is not set" in found.unreached["hook"]


def test_a_day_that_has_long_passed_is_kept_and_not_sent_until_a_day_of_today(tmp_path: Path) -> None:
    shop = company(tmp_path, [FILE])
    today = MONDAY + timedelta(days=30)
    for day, age in zip(days_from(MONDAY, 3), [4, 1, 4], strict=True):
        late(shop, day, age)
        assert alerted(shop, day, now=noon(today)).told == {}
    late(shop, today, 5)
    alerted(shop, today)
    assert [(line["state"], line["since"]) for line in lines(shop)] == [("new", "2025-09-03")]


def test_the_past_is_not_judged_anew(tmp_path: Path) -> None:
    shop = company(tmp_path, [FILE])
    late(shop, MONDAY, 4)
    alerted(shop, MONDAY)
    late(shop, MONDAY - timedelta(days=1), 4)
    found = alerted(shop, MONDAY - timedelta(days=1))
    assert found.waits is not None
    assert states(shop) == ["raised"]


def test_alerts_in_the_log_have_their_fields(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    shop = company(tmp_path, [{"name": "here", "kind": "log"}])
    late(shop, MONDAY, 7)
    with caplog.at_level(logging.WARNING, "holdback.alerts"):
        alerted(shop, MONDAY)
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert "alert new: business=shop as_of=2025-09-01" in record.message
    assert "rule=feed_too_old about=tills severity=critical since=2025-09-01" in record.message


def test_no_secret_reaches_a_table_a_result_or_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    secrets = {"HOOK": "http://127.0.0.1:1/SECRETPATH", "KEY": "SECRETKEY", "SLACK": "SECRETURL", "PASS": "SECRETPASS"}
    with mail_server(password="right") as server, caplog.at_level(0):
        mail = {
            "name": "mail", "kind": "email", "host": "127.0.0.1", "port": server.port, "encryption": "none",
            "from": "holdback@example.com", "to": ["ana@example.com"], "user": "shop", "password": "$PASS",
        }  # fmt: skip
        shop = company(tmp_path, [HOOK, SLACK, mail, FILE])
        late(shop, MONDAY, 4)
        found = alerted(shop, MONDAY, **secrets)
        tried = try_channels(shop, MONDAY, now=noon(MONDAY), environment=secrets, wait=lambda _: None)
    assert sorted(found.unreached) == ["hook", "mail", "team"]
    said = f"{found!r}{found}{tried}{caplog.text}"
    for folder, _, names in os.walk(shop.folder):
        said += "".join((Path(folder) / name).read_bytes().decode("latin-1") for name in names)
    assert "SECRET" not in said


def test_a_test_message_says_that_it_is_one_and_leaves_no_trace(tmp_path: Path) -> None:
    with receiver([]) as hook:
        shop = company(tmp_path, [HOOK, SLACK, FILE])
        found = try_channels(
            shop, MONDAY, now=noon(MONDAY), environment={"HOOK": hook.url, "KEY": "k"}, wait=lambda _: None
        )
    assert found["hook"] is None
    assert found["book"] is None
    assert "SLACK is not set" in (found["team"] or "")
    told = json.loads(hook.calls[0].body)
    assert (told["is_test"], told["alerts"]) == (True, [])
    assert told["subject"] == "[Holdback] Shop: TEST of this channel"
    assert lines(shop)[0]["is_test"]
    assert events(shop) == []


def test_two_runs_at_once_send_once(tmp_path: Path) -> None:
    with receiver([]) as hook:
        shop = company(tmp_path, [HOOK])
        late(shop, MONDAY, 4)
        assert _run(hook.url, f"{tmp_path}:0", f"{tmp_path}:0") == [0, 0]
    assert len(hook.calls) == 1
    assert states(shop) == ["raised"]


def test_killed_at_any_moment_an_alert_is_sent_at_least_once(tmp_path: Path) -> None:
    # Before and after everything that lasts or leaves: two appends and a call are six moments; the seventh run lives.
    # The next run ends what was begun, and the receiver knows by its key what it was told already.
    moments = range(1, 8)
    with receiver([]) as hook:
        shops = {moment: company(tmp_path / str(moment), [HOOK]) for moment in moments}
        for shop in shops.values():
            late(shop, MONDAY, 4)
        ended = _run(hook.url, *(f"{tmp_path / str(moment)}:{moment}" for moment in moments))
        assert ended == [-signal.SIGKILL] * 6 + [0]
        for moment, shop in shops.items():
            own = f"{hook.url}&run={moment}"
            alerted(shop, MONDAY, HOOK=own, KEY="k")
            assert alerted(shop, MONDAY, HOOK=own, KEY="k").did_nothing
            assert states(shop) == ["raised"], moment
    calls = [sum(call.path.endswith(f"run={moment}") for call in hook.calls) for moment in moments]
    assert calls == [1, 1, 1, 2, 2, 1, 1]  # twice when it died between the call and its mark, never not at all
    assert len(set(hook.keys)) == 1


def _run(url: str, *begun: str) -> list[int]:
    program = [sys.executable, "-m", "tests.monitoring.alerts.killed_alerts", url, *begun]
    done = subprocess.run(program, capture_output=True, text=True, timeout=120, check=True)
    return [int(code) for code in done.stdout.split()]


def test_days_may_be_skipped(tmp_path: Path) -> None:
    shop = company(tmp_path, [FILE])
    late(shop, MONDAY, 4)
    alerted(shop, MONDAY)
    late(shop, date(2025, 10, 1), 1)
    alerted(shop, date(2025, 10, 1))
    assert states(shop) == ["raised", "over"]
