"""The page about churn: counted by hand from small warehouses, without anybody who could be recognised."""

import time
from datetime import date, datetime

import pytest

from holdback.workspace import Workspace
from monitoring.portal.pages import churn
from monitoring.portal.parts import Chart, Notice
from monitoring.proportions import newcombe, wilson
from tests.campaigns.decisions.world import put
from tests.features.world import AS_OF as KINDS_ON
from tests.features.world import arrow
from tests.features.world import company as every_kind
from tests.monitoring.causes.company import TODAY, effect
from tests.monitoring.causes.company import company as phone_company
from tests.monitoring.causes.company import train as train_phones
from tests.monitoring.kpis.company import AS_OF, REACH, RECORDED, at, cancel, company, names, start
from tests.monitoring.kpis.lively import lively_rows
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

HOSTILE = "<script>alert('1')</script>"
SECRET = "gender-never-shown"
NORTH, SOUTH, WEST = names("north", 34), names("south", 17), names("west", 3)
LEFT_IN_FEBRUARY = names("feb", 6)


def home(folder, deals=(), customers=(), business=None):
    workspace = Workspace(folder / ".holdback", business or company(), threads=1)
    if deals:
        put(workspace, "deals", list(deals), batch="deals")
    if customers:
        put(workspace, "customers", list(customers), batch="customers")
    return workspace


def person(who, region, vip=False):
    return {"customer_id": who, "region": region, "vip": vip, "gender": SECRET, "signed_up_at": at(2024, 12, 1)}


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """60 contracts since December; six end in February; in May twenty of the north's 34, none of the others' twenty."""
    everybody = [*NORTH, *SOUTH, *WEST, *LEFT_IN_FEBRUARY]
    deals = [
        *(start(who, at(2024, 12, 1)) for who in everybody), RECORDED, REACH,
        *(cancel(who, at(2025, 2, 10)) for who in LEFT_IN_FEBRUARY),
        *(cancel(who, at(2025, 5, 10)) for who in NORTH[:20]),
    ]  # fmt: skip
    people = [
        *(person(who, HOSTILE) for who in NORTH), *(person(who, "south", vip=True) for who in SOUTH),
        *(person(who, "westward") for who in WEST), *(person(who, "south") for who in LEFT_IN_FEBRUARY),
    ]  # fmt: skip
    return home(tmp_path_factory.mktemp("shop"), deals, people)


@pytest.fixture(scope="module")
def page(shop):
    return said(churn, shop, AS_OF)


def told(page):
    return " ".join(texts(page)).replace("\u00a0", " ")


def test_the_newest_complete_month_has_its_rate_and_interval(page):
    found = stat(page, "Churn rate, customers of May\u00a02025")
    expected = wilson(20, 54)
    assert found.value == EN.share(20 / 54) == "37.0%"
    assert found.interval == f"{EN.share(expected.low)} to {EN.share(expected.high)}"
    assert "known since 1\u00a0June\u00a02025" in found.note
    assert page.lead.replace("\u00a0", " ").startswith("Of the 54 customers of 1 May 2025, 37.0%")


def test_the_rate_is_compared_with_a_month_whose_leaving_it_does_not_share(page):
    gap = newcombe((0, 54), (20, 54))
    found = stat(page, "Change since April\u00a02025")
    assert found.value == f"{EN.signed(100 * gap.difference, 1)} points"
    assert found.state == "look"
    assert "more leave now" in found.note


def test_months_that_are_not_over_are_left_out_and_a_sentence_says_so(page):
    drawn = chart(page, "churn-by-month")
    assert drawn.kind == "history"
    assert [point.x for point in drawn.series[0].points][-2:] == ["2025-04", "2025-05"]
    february = next(point for point in drawn.series[0].points if point.x == "2025-02")
    expected = wilson(6, 60)
    assert (february.value, february.low, february.high) == (expected.share, expected.low, expected.high)
    [left_out] = [part for part in section(page, "rate").parts if isinstance(part, Notice)]
    assert "June\u00a02025: its days are not over; known on 2\u00a0July\u00a02025." in left_out.details


def test_small_groups_are_not_shown_nor_what_would_give_them_away(page):
    """West has three: it is hidden, and so is the next smallest, as the whole is told."""
    labels = [point.x for point in chart(page, "by-region").series[0].points]
    assert labels == [f"{HOSTILE} (34)"]
    assert "fewer than 5 customers" in chart(page, "by-region").sentence
    assert "westward" not in told(page)


def test_what_stands_apart_is_said_with_its_interval(page):
    sentence = chart(page, "by-region").sentence
    assert f"More leave in “{HOSTILE}”: {EN.share(20 / 34)}, against {EN.share(0.0)} of the others" in sentence
    flags = [point.x for point in chart(page, "by-vip").series[0].points]
    assert flags == ["no (37)", "yes (17)"]


def test_what_is_protected_is_never_shown(page, shop):
    for words in (EN, ES):
        content = told(said(churn, shop, AS_OF, words))
        assert SECRET not in content
        assert "gender" not in content


def test_revenue_churn_is_told_of_the_same_customers(page):
    assert stat(page, "Lost with those who left").value == "37.0%"
    assert stat(page, "Net revenue retention").value == "63.0%"
    assert stat(page, "They now bring, a month").value == "€340"
    assert stat(page, "They now bring, a month").note == "of €540"


def test_retention_is_a_curve_with_a_band_and_cohorts_are_told_from_five_on(page):
    curve = chart(page, "retention").series[0].points
    assert all(point.low <= point.value <= point.high for point in curve)
    assert curve[0].x == 2.0, "records of leaving begin in January, a month after the start"
    assert "Nobody was watched over the first 1 months" in chart(page, "retention").sentence
    assert rows(page, "retention-by-cohort") == []
    assert table(page, "retention-by-cohort").empty


def test_moves_between_stages_are_counted(page):
    text = told(page)
    assert "From 15 May 2025 (rows) to 15 June 2025 (columns)" in text
    head = [column.label for column in table(page, "moves").columns]
    assert head[0] == "From"
    assert head[-1] == "gone"


def test_without_a_model_the_page_says_how_to_get_one(page):
    text = told(page)
    assert "No model is in office yet" in text
    assert "holdback retrain" in text


def test_both_languages_have_the_same_structure_and_every_number_its_definition(shop):
    english, spanish = (said(churn, shop, AS_OF, words) for words in (EN, ES))
    assert shape(english) == shape(spanish)
    assert without_definition(english) == without_definition(spanish) == []
    assert "Tasa de bajas" in told(spanish)


def test_nobody_is_named(page):
    assert not [who for who in (*NORTH, *SOUTH, *LEFT_IN_FEBRUARY) if who in told(page)]


def test_on_the_first_day_ever_it_says_when_a_rate_is_known(tmp_path):
    deals = [*(start(who, at(2025, 6, 14)) for who in names("new", 20)), cancel("early", at(2025, 6, 14))]
    page = said(churn, home(tmp_path, deals), AS_OF)
    assert page.lead.replace("\u00a0", " ") == "No churn rate yet: the first one is known on 1 August 2025."
    assert "Come back on 1 July 2025" in told(page)
    assert not [part for one in page.sections for part in one.parts if isinstance(part, Chart)]


def test_an_empty_warehouse_says_what_to_do(tmp_path):
    english, spanish = (said(churn, home(tmp_path), AS_OF, words) for words in (EN, ES))
    assert "Check that the data are loaded" in english.lead
    assert shape(english) == shape(spanish)


def test_contracts_without_a_cancellation_have_no_rate(tmp_path):
    page = said(churn, home(tmp_path, [start(who, at(2024, 12, 1)) for who in names("a", 20)]), AS_OF)
    assert "not one cancellation" in page.lead
    assert "Load the cancellations" in page.lead


def test_of_one_customer_nothing_is_shown(tmp_path):
    deals = [start("only", at(2024, 12, 1)), RECORDED, cancel("only", at(2025, 5, 10)), REACH]
    page = said(churn, home(tmp_path, deals, [person("only", "north")]), AS_OF)
    assert page.lead.startswith("Fewer than five customers")
    assert "100" not in " ".join(point.x for part in page.sections[0].parts if isinstance(part, Chart)
                                 for point in part.series[0].points)  # fmt: skip
    assert not [part for one in page.sections for part in one.parts if isinstance(part, Chart)]


def test_a_month_that_the_data_do_not_reach_is_named(tmp_path):
    """The last event is of 20 May: what happened until the 31st is not known."""
    deals = [
        *(start(who, at(2024, 12, 1)) for who in names("a", 30)), RECORDED, cancel("a00", at(2025, 3, 10)),
        cancel("a01", at(2025, 5, 20)),
    ]  # fmt: skip
    page = said(churn, home(tmp_path, deals), AS_OF)
    [left_out] = [part for part in section(page, "rate").parts if isinstance(part, Notice)]
    assert any(
        text.startswith("May\u00a02025: its days are over, but the data do not reach") for text in left_out.details
    )
    assert "April\u00a02025" in page.sections[0].parts[0].stats[0].label


def test_a_half_recorded_month_is_left_out(tmp_path):
    """Cancellations come at two a day from 20 April on, and not one before: somebody began to write them down then."""
    gone = names("gone", 20)
    deals = [
        *(start(who, at(2024, 12, 1)) for who in [*names("a", 60), *gone]),
        *(cancel(who, at(2025, 4, 20 + number // 2)) for number, who in enumerate(gone)),
        *(cancel(who, at(2025, 5, 5)) for who in names("a", 6)), REACH,
    ]  # fmt: skip
    page = said(churn, home(tmp_path, deals), AS_OF)
    [left_out] = [part for part in section(page, "rate").parts if isinstance(part, Notice) and part.details]
    assert any(
        text.startswith(
            "April\u00a02025: half recorded. Cancellations stand in the data only from 20\u00a0April\u00a02025"
        )
        for text in left_out.details
    )
    assert stat(page, "Churn rate, customers of May\u00a02025").value == "10.0%"
    assert "begins with this month" in told(section(page, "rate"))


def test_a_column_that_says_who_left_has_a_rate_and_no_history(tmp_path):
    business = company(feeds=("deals",))
    snapshot = business.model_copy(update={"churn": tuple(one for one in business.churn if one.kind == "column")})
    people = [{**person(f"c{n:02d}", "north" if n < 20 else "south"), "left": n < 10} for n in range(40)]
    workspace = home(tmp_path, (), people, snapshot)
    english, spanish = (said(churn, workspace, AS_OF, words) for words in (EN, ES))
    assert stat(english, "Churn rate").value == "25.0%"
    assert "there is no history" in told(english)
    assert "nothing can be told over time" in told(english)
    assert shape(english) == shape(spanish)


def test_ten_thousand_segments_are_fast_and_the_fifty_largest_are_shown(tmp_path):
    count, each = 10_000, 5
    people = [f"c{number:06d}" for number in range(count * each)]
    workspace = Workspace(tmp_path / ".holdback", company(), threads=1)
    deals = [*({"customer_id": who, "event_at": at(2024, 12, 1), "kind": "start"} for who in people), RECORDED, REACH]
    put(workspace, "deals", deals, batch="deals")
    customers = [{"customer_id": who, "region": f"segment {n // each:05d}"} for n, who in enumerate(people)]
    put(workspace, "customers", customers, batch="customers")
    began = time.process_time()
    page = said(churn, workspace, AS_OF)
    seconds = time.process_time() - began
    shown = table(page, "by-region")
    assert len(shown.rows) == 50
    assert shown.caption == "Churn rate: region. The 50 largest groups of 10,000"
    assert len(told(page)) < 60_000
    assert seconds < 15


@pytest.fixture(scope="module")
def phones(tmp_path_factory):
    workspace = phone_company(tmp_path_factory.mktemp("phones"), customers=900)
    train_phones(workspace)
    effect(workspace, "promise", -0.03, -0.05, -0.01)
    effect(workspace, "calls", -0.01, -0.03, 0.01)
    return workspace


@pytest.fixture(scope="module")
def why(phones):
    return said(churn, phones, TODAY)


def test_drivers_are_drawn_with_intervals_the_strongest_first(why):
    points = chart(why, "drivers").series[0].points
    assert points[0].x == "Price"
    assert all(point.low <= point.value <= point.high for point in points)
    assert [point.value for point in points] == sorted((point.value for point in points), reverse=True)
    first = rows(why, "drivers-table")[0]
    assert "is associated with more leaving" in first[3]
    assert first[4] == "yes"


def test_reasons_and_what_was_said_before_stand_beside_them(why):
    reasons = rows(why, "reasons")
    assert reasons[0][0] == "too_expensive"
    assert reasons[0][2] == "Price"
    assert any(row[0].startswith("contact about “outage”") for row in rows(why, "before-leaving"))


def test_only_a_measured_effect_speaks_of_causes(why, phones):
    for words, verb, lead in ((EN, "cause", "not the same as its cause"), (ES, "caus", "la causa")):
        found = said(churn, phones, TODAY, words)
        drivers = section(found, "drivers")
        sentences = [text for text in texts(drivers.parts) if verb in text.lower()]
        assert len(sentences) == 2, sentences
        assert all(text.startswith(("Measured:", "Medido:")) for text in sentences)
        assert lead in drivers.lead


def test_protected_attributes_are_no_drivers(why):
    assert "gender" not in told(why).lower()


def test_both_languages_have_the_same_structure(why, phones):
    spanish = said(churn, phones, TODAY, ES)
    assert shape(why) == shape(spanish)
    assert chart(spanish, "drivers").series[0].points[0].x == "El precio"
    assert without_definition(why) == []


@pytest.mark.slow  # asks the registry for the original, which takes a while to open
def test_a_damaged_model_is_said_and_the_rest_of_the_page_stands(tmp_path):
    workspace = phone_company(tmp_path / "phones", customers=200)
    workspace.models.mkdir(parents=True, exist_ok=True)
    model = "phones-cancelled"
    workspace.journal.crown(model, "1", seen=None, as_of=date(2025, 10, 1))
    (workspace.models / f"{model}-1.cbm").write_bytes(b"no model")
    page = said(churn, workspace, TODAY)
    assert "cannot be read" in told(section(page, "drivers"))
    assert stat(page, page.sections[0].parts[0].stats[0].label).value.endswith("%")


def test_rows_of_the_tests_are_rows_of_the_warehouse():
    """The helper that writes them fills in when they were loaded: known at once, or nothing would be counted."""
    loaded = arrow(company().tables["deals"], [start("a", at(2025, 1, 1))])["loaded_at"][0].as_py()
    assert loaded <= datetime(2025, 1, 2)


def test_a_small_cohort_is_hidden_with_the_one_that_would_give_it_away(tmp_path):
    """Of 21 customers ten start in February, three in March, eight in April: the whole less two cohorts is three."""
    deals = [
        *(start(who, at(2025, 2, 5)) for who in names("feb", 10)),
        *(start(who, at(2025, 3, 5)) for who in names("mar", 3)),
        *(start(who, at(2025, 4, 5)) for who in names("apr", 8)), RECORDED, cancel("feb00", at(2025, 4, 20)),
    ]  # fmt: skip
    page = said(churn, home(tmp_path, deals), AS_OF)
    assert [row[:2] for row in rows(page, "retention-by-cohort")] == [["Feb 2025", "10"]]
    assert "such a one away: 2." in told(section(page, "cohorts"))


@pytest.fixture(scope="module")
def lively_home(tmp_path_factory):
    """The company that passes every kind of churn through its figures, in a warehouse on a disk."""
    folder = tmp_path_factory.mktemp("lively")
    rows = lively_rows()
    workspace = Workspace(folder, every_kind(), threads=1)
    for name, found in rows.items():
        put(workspace, name, found, batch=name)
    return folder


@pytest.mark.parametrize(
    "name",
    ["habit", "said", *(pytest.param(one, marks=pytest.mark.slow) for one in ("lapse", "leave", "drain"))],
)
def test_every_kind_of_churn_is_told_in_both_languages(name, lively_home):
    declared = every_kind()
    first = sorted(declared.churn, key=lambda one: one.name != name)
    workspace = Workspace(lively_home, declared.model_copy(update={"churn": tuple(first)}), threads=1)
    english, spanish = (said(churn, workspace, KINDS_ON, words) for words in (EN, ES))
    assert shape(english) == shape(spanish)
    assert without_definition(english) == []
    assert stat(english, section(english, "rate").parts[0].stats[0].label).value.endswith("%")
    is_over_time = name != "said"
    assert any(isinstance(part, Chart) for part in section(english, "cohorts").parts) == is_over_time
