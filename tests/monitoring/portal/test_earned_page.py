"""The page about earnings: the account of finance to the cent, and what is expected stands apart from it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from campaigns.ledger import record
from holdback.business import Business
from holdback.commits import rows_of
from holdback.tables import TABLES
from holdback.workspace import Workspace
from monitoring.pnl import Line, ProfitAndLoss, pnl
from monitoring.portal.pages import earned
from monitoring.portal.pages.earned_content import Book, EarnedContent, Stock
from monitoring.portal.parts import Cell, Page
from monitoring.words import Words
from tests.monitoring.pnl.shop import AS_OF, ENTRY_DAYS, FILE, OPENED_ON, opened, shop
from tests.monitoring.portal.reading import (
    EN,
    ES,
    assert_well_made,
    charts,
    content_of,
    notices,
    row,
    section,
    shape,
    stats,
    tables,
    text,
)

SPRING, PROGRAMME = "c-spring-1", "programme-1"
TOGETHER = "All campaigns together"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A shop with a global holdout and a campaign of vouchers and calls, two of its three months mature."""
    return opened(tmp_path_factory.mktemp("shop")).workspace


@pytest.fixture(scope="module")
def account(workspace: Workspace) -> ProfitAndLoss:
    """What `holdback campaign pnl` prints."""
    return pnl(workspace, AS_OF)


@pytest.fixture(scope="module")
def content(workspace: Workspace) -> EarnedContent:
    found: EarnedContent = content_of(earned, workspace, AS_OF)
    return found


@pytest.fixture(scope="module")
def page(content: EarnedContent) -> Page:
    return said(content)


def said(content: EarnedContent, words: Words = EN) -> Page:
    page = earned.page(content, words)
    assert_well_made(page)
    return page


def total(account: ProfitAndLoss, campaign: str | None) -> Line:
    [line] = [line for line in account.lines if line.campaign == campaign and line.is_total]
    return line


def euros(cents: float) -> str:
    return f"{'−' if round(cents) < 0 else ''}€{abs(round(cents)) / 100:,.2f}"


def interval(low: float, high: float) -> str:
    return f"{euros(low)} to {euros(high)}"


@pytest.mark.parametrize(("name", "campaign"), [(TOGETHER, None), ("spring", "spring")])
def test_a_line_is_the_one_of_the_command_line_to_the_cent(
    page: Page, account: ProfitAndLoss, name: str, campaign: str | None
) -> None:
    line, cells, cost = total(account, campaign), row(tables(page)["campaigns"], name), row(tables(page)["costs"], name)
    assert line.earned is not None
    found, wasted = line.earned, line.earned.stayer_incentives
    assert wasted is not None
    assert [cell.text for cell in cost[1:]] == [
        f"{line.treatment_count:,}", f"{line.holdout_count:,}", euros(line.spent.contact_cents),
        euros(line.spent.incentive_cents), euros(wasted.cents),
    ]  # fmt: skip
    assert [cell.text for cell in cells[1:4]] == [
        euros(found.incremental_margin.cents), euros(line.spent.cents), euros(found.net.cents),
    ]  # fmt: skip
    assert cells[1].small == interval(found.incremental_margin.low_cents, found.incremental_margin.high_cents)
    assert cells[3].small == interval(found.net.low_cents, found.net.high_cents)
    assert found.roi is not None
    assert float(cells[4].text.strip("%+").replace("−", "-").replace(",", "")) == round(100 * found.roi[0])


def test_costs_add_up_over_campaigns_and_count_once(page: Page, account: ProfitAndLoss) -> None:
    """The programme holds the same money: only the campaigns' lines are added."""
    own = [line for line in account.lines if line.campaign is not None and not line.is_total]
    seen = stats(section(page, "account"))
    contacts, incentives = (
        sum(getattr(line.spent, name) for line in own) for name in ("contact_cents", "incentive_cents")
    )
    assert seen["Spent so far"].value == euros(contacts + incentives)
    assert seen["Spent so far"].note == f"contacts {euros(contacts)}, incentives {euros(incentives)}"
    programme = total(account, None).earned
    assert programme is not None
    assert seen["Net"].value == euros(programme.net.cents), "what was earned is the programme's, never a sum"
    assert seen["Net"].interval == interval(programme.net.low_cents, programme.net.high_cents)
    assert seen["Incentives given for nothing"].interval


def cents(written: str) -> int:
    return round(100 * float(written.replace("€", "").replace(",", "").replace("−", "-")))


@pytest.mark.parametrize("name", ["account", SPRING])
def test_margin_less_contacts_and_incentives_is_net_to_the_cent(page: Page, name: str) -> None:
    """Net subtracts what was spent on those who can be read: that, and not all of it, stands beside it."""
    seen = stats(section(page, name))
    margin, contacts, incentives, net = (
        cents(seen[label].value) for label in ("Margin kept", "Contacts", "Incentives", "Net")
    )
    assert contacts > 0
    assert incentives > 0
    assert net == margin - contacts - incentives
    assert seen["Contacts"].note == seen["Incentives"].note == seen["Margin kept"].note


def test_what_all_campaigns_spent_is_told_to_the_cent(page: Page, content: EarnedContent) -> None:
    """The line of all of them, what waits, and what was spent too late for it: together all that campaigns spent."""
    programme = content.programme
    assert programme is not None
    assert programme.total is not None
    late, waits = programme.outside.cents, sum(one.spent.cents for one in programme.months if one.earned is None)
    assert late > 0
    assert programme.total.spent.cents + waits + late == content.spent.cents
    gaps = text(section(page, "unmeasured"))
    assert f"{TOGETHER}: {euros(late)} was spent later than 30 days after a customer entered" in gaps
    assert (
        f"; {euros(sum(o.spent.cents for b in content.books if b.campaign for o in b.months if not o.earned))} " in gaps
    )


def test_the_bars_are_margin_costs_and_net(page: Page, account: ProfitAndLoss) -> None:
    line = total(account, "spring")
    assert line.earned is not None
    points = charts(page)[f"bars-{SPRING}"].series[0].points
    assert [point.x for point in points] == ["Margin kept", "Contacts", "Incentives", "Net"]
    assert [point.value for point in points] == pytest.approx(
        [line.earned.incremental_margin.cents / 100, -line.spent.contact_cents / 100,
         -line.spent.incentive_cents / 100, line.earned.net.cents / 100]
    )  # fmt: skip
    values = [point.value or 0 for point in points]
    assert values[0] + values[1] + values[2] == pytest.approx(values[3])


def test_months_are_estimated_each_from_its_own_customers(page: Page, content: EarnedContent) -> None:
    spring = next(book for book in content.books if book.campaign == "spring")
    assert [line.entry_month for line in spring.months] == ["2026-01", "2026-02", "2026-03"]
    assert sum(line.spent.cents for line in spring.months) + spring.outside.cents == spring.so_far.cents
    chart = charts(page)[f"months-{SPRING}"]
    assert [point.x for point in chart.series[0].points] == ["January\u00a02026", "February\u00a02026"], (
        "March is not mature"
    )
    assert "not added" in chart.definition


def test_what_was_not_measured_is_said(page: Page) -> None:
    told = text(section(page, "unmeasured"))
    assert "those who entered in March 2026: not knowable before 10 April 2026" in told
    assert "spent on customers, or at times, that are in no analysis" in told
    assert "is cut, so that one large customer is no effect" in told


def test_a_forecast_is_never_in_the_account(page: Page, account: ProfitAndLoss) -> None:
    line = total(account, "spring")
    assert line.earned is not None
    assert line.earned.expected_net is not None
    expected = euros(line.earned.expected_net.cents)
    assert row(tables(section(page, "forecast"))["expected"], "spring")[1].text == expected
    measured = [one for one in page.sections if one.name != "forecast"]
    assert all(expected not in text(one) for one in measured)
    assert "forecasts" in section(page, "forecast").lead


def test_every_total_agrees_with_the_books(page: Page, account: ProfitAndLoss) -> None:
    [proof] = notices(section(page, "proof"))
    assert (proof.state, f": {len(account.proofs)}." in proof.text) == ("good", True)


def test_gain_and_loss_both_fitting_is_no_verdict(page: Page, account: ProfitAndLoss) -> None:
    found = total(account, None).earned
    assert found is not None
    assert found.net.low_cents < 0 < found.net.high_cents
    assert "cannot be said yet" in page.lead
    assert row(tables(page)["campaigns"], TOGETHER)[3].state == "none"


def test_nobody_assigned_is_a_sentence(tmp_path: Path) -> None:
    for words, start in ((EN, "Nobody was assigned"), (ES, "Todavía no se ha asignado a nadie")):
        page = said(content_of(earned, Workspace(tmp_path, shop()), AS_OF), words)
        assert page.lead.startswith(start)
        assert "holdback decide" in text(page)
        assert tables(page) == {}


def test_before_anybody_is_mature_costs_stand_and_the_rest_has_a_day(workspace: Workspace) -> None:
    day = ENTRY_DAYS[1] + timedelta(days=4)
    page = said(content_of(earned, workspace, day))
    assert "is not knowable before 1 February 2026" in page.lead.replace("\u00a0", " ")
    cells = row(tables(page)["campaigns"], "spring")
    assert cells[1].small.replace("\u00a0", " ") == "not knowable before 20 February 2026"
    assert cells[2].text != "€0.00"
    assert charts(page) == {}


def test_on_the_day_of_the_launch_nobody_has_entered(workspace: Workspace) -> None:
    page = said(content_of(earned, workspace, OPENED_ON))
    assert [cells[0].text for cells in tables(page)["campaigns"].rows] == [TOGETHER]
    assert page.lead.startswith("Campaigns have spent €0 so far.")


def test_a_failed_check_withholds_what_was_earned_and_not_what_was_spent(tmp_path: Path) -> None:
    world = opened(tmp_path, customers=120)
    rows = [{"as_of": AS_OF, "campaign": "spring", "version": 1, "check": "sample_ratio", "verdict": "failed",
             "value": 2000.0, "limit": 1000.0, "finding": "3 of 90 units are held out"}]  # fmt: skip
    world.workspace.warehouse.append("integrity_checks", rows_of(TABLES["integrity_checks"], rows), batch="checks")
    page = said(content_of(earned, world.workspace, AS_OF))
    cells = row(tables(page)["campaigns"], "spring")
    assert "an integrity check failed" in cells[1].small
    assert cells[3].text == "–"
    assert cells[2].text.startswith("€")
    assert f"bars-{SPRING}" not in charts(page)
    assert notices(section(page, SPRING))[0].state == "bad"
    assert "3 of 90" not in text(page), "a finding may count a handful of people"


def test_assignments_that_contradict_themselves_take_away_one_account(tmp_path: Path) -> None:
    world = opened(tmp_path, customers=120)
    name, (_, group, _, unit) = next(iter(world.entered.items()))
    other = "holdout" if group == "treatment" else "treatment"
    torn = {"kind": "assigned", "campaign": "spring", "version": 1, "salt": "s", "customer_id": name, "unit_id": unit,
            "group": other, "propensity": 0.5}  # fmt: skip
    record(world.workspace, AS_OF, pa.Table.from_pylist([torn]), batch="torn")
    page = said(content_of(earned, world.workspace, AS_OF))
    assert "its assignments cannot be read" in row(tables(page)["campaigns"], "spring")[1].small
    assert row(tables(page)["campaigns"], TOGETHER)[3].text != "–", "the others are not touched"
    assert name not in text(page)


def test_an_account_that_differs_from_the_books_is_not_shown(content: EarnedContent) -> None:
    wrong = replace(content, books=(content.books[0], Book("spring", 1, 30, trouble="books")))
    page = said(wrong)
    assert "differs from the books" in page.lead
    assert SPRING not in [one.name for one in page.sections]
    [proof] = notices(section(page, "proof"))
    assert proof.state == "bad"
    assert "holdback ledger verify" in text(proof)


def test_without_a_global_holdout_campaigns_are_not_added(content: EarnedContent) -> None:
    alone = replace(content, books=content.campaigns, business=shop(holdout={**FILE["holdout"], "global_share": 0.0}))
    page = said(alone)
    assert "Net" not in stats(section(page, "account"))
    assert "holdout.global_share" in text(section(page, "account"))


def test_a_campaign_that_was_run_elsewhere_has_no_account(content: EarnedContent) -> None:
    assert "autumn: it was run outside this platform" in text(said(replace(content, elsewhere=("autumn",))))


def test_classes_of_a_handful_and_what_gives_them_away_are_left_out(content: EarnedContent) -> None:
    """40, 3 and 60 held out: the three are hidden, and the forty too, or the total would tell of them."""
    spring = next(book for book in content.books if book.campaign == "spring")
    line = replace(spring.months[0], treatment_count=100)
    sizes = {"invest": 40, "do_not_spend": 3, "maintain": 60}
    classes = tuple(replace(line, fit_class=name, holdout_count=held) for name, held in sizes.items())
    page = said(replace(content, books=(replace(spring, classes=classes),)))
    table = tables(page)[f"classes-{SPRING}"]
    assert [cells[0].text for cells in table.rows] == ["worth keeping"]
    assert "fewer than 5 customers" in table.caption


def test_a_month_of_a_handful_has_no_point(content: EarnedContent) -> None:
    spring = next(book for book in content.books if book.campaign == "spring")
    months = (replace(spring.months[0], holdout_count=4), *spring.months[1:])
    page = said(replace(content, books=(replace(spring, months=months),)))
    assert f"months-{SPRING}" not in charts(page)


def test_a_campaign_with_a_handful_held_out_shows_what_it_cost_only(content: EarnedContent) -> None:
    spring = next(book for book in content.books if book.campaign == "spring")
    assert spring.total is not None
    few = replace(spring, total=replace(spring.total, holdout_count=2))
    page = said(replace(content, books=(few,)))
    cost = row(tables(page)["costs"], "spring")
    assert [cell.text for cell in cost[1:3]] == ["not shown", "not shown"]
    assert row(tables(page)["campaigns"], "spring")[3].text == "–"
    assert cost[3].text == euros(spring.total.spent.contact_cents)
    assert charts(page) == {}


def test_what_todays_customers_are_expected_to_bring_stands_by_class(content: EarnedContent) -> None:
    stock = (
        Stock("invest", 50, 500_00, 20_00, 30_00, 450_00),
        Stock("maintain", 40, 100_00, 20_00, 3_00, 77_00),
        Stock("do_not_spend", 2, 1_00, 90_00, 1_00, -90_00),
    )
    page = said(replace(content, stock=stock, stock_on=AS_OF))
    rows = tables(section(page, "forecast"))["stock"].rows
    assert [cell.text for cell in rows[0]] == ["worth investing in", "50", "€500", "€20", "€30", "€450"]
    assert len(rows) == 1, "two customers are nobody's business, nor are the forty that would give them away"


def test_money_has_no_decimals_where_the_currency_has_none(workspace: Workspace, account: ProfitAndLoss) -> None:
    yen = Workspace(workspace.root, Business.model_validate({**FILE, "currency": "JPY"}))
    page = said(content_of(earned, yen, AS_OF), ES)
    cells = row(tables(page)["costs"], "spring")
    cost = round(total(account, "spring").spent.contact_cents / 100)
    assert cells[3].text.replace("\u00a0", " ") == f"{cost} JPY"
    assert re.search(r"\d,\d+ JPY", text(page)) is None


def test_a_name_from_the_file_is_plain_text(content: EarnedContent) -> None:
    """A class from data that nobody knows is shown as it stands; drawing escapes it."""
    spring = next(book for book in content.books if book.campaign == "spring")
    hostile = tuple(
        replace(spring.months[0], fit_class=name, treatment_count=50, holdout_count=50)
        for name in ("<script>", "invest")
    )  # fmt: skip
    page = said(replace(content, books=(replace(spring, classes=hostile),)))
    assert tables(page)[f"classes-{SPRING}"].rows[0][0] == Cell("<script>", "January\u00a02026")


@pytest.mark.parametrize("day", [AS_OF, OPENED_ON, ENTRY_DAYS[1]])
def test_both_languages_say_the_same(workspace: Workspace, day: date) -> None:
    content = content_of(earned, workspace, day)
    english, spanish = (earned.page(content, words) for words in (EN, ES))
    assert shape(english) == shape(spanish)
    assert text(english) != text(spanish)


def test_no_customer_is_named_anywhere(page: Page) -> None:
    assert re.search(r"\b[cd]-?\d{3}\b|z-stranger|d-again", text(page)) is None
