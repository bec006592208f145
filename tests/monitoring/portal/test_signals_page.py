"""The page about signals: triggers, answers, themes and what was learned, counted by hand; nobody's text is on it."""

from datetime import date, datetime, timedelta
from shutil import copytree

import numpy as np
import pytest

from holdback.business import Business
from holdback.workspace import Workspace
from monitoring.feedback.intervals import net_promoter_score
from monitoring.measurement.metrics import DECISION
from monitoring.portal.pages import signals, signals_triggers, signals_voices
from monitoring.portal.parts import Chart
from monitoring.proportions import wilson
from monitoring.triggers import judge
from simulator.remarks import write_remarks
from tests.campaigns.decisions.world import put
from tests.monitoring.portal.desk import (
    EN,
    ES,
    chart,
    rows,
    said,
    section,
    shape,
    stat,
    table,
    texts,
    without_definition,
)

AS_OF = date(2026, 3, 2)
NOW = datetime(2026, 3, 2)
HOSTILE = "<script>alert(1)</script>"
_EVENT = {"customer_id": "who", "event_at": "at"}
FEEDS = {
    "survey": {
        "role": "feedback", "source": "survey.csv", "scale": "nps",
        "columns": {**_EVENT, "kind": "k", "score": "s", "remark": "r"},
    },
    "shops": {"role": "feedback", "source": "shops.csv", "scale": "five", "columns": {**_EVENT, "score": "s"}},
    "calls": {"role": "interactions", "source": "calls.csv", "columns": {**_EVENT, "topic": "t"}},
    "contracts": {"role": "subscriptions", "source": "contracts.csv", "columns": {**_EVENT, "kind": "k"}},
}  # fmt: skip
FILE = {
    "slug": "acme", "name": "Acme", "currency": "EUR", "time_zone": "UTC", "feeds": FEEDS,
    "customers": {"source": "c.csv", "key": "who", "attributes": {"region": "category"}},
    "churn": [{"name": "left", "kind": "cancellation", "feed": "contracts", "outcome_days": 30}],
    "training": {"min_history_days": 1},
    "actions": [{"name": "call", "channel": "phone", "cost": 1.0, "capacity_per_day": 9}],
    "campaigns": [{"name": "after_complaints", "trigger": "complaints", "actions": ["call"]}],
    "triggers": [
        {"name": "complaints", "kind": "count_over", "feed": "calls", "where": {"topic": [HOSTILE]}, "at_least": 2,
         "over_days": 14, "cooldown_days": 90, "expected_per_day": 1},
        {"name": "detractor", "kind": "score_below", "feed": "survey", "at": 7, "cooldown_days": 90},
    ],
}  # fmt: skip
ANGRY = [f"angry{n}" for n in range(10)]
CALM = [f"calm{n:02d}" for n in range(90)]


def home(folder, *, file=None, **tables):
    workspace = Workspace(folder / ".holdback", Business.model_validate({**FILE, **(file or {})}), threads=1)
    for name, found in tables.items():
        put(workspace, name, found, batch=name)
    return workspace


def days_ago(days):
    return NOW - timedelta(days=days)


def fired(trigger, count, *, ago, start=0):
    day = AS_OF - timedelta(days=ago)
    seen_at = datetime(day.year, day.month, day.day)
    return [
        {"as_of": day, "customer_id": f"c{start + n}", "trigger": trigger, "seen_at": seen_at} for n in range(count)
    ]


def ran(trigger, *, ago, flooded=False):
    day = AS_OF - timedelta(days=ago)
    return {
        "as_of": day, "trigger": trigger, "seen_at": datetime(day.year, day.month, day.day), "holding": 1, "fired": 1,
        "cooling": 0, "is_flooded": flooded,
    }  # fmt: skip


def answers(count, score, *, ago, prefix="c", **values):
    return [{"customer_id": f"{prefix}{n}", "event_at": days_ago(ago), "score": score, **values} for n in range(count)]


FIRINGS = [
    *fired("complaints", 2, ago=0), *fired("complaints", 10, ago=3, start=2),
    *fired("complaints", 3, ago=10), *fired("complaints", 8, ago=20),
    *fired("detractor", 7, ago=0), *fired("detractor", 3, ago=2, start=7), *fired("detractor", 40, ago=30),
]  # fmt: skip
RUNS = [
    *(ran("complaints", ago=ago) for ago in range(56)),
    *(ran("detractor", ago=ago, flooded=ago == 30) for ago in range(56) if not 14 <= ago < 21),
]
EFFECT = {
    "as_of": date(2026, 2, 20), "campaign": "after_complaints", "version": 1, "segment": "all", "metric": DECISION,
    "method": "regression", "reading": "official", "estimate": 250.0, "low": 100.0, "high": 400.0, "level": 0.95,
    "treatment_count": 80, "holdout_count": 20,
}  # fmt: skip


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A hundred customers; ten complain twice in December and six of them leave soon after, three of the others do."""
    contracts = [{"customer_id": who, "event_at": days_ago(500), "kind": "start"} for who in (*ANGRY, *CALM)]
    contracts += [{"customer_id": who, "event_at": days_ago(55), "kind": "cancel"} for who in ANGRY[:6]]
    contracts += [{"customer_id": who, "event_at": days_ago(50), "kind": "cancel"} for who in CALM[:3]]
    contracts += [{"customer_id": "reach", "event_at": days_ago(1), "kind": "start"},
                  {"customer_id": "old", "event_at": days_ago(400), "kind": "cancel"}]  # fmt: skip
    calls = [
        {"customer_id": who, "event_at": days_ago(ago), "topic": HOSTILE} for who in ANGRY for ago in (72.5, 71.5)
    ]  # fmt: skip
    calls += [{"customer_id": "first", "event_at": days_ago(400), "topic": "hello"}]
    survey = [
        *answers(26, 10.0, ago=10, kind="nps"), *answers(18, 8.0, ago=10, kind="nps", prefix="d"),
        *answers(4, 2.0, ago=10, kind="nps", prefix="e"), *answers(52, None, ago=10, kind="nps", prefix="f"),
        *answers(20, 9.0, ago=45, kind="nps", prefix="g"), *answers(20, 3.0, ago=75, kind="nps", prefix="h"),
        *answers(3, 3.0, ago=100, kind="nps", prefix="i"), *answers(8, 3.0, ago=130, kind="nps", prefix="j"),
    ]  # fmt: skip
    ratings = [*answers(12, 5.0, ago=10), *answers(8, 2.0, ago=10, prefix="d")]
    customers = [{"customer_id": who, "region": "north"} for who in (*ANGRY, *CALM)]
    return home(
        tmp_path_factory.mktemp("shop"), contracts=contracts, calls=calls, survey=survey, shops=ratings,
        customers=customers, firings=FIRINGS, trigger_runs=RUNS, effects=[EFFECT],
    )  # fmt: skip


@pytest.fixture(scope="module")
def page(shop):
    return said(signals, shop, AS_OF)


def told(part):
    return " ".join(texts(part)).replace("\u00a0", " ")


def test_triggers_say_what_they_wait_for_and_what_acting_earned(page):
    [complaints, detractor] = rows(page, "triggers")
    assert complaints[1] == f"“calls” (topic: {HOSTILE}) came at least 2 times within 14 days"
    assert complaints[6] == "€2.50"
    assert table(page, "triggers").rows[0][6].small == "€1.00 to €4.00"
    assert table(page, "triggers").rows[0][6].state == "good"
    assert detractor[1:3] == ["an answer in “survey” is below 7", "watched only"]
    assert detractor[4:] == ["–", "nothing is expected", "–"]


def test_what_comes_in_weekly_files_is_held_against_the_days_since_it_last_fired(tmp_path):
    """One a day is expected: seven on one day are a week's when it last fired a week ago, and too many otherwise."""
    week = [*fired("complaints", 7, ago=0), *fired("complaints", 6, ago=7, start=7)]
    asked = [{**ran("complaints", ago=ago), "expected": 7.0 if ago == 0 else 1.0} for ago in range(8)]
    daily = [{**run, "expected": 1.0} for run in asked]
    unsaid = [{**run, "expected": None} for run in asked]

    def volume(name, runs):
        return rows(said(signals, home(tmp_path / name, firings=week, trigger_runs=runs), AS_OF), "triggers")[0][5]

    assert volume("weekly", asked) == "as expected"
    assert volume("daily", daily) == "more than expected"
    assert volume("unsaid", unsaid) == "as expected"


def test_without_an_evaluation_on_record_nothing_is_said_of_how_often_triggers_fire(tmp_path):
    page = said(signals, home(tmp_path / "never"), AS_OF)
    assert "None fires" not in page.lead
    assert "No evaluation is on record, so nobody knows whether it fires: complaints, detractor." in page.lead
    assert [row[5] for row in rows(page, "triggers")] == ["not asked", "not asked"]
    some = said(signals, home(tmp_path / "some", trigger_runs=[ran("complaints", ago=0)]), AS_OF)
    assert "None fires far more often than it should." in some.lead
    assert "nobody knows whether it fires: detractor." in some.lead


def test_what_is_withheld_today_is_not_replaced_by_an_earlier_figure(tmp_path):
    """A check that failed, a figure that is withheld today, a group of a handful: then nothing is told."""
    daily, today = {**EFFECT, "reading": "daily"}, date(2026, 2, 27)
    silent = dict.fromkeys(("estimate", "low", "high", "treatment_count", "holdout_count"))
    failed = {"as_of": today, "campaign": "after_complaints", "version": 1, "check": "contamination",
              "verdict": "failed", "finding": "the holdout was called"}  # fmt: skip
    withheld = {**daily, **silent, "as_of": today, "withheld": "contamination: the holdout was called"}
    customers = [{"customer_id": who, "region": "north"} for who in (*ANGRY, *CALM)]

    def earned(name, effects, checks=()):
        place = home(tmp_path / name, customers=customers, firings=FIRINGS, trigger_runs=RUNS, effects=effects,
                     integrity_checks=list(checks))  # fmt: skip
        return rows(said(signals, place, AS_OF), "triggers")[0][6]

    assert earned("daily", [daily]) == "€2.50"
    assert earned("withheld", [daily, withheld]) != "€2.50"
    assert earned("failed", [daily, {**daily, "as_of": today}], [failed]) != "€2.50"
    assert earned("failed-later", [EFFECT], [failed]) != "€2.50"
    assert earned("few", [{**daily, "holdout_count": 4}]) != "€2.50"


def test_firings_of_few_customers_are_not_shown_nor_what_gives_them_away(page):
    """Two complained today; seven scored low today and three in the rest of the week, whose total is told."""
    [complaints, detractor] = rows(page, "triggers")
    assert complaints[3] == detractor[3] == "not shown"
    weeks = {point.x: point.value for point in chart(page, "firings-complaints").series[0].points}
    assert weeks["until 2\u00a0Mar"] == 12
    assert weeks["until 23\u00a0Feb"] is None, "three fired in it"
    assert weeks["until 16\u00a0Feb"] == 8
    assert weeks["until 12\u00a0Jan"] == 0
    assert chart(page, "firings-complaints").reference == 7
    assert "fewer than 5 firings" in chart(page, "firings-complaints").sentence


def test_a_week_in_which_nobody_asked_is_a_gap_and_said(page):
    weeks = {point.x: point.value for point in chart(page, "firings-detractor").series[0].points}
    assert weeks["until 16\u00a0Feb"] is None
    assert weeks["until 2\u00a0Mar"] == 10
    assert "detractor was not asked on 7 of the last 56 days" in told(page)
    assert "Weeks with a flood: 1." in chart(page, "firings-detractor").sentence


def test_a_trigger_is_judged_on_past_days_with_intervals(page):
    """All ten were found on the first weekly day after their second complaint, and six left within thirty days."""
    complaints = next(row for row in table(page, "trials").rows if row[0].text == "complaints")
    expected = wilson(6, 10)
    assert complaints[1].text == "60.0%"
    assert complaints[1].small == f"{EN.share(expected.low)} to {EN.share(expected.high)}"
    assert complaints[3].text.endswith("times")
    assert complaints[4].text == EN.share(6 / 9)
    assert complaints[5].text.endswith("days")
    text = told(section(page, "trials"))
    assert "complaints: those it finds leave" in text
    assert "holdback triggers test" in text


@pytest.fixture
def replays(monkeypatch):
    """As of which days triggers are replayed, one entry for each."""
    asked = []

    def watched(*given, **more):
        asked.append(given[3])
        return judge(*given, **more)

    monkeypatch.setattr(signals_triggers, "judge", watched)
    return asked


def test_a_week_says_of_its_triggers_what_was_known_on_monday(shop, tmp_path, replays):
    """Replayed on Monday, read on Wednesday; asked anew in another week, and when the past itself has changed."""
    place = Workspace(copytree(shop.root, tmp_path / "copy"), shop.business, threads=1)
    monday = said(signals, place, AS_OF)
    replays.clear()
    wednesday = said(signals, place, AS_OF + timedelta(days=2))
    assert not replays
    for name in ("trials", "learned"):
        assert told(section(wednesday, name)) == told(section(monday, name))
    said(signals, place, AS_OF - timedelta(days=1))
    assert set(replays) == {AS_OF - timedelta(days=7)}
    said(signals, place, AS_OF + timedelta(days=2))
    replays.clear()
    put(place, "calls", [{"customer_id": "new", "event_at": days_ago(300), "topic": "older history"}], batch="older")
    said(signals, place, AS_OF + timedelta(days=2))
    assert replays == [AS_OF]


def test_what_was_not_knowable_on_monday_is_asked_as_of_the_day(tmp_path, replays):
    """Contracts and complaints begin on 2 February: the first firing can be judged on 7 March, a Saturday."""
    begun = datetime(2026, 2, 2, 12)
    contracts = [{"customer_id": who, "event_at": begun, "kind": "start"} for who in (*ANGRY, *CALM)]
    contracts += [{"customer_id": "old", "event_at": begun, "kind": "cancel"},
                  {"customer_id": "reach", "event_at": datetime(2026, 3, 7, 12), "kind": "start"}]  # fmt: skip
    calls = [{"customer_id": who, "event_at": begun, "topic": HOSTILE} for who in ANGRY for _ in range(2)]
    place = home(tmp_path, contracts=contracts, calls=calls)
    page = said(signals, place, date(2026, 3, 8))
    assert replays[:2] == [AS_OF, date(2026, 3, 8)]
    assert "complaints" in told(section(page, "trials"))
    assert [row[0] for row in rows(page, "trials")] == ["complaints"]


def test_themes_of_some_of_the_writers_say_so(tmp_path, monkeypatch):
    place = home(tmp_path, survey=remarks(200))
    assert "chosen by the hash" not in told(section(said(signals, place, AS_OF), "themes"))
    monkeypatch.setattr(signals_voices, "MOST_WRITERS", 150)
    text = told(section(said(signals, place, AS_OF), "themes"))
    assert "What 150 of the 200 customers who wrote have written was read" in text


def test_the_nps_of_each_feed_has_its_interval_and_its_response_rate(page):
    """Of the last ninety days: 46 promoters, 24 detractors, 18 between; a hundred and forty asked."""
    expected = net_promoter_score(46, 24, 88)
    found = stat(page, "NPS, survey")
    assert found.value == EN.signed(expected.estimate, 0) == "+25"
    assert found.interval == f"{EN.signed(expected.low, 0)} to {EN.signed(expected.high, 0)}"
    response = stat(page, "Answered, survey")
    assert response.value == EN.share(88 / 140)
    assert response.note == "52 of 140 asked stayed silent"
    assert stat(page, "Satisfied, shops").value == "60.0%"
    assert [row[0] for row in rows(page, "answers")] == ["survey", "shops"]
    assert "by the survey “survey”: +25" in page.lead


def test_months_are_drawn_and_small_ones_hidden_with_their_neighbour(page):
    """November has three answers: it is hidden, and the next smallest, October, with it; March has just begun."""
    months = {point.x: point.value for point in chart(page, "nps-by-month").series[0].points}
    assert months["2026-01"] == 100
    assert months["2025-12"] == -100
    assert months["2025-11"] is None
    assert months["2025-10"] is None
    assert "2026-03" not in months
    assert "are not drawn" in told(section(page, "feedback"))


def test_a_small_month_within_todays_figures_hides_the_others_of_these(tmp_path):
    """Today's NPS is of 23 customers; with January's and February's twenty told, December's three would be known."""
    survey = [
        *answers(10, 9.0, ago=10, kind="nps"), *answers(10, 9.0, ago=45, kind="nps", prefix="d"),
        *answers(3, 3.0, ago=75, kind="nps", prefix="e"), *answers(9, 3.0, ago=130, kind="nps", prefix="f"),
        *answers(9, 3.0, ago=165, kind="nps", prefix="g"), *answers(9, 3.0, ago=195, kind="nps", prefix="h"),
    ]  # fmt: skip
    page = said(signals, home(tmp_path, survey=survey), AS_OF)
    months = {point.x: point.value for point in chart(page, "nps-by-month").series[0].points}
    assert stat(page, "NPS, survey").note == "23 scores"
    assert [month for month, value in months.items() if value is not None and month >= "2025-12"] == []
    assert months["2025-09"] == -100


def test_too_few_remarks_and_outcomes_are_sentences(page):
    assert "it needs forty" in told(section(page, "themes"))
    assert "Not knowable yet" in told(section(page, "learned"))


def test_both_languages_have_the_same_structure_and_every_number_its_definition(shop, page):
    spanish = said(signals, shop, AS_OF, ES)
    assert shape(page) == shape(spanish)
    assert without_definition(page) == without_definition(spanish) == []
    text = told(spanish)
    assert f"hubo en «calls» (topic: {HOSTILE}) al menos 2 en 14 días" in text
    assert "no hay indicios" in text.lower() or "se van con" in text


def test_nobody_is_named(page):
    assert not [who for who in (*ANGRY, *CALM) if who in told(page)]


@pytest.mark.parametrize("words", [EN, ES], ids=["en", "es"])
def test_an_empty_warehouse_says_what_to_do(tmp_path, words):
    page = said(signals, home(tmp_path), AS_OF, words)
    assert not [part for one in page.sections for part in one.parts if isinstance(part, Chart)]
    assert "`holdback daily`" in told(section(page, "triggers"))
    assert all(one.parts for one in page.sections)


def test_without_triggers_and_without_feedback_the_page_says_what_is_missing(tmp_path):
    feeds = {"contracts": FEEDS["contracts"]}
    workspace = home(tmp_path, file={"feeds": feeds, "triggers": [], "campaigns": []})
    english, spanish = (said(signals, workspace, AS_OF, words) for words in (EN, ES))
    assert english.lead == "No trigger is declared."
    assert "no feed has the role feedback" in told(english)
    assert "no feed maps a remark" in told(english)
    assert shape(english) == shape(spanish)


def test_on_the_first_day_a_trigger_says_when_it_can_be_judged(tmp_path):
    contracts = [{"customer_id": who, "event_at": days_ago(1), "kind": "start"} for who in ANGRY]
    calls = [{"customer_id": who, "event_at": days_ago(1), "topic": "x"} for who in ANGRY]
    page = said(signals, home(tmp_path, contracts=contracts, calls=calls), AS_OF)
    assert "complaints: not knowable yet; the first firing can be judged on 2 April 2026." in told(page)
    assert "detractor: cannot be judged" in told(page), "nobody was ever asked"


def test_of_one_customer_nothing_is_shown(tmp_path):
    contracts = [{"customer_id": "only", "event_at": days_ago(500), "kind": "start"},
                 {"customer_id": "only", "event_at": days_ago(20), "kind": "cancel"}]  # fmt: skip
    survey = [{"customer_id": "only", "event_at": days_ago(9), "score": 3.0, "kind": "nps", "remark": "secret words"}]
    customers = [{"customer_id": "only", "region": "north"}]
    workspace = home(
        tmp_path, contracts=contracts, survey=survey, customers=customers, firings=fired("detractor", 1, ago=0),
    )  # fmt: skip
    page = said(signals, workspace, AS_OF)
    assert rows(page, "answers")[0][2:] == ["not shown"] * 5
    assert rows(page, "triggers")[1][3] == "not shown"
    assert "secret words" not in told(page)
    assert not [one for part in section(page, "feedback").parts for one in getattr(part, "stats", ())]


def test_too_many_customers_for_a_page_are_left_to_the_command_line(tmp_path):
    people = [{"customer_id": f"c{n}", "region": "north"} for n in range(300)]
    triggers = [{**FILE["triggers"][0], "name": f"t{n:02d}"} for n in range(10)]
    workspace = home(tmp_path, file={"triggers": triggers, "campaigns": []}, customers=people)
    page = said(signals, workspace, AS_OF)
    assert "t00: there are too many customers or triggers to replay it for a page." in told(page)
    assert len(table(page, "triggers").rows) == 10


def remarks(count=400):
    rng = np.random.default_rng(5)
    language = (rng.random(count) < 0.4).astype(np.int64)
    scores = rng.integers(0, 11, count)
    topics = ("billing", "outage", "speed")
    written = write_remarks(language, scores, topics, rng.integers(0, 3, count), rng.integers(0, 12, count))
    days = rng.uniform(0.1, 89, count)
    return [
        {"customer_id": f"w{n}", "event_at": days_ago(float(days[n])), "score": float(scores[n]), "kind": "nps",
         "remark": written[n]}
        for n in range(count)
    ]  # fmt: skip


def test_themes_are_words_with_counts_and_never_a_text(tmp_path):
    written = remarks()
    page = said(signals, home(tmp_path, survey=written), AS_OF)
    themes = table(page, "themes")
    assert len(themes.rows) >= 5
    assert all(int(row[1].text) >= 5 for row in themes.rows)
    text = told(page)
    assert not [
        row["remark"] for row in written if row["remark"] and row["remark"].count(" ") > 3 and row["remark"] in text
    ]


def test_a_low_score_that_goes_with_leaving_is_learned(tmp_path):
    """Everybody is asked forty days before; those who score low leave, those who score high stay."""
    low, high = [f"low{n}" for n in range(40)], [f"high{n}" for n in range(40)]
    contracts = [{"customer_id": who, "event_at": days_ago(500), "kind": "start"} for who in (*low, *high)]
    contracts += [{"customer_id": who, "event_at": days_ago(10), "kind": "cancel"} for who in low[:30]]
    contracts += [{"customer_id": "old", "event_at": days_ago(400), "kind": "cancel"},
                  {"customer_id": "reach", "event_at": days_ago(0.5), "kind": "start"}]  # fmt: skip
    survey = [{"customer_id": who, "event_at": days_ago(40), "score": 1.0, "kind": "nps"} for who in low]
    survey += [{"customer_id": who, "event_at": days_ago(40), "score": 10.0, "kind": "nps"} for who in high]
    page = said(signals, home(tmp_path, contracts=contracts, survey=survey), AS_OF)
    learned = stat(page, "Low score against high score")
    assert learned.state == "look"
    assert "A low score is associated with more leaving here: 75.0%" in told(section(page, "learned"))
    assert "cause" in section(page, "learned").lead
