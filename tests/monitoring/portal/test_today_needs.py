"""What needs a person is found wherever it stands, told once, the worst first, with what to do."""

import json
from datetime import datetime, timedelta

import pytest

from monitoring.portal.pages import today
from monitoring.portal.pages.today_needs import DELIVERIES_DAYS
from monitoring.portal.parts import Cell
from tests.campaigns.decisions.world import AS_OF, design_of, launch_all, put
from tests.monitoring.portal.desk import (
    EN,
    ES,
    YESTERDAY,
    batch,
    contact,
    decide,
    names,
    ran,
    read,
    rows,
    said,
    scores,
    shape,
    table,
    workspace,
)


@pytest.fixture
def desk(tmp_path):
    """A company whose day was scored, by a model in office: nothing needs anybody."""
    found = workspace(tmp_path)
    found.journal.crown("acme-left", "1", seen=None, as_of=YESTERDAY)
    scores(found, AS_OF, high=names(1, 6), low=names(7, 20))
    return found


def kinds(desk, as_of=AS_OF):
    return {need.kind: need for need in read(today, desk, as_of).needs}


def needs(desk, words=EN):
    """Sentence, what to do and command of each need."""
    return [
        (first.text.replace("\u00a0", " "), second.text, second.small)
        for first, second in table(said(today, desk, words=words), "needs").rows
    ]


def test_a_quiet_day_needs_nobody(desk):
    page = said(today, desk)
    assert rows(page, "needs") == []
    assert table(page, "needs").empty == "Nothing needs a person today."
    assert page.lead.endswith("Nothing needs a person.")


def test_a_campaign_halted_by_the_harm_monitor_waits_for_a_person(desk):
    launch_all(desk, YESTERDAY)
    halted = {"kind": "halted", "campaign": "spring", "version": 1, "salt": "s", "reason": "3 treated units left"}
    decide(desk, AS_OF, [{**halted, "detail": '{"by":"harm monitor"}'}], batch="halt")
    [(text, done, command)] = needs(desk)
    assert text.startswith("Campaign spring stands halted since 2 March 2026: contacting seems to make customers leave")
    assert "3 treated" not in text  # how many left may be too few to tell
    assert "only a person can resume it" in done
    assert command == "holdback campaign show spring"


def test_a_campaign_halted_by_a_person_needs_nobody(desk):
    launch_all(desk, YESTERDAY)
    halted = {"kind": "halted", "campaign": "spring", "version": 1, "salt": "s", "detail": '{"by":"Ana"}'}
    decide(desk, AS_OF, [halted], batch="halt")
    assert kinds(desk) == {}


def test_a_failed_check_is_told_by_its_name_and_not_by_its_counts(desk):
    check = {"as_of": YESTERDAY, "campaign": "spring", "version": 1, "check": "contamination", "verdict": "failed",
             "finding": "3 of 45 held out were reached"}  # fmt: skip
    passed = {**check, "check": "reach", "verdict": "passed", "finding": "fine"}
    put(desk, "integrity_checks", [check, passed], batch="checks")
    [(text, _, command)] = needs(desk)
    assert "A check of spring failed on 1 March 2026: customers held out were contacted" in text
    assert "45" not in text
    assert command == "holdback campaign show spring"


def test_a_check_that_passes_on_the_newest_day_is_over(desk):
    check = {"as_of": YESTERDAY, "campaign": "spring", "version": 1, "check": "reach", "verdict": "failed",
             "finding": "?"}  # fmt: skip
    put(desk, "integrity_checks", [check, {**check, "as_of": AS_OF, "verdict": "passed"}], batch="checks")
    assert kinds(desk) == {}


def test_lists_that_were_not_delivered_are_missed_for_a_week(desk):
    old = AS_OF - timedelta(days=DELIVERIES_DAYS)
    for day in (old, YESTERDAY, AS_OF):
        decide(desk, day, [contact(name) for name in names(1, 6)])
    ran(desk, "deliver", AS_OF, receipt={"contacts": {"phone": 6}, "withheld": {}})
    missed = kinds(desk)["not_delivered"]
    assert (missed.day, missed.count, missed.state) == (YESTERDAY, 6, "bad")
    assert ("holdback decide --as-of 2026-03-01") in [command for _, _, command in needs(desk)]


def test_withheld_messages_name_the_field_and_hide_few(desk):
    decide(desk, AS_OF, [contact(name) for name in names(1, 9)])
    ran(desk, "deliver", AS_OF, receipt={"withheld": {"first_name": 2, "offer": 1}})
    texts = [text for text, _, _ in needs(desk)]
    assert (
        "Messages of 2 March 2026 are withheld because a field is missing (first_name, offer): fewer than 5." in texts
    )


def test_calls_that_were_given_up_or_wait_are_told(desk):
    decide(desk, AS_OF, [contact(name) for name in names(1, 20)])
    ran(desk, "deliver", AS_OF, receipt={"webhook": {"dead": 6, "waiting": 7}})
    found = kinds(desk)
    assert (found["calls_given_up"].count, found["calls_given_up"].state) == (6, "bad")
    assert (found["calls_wait"].count, found["calls_wait"].state) == (7, "look")


def test_what_we_do_ourselves_is_counted_however_little(desk):
    decide(desk, YESTERDAY, [contact(name) for name in names(1, 2)])
    decide(desk, AS_OF, [contact(name) for name in names(3, 6)])
    ran(desk, "deliver", AS_OF, receipt={"webhook": {"dead": 1, "waiting": 3}})
    texts = [text for text, _, _ in needs(desk)]
    assert "The contact lists of 1 March 2026 were not delivered (contacts: 2)." in texts
    assert "Contacts of 2 March 2026 were not taken by the receiving system and were given up: 1." in texts
    assert "Contacts of 2 March 2026 still wait to be sent to the receiving system: 3." in texts


def test_contacts_that_nobody_reported_are_counted_and_not_named(desk):
    decided_on = AS_OF - timedelta(days=5)
    decide(desk, decided_on, [contact(name) for name in names(1, 8)])
    ran(desk, "deliver", decided_on, receipt={})
    assert kinds(desk)["found_missed"].count == 8
    assert "Decided contacts of which nobody reported that they were sent: 8." in [text for text, _, _ in needs(desk)]


def test_a_model_stopped_by_its_guards_is_told_until_a_newer_verdict(desk):
    guards = [
        {"name": "leak", "severity": "block", "reason": "x"},
        {"name": "signal", "severity": "pass", "reason": ""},
    ]
    verdict = {"champion": "1", "figures": {"guards": guards}}
    desk.journal.record_verdict("acme-left", "2", as_of=YESTERDAY, decision="blocked", **verdict)
    [(text, _, command)] = needs(desk)
    assert text.startswith("The model for left trained on 1 March 2026 was stopped by its guards: ")
    assert command == "holdback models show"
    desk.journal.record_verdict("acme-left", "3", as_of=AS_OF, decision="keep", **verdict)
    assert kinds(desk) == {}


def test_a_step_that_failed_is_told_unless_it_was_done_again(desk):
    ran(desk, "score_daily", AS_OF, error="client-0007 is odd")
    ran(desk, "measure", AS_OF, error="no")
    ran(desk, "measure", AS_OF)
    ran(desk, "learn", YESTERDAY, error="yesterday's")
    assert [text for text, _, _ in needs(desk)] == ["The step “scoring” failed on 2 March 2026."]


def test_a_step_that_runs_again_now_is_not_over(desk):
    ran(desk, "report", AS_OF, error="the disk was full")
    assert set(kinds(desk)) == {"failed_run"}
    at = datetime(2026, 3, 2, 9)
    start = {"flow": "report", "business": "acme", "as_of": AS_OF, "inputs_key": "", "owner": "me", "now": at}
    desk.journal.start_run("now", **start)
    assert kinds(desk) == {}


def test_a_trigger_that_fired_far_too_often_is_told(desk):
    run = {"as_of": AS_OF, "trigger": "outage", "seen_at": datetime(2026, 3, 1), "holding": 90, "fired": 80,
           "cooling": 0, "expected": 2.0, "is_flooded": True}  # fmt: skip
    put(desk, "trigger_runs", [run, {**run, "trigger": "quiet", "is_flooded": False}], batch="runs")
    [(text, _, command)] = needs(desk)
    assert "The trigger outage fired far too often today (80 customers)" in text
    assert command == "holdback triggers show outage"


@pytest.mark.parametrize(
    ("reads_on", "taken_on", "kind"),
    [
        (AS_OF, None, "reading_due"),
        (AS_OF, AS_OF, "reading_taken"),
        (YESTERDAY, None, "reading_waits"),
        (YESTERDAY, YESTERDAY, None),
        (AS_OF + timedelta(days=1), None, None),
    ],
)
def test_a_planned_reading_is_due_until_it_was_taken(desk, reads_on, taken_on, kind):
    import dataclasses

    design = dataclasses.replace(design_of(desk.business, "spring", YESTERDAY), reads_on=reads_on)
    launched = {"kind": "launched", "campaign": "spring", "version": 1, "salt": design.salt}
    detail = f'{{"design": {design.to_json()}, "hash": "{design.hash}"}}'
    decide(desk, YESTERDAY, [{**launched, "detail": detail}], batch="launch/spring/1")
    if taken_on is not None:
        effect = {"as_of": taken_on, "campaign": "spring", "version": 1, "segment": "all", "metric": "churned",
                  "method": "newcombe", "reading": "official", "estimate": -0.02}  # fmt: skip
        put(desk, "effects", [effect], batch="effects")
    assert [need for need in kinds(desk) if need.startswith("reading")] == ([kind] if kind else [])


def test_alerts_that_are_not_over_are_listed_without_who_took_them(desk):
    age = json.dumps({"metric": "feed_age_days", "line": 3.0, "is_above": True, "is_default": True, "detail": ""})
    alert = {"as_of": YESTERDAY, "alert_id": "a1", "rule": "feed_too_old", "about": "tills<b>", "state": "raised",
             "severity": "critical", "happened_at": datetime(2026, 3, 1, 6), "message": "Los datos no llegan",
             "value": 4.0, "detail": age}  # fmt: skip
    later = {"as_of": AS_OF, "happened_at": datetime(2026, 3, 2, 6)}
    own = {"rule": "too_few", "about": "", "severity": "warning", "alert_id": "a2",
           "detail": json.dumps({"metric": "customers_scored", "line": 90.0, "is_above": False})}  # fmt: skip
    listed = [
        alert, {**alert, **later, "state": "seen_again", "value": 5.0},
        {**alert, **own},
        {**alert, **later, **own, "state": "acknowledged", "by_whom": "Ana Ruiz", "value": 70.0},
        {**alert, **later, **own, "state": "seen_again", "happened_at": datetime(2026, 3, 2, 7), "value": 60.0},
        {**alert, "alert_id": "a3", "message": "gone"}, {**alert, **later, "alert_id": "a3", "state": "over"},
    ]  # fmt: skip
    put(desk, "alerts", listed, batch="alerts")
    assert [(text, command) for text, _, command in needs(desk)] == [
        ("Alert since 1 March 2026: The newest event (tills<b>) is 5 days old.", "holdback alerts show a1"),
        ("Alert since 1 March 2026, acknowledged and not over: Customers scored: 60, below 90.",
         "holdback alerts show a2"),
    ]  # fmt: skip
    assert [need.state for need in read(today, desk).needs] == ["bad", "look"]
    assert next(text for text, _, _ in needs(desk, ES)) == (
        "Alerta desde el 1 de marzo de 2026: El último evento (tills<b>) tiene 5 días de antigüedad."
    )


def test_no_page_repeats_what_an_alert_saw_besides_which_may_be_an_error_or_count_people(desk):
    rules = {"step_failed": "score_daily", "campaign_halted": "spring", "ledger_broken": "", "model_blocked": "left"}
    listed = [
        {"as_of": AS_OF, "alert_id": rule, "rule": rule, "about": about, "state": "raised", "severity": "critical",
         "happened_at": datetime(2026, 3, 2, 6), "message": "3 treated units left (client-0007)", "value": 1.0,
         "detail": json.dumps({"metric": rule, "line": 0.0, "is_above": True, "is_default": True,
                               "detail": "3 treated units left (client-0007)"})}
        for rule, about in rules.items()
    ]  # fmt: skip
    put(desk, "alerts", [*listed, {**listed[0], "alert_id": "old", "rule": "an_old_rule", "detail": None}], batch="x")
    for words in (EN, ES):
        told = [text for text, _, _ in needs(desk, words)]
        assert len(told) == 5
        assert not [text for text in told if "treated" in text or "client" in text]
    assert "Alert since 2 March 2026: A step of the day failed (scoring)." in [text for text, _, _ in needs(desk)]
    assert "Alert since 2 March 2026: Holdback halted the campaign (spring)." in [text for text, _, _ in needs(desk)]


def test_files_that_were_refused_kept_aside_or_are_too_old_are_told(tmp_path):
    feed = {"role": "subscriptions", "source": "contracts.csv",
            "columns": {"customer_id": "who", "event_at": "at", "kind": "kind", "price": "price"},
            "expects": {"fresh_within_days": 2}}  # fmt: skip
    desk = workspace(tmp_path, feeds={"contracts": feed})
    desk.journal.crown("acme-left", "1", seen=None, as_of=YESTERDAY)
    scores(desk, AS_OF, high=names(1, 6), low=names(7, 20))
    started = {"customer_id": "client-0001", "event_at": datetime(2026, 2, 20), "kind": "start", "price_cents": 1,
               "loaded_at": datetime(2026, 2, 21)}  # fmt: skip
    put(desk, "contracts", [started], batch="contracts")
    put(desk, "batches", [batch("sendings", AS_OF, rows_clean=17, rows_quarantined=3)], batch="batches")
    rule = {"batch_id": "x", "feed": "customers", "as_of": AS_OF, "rule": "columns_are_present", "severity": "critical",
            "scope": "batch", "is_passed": False, "is_accepted": False, "expected": "all"}  # fmt: skip
    put(desk, "validations", [rule], batch="validations")
    assert [text for text, _, _ in needs(desk)] == [
        "Files of customers were refused today as a whole: 1.",
        "The newest event of contracts is of 20 February 2026; it may be 2 days old at most.",
        "Rows were kept aside today (sendings): 3.",  # rows, not customers
    ]


def test_every_kind_of_need_is_said_in_both_languages(desk):
    from monitoring.alerts.wording import Seen
    from monitoring.portal.pages.today_needs import Need
    from monitoring.portal.pages.today_said import needs_section
    from monitoring.words import catalogue

    told = sorted(key.removeprefix("today_need_") for key in catalogue("en") if key.startswith("today_need_"))
    seen = Seen("step_failed", "x", "step_failed", True, 0.0, True, 1.0)
    listed = tuple(Need(kind, "look", "x", count=9, day=AS_OF, names=("n",), seen=seen) for kind in told)
    english, spanish = (needs_section(listed, "EUR", words) for words in (EN, ES))
    assert shape(english) == shape(spanish)
    for section in (english, spanish):
        [found] = section.parts
        assert len(found.rows) == len(told) > 25
        assert all(isinstance(cell, Cell) and "{" not in cell.text for row in found.rows for cell in row)
