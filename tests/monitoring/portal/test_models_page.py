"""The page about models: what it says on good days, on first days and on days when hardly anything is known."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from holdback.commits import rows_of
from holdback.tables import TABLES
from monitoring.moment import one_moment
from monitoring.performance import judge
from monitoring.portal.pages import models
from monitoring.portal.parts import Chart, Column, Notice, Stats, Table
from monitoring.portal.source import Source
from monitoring.words import Words
from tests.monitoring.company import CHURN, FIRST_DAY, LAST_DAY, load_year, score_rows, train, workspace_in
from tests.monitoring.portal.reading import section, texts
from tests.monitoring.test_performance import column_company
from training.estimates import Estimate
from training.gate import Verdict
from training.guards import Guard
from training.uplift.gain import Difference
from training.uplift.league import League, Standing
from training.uplift.visibility import Visibility

ENDS_ON = FIRST_DAY + timedelta(days=28)
EN, ES = Words("en"), Words("es")


def read(workspace, as_of=LAST_DAY):
    with one_moment(workspace.warehouse) as moment:
        churn = workspace.business.churn_named(CHURN)
        return models.read(Source(moment, workspace.journal, workspace.business, churn, as_of, workspace))


def said(page):
    """Every text of a page."""
    return "\n".join(texts(page))


def parts(page, kind):
    return [part for each in page.sections for part in each.parts if isinstance(part, kind)]


def shape(page):
    """What must be the same in every language: parts, their names, sizes, points and states; everything but words."""

    def of(part):
        if isinstance(part, Notice):
            return ("notice", part.state, len(part.details))
        if isinstance(part, Stats):
            return ("stats", [(stat.state, bool(stat.interval), bool(stat.note)) for stat in part.stats])
        if isinstance(part, Chart):
            points = [[(p.value, p.low, p.high) for p in series.points] for series in part.series]
            return ("chart", part.name, part.kind, part.unit, points, part.reference)
        rows = [[(cell.state, bool(cell.small)) for cell in row] for row in part.rows]
        return ("table", part.name, len(part.columns), rows)

    return [(each.name, bool(each.lead), [of(part) for part in each.parts]) for each in page.sections]


@pytest.fixture(scope="module")
def judged(company, report_of_last_day):
    """The shop on its last day, with the reference that its report keeps."""
    return read(company)


@pytest.fixture
def page(judged):
    return models.page(judged, EN)


def test_whoever_reads_only_the_lead_knows_how_things_stand(judged, page):
    newest = judged.performance.newest
    assert page.lead.startswith("Version 1 of the churn model has been in office since 1\u00a0July\u00a02025.")
    assert f"AUC {newest.auc.estimate:.2f} ({newest.auc.low:.2f} to {newest.auc.high:.2f})" in page.lead
    assert "fit what happened" in page.lead or "retrain it" in page.lead
    assert "features have changed beyond chance" in page.lead or "only features that fill up" in page.lead


def test_it_says_who_promoted_the_model_and_why(page):
    notice = section(page, "champion").parts[0]
    assert notice.text == "Version 1 took office on 1\u00a0July\u00a02025."
    assert notice.details[0].startswith("Decided by the gate")
    assert "same recipe with newer data" in notice.details[1]
    guards = next(table for table in parts(page, Table) if table.name == "guards")
    assert [row[1].state for row in guards.rows] == ["good", "look"]


def test_both_languages_have_the_same_parts(judged):
    english, spanish = models.page(judged, EN), models.page(judged, ES)
    assert shape(english) == shape(spanish)
    assert said(english) != said(spanish)


def test_every_number_has_a_definition_and_every_estimate_an_interval(page):
    stats = [stat for part in parts(page, Stats) for stat in part.stats]
    columns = [column for table in parts(page, Table) for column in table.columns]
    charts = parts(page, Chart)
    assert all(stat.definition for stat in stats)
    assert [column.label for column in columns if column.is_number and not column.definition] == []
    assert all(chart.definition and any(series.points for series in chart.series) for chart in charts)
    without = {stat.label for stat in stats if not stat.interval}
    # Counted, not estimated; PSI has a test instead (its limit stands in the definition).
    counted = ("models_version", "models_rows", "models_guards", "psi_title")
    assert without <= {EN(key) for key in counted}
    assert all(isinstance(column, Column) for column in columns)


def test_names_are_unique_and_charts_are_not_empty(page):
    names = [part.name for part in (*parts(page, Chart), *parts(page, Table))]
    assert len(names) == len(set(names))
    assert len({each.name for each in page.sections}) == len(page.sections)
    for chart in parts(page, Chart):
        for series in chart.series:
            xs = [point.x for point in series.points]
            assert len(xs) == len(set(xs)), f"{chart.name}: two points have the same name"


def test_nobody_is_on_the_page(page):
    assert "c00" not in said(page)


def test_what_was_promised_stands_beside_what_was_measured(judged, page):
    chart = next(chart for chart in parts(page, Chart) if chart.name == "auc-by-week")
    assert [series.label for series in chart.series] == ["measured", "promised beforehand"]
    promise = section(page, "promise")
    assert promise.parts[0].text.startswith("These are estimates, not measurements")
    expected = [stat.label for part in promise.parts if isinstance(part, Stats) for stat in part.stats]
    assert expected[:2] == ["Expected AUC", "Expected to leave"]
    assert judged.expected.holds_if == "calibration"


def test_features_are_ranked_and_the_largest_change_is_drawn(judged, page):
    table = next(table for table in parts(page, Table) if table.name == "features")
    assert len(table.rows) == min(50, len(judged.drift.measured))
    assert judged.meanings[judged.drift.measured[0].name].en == table.rows[0][0].text
    assert any(chart.name == "largest-change" for chart in parts(page, Chart)) == bool(judged.drift.drifted)


def test_bins_of_a_few_customers_are_gaps(judged):
    for drawn in (models.page(judged, EN), models.page(judged, ES)):
        bars = [chart for chart in parts(drawn, Chart) if chart.kind == "bars"]
        n = judged.expected.customer_count
        now = [p.value for chart in bars for p in chart.series[0].points if p.value is not None]
        assert bars
        assert min(value * n for value in now if value > 0) > 4.5


def test_before_the_first_day_it_says_what_to_do(company):
    found = read(company, date(2025, 6, 1))
    for words in (EN, ES):
        drawn = models.page(found, words)
        assert "holdback retrain" in drawn.lead
        assert parts(drawn, Chart) == []
    assert shape(models.page(found, EN)) == shape(models.page(found, ES))


def test_on_the_first_day_it_says_when_its_scores_can_be_judged(company):
    found = read(company, FIRST_DAY)
    drawn = models.page(found, EN)
    day = EN.day(ENDS_ON + timedelta(days=1))
    assert f"Not knowable before {day}" in drawn.lead
    assert section(drawn, "judged").parts == (Notice(f"Not knowable before {day}: no outcome window is over yet."),)
    assert section(drawn, "scores").parts[0].text == EN("drift_scores_first")
    assert EN("models_credit_unknown") in section(drawn, "promise").parts[0].details
    assert shape(drawn) == shape(models.page(found, ES))


def test_a_day_that_was_not_scored_is_said_and_the_newest_scores_stand_in(company):
    found = read(company, LAST_DAY + timedelta(days=1))
    drawn = models.page(found, EN)
    assert found.scored_on == LAST_DAY
    assert f"{EN.day(LAST_DAY + timedelta(days=1))} was not scored" in said(section(drawn, "champion"))


def test_an_empty_company_is_a_page_of_sentences(tmp_path):
    found = read(workspace_in(tmp_path, actions=[]))
    drawn = models.page(found, EN)
    assert parts(drawn, Chart) == parts(drawn, Table) == parts(drawn, Stats) == []
    assert EN("models_no_actions") in said(drawn)
    assert shape(drawn) == shape(models.page(found, ES))


def test_one_customer_is_never_shown(tmp_path):
    workspace = workspace_in(tmp_path)
    load_year(workspace, customers=30)
    for day in (FIRST_DAY, LAST_DAY):
        rows = score_rows([day], ["c0001"], probability=0.4321)
        workspace.warehouse.append("scores", rows, batch=f"scores/{day}")
    found = read(workspace)
    drawn = models.page(found, EN)
    assert len(found.performance.cohorts) == 1
    assert parts(drawn, Chart) == []
    assert "43" not in said(section(drawn, "promise"))
    assert "Fewer than 5 customers" in said(section(drawn, "judged"))
    assert "no decision about it is on record" in said(section(drawn, "champion"))
    assert "it is kept when the daily report is first written" in said(section(drawn, "features"))
    assert shape(drawn) == shape(models.page(found, ES))


def learned_on(workspace, rate, rows):
    """The gate's verdict, with the churn rate of the training rows."""
    guards = (
        Guard("leak", "pass", "none.", figures={"rows": rows}),
        Guard("data", "pass", "alike.", figures={"training_base_rate": rate}),
    )
    verdict = Verdict("promote", ("there is no champion yet and every guard passed.",), guards)
    workspace.journal.record_verdict(
        "shop-lapsed", "1", as_of=FIRST_DAY, decision="promote", champion=None, figures=verdict.as_dict()
    )


@pytest.mark.parametrize(("rate", "key"), [(0.02, "more"), (0.9, "fewer")])
def test_it_says_whether_as_many_leave_as_when_the_model_learned(tmp_path, rate, key):
    workspace = workspace_in(tmp_path)
    load_year(workspace, customers=120)
    learned_on(workspace, rate, 6_000)
    customers = [f"c{n:04d}" for n in range(120)]
    workspace.warehouse.append("scores", score_rows([FIRST_DAY, LAST_DAY], customers), batch="scores")
    found = read(workspace)
    drawn = section(models.page(found, EN), "labels")
    assert drawn.parts[0].text.startswith(f"{key.capitalize()} leave than when it learned")
    assert drawn.parts[0].state == "look"
    rates = drawn.parts[1].stats
    assert rates[0].value == f"{rate * 100:.1f}%"
    assert all(stat.interval for stat in rates)
    assert shape(models.page(found, EN)) == shape(models.page(found, ES))


def test_customers_who_all_have_the_same_outcome_leave_no_auc(tmp_path):
    workspace = workspace_in(tmp_path)
    load_year(workspace, customers=40)
    bought = workspace.warehouse.query(
        f"select distinct customer_id from tills where event_at >= date '{FIRST_DAY}' "
        f"and event_at < date '{ENDS_ON}' order by customer_id"
    )["customer_id"].to_pylist()
    workspace.warehouse.append("scores", score_rows([FIRST_DAY], bought), batch="scores")
    found = read(workspace)
    drawn = models.page(found, EN)
    assert found.performance.newest.auc is None
    assert "AUC is not defined" in said(section(drawn, "judged"))
    assert "nobody left" in said(section(drawn, "calibration"))
    assert "everybody left, or everybody stayed" in drawn.lead
    assert shape(drawn) == shape(models.page(found, ES))


# --- who decides about actions ---------------------------------------------------------------------------------------


def league(*, winner=None, verdict="no evidence: treat by value, keep exploring", incumbent="value"):
    def standing(name, gain):
        def over(other, value):
            return Difference(other, value, 0.2, value - 0.5, value + 0.5, 0.01, 900, "max-t")

        against = None if name == incumbent else over(incumbent, gain - 1.0)
        return Standing(name, Estimate(gain, gain - 0.3, gain + 0.3, 900, "AIPW"), 0.2, against,
                        over("random, same size", gain), None, (0.0, 1.0))  # fmt: skip

    return League(
        action="call", incumbent=incumbent, capacity_share=0.2,
        standings=(standing("dr_stack", 2.0), standing("value", 1.0), standing("random", 0.5)),
        winner=winner, verdict=verdict, visibility=Visibility(1.0, 0.5), diagnosis=None, quintiles=None, n=900,
        level=0.95, method="AIPW",
    ).as_dict()  # fmt: skip


def held(workspace, version, as_of, decision, **told):
    workspace.journal.record_verdict(
        "shop-uplift-call", version, as_of=as_of, decision=decision, champion=None,
        figures={"reasons": ["why"], "league": league(**told)},
    )  # fmt: skip


def whom(workspace, as_of=LAST_DAY, words=EN):
    return section(models.page(read(workspace, as_of), words), "whom")


def test_an_action_about_which_nothing_was_learned_is_treated_by_value(tmp_path):
    found = whom(workspace_in(tmp_path))
    assert found.parts[0].text == (
        "call: nothing has been learned about whom it changes yet. No evidence: treat by value, keep exploring."
    )
    assert "rule of the day" in found.parts[0].details[0]


def test_without_evidence_nobody_takes_office_and_the_league_is_shown(tmp_path):
    workspace = workspace_in(tmp_path)
    held(workspace, "1", FIRST_DAY, "keep")
    found = whom(workspace)
    assert found.parts[0].text.startswith("call: no evidence that anything chooses better than by value")
    table = next(part for part in found.parts if isinstance(part, Table))
    assert [row[0].text for row in table.rows] == ["doubly robust stack", "by value", "a lottery"]
    assert table.rows[0][1].text == "€2.00"
    assert table.rows[0][1].small == "€1.70 to €2.30"
    assert table.rows[1][0].small == "was in office"
    spanish = whom(workspace, words=ES)
    assert spanish.parts[0].text.startswith("call: no hay pruebas de que nada elija mejor que por valor")


def test_too_few_customers_to_tell_are_said(tmp_path):
    workspace = workspace_in(tmp_path)
    held(workspace, "1", FIRST_DAY, "keep", verdict="not learnable here: even a good ranking would not be seen")
    assert "not even a good choice could be told from chance" in whom(workspace).parts[0].text


def test_a_winner_takes_office_and_a_later_day_does_not_change_an_earlier_page(tmp_path):
    workspace = workspace_in(tmp_path)
    held(workspace, "1", FIRST_DAY, "promote", winner="dr_stack", verdict="promoted: dr_stack earns more")
    found = whom(workspace)
    assert "doubly robust stack earns €1.00 (€0.50 to €1.50) more per customer than by value" in found.parts[0].text
    assert found.parts[0].state == "good"
    assert "version 1, deciding by doubly robust stack" in found.parts[0].details[0]
    assert "was not asked" in found.parts[0].details[1]
    workspace.journal.record_verdict(
        "shop-uplift-call", "1", as_of=LAST_DAY, decision="keep", champion="1",
        figures={"by": "hand", "reasons": ["rolled back: the office is empty"]},
    )  # fmt: skip
    assert "rule of the day" in whom(workspace).parts[0].details[0]
    assert "version 1" in whom(workspace, LAST_DAY - timedelta(days=1)).parts[0].details[0]
    assert "nothing has been learned" in whom(workspace, FIRST_DAY - timedelta(days=1)).parts[0].text


def test_the_value_model_has_its_figures_beside_the_plain_one(tmp_path):
    workspace = workspace_in(tmp_path)
    workspace.journal.record_verdict(
        "shop-customer-value", "3", as_of=FIRST_DAY, decision="promote", champion=None, figures={"reasons": ["why"]}
    )
    rows = [
        {"as_of": FIRST_DAY, "churn": CHURN, "run_id": "v", "model": model, "metric": metric, "slice": "all",
         "estimate": value, "low": value - 0.02, "high": value + 0.02, "row_count": 300, "method": "bootstrap"}
        for model, metric, value in (("hurdle", "gini", 0.7), ("btyd", "gini", 0.6), ("hurdle", "total_ratio", 0.97),
                                     ("hurdle", "top_share", 0.4), ("btyd", "total_ratio", 1.4))
    ]  # fmt: skip
    workspace.warehouse.append("evaluations", rows_of(TABLES["evaluations"], rows), batch="evaluations/v")
    values = [
        {"as_of": LAST_DAY, "customer_id": f"c{n}", "model_version": "3", "method": "hurdle", "margin_cents": 100 * n,
         "months": None, "value_decile": 1}
        for n in range(20)
    ]  # fmt: skip
    workspace.warehouse.append("customer_values", rows_of(TABLES["customer_values"], values), batch="values")
    found = section(models.page(read(workspace), EN), "value")
    assert found.parts[0].text.startswith("Version 3 has been in office since 2\u00a0July\u00a02025.")
    assert "promised 0.97 (0.95 to 0.99) times what came" in found.parts[0].details[0]
    assert [stat.value for stat in found.parts[1].stats] == ["0.700", "0.97", "40.0%"]
    assert [column.label for column in found.parts[2].columns[1:]] == [
        EN.known("models_value_method_", "hurdle"), EN.known("models_value_method_", "btyd")
    ]  # fmt: skip
    assert shape(models.page(read(workspace), EN)) == shape(models.page(read(workspace), ES))


# --- what is promised is believed only while it came true ------------------------------------------------------------


@pytest.mark.parametrize(
    ("spread", "factor", "key"),
    [(1.0, 1.0, "promised an AUC"), (2.5, 1.0, "promised too much"), (0.3, 1.0, "promised too little"),
     (1.0, 2.0, "did not fit what happened")],
)  # fmt: skip
def test_it_says_whether_earlier_promises_came_true(judged, spread, factor, key):
    rng = np.random.default_rng(6)
    logit = rng.normal(-2, 1, size=20_000)
    left = rng.uniform(size=20_000) < 1 / (1 + np.exp(-logit))
    p = 1 / (1 + np.exp(-((logit + 2) * spread - 2)))
    p = np.clip(p * left.mean() / p.mean() * factor, 0, 1)
    cohort = judge(FIRST_DAY, ENDS_ON, left, p, np.zeros(p.size, bool), model_version="1", scored_count=p.size)
    told = replace(judged, performance=replace(judged.performance, cohorts=(cohort,)))
    assert key in section(models.page(told, EN), "promise").parts[0].details[0]


def test_a_retrained_model_and_a_person_are_told_apart(tmp_path):
    workspace = workspace_in(tmp_path)
    load_year(workspace, customers=200)
    train(workspace)
    workspace.journal.record_verdict(
        "shop-lapsed", "2", as_of=LAST_DAY, decision="promote", champion="1",
        figures={"by": "hand", "reasons": ["promoted by hand"]},
    )  # fmt: skip
    rows = score_rows([LAST_DAY], [f"c{n:04d}" for n in range(60)], version="2")
    workspace.warehouse.append("scores", rows, batch="scores")
    found = read(workspace)
    drawn = section(models.page(found, EN), "champion")
    assert drawn.parts[0].text == f"A person put version 2 in office on {EN.day(LAST_DAY)}."
    assert drawn.parts[0].state == "look"
    history = next(part for part in drawn.parts if isinstance(part, Table) and part.name == "decisions")
    assert len(history.rows) == 2


def test_changes_that_are_age_are_told_from_news(judged, page):
    # The till's first purchases are of January, and the model learned from customers described in spring.
    assert 0 < judged.young_count <= len(judged.drift.drifted)
    notice = section(page, "features").parts[0]
    assert f"{judged.young_count} of them look back further than their data reached" in notice.details[1]


def test_a_company_that_marks_its_leavers_itself_has_no_date_to_wait_for(tmp_path):
    workspace = column_company(tmp_path, [(FIRST_DAY, True)])
    found = read(workspace)
    drawn = models.page(found, EN)
    assert found.knowable_on is None
    assert "it judges nothing" in drawn.lead
    assert shape(drawn) == shape(models.page(found, ES))
