"""The churn rate of past months."""

from datetime import date

from monitoring.churn_history import churn_history, month_starts
from tests.monitoring.company import CHURN, LAST_DAY, load_year, workspace_in


def test_each_month_counts_those_who_bought_nothing_in_the_window(company):
    churn = company.business.churn_named(CHURN)
    months = churn_history(company.warehouse, company.business, churn, LAST_DAY)
    known = [month for month in months if month.left is not None]
    assert [month.as_of for month in known] == [date(2025, m, 1) for m in range(2, 10)]
    assert months[-1].as_of == LAST_DAY
    assert months[-1].knowable_on == date(2025, 10, 30)
    june = next(month for month in known if month.as_of == date(2025, 6, 1))
    # Counted a second time, by hand: bought in the 56 days before, bought nothing in the 28 days after (Madrid's days).
    counted = company.warehouse.query(
        "with described as (select distinct customer_id from tills where event_at >= timestamp '2025-04-05 22:00' "
        "and event_at < timestamp '2025-05-31 22:00'), stayed as (select distinct customer_id from tills "
        "where event_at >= timestamp '2025-05-31 22:00' and event_at < timestamp '2025-06-28 22:00') "
        "select count(*) as n, count(*) filter (where customer_id not in (select customer_id from stayed)) as gone "
        "from described"
    ).to_pylist()[0]
    # A row is known a day after it happened: purchases of the very last day before June were not known on June 1st.
    assert abs(june.left.n - counted["n"]) <= 5
    assert abs(june.left.share - counted["gone"] / counted["n"]) <= 0.02


def test_a_month_is_not_shown_before_its_time(company):
    churn = company.business.churn_named(CHURN)
    months = churn_history(company.warehouse, company.business, churn, date(2025, 6, 15))
    assert [m.as_of for m in months if m.left is not None] == [date(2025, m, 1) for m in range(2, 6)]
    assert [(m.as_of, m.knowable_on) for m in months if m.left is None] == [(date(2025, 6, 1), date(2025, 6, 30))]


def test_no_data_no_months(tmp_path):
    workspace = workspace_in(tmp_path)
    churn = workspace.business.churn_named(CHURN)
    assert churn_history(workspace.warehouse, workspace.business, churn, LAST_DAY) == ()
    load_year(workspace, customers=5)
    assert churn_history(workspace.warehouse, workspace.business, churn, date(2024, 1, 1)) == ()


def test_months_go_back_over_the_new_year():
    assert month_starts(date(2026, 2, 14))[:3] == [date(2026, 2, 1), date(2026, 1, 1), date(2025, 12, 1)]
    assert len(month_starts(date(2026, 2, 14))) == 60
