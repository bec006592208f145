"""What is kept of past months says what would be computed, day after day, whatever comes in; and is asked seldom."""

from __future__ import annotations

from dataclasses import fields
from datetime import date, datetime, timedelta
from pathlib import Path
from shutil import copytree, rmtree
from typing import Any

import pytest

from holdback.workspace import Workspace
from monitoring import churn_past
from monitoring.churn_history import churn_history
from monitoring.churn_past import kept_history
from monitoring.moment import one_moment
from monitoring.portal.pages import churn, churn_journey, churn_rates
from monitoring.portal.source import Source
from tests.campaigns.decisions.world import put
from tests.monitoring.kpis.company import AS_OF, REACH, RECORDED, at, cancel, company, names, start

EVERYBODY = names("who", 60)
SOON = datetime(2025, 1, 11)


def known(row: dict[str, Any], loaded_on: date | None = None) -> dict[str, Any]:
    """A row as it comes in: known the morning after, unless another day is said."""
    night = datetime.combine(row["event_at"].date() + timedelta(days=1), datetime.min.time())
    return {**row, "loaded_at": night if loaded_on is None else datetime.combine(loaded_on, datetime.min.time())}


@pytest.fixture
def shop(tmp_path: Path) -> Workspace:
    """Sixty contracts since December; some end in each month; the data reach the middle of June."""
    workspace = Workspace(tmp_path / "shop", company(), threads=1)
    deals = [start(who, at(2024, 12, 1), price=10 + number) for number, who in enumerate(EVERYBODY)]
    deals += [cancel(who, at(2025, 1 + number // 6, 8 + number % 6)) for number, who in enumerate(EVERYBODY[:30])]
    put(workspace, "deals", [*map(known, [*deals, RECORDED, REACH])], batch="deals")
    people = [
        {"customer_id": who, "region": ("north", "south")[number % 2], "vip": number % 3 == 0,
         "signed_up_at": at(2024, 12, 1), "loaded_at": SOON}
        for number, who in enumerate(EVERYBODY)
    ]  # fmt: skip
    put(workspace, "customers", people, batch="customers")
    return workspace


def content(workspace: Workspace, day: date) -> dict[str, Any]:
    """What the page reads, but for the reasons, which no model tells here."""
    with one_moment(workspace.warehouse) as moment:
        source = Source(moment, workspace.journal, workspace.business, workspace.business.churn[0], day, workspace)
        read = churn.read(source)
        history = kept_history(workspace, moment, source.churn, day)
        assert history == churn_history(moment, workspace.business, source.churn, day)
    return {**{field.name: getattr(read, field.name) for field in fields(read)}, "history": history}


def afresh(workspace: Workspace, day: date) -> dict[str, Any]:
    """The same of a workspace that has kept nothing."""
    copied = Workspace(workspace.root.with_name("copy"), workspace.business, threads=1)
    rmtree(copied.root, ignore_errors=True)
    copytree(workspace.root, copied.root)
    rmtree(copied.folder / "kept", ignore_errors=True)
    return content(copied, day)


def test_what_is_kept_is_what_would_be_computed_whatever_comes_in(shop: Workspace) -> None:
    """New rows, a late cancellation of May, an older history, the end of a window, the end of a month."""
    coming: dict[date, list[dict[str, Any]]] = {
        AS_OF: [],
        AS_OF + timedelta(days=1): [known(cancel(EVERYBODY[40], at(2025, 6, 15)))],
        AS_OF + timedelta(days=2): [known(cancel(EVERYBODY[41], at(2025, 5, 20)), AS_OF + timedelta(days=2))],
        AS_OF + timedelta(days=3): [known(start(who, at(2024, 11, 20))) for who in names("older", 9)],
        date(2025, 7, 1): [known(start("june", at(2025, 6, 30)))],
        date(2025, 7, 2): [known(start("july", at(2025, 7, 1)))],
        date(2025, 7, 3): [known(cancel(EVERYBODY[42], at(2025, 7, 2)))],
    }
    told = []
    for number, (day, rows) in enumerate(coming.items()):
        if rows:
            put(shop, "deals", rows, batch=f"deals/{number}")
        told.append(content(shop, day))
        assert told[-1] == afresh(shop, day), day
    rates = [one["months"].known for one in told]
    assert rates[0] == rates[1]
    assert rates[1] != rates[2], "a late cancellation changes what became of May"
    assert len(rates[-1]) > len(rates[0]), "the outcomes of June are known by then"


def test_a_quiet_day_asks_nothing_of_the_past(shop: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    content(shop, AS_OF)
    put(shop, "deals", [known(start("new", at(2025, 6, 15)))], batch="new")

    def never(*_: object, **__: object) -> None:
        raise AssertionError("it was asked again")

    for module, name in (
        (churn_past, "churn_history"), (churn_rates, "churn_rates"), (churn_rates, "known_outcomes"),
        (churn_journey, "retention_curves"),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, never)
    day = AS_OF + timedelta(days=1)
    found = content(shop, day)
    assert found["divided"].revenue.as_of == day


def test_who_is_forgotten_is_not_told_of_any_more(shop: Workspace) -> None:
    """Whatever removes rows asks anew: here the customers' groups, of one of whom nothing is known any more."""
    before = content(shop, AS_OF)
    late = [{"customer_id": EVERYBODY[59], "region": "west", "vip": True, "signed_up_at": at(2024, 12, 1),
             "loaded_at": datetime(2025, 2, 1)}]  # fmt: skip
    put(shop, "customers", late, batch="moved")
    after = content(shop, AS_OF)
    assert after["divided"] != before["divided"]
    assert after == afresh(shop, AS_OF)


def test_moves_are_told_up_to_the_day_whose_stages_were_written(shop: Workspace) -> None:
    written_on = AS_OF - timedelta(days=3)
    rows = [
        {"as_of": written_on, "customer_id": who, "churn": "cancelled", "stage": "steady", "cohort": "2024-12"}
        for who in EVERYBODY[30:]
    ]
    put(shop, "segments", rows, batch="segments")
    assert content(shop, AS_OF)["moves"].found.as_of == written_on
    assert content(shop, AS_OF + timedelta(days=5))["moves"].found.as_of == AS_OF + timedelta(days=5)
