"""A day that was scored while the registry of models was away says so: in an alert, and on the page about models."""

from datetime import date, timedelta
from pathlib import Path

from monitoring.alerts import read_alerts
from monitoring.unasked import unasked
from tests.monitoring.alerts.world import MONDAY, alerted, company, noon
from tests.monitoring.company import CHURN

AWAY = "model registry https://mlflow.example.com: nobody answers there (Connection refused). Start the server."


def _scored(shop, day: date, note: str | None) -> None:  # type: ignore[no-untyped-def]
    run = f"run-{day}-{note is None}"
    shop.journal.start_run(
        run, flow="score_daily", business=shop.business.slug, as_of=day, inputs_key="", owner="x:1", now=noon(day),
        subject=CHURN,
    )  # fmt: skip
    shop.journal.end_run(run, now=noon(day), receipt={"registry_note": note}, error=None)


def test_it_is_known_of_the_day_it_was_and_of_no_other(tmp_path: Path) -> None:
    shop = company(tmp_path)
    _scored(shop, MONDAY, AWAY)
    _scored(shop, MONDAY + timedelta(days=1), None)
    assert unasked(shop.journal, shop.business, MONDAY) == {CHURN: AWAY}
    assert unasked(shop.journal, shop.business, MONDAY + timedelta(days=1)) == {CHURN: None}
    assert unasked(shop.journal, shop.business, MONDAY + timedelta(days=2)) == {}


def test_an_alert_tells_it_and_is_over_when_the_registry_answers_again(tmp_path: Path) -> None:
    shop = company(tmp_path)
    for number, note in enumerate([AWAY, None]):
        _scored(shop, MONDAY + timedelta(days=number), note)
        alerted(shop, MONDAY + timedelta(days=number))
    [alert] = [one for one in read_alerts(shop.warehouse) if one.rule == "registry_unasked"]
    assert [event.state for event in alert.events] == ["raised", "over"]
    assert "nobody answers there (Connection refused)" in alert.events[0].message
    assert alert.events[0].severity == "notice"
