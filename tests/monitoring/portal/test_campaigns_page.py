"""The page about campaigns: what it says is what was measured, and what must not be said is not."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from campaigns.designs import halt, resume
from flows.cli.measurement import _cells
from holdback.business import Business
from holdback.commits import rows_of
from holdback.errors import OperatorError
from holdback.tables import TABLES
from holdback.workspace import Workspace
from monitoring.measurement import measure, stored_effects
from monitoring.moment import one_moment
from monitoring.portal.pages import campaigns
from monitoring.portal.pages.campaigns_asking import Entered
from monitoring.portal.pages.campaigns_words import basis, check_value
from monitoring.portal.parts import Page
from monitoring.words import Words
from tests.monitoring.measurement.experiment import FILE, STARTS_ON, World, business, run
from tests.monitoring.measurement.test_retiring import fixed, with_trigger
from tests.monitoring.portal.reading import (
    EN,
    ES,
    assert_well_made,
    charts,
    content_of,
    notices,
    section,
    shape,
    stats,
    tables,
    text,
)

READS_ON = STARTS_ON + timedelta(days=125)
HALF_WAY = STARTS_ON + timedelta(days=100)
SPRING = "c-spring-1"


def page_of(workspace: Workspace, day: date, words: Words = EN) -> Page:
    page = campaigns.page(content_of(campaigns, workspace, day), words)
    assert_well_made(page)
    return page


@pytest.fixture(scope="module")
def helped(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A campaign that keeps customers, measured three times; the last is its planned reading."""
    workspace = run(tmp_path_factory.mktemp("helped"), World(), until=READS_ON)
    for days in (80, 110, 125):
        measure(workspace, STARTS_ON + timedelta(days=days))
    return workspace


@pytest.fixture(scope="module")
def harmed(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A campaign that drives customers away, on the day on which the monitor halts it."""
    workspace = run(tmp_path_factory.mktemp("harmed"), World(held_rate=0.06, treated_rate=0.20), until=HALF_WAY)
    assert measure(workspace, HALF_WAY).halted == ("spring/1",)
    return workspace


@pytest.fixture(scope="module")
def leaked(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A campaign whose holdout is called all the same."""
    workspace = run(tmp_path_factory.mktemp("leaked"), World(customers=1200, leaked_share=0.3), until=HALF_WAY)
    assert measure(workspace, HALF_WAY).failed == ("spring/1",)
    return workspace


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A campaign with a handful of customers held out, all of them mature."""
    workspace = run(tmp_path_factory.mktemp("small"), World(customers=40, holdout_share=0.08, seed=3), until=READS_ON)
    measure(workspace, READS_ON)
    return workspace


def numbers(written: str) -> list[str]:
    return re.findall(r"[−+-]?[€]?[\d.,]*\d", written.replace("\u00a0", " "))


def plain(written: str) -> list[float]:
    """The numbers of an English text, as numbers."""
    return [float(one.replace("−", "-").replace("€", "").replace(",", "")) for one in numbers(written)]


def test_every_figure_is_the_one_that_the_command_line_shows(helped: Workspace) -> None:
    """`holdback campaign show` and `measure` write the same rows: planned, found and interval are equal to the cent."""
    table = tables(page_of(helped, READS_ON))[f"found-{SPRING}"]
    seen = {
        tuple(plain(cells[2].text) + plain(cells[2].small)[:2]) for cells in table.rows if cells[2].text != "–"
    }  # fmt: skip
    told = set()
    for one in stored_effects(helped.warehouse, READS_ON):
        if one["segment"] == "all" and one["reading"] in ("official", "daily") and one["estimate"] is not None:
            _, _, found, interval, *_ = _cells(one, helped.business)
            told.add((plain(found)[0], *(float(end.replace(",", "")) for end in interval.split(" to "))))
    assert seen == told
    assert len(seen) >= 5


def test_planned_stands_beside_found_and_says_whether_it_fits(helped: Workspace) -> None:
    table = tables(page_of(helped, READS_ON))[f"found-{SPRING}"]
    [churn] = [c for c in table.rows if c[0].text == "churn" and c[3].text == "planned reading"]
    assert churn[1].text == "−2.00 points"
    assert churn[1].small == "does not fit what was found"
    assert churn[4].text == "speaks for contacting"
    assert churn[4].state == "good"


def test_it_says_who_was_assigned_held_back_contacted_and_matured(helped: Workspace) -> None:
    seen = stats(section(page_of(helped, READS_ON), SPRING))
    [counts] = helped.warehouse.query(
        "select count(*) filter (where \"group\" = 'treatment') as treated, "
        "count(*) filter (where \"group\" = 'holdout') as held from ledger where kind = 'assigned'"
    ).to_pylist()
    assert seen["May be contacted"].value == f"{counts['treated']:,}"
    assert seen["Held back"].value == f"{counts['held']:,}"
    assert seen["Contacted"].value == f"{counts['treated']:,}", "everybody was called, as the feed reports it"
    assert seen["Can be read"].value == "4,000"
    assert seen["Planned reading"].value.replace("\u00a0", " ") == "10 May 2026"


def test_the_band_has_a_point_per_measured_day_and_marks_launch_and_reading(helped: Workspace) -> None:
    chart = charts(page_of(helped, READS_ON))[f"band-{SPRING}"]
    daily = {
        one["as_of"].isoformat(): one
        for days in (80, 110, 125)
        for one in stored_effects(helped.warehouse, STARTS_ON + timedelta(days=days))
        if (one["metric"], one["segment"], one["reading"]) == ("churned", "all", "daily")
    }
    found = {point.x: (point.value, point.low, point.high) for point in chart.series[0].points}
    assert found == {
        day: (100 * one["estimate"], 100 * one["low"], 100 * one["high"]) for day, one in daily.items()
    }  # fmt: skip
    assert chart.marks == ((STARTS_ON.isoformat(), "launched"), (READS_ON.isoformat(), "planned reading"))
    assert chart.reference == 0


def test_before_the_planned_day_the_official_effect_is_not_knowable(helped: Workspace) -> None:
    day = STARTS_ON + timedelta(days=110)
    page = page_of(helped, day)
    table = tables(page)[f"found-{SPRING}"]
    [official] = [cells for cells in table.rows if cells[3].text == "planned reading"]
    assert official[2].text == "–"
    assert official[2].small.replace("\u00a0", " ") == "not knowable before 10 May 2026"
    assert charts(page)[f"band-{SPRING}"].marks[-1] == (READS_ON.isoformat(), "planned reading, ahead")
    assert len(charts(page)[f"band-{SPRING}"].series[0].points) == 2, "nothing measured later is shown"


def test_a_wide_interval_over_zero_never_reads_as_no_effect(helped: Workspace, tmp_path: Path) -> None:
    workspace = run(tmp_path, World(customers=300, held_rate=0.1, treated_rate=0.1), until=READS_ON)
    measure(workspace, READS_ON)
    for words, said in ((EN, "no evidence yet in either direction"), (ES, "aún sin pruebas en ningún sentido")):
        page = page_of(workspace, READS_ON, words)
        overview = tables(page)["overview"].rows[0]
        assert overview[-1].text == said
        assert overview[-1].state == "none"
        assert said.split(" yet")[0].removeprefix("aún ") in page.lead or "no hay pruebas" in page.lead
        for wrong in ("has no effect", "does not work", "no tiene efecto", "no funciona"):
            assert wrong not in text(page).lower()


def test_a_campaign_halted_for_harm_says_so_first_and_names_the_command(harmed: Workspace) -> None:
    page = page_of(harmed, HALF_WAY)
    assert "driving customers away" in page.lead
    own = section(page, SPRING)
    first = notices(own)[0]
    assert first.state == "bad"
    assert "harm monitor" in first.text
    assert "40 to 1 is enough" in first.text
    assert any(
        'holdback campaign resume spring --by "YOUR NAME" --reason "WHY"' in detail for detail in first.details
    )  # fmt: skip
    happened = tables(own)[f"happened-{SPRING}"]
    assert [cells[1].text for cells in happened.rows] == ["launched", "halted"]
    assert happened.rows[1][2].text == "the harm monitor"
    assert "treated units" not in text(page), "a monitor's own words count leavers, who may be a handful"


def test_stop_and_go_are_told_with_who_and_why(helped: Workspace, tmp_path: Path) -> None:
    workspace = run(tmp_path, World(customers=120), until=HALF_WAY)
    measure(workspace, HALF_WAY)
    stopped, resumed = (HALF_WAY + timedelta(days=n) for n in (1, 2))
    assert halt(workspace, "spring", stopped, reason="the letter names a <b>wrong</b> price", by="Ana Ruiz")
    page = page_of(workspace, stopped)
    assert "halted by a person" in page.lead
    assert notices(section(page, SPRING))[0].text.endswith("Halted by Ana Ruiz: the letter names a <b>wrong</b> price")
    assert resume(workspace, "spring", resumed, reason="the price is mended", by="Eva Gil")
    page = page_of(workspace, resumed)
    rows = tables(page)[f"happened-{SPRING}"].rows
    assert [(cells[1].text, cells[2].text) for cells in rows[1:]] == [("halted", "Ana Ruiz"), ("resumed", "Eva Gil")]
    assert "holdback campaign stop spring" in text(notices(section(page, SPRING))[0])
    assert "Ana Ruiz" not in text(page_of(workspace, HALF_WAY)), "what happened later is not known before"


def test_a_trigger_that_earned_nothing_is_retired(tmp_path: Path) -> None:
    company = with_trigger()
    world = World(customers=1500, held_rate=0.08, treated_rate=0.08)
    workspace = run(tmp_path, world, until=READS_ON, company=company, fixed=fixed(company))
    assert measure(workspace, READS_ON).retired == ("spring/1",)
    page = page_of(workspace, READS_ON, ES)
    assert "retirada por no aportar nada" in page.lead
    assert "el vigilante de valor" in notices(section(page, SPRING))[0].text
    assert "retired: its" not in text(page), "a Spanish page holds no English sentence of a monitor"


def test_a_failed_check_withholds_every_effect_and_says_what_to_do(leaked: Workspace) -> None:
    page = page_of(leaked, HALF_WAY)
    assert "No effect is shown of spring" in page.lead
    own = section(page, SPRING)
    withheld = next(one for one in notices(own) if "a check failed" in one.text)
    assert withheld.state == "bad"
    assert "held back really left alone" in withheld.text
    assert "holdback decisions findings" in text(withheld.details)
    assert {cells[2].text for name in ("found", "asked") for cells in tables(page)[f"{name}-{SPRING}"].rows} == {"–"}
    assert charts(own) == {}
    checks = section(page, f"{SPRING}-integrity")
    assert not checks.is_folded, "what failed is seen"
    assert "checks passed" in checks.title
    first = tables(checks)[f"checks-{SPRING}"].rows[0]
    assert (first[0].text, first[1].text, first[1].state) == ("held back really left alone", "failed", "bad")


def test_a_check_that_fails_later_withholds_the_planned_reading_too(helped: Workspace) -> None:
    later = READS_ON + timedelta(days=3)
    _write(helped, "integrity_checks", f"later/{later}", [_check(later, "ledger", "failed")])
    _write(helped, "effects", f"later/{later}", [_effect(later, "all", -0.05, 1000, 1000)])
    page = page_of(helped, later)
    assert "ledger unchanged" in text(notices(section(page, SPRING)))
    assert "holdback ledger verify" in text(page)
    assert "−5." not in text(page)
    assert "next" not in [one.name for one in page.sections], "nor is anything expected of it"
    assert "speaks for contacting" in text(page_of(helped, READS_ON)), "what was known on the day stays"


def test_no_campaign_at_all_is_a_sentence(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, business(campaigns=[]))
    for words, said in ((EN, "There is no campaign"), (ES, "No hay ninguna campaña")):
        page = page_of(workspace, STARTS_ON, words)
        assert page.lead.startswith(said)
        assert "holdback campaign plan" in text(page)
        assert tables(page) == {}


def test_a_campaign_that_was_never_launched_says_how_to_launch_it(tmp_path: Path) -> None:
    page = page_of(Workspace(tmp_path, business()), STARTS_ON)
    assert page.lead.startswith("The only campaign, spring, is not launched.")
    assert "holdback campaign launch spring" in text(section(page, SPRING))
    assert tables(page)["overview"].rows[0][-1].text == "there is nothing to measure before it is launched"


def test_a_campaign_launched_today_waits_for_its_first_customer(tmp_path: Path) -> None:
    workspace = run(tmp_path, World(customers=100), until=STARTS_ON)
    page = page_of(workspace, STARTS_ON)
    assert "running" in tables(page)["overview"].rows[0][1].text
    assert stats(section(page, SPRING))["May be contacted"].value == "0"
    assert "not measured yet" in tables(page)["overview"].rows[0][-1].text
    tomorrow = STARTS_ON + timedelta(days=1)
    grown = run(tmp_path / "next", World(customers=2000), until=tomorrow)
    measure(grown, tomorrow)
    said = notices(section(page_of(grown, tomorrow), SPRING))
    assert any("not knowable before 7 March 2026" in one.text.replace("\u00a0", " ") for one in said)


def test_a_campaign_that_was_run_elsewhere_is_shown_as_measured(tmp_path: Path) -> None:
    drawn = {
        "role": "assignments", "source": "d.csv", "groups": {"treatment": ["a"], "holdout": ["b"]},
        "columns": {"customer_id": "who", "event_at": "at", "campaign": "c", "group": "g"},
    }  # fmt: skip
    company = business(
        feeds={**FILE["feeds"], "drawn": drawn},
        campaigns=[{"name": "spring", "actions": ["call"], "assigned_by": "drawn"}],
    )
    workspace = Workspace(tmp_path, company)
    assert "Nothing was measured yet" in page_of(workspace, READS_ON).lead
    _write(workspace, "effects", "measured", [_effect(READS_ON, "all", -0.05, 300, 300)])
    own = section(page_of(workspace, READS_ON), SPRING)
    assert "the feed drawn says who was in it" in own.lead
    assert stats(own)["Can be read"].value == "600"
    assert tables(own)[f"found-{SPRING}"].rows[0][2].text == "−5.00 points"
    assert "campaign launch" not in text(own)


def test_a_handful_held_out_is_never_shown_nor_what_it_was_compared_with(small: Workspace) -> None:
    held = small.warehouse.query(
        "select count(*) as n from ledger where kind = 'assigned' and \"group\" = 'holdout'"
    ).to_pylist()[0]["n"]
    assert 0 < held < 5
    page = page_of(small, READS_ON)
    seen = stats(section(page, SPRING))
    assert seen["Held back"].value == "< 5"
    assert seen["May be contacted"].value == "not shown", "it and the total would give the others away"
    assert charts(page) == {}
    assert {cells[2].text for cells in tables(page)[f"found-{SPRING}"].rows} == {"–"}
    assert "next" not in [one.name for one in page.sections]


def test_no_check_gives_away_how_many_are_held_out(small: Workspace, helped: Workspace) -> None:
    """From a Bayes factor or a p-value, the sizes of a tiny group can be found again."""
    few, many = (
        {cells[0].text: cells[2].small for cells in tables(page_of(one, READS_ON))[f"checks-{SPRING}"].rows}
        for one in (small, helped)
    )
    assert len(few) >= 4
    assert set(few.values()) == {""}
    assert many["groups as drawn"]


@pytest.mark.parametrize(
    "name", ["sample_ratio", "response_rate", "contamination", "reach", "missing_outcomes", "independence"]
)
def test_the_value_of_a_check_is_told_of_large_groups_only(helped: Workspace, name: str) -> None:
    [seen] = [one for one in content_of(campaigns, helped, READS_ON).seen if one.name == "spring"]
    check = {**_check(READS_ON, name, "passed"), "value": 0.5, "limit": 0.9}
    assert check_value(check, seen, EN)
    assert check_value(check, replace(seen, entered=Entered(2000, 5)), EN) or name == "contamination"
    assert check_value(check, replace(seen, entered=Entered(2000, 4)), EN) == ""
    assert check_value(check, replace(seen, entered=Entered(3, 300)), EN) == ""
    run_elsewhere = replace(seen, entered=None)
    assert check_value(check, run_elsewhere, EN)
    few = tuple({**row, "holdout_count": 4} for row in seen.figures)
    assert check_value(check, replace(run_elsewhere, figures=few), EN) == ""


def test_each_effect_says_on_how_many_customers_it_rests(helped: Workspace) -> None:
    [seen] = [one for one in content_of(campaigns, helped, READS_ON).seen if one.name == "spring"]
    row = seen.found
    assert row is not None
    count = row["treatment_count"] + row["holdout_count"]
    page = page_of(helped, READS_ON)
    [churn] = [
        c for c in tables(page)[f"found-{SPRING}"].rows if (c[0].text, c[3].text) == ("churn", "planned reading")
    ]
    assert churn[2].small.endswith(f" n = {count:,}")
    assert f"n = {count:,}" in text(tables(page)["overview"])
    means = stats(section(page, SPRING))["Can be read"].definition
    assert "An effect rests on those of them of whom its own outcome is known" in means
    fewer = {**row, "treatment_count": row["treatment_count"] - 3}
    assert basis(fewer, replace(seen, figures=(*seen.figures, fewer)), EN) == "", "the difference would tell of three"


def test_segments_of_a_handful_and_what_gives_them_away_are_left_out(helped: Workspace) -> None:
    """Of 1,000 and 1,000: 3 held out in `tiny`; without `next smallest` the difference would tell of them."""
    day = READS_ON + timedelta(days=10)
    parts = {"big": (600, 700), "tiny": (150, 3), "next smallest": (150, 100), "other": (100, 197)}
    rows = [_effect(day, f"city={name}", -0.01, *sizes) for name, sizes in parts.items()]
    _write(helped, "effects", f"small/{day}", [_effect(day, "all", -0.05, 1000, 1000), *rows])
    shown = tables(page_of(helped, day))[f"segments-exploratory-{SPRING}"]
    assert {cells[0].text for cells in shown.rows} == {"city: big", "city: other"}


def test_what_segments_leave_of_the_whole_is_hidden_as_they_are(helped: Workspace) -> None:
    """1,000 and 1,000, of whom the segments hold all but 4: the smallest goes, or the four would stand there."""
    day = READS_ON + timedelta(days=20)
    parts = {"big": (600, 700), "small": (400, 296)}
    rows = [_effect(day, f"city={name}", -0.01, *sizes) for name, sizes in parts.items()]
    _write(helped, "effects", f"rest/{day}", [_effect(day, "all", -0.05, 1000, 1000), *rows])
    shown = tables(page_of(helped, day))[f"segments-exploratory-{SPRING}"]
    assert {cells[0].text for cells in shown.rows} == {"city: big"}


def test_a_hostile_segment_is_plain_text_and_official_stays_apart(helped: Workspace) -> None:
    day, hostile = READS_ON + timedelta(days=30), "<script>alert('x')</script>=&\"\u202e"
    rows = [_effect(day, "all", -0.05, 1000, 1000), _effect(day, f"city={hostile}", -0.01, 1000, 1000)]
    _write(helped, "effects", f"hostile/{day}", rows)
    found = tables(page_of(helped, day))
    assert found[f"segments-exploratory-{SPRING}"].rows[0][0].text == f"city: {hostile}"
    official = found[f"segments-official-{SPRING}"]
    assert [cells[0].text for cells in official.rows] == ["action meant for them: call"]
    assert "planned reading" in official.caption
    assert "exploratory" in found[f"segments-exploratory-{SPRING}"].caption


def test_of_ten_thousand_segments_the_fifty_worst_are_shown_and_the_table_says_so(helped: Workspace) -> None:
    day = READS_ON + timedelta(days=40)
    rows = [_effect(day, f"city=c{n:05d}", (n - 5000) / 1e5, 100, 100) for n in range(10_000)]
    _write(helped, "effects", f"many/{day}", [_effect(day, "all", -0.05, 1_000_000, 1_000_000), *rows])
    shown = tables(page_of(helped, day))[f"segments-exploratory-{SPRING}"]
    assert len(shown.rows) == 50
    assert shown.rows[0][0].text == "city: c09999", "the largest rise of churn stands first"
    assert "50 worst of 10,000" in shown.caption


def test_money_has_no_decimals_where_the_currency_has_none(helped: Workspace) -> None:
    yen = Workspace(helped.root, Business.model_validate({**FILE, "currency": "JPY"}))
    page = page_of(yen, READS_ON, ES)
    [money] = [c for c in tables(page)[f"found-{SPRING}"].rows if "margen" in c[0].text and "planificada" in c[3].text]
    [stored] = [
        one for one in stored_effects(helped.warehouse, READS_ON)
        if (one["metric"], one["reading"]) == ("incremental_margin", "official")
    ]  # fmt: skip
    assert money[2].text.replace("\u00a0", " ") == f"−{abs(stored['estimate'] / 100):.0f} JPY"


@pytest.mark.parametrize("name", ["helped", "harmed", "leaked", "small"])
def test_both_languages_say_the_same(name: str, request: pytest.FixtureRequest) -> None:
    workspace = request.getfixturevalue(name)
    day = HALF_WAY if name in ("harmed", "leaked") else READS_ON
    content = content_of(campaigns, workspace, day)
    english, spanish = (campaigns.page(content, words) for words in (EN, ES))
    assert shape(english) == shape(spanish)
    assert text(english) != text(spanish)


def test_no_customer_is_named_anywhere(helped: Workspace, harmed: Workspace) -> None:
    for workspace, day in ((helped, READS_ON), (harmed, HALF_WAY)):
        assert re.search(r"\bc\d{6}\b", text(page_of(workspace, day))) is None


def test_a_page_writes_nothing(helped: Workspace) -> None:
    before = helped.warehouse.version("effects"), helped.warehouse.version("ledger")
    page_of(helped, READS_ON)
    assert (helped.warehouse.version("effects"), helped.warehouse.version("ledger")) == before
    with one_moment(helped.warehouse) as moment, pytest.raises(OperatorError, match="writes nothing"):
        moment.append("effects", rows_of(TABLES["effects"], []), batch="x")


def _write(workspace: Workspace, table: str, batch: str, rows: Iterable[dict[str, Any]]) -> None:
    workspace.warehouse.append(table, rows_of(TABLES[table], list(rows)), batch=batch)


def _effect(day: date, segment: str, estimate: float, treated: int, held: int) -> dict[str, Any]:
    filled = dict.fromkeys(column.name for column in TABLES["effects"].columns)
    return {
        **filled, "as_of": day, "campaign": "spring", "version": 1, "segment": segment, "metric": "churned",
        "method": "difference", "reading": "daily" if segment == "all" else "exploratory", "estimate": estimate,
        "low": estimate - 0.02, "high": estimate + 0.02, "level": 0.95, "treatment_count": treated,
        "holdout_count": held, "assigned_count": treated + held, "matured_count": treated + held,
    }  # fmt: skip


def _check(day: date, name: str, verdict: str) -> dict[str, Any]:
    finding = "The ledger is broken at row 7."
    return {"as_of": day, "campaign": "spring", "version": 1, "check": name, "verdict": verdict, "value": 7.0,
            "limit": None, "finding": finding}  # fmt: skip
