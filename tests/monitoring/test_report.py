"""The day's report: everything is there, nothing gets out, nobody is named, and the first day is no error."""

import base64
import gzip
import re
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from holdback.errors import BusinessFileError, OperatorError
from monitoring.drift.verdicts import DayDrift
from monitoring.evidently_page import EvidentlyPage, evidently_page
from monitoring.performance import Performance
from monitoring.report import draw, write_report
from monitoring.report_content import gather
from monitoring.words import catalogue
from tests.monitoring.company import CHURN, FIRST_DAY, HOSTILE, LAST_DAY, judge, score_rows, workspace_in
from tests.monitoring.html import read_page

SECTIONS = ("tiers", "model", "drift", "quality", "performance", "history", "definitions", "evidently")
MOST_BYTES = 6 * 2**20


@pytest.fixture(scope="session")
def html(report_of_last_day):
    return report_of_last_day.path.read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def page_of(html):
    return read_page(html)


def test_the_report_is_one_file_of_a_size_that_can_be_sent(report_of_last_day, company):
    assert report_of_last_day.path == company.reports / "2025-10-01" / f"{CHURN}.html"
    assert report_of_last_day.path.stat().st_size <= MOST_BYTES
    assert [path.name for path in report_of_last_day.path.parent.iterdir()] == [f"{CHURN}.html"]


def test_every_section_is_there_and_the_contents_lead_to_it(page_of):
    ids = [element.attributes.get("id") for element in page_of.every("section")]
    assert [name for name in SECTIONS if name not in ids] == []
    links = [element.attributes["href"] for element in page_of.every("a")]
    assert [f"#{name}" for name in SECTIONS if f"#{name}" not in links] == []


def test_the_result_says_what_the_page_says(report_of_last_day, html):
    assert report_of_last_day.customer_count > 100
    assert report_of_last_day.judged_on == FIRST_DAY
    assert report_of_last_day.measured_feature_count > 30
    assert [section.name for section in report_of_last_day.sections] == [
        "scored", "at_risk", "expected", "line", "model", "judged", "drift", "data",
    ]  # fmt: skip
    states = {section.name: section.state for section in report_of_last_day.sections}
    assert states["model"] == "look"  # no evidence that it is better than the spline logistic regression
    assert states["data"] == "look"  # rows were quarantined
    assert f"{report_of_last_day.customer_count}" in html


def test_nothing_is_fetched_from_anywhere(html, page_of):
    for element in page_of.every("script", "img", "link", "iframe", "a", "source", "video", "object", "embed", "form"):
        for name in ("src", "href", "action", "data", "srcdoc"):
            assert re.match(r"(?i)\s*(https?:)?//", element.attributes.get(name) or "") is None
    styles = "".join(element.text for element in page_of.every("style"))
    assert "@import" not in styles
    assert "url(" not in styles
    policy = next(e for e in page_of.every("meta") if e.attributes.get("http-equiv") == "Content-Security-Policy")
    assert policy.attributes["content"].startswith("default-src 'none'")
    assert "http" not in policy.attributes["content"]


def test_hostile_words_stay_words(html, page_of):
    # They stand in the file's name, in a region, in a guard's reason: shown as text, never as an element.
    assert HOSTILE not in html
    assert HOSTILE in page_of.all_text()
    own = [element for element in page_of.every("script") if element.attributes.get("type") != "text/plain"]
    assert len(own) == 1
    assert "evidently-details" in own[0].text


def test_nobody_is_named(html, company):
    ids = set(company.warehouse.query("select distinct customer_id from scores")["customer_id"].to_pylist())
    packed = re.search(r'id="evidently-page">([^<]*)<', html)[1]
    everything = html.replace(packed, "") + gzip.decompress(base64.b64decode(packed)).decode()
    assert ids & set(re.findall(r"\bc[0-9]{4}\b", everything)) == set()
    assert "@example.org" not in everything


def test_the_page_can_be_listened_to(page_of):
    assert page_of.every("html")[0].attributes["lang"] == "en"
    assert len(page_of.every("h1")) == 1
    levels = [int(element.tag[1]) for element in page_of.every("h1", "h2", "h3", "h4")]
    assert all(after <= before + 1 for before, after in pairwise(levels))
    ids = [e.attributes["id"] for e in page_of.every(*all_tags(page_of)) if "id" in e.attributes]
    assert len(ids) == len(set(ids))
    for section in page_of.every("section"):
        assert section.attributes["aria-labelledby"] in ids
    for table in page_of.every("table"):
        assert all(cell.attributes.get("scope") in ("col", "row") for cell in table.every("th"))
        assert table.every("thead")
    for chart in page_of.every("svg"):
        assert chart.attributes["role"] == "img"
        assert all(name in ids for name in chart.attributes["aria-labelledby"].split())
    for frame in page_of.every("iframe"):
        assert frame.attributes["title"]
        assert frame.attributes["sandbox"] == "allow-scripts"


def all_tags(page):
    found = {page.tag}
    for child in page.children:
        found |= all_tags(child)
    return found


def test_written_again_it_is_the_same_to_the_byte(company, report_of_last_day):
    before = report_of_last_day.path.read_bytes()
    again = write_report(company, LAST_DAY, churn_name=CHURN)
    assert again == report_of_last_day
    assert again.path.read_bytes() == before


def test_what_was_not_known_on_the_day_is_not_in_its_report(company, report_of_first_day, report_of_last_day):
    assert report_of_first_day.judged_on is None
    assert report_of_first_day.knowable_on == FIRST_DAY + timedelta(days=29)
    assert "Not knowable before 31\u00a0July\u00a02025" in report_of_first_day.path.read_text(encoding="utf-8")
    again = gather(company, FIRST_DAY, company.business.churn_named(CHURN))
    assert again.history[-1].as_of <= FIRST_DAY
    assert again.quality.offered == 0  # the batch of LAST_DAY came later
    assert again.score_drift.found is None  # the model's first day in use


def test_the_reference_is_computed_once_and_kept(company, report_of_last_day):
    kept = company.warehouse.query("select distinct as_of from profiles where batch_id = 'drift/lapsed/1'")
    rows = kept.to_pylist()
    assert [row["as_of"] for row in rows] == [FIRST_DAY]
    kinds = company.warehouse.query("select distinct statistic from profiles where feed = 'features'").to_pylist()
    assert {row["statistic"] for row in kinds} == {"customers", "bins", "bin_rows", "importance"}


def test_the_report_speaks_spanish(content):
    html, _ = draw(replace(content, language="es"), EvidentlyPage("", 1, 1))
    page = read_page(html)
    assert page.every("html")[0].attributes["lang"] == "es"
    headings = [element.text for element in page.every("h2")]
    assert headings == [catalogue("es")["short"]] + [catalogue("es")[name] for name in SECTIONS]
    foreign = [element for element in page.every(*all_tags(page)) if element.attributes.get("lang") == "en"]
    assert foreign  # what Great Expectations and the gate say is English, and says so


def test_the_very_first_day_has_a_report(tmp_path):
    """No data, no model, no scores, no labels: each section says so."""
    found = write_report(workspace_in(tmp_path), LAST_DAY, churn_name=CHURN)
    page = read_page(found.path.read_text(encoding="utf-8"))
    said = " ".join(page.all_text().split())
    words = catalogue("en")
    silent = (
        "card_scored_none", "model_none", "verdict_none", "drift_no_reference", "quarantine_none", "broken_none",
        "nulls_none", "performance_never scored", "history_none",
    )  # fmt: skip
    for key in silent:
        assert words[key] in said
    assert (found.customer_count, found.judged_on, found.knowable_on) == (0, None, None)
    assert "None" not in said
    assert "nan" not in re.findall(r"[a-z]+", said.lower())


def test_scores_without_the_models_file_still_have_a_report(tmp_path):
    workspace = workspace_in(tmp_path)
    rows = score_rows([LAST_DAY], ["c0001", "c0002", "c0003"], version="7")
    workspace.warehouse.append("scores", rows, batch="s")
    found = write_report(workspace, LAST_DAY, churn_name=CHURN)
    said = read_page(found.path.read_text(encoding="utf-8")).all_text()
    assert catalogue("en")["drift_no_reference"] in said
    assert "< 5" in said  # three customers are too few to be counted
    assert found.customer_count == 3


def test_an_unknown_churn_definition_is_a_fault_of_the_business_file(company):
    with pytest.raises(BusinessFileError, match="does not exist"):
        write_report(company, LAST_DAY, churn_name="nothing of ours")


def test_a_folder_that_cannot_be_written_leaves_the_old_report(tmp_path):
    workspace = workspace_in(tmp_path)
    judge(workspace, FIRST_DAY, version="1")
    workspace.reports.parent.mkdir(parents=True, exist_ok=True)
    workspace.reports.write_text("a file stands where the folder should be")
    with pytest.raises(OperatorError, match="Nothing was changed"):
        write_report(workspace, LAST_DAY, churn_name=CHURN)
    assert workspace.reports.read_text() == "a file stands where the folder should be"


# --- Evidently -------------------------------------------------------------------------------------------------------


def test_evidently_tests_agree_with_our_verdicts(content):
    page = evidently_page(content.drift, content.quality, content.performance)
    # Beside one test per column: no critical rule broken, no row lost, the day's quarantine and freshness in bounds,
    # and on matured labels the AUC's lower end and both ends of predicted over actual.
    others = 2 + 2 + 3
    assert page.test_count == len(content.drift.measured) + others
    assert page.passed == len(content.drift.measured) - len(content.drift.drifted) + others
    assert "NaN" not in page.html.split("<script>")[0]


def test_evidently_needs_no_scores_and_no_labels(content):
    page = evidently_page(DayDrift(()), replace(content.quality, feeds=()), Performance((), "never scored"))
    assert (page.passed, page.test_count) == (2, 2)


def test_hostile_names_do_not_leave_evidentlys_script(content):
    columns = tuple(replace(column, name=f"{HOSTILE}{i}") for i, column in enumerate(content.drift.columns))
    feeds = tuple(replace(feed, feed=HOSTILE) for feed in content.quality.feeds)
    page = evidently_page(
        replace(content.drift, columns=columns), replace(content.quality, feeds=feeds), content.performance
    )
    assert "<script>alert" not in page.html
