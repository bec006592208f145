"""The first page: counted by hand from small warehouses, without anybody who could be recognised."""

from datetime import timedelta
from itertools import product

import numpy as np
import pytest

from holdback.commits import rows_of
from holdback.tables import TABLES
from monitoring.cells import MINIMUM_CELL
from monitoring.portal.pages import today
from monitoring.portal.pages.today_groups import shown_groups
from monitoring.risk import tier_counts
from tests.campaigns.decisions.world import AS_OF, company, customer, launch_all, put, value
from tests.monitoring.portal.desk import (
    EN,
    ES,
    YESTERDAY,
    chart,
    contact,
    decide,
    drawn,
    names,
    people,
    read,
    rows,
    said,
    scores,
    section,
    shape,
    stat,
    stats,
    table,
    texts,
    without_definition,
    workspace,
)

HOSTILE = "<script>alert('1')</script>"


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """33 customers: 6 at high risk, 7 at medium, 20 at low; yesterday it was otherwise. Contacts, holdouts, values."""
    desk = workspace(
        tmp_path_factory.mktemp("shop"), budget={"per_day": 100.0}, journey={"segments": ["city", "vulnerable"]}
    )
    put(desk, "customers", [*people(20), *(customer(name, city=HOSTILE) for name in names(21, 45))], batch="customers")
    # Yesterday 1 to 5 and 14 to 19 were at risk; 34 to 38 were scored and are gone, 29 to 33 came today.
    scores(desk, YESTERDAY, high=names(1, 5), medium=names(14, 19), low=[*names(6, 13), *names(20, 28), *names(34, 38)])
    scores(desk, AS_OF, high=names(1, 6), medium=names(7, 13), low=names(14, 33))
    valued = [value(name, 10, 100_000) for name in names(1, 6)] + [value(name, 5, 50_000) for name in names(7, 33)]
    put(desk, "customer_values", valued, batch="values")
    launch_all(desk, YESTERDAY)
    decide(desk, YESTERDAY, [
        *(drawn(name, "holdout") for name in names(1, 6)), *(drawn(name, "treatment") for name in names(7, 33)),
        *(drawn(name, "holdout", campaign="spring") for name in names(7, 9)),
        *(drawn(name, "treatment", campaign="spring") for name in names(10, 33)),
        *(contact(name) for name in names(10, 14)),
    ])  # fmt: skip
    decide(desk, AS_OF, [
        *(contact(name) for name in names(15, 20)),
        *(contact(name, "mail", cost_cents=10) for name in names(21, 28)),
        contact("client-0029", "none", cost_cents=0),
    ])  # fmt: skip
    return desk


def test_the_counts_are_those_of_the_rows(shop):
    page = said(today, shop)
    assert page.lead.startswith("13 of 33 customers (39.4%) are at risk of leaving today.")
    assert [(one.label, one.value) for one in stats(page)][:3] == [
        ("At risk", "13"), ("High risk", "6"), ("Medium risk", "7")
    ]  # fmt: skip
    # 6 x 0.7 + 7 x 0.3 + 20 x 0.1 leave; their variance is 6 x 0.21 + 7 x 0.21 + 20 x 0.09.
    spread = 1.96 * (13 * 0.21 + 20 * 0.09) ** 0.5
    expected = stat(page, "Expected to leave")
    assert (expected.value, expected.interval) == ("8", f"{8.3 - spread:.0f} to {8.3 + spread:.0f}")


def test_the_margin_at_risk_is_probability_times_margin_of_those_at_risk(shop):
    # 6 x 0.7 x 1,000 + 7 x 0.3 x 500 = 5,250; its variance is 0.21 x (6 x 1,000^2 + 7 x 500^2).
    spread = 1.96 * (0.21 * (6 * 1000**2 + 7 * 500**2)) ** 0.5
    margin = stat(said(today, shop), "Margin at risk")
    assert (margin.value, margin.interval) == ("€5,250", f"€{5250 - spread:,.0f} to €{5250 + spread:,.0f}")
    assert margin.note == "Margins as the value model saw them on 2\u00a0March\u00a02026."


def test_what_changed_since_yesterday_is_counted(shop):
    page = said(today, shop)
    assert section(page, "changes").lead == "Compared with yesterday, 1\u00a0March\u00a02026."
    assert stat(page, "Change at risk").value == "+2"
    # At risk today and scored before: 1 to 13; of them 1 to 5 were already. 14 to 19 are at low risk now.
    assert (stat(page, "Newly at risk").value, stat(page, "No longer at risk").value) == ("8", "6")
    assert (stat(page, "Newly scored").value, stat(page, "No longer scored").value) == ("5", "5")
    contacts = stat(page, "New contacts")
    assert (contacts.value, contacts.note) == ("14", "on 1\u00a0March\u00a02026: 5")


def test_contacts_cost_and_budget_are_those_of_the_ledger(shop):
    page = said(today, shop)
    assert rows(page, "contacts") == [["call", "telephone", "6", "no limit"], ["mail", "e-mail", "8", "no limit"]]
    spent = stat(page, "Cost of today's contacts")
    assert (spent.value, spent.note) == ("€30.80", "31% of the daily budget of €100.00")


def test_few_contacts_are_counted_openly_because_they_are_what_we_do(tmp_path):
    desk = workspace(tmp_path, budget={"per_day": 100.0})
    for day in (YESTERDAY, AS_OF):
        scores(desk, day, high=names(1, 6), low=names(7, 20))
    decide(desk, YESTERDAY, [contact("client-0001")])
    mailed = [contact(name, "mail", cost_cents=10) for name in names(4, 9)]
    decide(desk, AS_OF, [*(contact(name) for name in names(1, 2)), *mailed])
    page = said(today, desk)
    assert rows(page, "contacts") == [["call", "telephone", "2", "no limit"], ["mail", "e-mail", "6", "no limit"]]
    assert stat(page, "Contacts").value == "8"
    assert stat(page, "New contacts").note == "on 1\u00a0March\u00a02026: 1"
    decide(desk, AS_OF + timedelta(days=1), [contact("client-0012")])
    scores(desk, AS_OF + timedelta(days=1), high=names(1, 6), low=names(7, 20))
    page = said(today, desk, AS_OF + timedelta(days=1))
    assert (stat(page, "Contacts").value, stat(page, "Cost of today's contacts").value) == ("1", "€5.00")


def test_who_came_into_risk_does_not_tell_how_few_were_there_the_day_before(tmp_path):
    desk = workspace(tmp_path)
    scores(desk, YESTERDAY, high=names(1, 3), low=names(4, 60))
    scores(desk, AS_OF, high=names(1, 20), low=names(21, 60))
    page = said(today, desk)
    assert stat(page, "At risk").value == "20"
    newly, no_longer = stat(page, "Newly at risk"), stat(page, "No longer at risk")
    assert (newly.value, no_longer.value) == ("–", "–")  # 20 - 17 + 0 would be the three of yesterday
    assert newly.note.startswith("Not shown")
    assert (stat(page, "Newly scored").value, stat(page, "No longer scored").value) == ("0", "0")


def test_who_is_held_back_is_told_with_the_reason(shop):
    page = said(today, shop)
    assert "left alone on purpose" in section(page, "held-back").lead
    assert rows(page, "held-back") == [
        ["all campaigns", "6", "18.2%", "no date is set"],
        ["spring", "not shown", "–", "31 Mar 2026"],  # three: too few
    ]


def test_a_contact_that_was_withdrawn_does_not_count(tmp_path):
    desk = workspace(tmp_path)
    decide(desk, AS_OF, [contact(name) for name in names(1, 7)])
    row = desk.warehouse.query("select entry_id from ledger order by entry_id limit 1").to_pylist()[0]
    decide(desk, AS_OF, [{"kind": "corrected", "corrects": row["entry_id"], "reason": "wrong"}], batch="mend")
    assert stat(said(today, desk), "Contacts").value == "6"


def test_the_groups_are_those_of_the_company(shop):
    page = said(today, shop)
    # Lugo: 1 to 20 of whom 1 to 13 are at risk; the others live where the name is hostile, and it stays plain text.
    points = chart(page, "risk-by-group-1").series[0].points
    assert [(point.x, point.value) for point in points] == [("Lugo (20)", 0.65), (f"{HOSTILE} (13)", 0.0)]
    assert rows(page, "groups-2") == [["no", "33", "13", "39.4%"]]


def test_the_groups_are_called_as_the_company_calls_them_in_each_language(tmp_path):
    customers = company().model_dump(mode="json", exclude_none=True)["customers"]
    customers["attributes"]["city"]["meaning"] = {"en": "Town", "es": "Ciudad"}
    desk = workspace(tmp_path, customers=customers, journey={"segments": ["city"]})
    put(desk, "customers", [*people(20), *people(20, city="Vigo", prefix="other-")], batch="customers")
    scores(desk, AS_OF, high=names(1, 6), low=[*names(7, 20), *(f"other-{n:04d}" for n in range(1, 21))])
    assert "Town" in chart(said(today, desk), "risk-by-group-1").title
    assert "Ciudad" in chart(said(today, desk, words=ES), "risk-by-group-1").title


def test_without_a_value_model_the_records_speak_and_without_them_it_is_said(tmp_path):
    desk = workspace(tmp_path)
    scores(desk, AS_OF, high=names(1, 6), low=names(7, 20))
    page = said(today, desk)
    assert (stat(page, "Margin at risk").value, stat(page, "Margin at risk").note[:14]) == ("–", "Not known yet,")
    assert any(text == "holdback value train" for text in texts(page))
    fit = [
        {"as_of": AS_OF, "customer_id": name, "margin_cents": 20_000, "net_cents": 0, "fit_class": "invest",
         "expires_on": AS_OF} for name in names(1, 5)
    ]  # fmt: skip
    put(desk, "fit", fit, batch="fit")
    margin = stat(said(today, desk), "Margin at risk")
    assert margin.value == "€700"  # 5 x 0.7 x 200; how many lack a margin is too few to say
    assert margin.note.startswith("Margins reckoned from each customer's records")
    assert "Without" not in margin.note


def test_a_currency_without_decimals_has_none(tmp_path):
    desk = workspace(tmp_path, currency="JPY", budget={"per_day": 3_000.0})
    scores(desk, AS_OF, high=names(1, 6), low=names(7, 20))
    put(desk, "customer_values", [value(name, 10, 1_000_000) for name in names(1, 6)], batch="values")
    decide(desk, AS_OF, [contact(name, cost_cents=50_000) for name in names(1, 5)])
    page = said(today, desk)
    assert stat(page, "Margin at risk").value == "¥42,000"
    spent = stat(page, "Cost of today's contacts")
    assert (spent.value, spent.note) == ("¥2,500", "83% of the daily budget of ¥3,000")


def test_the_first_day_ever_says_what_to_do(tmp_path):
    page = said(today, workspace(tmp_path))
    assert page.lead.startswith("Nobody was scored on 2\u00a0March\u00a02026")
    assert rows(page, "needs")[0][0] == "No model is in use yet: nobody can be scored."
    assert table(page, "needs").rows[0][1].small == "holdback retrain"
    assert [one.name for one in page.sections] == ["needs", "risk", "decided", "held-back", "changes", "groups"]


def test_a_day_that_was_not_scored_says_which_one_was(tmp_path):
    desk = workspace(tmp_path)
    desk.journal.crown("acme-left", "1", seen=None, as_of=YESTERDAY)
    scores(desk, YESTERDAY, high=names(1, 6), low=names(7, 20))
    page = said(today, desk)
    assert "The newest day that was scored is 1\u00a0March\u00a02026." in list(texts(page))
    assert rows(page, "needs")[0][0] == "Nobody was scored on 2 March 2026."


def test_of_one_customer_nothing_is_told(tmp_path):
    desk = workspace(tmp_path, journey={"segments": ["city"]})
    put(desk, "customers", people(1), batch="customers")
    scores(desk, YESTERDAY, low=names(1, 1))
    scores(desk, AS_OF, high=names(1, 1))
    put(desk, "customer_values", [value("client-0001", 10)], batch="values")
    decide(desk, AS_OF, [drawn("client-0001", "holdout"), contact("client-0001")])
    page = said(today, desk)
    assert "Fewer than 5 customers were scored today" in page.lead
    assert stat(page, "Contacts").value == "1"  # what we do, not whom
    ours = ("Contacts", "New contacts", "Cost of today's contacts")
    assert {one.value for one in stats(page) if one.label not in ours} <= {"–", "not shown", "< 5"}
    assert rows(page, "held-back")[0][1:3] == ["not shown", "–"]
    assert not any(text.strip("€") in ("0.70", "100.0%") for text in texts(page))


def test_a_day_missing_in_the_middle_is_a_gap(tmp_path):
    desk = workspace(tmp_path)
    for back in (5, 4, 2, 1, 0):
        scores(desk, AS_OF - timedelta(days=back), high=names(1, 6), low=names(7, 20))
    found = chart(said(today, desk), "at-risk-by-day")
    points = {point.x: point.value for point in found.series[0].points}
    assert points[(AS_OF - timedelta(days=3)).isoformat()] is None
    assert list(points.values()).count(6) == 5
    assert found.sentence.endswith("1 day between them was not scored and leaves a gap.")


def test_the_day_to_compare_with_is_the_newest_that_was_scored(tmp_path):
    desk = workspace(tmp_path)
    scores(desk, AS_OF - timedelta(days=4), high=names(1, 6), low=names(7, 20))
    scores(desk, AS_OF, high=names(1, 6), low=names(7, 20))
    said_of = section(said(today, desk), "changes").lead
    assert said_of == "Compared with 26\u00a0February\u00a02026, 4 days ago: the newest day scored before today."


def test_what_is_scored_or_decided_later_is_not_shown(shop):
    found = read(today, shop, YESTERDAY)
    assert found.risk.now.scored == 33
    assert found.risk.changes is None
    assert found.decided.contact_count == 5


def test_ten_thousand_segments_are_cut_to_those_with_most_at_risk(tmp_path):
    desk = workspace(tmp_path, journey={"segments": ["city"]})
    # 9,900 streets of two customers and 60 towns of twenty; in town 00 twenty are at risk, in town 01 nineteen, ...
    street = [customer(f"client-{n:05d}", city=f"street {n // 2:05d}") for n in range(19_800)]
    town = [customer(f"other-{n:05d}", city=f"town {n // 20:02d}") for n in range(1_200)]
    put(desk, "customers", [*street, *town], batch="customers")
    at_risk = [row["customer_id"] for n, row in enumerate(town) if n % 20 < 20 - n // 20]
    rest = sorted({row["customer_id"] for row in (*street, *town)} - set(at_risk))
    scores(desk, AS_OF, high=at_risk, low=rest)
    found = table(said(today, desk), "groups-1")
    assert len(found.rows) == 50
    assert found.caption == (
        "By “city” (50 of 60 groups: those with most customers at risk) (9,900 groups are not shown: fewer than 5 "
        "customers, or they would tell such a one)"
    )
    assert [cell.text for cell in found.rows[0]] == ["town 00", "20", "20", "100.0%"]
    assert [cell.text for cell in found.rows[2]] == ["town 02", "20", "not shown", "–"]  # two are not at risk
    assert not [text for text in texts(found) if "street" in text]


def test_no_group_that_is_too_small_is_named(tmp_path):
    desk = workspace(tmp_path, journey={"segments": ["city"]})
    few, others = people(3, city="Ávila", prefix="few-"), people(9, city="Soria", prefix="x-")
    put(desk, "customers", [*people(30), *few, *others], batch="customers")
    low = [*names(7, 30), *(f"few-{n:04d}" for n in (1, 2, 3)), *(f"x-{n:04d}" for n in range(1, 10))]
    scores(desk, AS_OF, high=names(1, 6), low=low)
    found = table(said(today, desk), "groups-1")
    # Soria goes with Ávila: what is missing in the total would be the three.
    assert [[cell.text for cell in row][:3] for row in found.rows] == [["Lugo", "30", "6"]]
    assert found.caption.startswith("By “city” (2 groups are not shown: fewer than 5 customers")


def test_no_customer_is_named(shop):
    for words in (EN, ES):
        assert not [text for text in texts(said(today, shop, words=words)) if "client-" in text]


def test_every_number_says_how_it_is_computed(shop):
    assert without_definition(said(today, shop)) == []


@pytest.mark.parametrize("what", ["shop", "empty", "one"])
def test_both_languages_are_made_of_the_same_parts(what, shop, tmp_path):
    desk = shop if what == "shop" else workspace(tmp_path)
    if what == "one":
        scores(desk, AS_OF, high=names(1, 1))
    english, spanish = said(today, desk, words=EN), said(today, desk, words=ES)
    assert shape(english) == shape(spanish)
    assert english.lead != spanish.lead


def test_spanish_is_written_as_it_is_read(shop):
    page = said(today, shop, words=ES)
    assert page.lead.startswith("Hoy están en riesgo de irse 13 de 33 clientes (39,4\u00a0%).")
    assert stat(page, "Margen en riesgo").value == "5.250\u00a0€"


def test_no_small_tier_can_be_worked_out_from_what_is_shown():
    """An attacker solves the sums: whatever tier has 1 to 4 customers, several numbers must be possible for it."""
    for high, medium, low in product(range(13), repeat=3):
        found = tier_counts(AS_OF, high, medium, low)
        if found.scored is None:
            assert 0 < high + medium + low < MINIMUM_CELL
            continue
        possible = [
            (h, m, found.scored - h - m)
            for h, m in product(range(found.scored + 1), repeat=2)
            if h + m <= found.scored
            and found.at_risk in (None, h + m)
            and found.high in (None, h)
            and found.medium in (None, m)
            and found.low in (None, found.scored - h - m)
        ]
        for position, count in enumerate((high, medium, low)):
            if 0 < count < MINIMUM_CELL:
                assert len({one[position] for one in possible}) > 1, (high, medium, low)
        if 0 < high + medium < MINIMUM_CELL:
            assert len({one[0] + one[1] for one in possible}) > 1, (high, medium, low)


def test_no_small_group_can_be_worked_out_from_what_is_shown():
    """The same for groups: a small cell must not lie in the span of the sums that the page shows."""
    rng = np.random.default_rng(7)
    for _ in range(400):
        count = int(rng.integers(2, 7))
        cells = rng.integers(0, 12, size=(count, 2))
        groups = shown_groups([(str(i), int(cells[i].sum()), int(cells[i, 0])) for i in range(count)])
        if not 0 < cells[:, 0].sum() >= MINIMUM_CELL or cells[:, 1].sum() < MINIMUM_CELL:
            continue  # then the page does not show the totals either
        known = [np.tile([1.0, 0.0], count), np.tile([0.0, 1.0], count)]  # all at risk, all not
        for i, group in enumerate(groups):
            if group.customer_count is not None:
                known.append(_unit(count, 2 * i) + _unit(count, 2 * i + 1))
            if group.at_risk is not None:
                known.append(_unit(count, 2 * i))
            if group.customer_count == 0 or 0 < cells[i].sum() < MINIMUM_CELL:
                assert group.customer_count is None or cells[i].sum() == 0
        for i in range(count):
            for cell in (0, 1):
                if 0 < cells[i, cell] < MINIMUM_CELL:
                    assert not _is_told(known, _unit(count, 2 * i + cell)), cells
            if 0 < cells[i].sum() < MINIMUM_CELL:
                assert not _is_told(known, _unit(count, 2 * i) + _unit(count, 2 * i + 1)), cells


def _unit(count, position):
    found = np.zeros(2 * count)
    found[position] = 1.0
    return found


def _is_told(known, wanted):
    matrix = np.array(known)
    return np.linalg.matrix_rank(np.vstack([matrix, wanted])) == np.linalg.matrix_rank(matrix)


def test_a_tier_that_is_too_small_says_why_it_is_not_shown(tmp_path):
    desk = workspace(tmp_path)
    scores(desk, AS_OF, high=names(1, 3), medium=names(4, 30), low=names(31, 60))
    page = said(today, desk)
    assert [(one.value, one.note[:9]) for one in stats(page)[:3]] == [
        ("30", "50.0% of "), ("–", "Not shown"), ("–", "Not shown")
    ]  # fmt: skip


def test_the_bars_of_a_tier_do_not_give_a_small_one_away(tmp_path):
    desk = workspace(tmp_path)
    bars = [("high", 0.55, 40), ("high", 0.8, 3), ("high", 0.6, 0), ("medium", 0.3, 30), ("low", 0.005, 500)]
    listed = [
        {"as_of": AS_OF, "customer_id": f"{tier}{p}{n}", "churn": "left", "model_version": "1", "probability": p,
         "risk_tier": tier, "is_above_capacity_line": False}
        for tier, p, count in bars for n in range(count)
    ]  # fmt: skip
    desk.warehouse.append("scores", rows_of(TABLES["scores"], listed), batch="scores")
    page = said(today, desk)
    points = {point.x: point.value for point in chart(page, "probabilities").series[0].points}
    assert stat(page, "High risk").value == "43"
    assert points["0%–1%"] == 500
    assert list(points)[-1] == "30%–40%"
    assert chart(page, "probabilities").sentence.endswith(
        "Above 40% no range is shown: they are empty, or hold too few customers to be shown."
    )
