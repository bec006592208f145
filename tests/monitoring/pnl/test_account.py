"""The account of a shop, recomputed to the cent from a plain list of what happened there."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from campaigns.ledger import correct, record
from holdback.errors import DataError, OperatorError
from holdback.workspace import Workspace
from monitoring.effects import Moments, mean_effect, moments_of, paid_to_stayers
from monitoring.outcomes import programme, read_outcomes
from monitoring.pnl import Line, ProfitAndLoss, Proof, Spent, pnl
from monitoring.pnl.account import _refuse_what_differs
from tests.campaigns.decisions.world import design_of, put
from tests.monitoring.pnl.shop import AS_OF, ENTRY_DAYS, FILE, HORIZON_DAYS, OPENED_ON, Row, Shop, opened, shop

MARGIN_RATE = 0.4


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return opened(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def account(world: Shop) -> ProfitAndLoss:
    return pnl(world.workspace, AS_OF)


def line(account: ProfitAndLoss, campaign: str | None, fit_class: str | None, month: str | None = None) -> Line:
    [found] = [
        one for one in account.lines
        if (one.campaign, one.fit_class) == (campaign, fit_class) and month in (None, one.entry_month)
    ]  # fmt: skip
    return found


def members(world: Shop, fit_class: str | None, month: str) -> dict[str, tuple[date, str, str | None, str]]:
    return {
        name: entry for name, entry in world.entered.items()
        if entry[2] == fit_class and f"{entry[0]:%Y-%m}" == month
    }  # fmt: skip


def spent_on(world: Shop, names: Iterable[str]) -> Spent:
    """What the decisions of the horizon cost, one by one."""
    contact = incentive = count = 0
    chosen = set(names)
    for decision, name, day, action, expected in world.decided:
        if name in chosen and day < world.entered[name][0] + timedelta(days=HORIZON_DAYS):
            costs = world.cost(decision, action, expected)
            contact, incentive, count = contact + costs[0], incentive + costs[1], count + 1
    return Spent(contact, incentive, count)


def cap_of(world: Shop) -> float:
    """The 99.5 % point of what the mature paid before they entered."""
    mature = {name: entry for name, entry in world.entered.items() if entry[0] != ENTRY_DAYS[-1]}
    return float(np.quantile([world.before_cents(name, entry[0]) for name, entry in mature.items()], 0.995))


def moments(world: Shop, names: Iterable[str]) -> Moments:
    """Totals per unit of some customers who are mature, from the list of purchases."""
    cap, units = cap_of(world), dict[str, list[float]]()
    for name in names:
        day, _, _, unit = world.entered[name]
        paid, before = world.paid_cents(name, day), world.before_cents(name, day)
        start, end = world.window(day)
        stays = any(who == name and start <= at < end and cents >= 0 for who, at, cents in world.bought)
        row = [1.0, 1.0, float(not stays), paid, MARGIN_RATE * min(paid, cap), min(before, cap)]
        units[unit] = [a + b for a, b in zip(units.get(unit, [0.0] * 6), row, strict=True)]
    columns = np.array(list(units.values())).T
    totals = ("customers", "known", "churned", "revenue_cents", "margin_cents", "before_cents")
    return moments_of(dict(zip(totals, columns, strict=True)))


def kept(world: Shop, names: Iterable[str], group: str) -> float:
    """What those of a group who stayed were worth at their entry, less what was spent on all of them."""
    own = [name for name in names if world.entered[name][1] == group]
    stayed = sum(1 - moments(world, [name]).total("churned") for name in own)
    return 9_000 * stayed - spent_on(world, own).cents


def groups(world: Shop, names: Iterable[str]) -> tuple[Moments, Moments]:
    by_group = {group: [n for n in names if world.entered[n][1] == group] for group in ("treatment", "holdout")}
    return moments(world, by_group["treatment"]), moments(world, by_group["holdout"])


CELLS = [(c, m) for c in ("invest", "maintain") for m in ("2026-01", "2026-02")]


def test_each_class_and_month_stands_once_with_its_customers_and_its_cost(world: Shop, account: ProfitAndLoss) -> None:
    for fit_class in ("invest", "maintain", None):
        for month in ("2026-01", "2026-02", "2026-03"):
            names = members(world, fit_class, month)
            found = line(account, "spring", fit_class or "not known", month)
            in_group = [entry[1] for entry in names.values()]
            assert (found.treatment_count, found.holdout_count) == (
                in_group.count("treatment"),
                in_group.count("holdout"),
            )
            assert found.spent == spent_on(world, names)
    assert len([one for one in account.lines if one.campaign == "spring"]) == 9 + 2


@pytest.mark.parametrize(("fit_class", "month"), CELLS)
def test_what_it_brought_is_what_the_purchases_say(
    world: Shop, account: ProfitAndLoss, fit_class: str, month: str
) -> None:
    names = members(world, fit_class, month)
    earned = line(account, "spring", fit_class, month).earned
    assert earned is not None
    treated, held = groups(world, names)
    for found, expected in ((earned.treatment, treated), (earned.holdout, held)):
        assert found.customer_count == round(expected.total("customers"))
        assert found.revenue_cents == round(expected.total("revenue_cents"))
        assert found.margin_cents == pytest.approx(expected.total("margin_cents"), abs=1e-6)
        assert found.before_cents == pytest.approx(expected.total("before_cents"), abs=1e-6)
    effect = mean_effect(treated, held, "margin_cents", metric="margin", level=0.95, covariate="before_cents")
    got = earned.margin
    assert (got.estimate, got.low, got.high) == pytest.approx((effect.estimate, effect.low, effect.high))
    assert (got.method, got.level) == ("cuped", 0.95)
    cap = cap_of(world) / 100
    assert got.notes == (f"revenue capped at {cap:,.2f} per customer", "approximate: fewer than 1,000 held out")
    assert earned.treatment.value_kept_cents == pytest.approx(kept(world, names, "treatment"))
    assert earned.holdout.value_kept_cents == pytest.approx(kept(world, names, "holdout"))


@pytest.mark.parametrize(("fit_class", "month"), CELLS)
def test_what_was_given_for_nothing_follows_from_who_stayed_without_it(
    world: Shop, account: ProfitAndLoss, fit_class: str, month: str
) -> None:
    found = line(account, "spring", fit_class, month)
    treated, held = groups(world, members(world, fit_class, month))
    share = paid_to_stayers(treated, held, level=0.95)
    assert found.earned is not None
    assert found.earned.stayer_share == pytest.approx((share.share, share.low, share.high))
    assert found.earned.stayer_incentives is not None
    assert found.earned.stayer_incentives.cents == pytest.approx(share.share * found.spent.incentive_cents)


def test_the_campaigns_own_line_is_estimated_from_all_of_its_customers_and_not_added_up(
    world: Shop, account: ProfitAndLoss
) -> None:
    total = line(account, "spring", "all")
    names = [name for name, entry in world.entered.items() if entry[0] != ENTRY_DAYS[-1]]
    assert total.is_total
    assert total.entry_month == "2026-01 to 2026-02"
    assert total.spent == spent_on(world, names)
    treated, held = groups(world, names)
    effect = mean_effect(treated, held, "margin_cents", metric="margin", level=0.95, covariate="before_cents")
    assert total.earned is not None
    assert total.earned.incremental_margin.cents == pytest.approx(effect.estimate * treated.total("customers"))
    assert total.earned.net.low_cents == pytest.approx(effect.low * treated.total("customers") - total.spent.cents)
    cells = [line(account, "spring", *cell).earned for cell in CELLS]
    added = sum(cell.incremental_margin.cents for cell in cells if cell is not None)
    assert total.earned.incremental_margin.cents != pytest.approx(added, rel=0.01)


def test_costs_add_up_to_what_the_ledger_says_was_spent(world: Shop, account: ProfitAndLoss) -> None:
    lines = [one for one in account.lines if one.campaign == "spring" and not one.is_total]
    costs = [world.cost(decision, action, expected) for decision, _, _, action, expected in world.decided]
    assert sum(one.spent.contact_cents for one in lines) == sum(contact for contact, _ in costs)
    assert sum(one.spent.incentive_cents for one in lines) == sum(incentive for _, incentive in costs)
    outside = line(account, "spring", None)
    assert outside.spent == Spent(33 + 417, 0, 2)  # as reported: the stranger's voucher, the call after the horizon
    assert outside.reason == "spent on customers, or at times, that are in no analysis"


def test_contacts_that_never_left_cost_nothing(world: Shop, account: ProfitAndLoss) -> None:
    missed = [decision for decision, *_ in world.decided if world.is_missed(decision)]
    kept = [d for d, *_ in world.decided if d not in missed and d not in world.reported and d not in world.redeemed]
    assert missed
    assert kept  # the last day's: they may still be reported
    total = sum(one.spent.cents for one in account.lines if one.campaign == "spring" and not one.is_total)
    assert total == sum(sum(world.cost(d, action, cents)) for d, _, _, action, cents in world.decided
                        if d not in missed)  # fmt: skip


def test_a_month_that_is_not_mature_shows_what_it_cost_and_when_it_can_be_known(account: ProfitAndLoss) -> None:
    for fit_class in ("invest", "maintain"):
        found = line(account, "spring", fit_class, "2026-03")
        assert found.earned is None
        assert found.spent.cents > 0
        # An event on the 30th day after 2026-03-10 proves it; it is known on the day after.
        assert (found.knowable_on, found.reason) == (date(2026, 4, 10), "not knowable before 2026-04-10")


def test_a_campaign_of_which_nothing_can_be_known_yet_has_a_line_with_all_that_it_cost(world: Shop) -> None:
    early = pnl(world.workspace, date(2026, 1, 25))
    total = line(early, "spring", "all")
    january = [name for name, entry in world.entered.items() if entry[0].month == 1]
    assert total.treatment_count + total.holdout_count == len(january)
    assert total.spent.decision_count == 1 + len([n for n in january if world.entered[n][1] == "treatment"])
    assert (total.knowable_on, total.earned) == (date(2026, 2, 20), None)
    assert line(early, None, "all").reason == "not knowable before 2026-02-01"


def test_data_that_come_late_are_told(world: Shop) -> None:
    """Nothing happened at the tills after the end of March."""
    found = line(pnl(world.workspace, date(2026, 5, 1)), "spring", "invest", "2026-03")
    assert (found.earned, found.knowable_on) == (None, None)
    assert found.reason == "could be known since 2026-04-10, but the data reach until 2026-03-31 only"


def test_a_cell_without_a_comparison_has_a_reason_and_no_figure(world: Shop, account: ProfitAndLoss) -> None:
    found = line(account, "spring", "not known", "2026-02")
    assert found.earned is None
    assert found.reason is not None
    assert found.reason.startswith("cannot be measured: effects: the holdout has nobody")


def test_a_campaign_that_cannot_be_believed_shows_its_cost_and_no_effect(tmp_path: Path) -> None:
    world = opened(tmp_path, customers=60)
    check = {"campaign": "spring", "version": 1, "value": 1e-9, "limit": 1e-3, "finding": "too few are held out"}
    put(world.workspace, "integrity_checks", [
        {"as_of": AS_OF - timedelta(days=9), "check": "contamination", "verdict": "failed", **check},
        {"as_of": AS_OF - timedelta(days=1), "check": "contamination", "verdict": "passed", **check},
        {"as_of": AS_OF - timedelta(days=1), "check": "response_rate", "verdict": "failed", **check},
        {"as_of": AS_OF, "check": "sample_ratio", "verdict": "failed", **check},
        {"as_of": AS_OF, "check": "response_rate", "verdict": "failed", **check},
    ], batch="checks")  # fmt: skip
    for found in (one for one in pnl(world.workspace, AS_OF).lines if one.campaign == "spring"):
        assert found.earned is None
    total = line(pnl(world.workspace, AS_OF), "spring", "all")
    assert (total.reason, total.spent.cents > 0) == ("withheld: sample_ratio: too few are held out", True)
    assert line(pnl(world.workspace, AS_OF), None, "all").earned is not None
    assert line(pnl(world.workspace, AS_OF - timedelta(days=1)), "spring", "all").earned is not None


def test_the_programme_has_its_own_line_against_its_own_holdout(world: Shop, account: ProfitAndLoss) -> None:
    total = line(account, None, "all")
    held = [name for name, group in world.everywhere.items() if group == "holdout"]
    assert (total.holdout_count, total.treatment_count) == (len(held), len(world.everywhere) - len(held))
    outcomes = read_outcomes(
        world.workspace.warehouse, world.workspace.business, programme(world.workspace.business, AS_OF), AS_OF
    )
    effect = mean_effect(
        outcomes.groups["treatment"], outcomes.groups["holdout"], "margin_cents",
        metric="margin", level=0.95, covariate="before_cents",
    )  # fmt: skip
    assert total.earned is not None
    assert total.earned.margin.estimate == pytest.approx(effect.estimate)
    assert total.earned.margin.low == pytest.approx(effect.low)
    start = OPENED_ON + timedelta(days=HORIZON_DAYS)
    costs = [world.cost(d, action, cents) for d, name, day, action, cents in world.decided
             if day < start and name in world.everywhere]  # fmt: skip
    assert total.spent == Spent(sum(c for c, _ in costs), sum(i for _, i in costs), len(costs))


def test_every_total_agrees_with_the_books(world: Shop, account: ProfitAndLoss) -> None:
    found = {proof.what: proof for proof in account.proofs}
    assert all(proof.agrees for proof in found.values())
    revenue = sum(
        world.paid_cents(name, entry[0]) for name, entry in world.entered.items() if entry[0] != ENTRY_DAYS[-1]
    )
    assert found["spring/1: revenue of those who entered in 2026-01 to 2026-02"].account_cents == revenue
    everybody = sum(world.paid_cents(name, OPENED_ON) for name in world.everywhere)
    assert found["programme/1: revenue of those who entered in 2026-01"].books_cents == everybody
    assert {what.split(": ")[1] for what in found if what.startswith("spring")} == {
        "contact cost", "incentives", "revenue of those who entered in 2026-01 to 2026-02",
    }  # fmt: skip


def test_the_cost_is_the_one_that_campaigns_are_measured_with(world: Shop, account: ProfitAndLoss) -> None:
    """Per decision in whole cents here, in fractions there: at most half a cent of each decision apart."""
    total = line(account, None, "all")
    outcomes = read_outcomes(
        world.workspace.warehouse, world.workspace.business, programme(world.workspace.business, AS_OF), AS_OF
    )
    measured = sum(group.total("cost_cents") for group in outcomes.groups.values())
    assert total.spent.cents == pytest.approx(measured, abs=0.5 * total.spent.decision_count)


def test_an_account_that_differs_from_the_books_is_not_handed_out() -> None:
    wrong = Proof("spring/1: contact cost", 10_050, 10_000, "the ledger")
    right = Proof("spring/1: incentives", 10, 10, "the ledger")
    assert str(right) == "spring/1: incentives: 0.10 in the account, 0.10 in the ledger: agrees"
    with pytest.raises(
        OperatorError,
        match=r"^shop: profit and loss of 2026-04-01: spring/1: contact cost: 100.50 in the account, 100.00 in the "
        r"ledger: differs by 0.50. .*ledger verify",
    ) as caught:
        _refuse_what_differs(shop(), AS_OF, [right, wrong])
    assert caught.value.exit_code == 6
    _refuse_what_differs(shop(), AS_OF, [right])


def test_a_company_that_assigned_nobody_has_no_account(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nobody was assigned to anything by then") as caught:
        pnl(Workspace(tmp_path, shop()), AS_OF)
    assert caught.value.exit_code == 3


def test_what_was_reported_for_a_decision_that_was_taken_back_was_spent_all_the_same(tmp_path: Path) -> None:
    world = opened(tmp_path, customers=60)
    before = pnl(world.workspace, AS_OF)
    decision = next(d for d, name, *_ in world.decided if d in world.reported and name in world.entered)
    correct(world.workspace, AS_OF - timedelta(days=1), decision, reason="sent by mistake")
    after = pnl(world.workspace, AS_OF)
    assert all(proof.agrees for proof in after.proofs)
    reported = world.reported[decision]
    moved = line(after, "spring", None).spent.contact_cents - line(before, "spring", None).spent.contact_cents
    assert moved == reported


def test_without_reported_redemptions_the_incentive_is_the_expected_one(tmp_path: Path) -> None:
    world = opened(tmp_path, customers=60)
    silent = Workspace(tmp_path / "silent", world.workspace.business, threads=1)
    rows = world.workspace.warehouse.query(
        "select * from ledger where kind <> 'redeemed' and entry_id not in "
        "(select sha256('cost' || entry_id) from ledger where kind = 'redeemed') order by as_of, sequence"
    )
    for day in sorted(set(rows["as_of"].to_pylist())):
        own = rows.filter(pa.compute.equal(rows["as_of"], day)).drop_columns(
            ["sequence", "previous_hash", "hash", "nonce", "identity", "redacted_by"]
        )
        record(silent, day, own, batch=f"copy/{day}")
    found = pnl(silent, AS_OF)
    told = set(world.reported)
    vouchers = [d for d, _, _, action, _ in world.decided if action == "voucher" and not world.is_missed(d, told)]
    lines = [one for one in found.lines if one.campaign == "spring" and not one.is_total]
    assert sum(one.spent.incentive_cents for one in lines) == 300 * len(vouchers)
    assert line(found, "spring", "all").reason is not None  # nothing at the tills: nobody is mature


def test_a_company_that_lives_on_contracts_is_proved_too(tmp_path: Path) -> None:
    business = shop(
        feeds={
            "contracts": {
                "role": "subscriptions", "source": "c.csv",
                "columns": {"customer_id": "who", "event_at": "at", "kind": "kind", "price": "price"},
            },
        },
        churn=[{"name": "left", "kind": "cancellation", "feed": "contracts", "outcome_days": HORIZON_DAYS}],
        value={"feed": "contracts", "margin_rate": 0.4},
        campaigns=FILE["campaigns"],
    )  # fmt: skip
    workspace = Workspace(tmp_path, business, threads=1)
    day, names = ENTRY_DAYS[0], [f"c{n:02d}" for n in range(40)]
    prices = dict(zip(names, np.random.default_rng(3).integers(500, 9_000, len(names)).tolist(), strict=True))
    events: list[Row] = [
        {"customer_id": n, "event_at": datetime(2025, 6, 1), "kind": "start", "price_cents": prices[n]} for n in names
    ]
    events += [{"customer_id": n, "event_at": datetime(2026, 1, 9, 13, 7), "kind": "cancel"} for n in names[::5]]
    events.append({"customer_id": "other", "event_at": datetime(2026, 3, 30), "kind": "start", "price_cents": 100})
    put(workspace, "contracts", events, batch="contracts")
    design = design_of(business, "spring", day)
    detail = f'{{"design": {design.to_json()}, "hash": "{design.hash}"}}'
    rows = [{"kind": "launched", "campaign": "spring", "version": 1, "salt": "s", "detail": detail}]
    rows += [
        {"kind": "assigned", "campaign": "spring", "version": 1, "salt": "s", "customer_id": n, "unit_id": n,
         "group": "holdout" if position % 2 else "treatment", "propensity": 0.5, "fit_class": "invest"}
        for position, n in enumerate(names)
    ]  # fmt: skip
    columns = dict.fromkeys(key for row in rows for key in row)
    record(workspace, day, pa.Table.from_pylist([{c: row.get(c) for c in columns} for row in rows]), batch="all")
    found = pnl(workspace, AS_OF)
    [revenue] = [proof for proof in found.proofs if "revenue" in proof.what]
    start, end = business.instant(day), business.instant(day + timedelta(days=HORIZON_DAYS))
    expected = 0
    for name, price in prices.items():
        left = datetime(2026, 1, 9, 13, 7) if name in names[::5] else end
        expected += round(price * (left - start).total_seconds() / (86_400 * 30.4375))
    assert revenue.account_cents == revenue.books_cents == expected
    total = line(found, "spring", "all")
    assert total.earned is not None
    assert total.earned.roi is None  # nothing was spent
    assert total.earned.stayer_share is None
