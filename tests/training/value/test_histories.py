from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from holdback.business import Business
from holdback.errors import BusinessFileError
from tests.features.world import Memory, Row
from training.value.contracts import contract_holders, first_ending, left_in, paid_in_months
from training.value.feeds import value_feed
from training.value.histories import purchase_histories, spent_in_window

AS_OF = date(2025, 6, 1)
_EVENT = {"customer_id": "c", "event_at": "at"}
_FEEDS: dict[str, dict[str, Any]] = {
    "tills": {"role": "transactions", "source": "t.csv", "columns": {**_EVENT, "amount": "a"}},
    "deals": {
        "role": "subscriptions",
        "source": "d.csv",
        "columns": {**_EVENT, "kind": "k", "subscription_id": "s", "price": "p", "ends_on": "e"},
    },
    "levels": {"role": "balances", "source": "l.csv", "columns": {**_EVENT, "balance": "b"}},
    "chats": {"role": "interactions", "source": "i.csv", "columns": {**_EVENT, "channel": "h"}},
}


def company(*feeds: str, feed: str | None = None, without_price: bool = False) -> Business:
    chosen = {name: dict(_FEEDS[name]) for name in feeds}
    if without_price:
        chosen["deals"] = {**chosen["deals"], "columns": {**_EVENT, "kind": "k"}}
    return Business.model_validate(
        {
            "slug": "acme", "name": "Acme", "currency": "EUR", "time_zone": "Europe/Madrid", "feeds": chosen,
            "customers": {"source": "c.csv", "key": "c", "attributes": {"gone": "label"}},
            "churn": [{"name": "left", "kind": "column", "attribute": "gone"}], "value": {"feed": feed},
        }
    )  # fmt: skip


def at(day: date, hour: int = 12) -> datetime:
    return datetime(day.year, day.month, day.day, hour)


def sale(who: str, days_ago: int, cents: int, *, hour: int = 12, **more: Any) -> Row:
    happened = at(AS_OF - timedelta(days=days_ago), hour)
    return {"customer_id": who, "event_at": happened, "amount_cents": cents, **more}


def deal(who: str, day: date, kind: str, price: int | None = None, *, contract: str | None = None, **more: Any) -> Row:
    row = {"customer_id": who, "event_at": at(day), "kind": kind, "price_cents": price, "subscription_id": contract}
    return {**row, **more}


def sold(*rows: Row) -> tuple[Memory, Business]:
    business = company("tills")
    return Memory(business, {"tills": list(rows)}), business


def dealt(*rows: Row, **tables: list[Row]) -> tuple[Memory, Business]:
    business = company("deals")
    return Memory(business, {"deals": list(rows), **tables}), business


# -- purchases ---------------------------------------------------------------------------------------------------------


def test_a_history_counts_days_of_purchase_in_weeks() -> None:
    found = purchase_histories(*sold(sale("ana", 70, 1000), sale("ana", 70, 500), sale("ana", 35, 700)), "tills", AS_OF)
    assert found.customer_ids.tolist() == ["ana"]
    bought = found.purchases
    assert (bought.frequency[0], bought.recency[0], bought.age[0]) == (1, 5, 10)
    assert bought.mean_amount[0] == pytest.approx((10 + 5 + 7) / 2)
    assert found.is_current.tolist() == [True]


def test_money_that_went_back_counts_but_is_no_purchase() -> None:
    rows = (
        sale("ana", 70, 5000), sale("ana", 35, -2000),  # a day on which only money went back
        sale("bea", 70, 5000), sale("bea", 35, -2000), sale("bea", 35, 2000),  # an exchange: a day of net 0
        sale("cid", 70, -100),  # nothing was ever bought
        sale("dan", 70, 1000), sale("dan", 60, -3000),
    )  # fmt: skip
    found = purchase_histories(*sold(*rows), "tills", AS_OF)
    assert found.customer_ids.tolist() == ["ana", "bea", "dan"]
    assert found.purchases.frequency.tolist() == [0, 1, 0]
    assert found.purchases.mean_amount.tolist() == [30, 25, 0]  # who got back more than was paid brings nothing


def test_only_what_was_known_on_the_day_counts() -> None:
    known_late: dict[str, Any] = {"loaded_at": at(AS_OF, 23)}
    rows = (sale("ana", 70, 1000), sale("ana", 35, 700, **known_late), sale("ana", -5, 700), sale("bea", -1, 700))
    found = purchase_histories(*sold(*rows), "tills", AS_OF)
    assert found.customer_ids.tolist() == ["ana"]
    assert found.purchases.frequency.tolist() == [0]


def test_a_corrected_line_counts_once() -> None:
    business = company("tills")
    rows = [sale("ana", 70, 1000, batch_id="b", row_number=1), sale("ana", 70, 400, batch_id="b2", row_number=1)]
    replaced = {"feed": "tills", "batch_id": "b", "row_number": 1, "replaced_at": at(AS_OF - timedelta(days=50))}
    found = purchase_histories(Memory(business, {"tills": rows, "superseded": [replaced]}), business, "tills", AS_OF)
    assert found.purchases.mean_amount.tolist() == [4]


def test_who_bought_in_the_last_year_is_a_customer() -> None:
    found = purchase_histories(*sold(sale("ana", 365, 100), sale("bea", 366, 100)), "tills", AS_OF)
    assert found.is_current.tolist() == [True, False]
    assert found.where(found.is_current).customer_ids.tolist() == ["ana"]


def test_an_evening_in_another_time_zone_is_not_after_the_day_of_looking() -> None:
    business = company("tills").model_copy(update={"time_zone": "America/Los_Angeles"})
    night = {"customer_id": "ana", "event_at": datetime(2025, 6, 1, 5), "amount_cents": 100}  # 22:00 of the day before
    found = purchase_histories(Memory(business, {"tills": [night]}), business, "tills", AS_OF)
    assert found.purchases.age.tolist() == [0]


def test_nobody_is_found_in_an_empty_feed() -> None:
    assert len(purchase_histories(*sold(), "tills", AS_OF)) == 0


def test_the_window_after_a_day_is_half_open_and_asks_what_is_known() -> None:
    start = AS_OF - timedelta(days=60)
    rows = (
        sale("ana", 61, 100), sale("ana", 60, 200), sale("ana", 31, 300), sale("ana", 40, -50), sale("ana", 30, 400),
        sale("bea", 50, 700, loaded_at=at(AS_OF + timedelta(days=1))), sale("eve", 50, 900),
    )  # fmt: skip
    warehouse, business = sold(*rows)
    asked = np.array(["ana", "bea", "cid"])
    found = spent_in_window(warehouse, business, "tills", start, 30, known_on=AS_OF, customer_ids=asked)
    assert found.tolist() == [4.5, 0, 0]


# -- contracts ---------------------------------------------------------------------------------------------------------

START = date(2025, 1, 1)


def test_holders_pay_the_newest_price_of_their_open_contracts() -> None:
    rows = (
        deal("ana", START, "start", 1000), deal("ana", date(2025, 2, 1), "change", 1200),
        deal("bea", START, "start", 1000, contract="b1"), deal("bea", START, "start", 500, contract="b2"),
        deal("bea", date(2025, 3, 1), "cancel", contract="b1"),
        deal("cid", START, "start", 900), deal("cid", date(2025, 3, 1), "cancel"),
        deal("dan", START, "start", 1000), deal("dan", date(2025, 3, 1), "renew"),  # an event without a price
        deal("eve", date(2025, 7, 1), "start", 1000),  # not yet
    )  # fmt: skip
    found = contract_holders(*dealt(*rows), "deals", AS_OF)
    assert found.customer_ids.tolist() == ["ana", "bea", "dan"]
    assert found.monthly_amounts.tolist() == [12, 5, 10]


def test_a_paused_contract_and_one_without_a_price_are_no_known_margin() -> None:
    rows = (
        deal("ana", START, "start", 1000), deal("ana", date(2025, 2, 1), "pause"),
        deal("bea", START, "start"),
        deal("cid", START, "start", 1000, contract="c1"), deal("cid", START, "start", contract="c2"),
        deal("dan", START, "start"), deal("dan", date(2025, 2, 1), "cancel"),
        deal("dan", START, "start", 700, contract="d2"),
    )  # fmt: skip
    found = contract_holders(*dealt(*rows), "deals", AS_OF)
    assert found.customer_ids.tolist() == ["ana", "bea", "cid", "dan"]
    assert np.isnan(found.monthly_amounts).tolist() == [True, True, True, False]


def test_a_feed_without_prices_knows_who_holds_a_contract() -> None:
    business = company("deals", without_price=True)
    warehouse = Memory(business, {"deals": [deal("ana", START, "start")]})
    assert np.isnan(contract_holders(warehouse, business, "deals", AS_OF).monthly_amounts).tolist() == [True]


def test_the_month_of_leaving_is_the_first_without_an_open_contract() -> None:
    month = timedelta(days=30.4375)
    rows = (
        deal("ana", START, "start", 100),
        deal("bea", START, "start", 100), deal("bea", START + 0.5 * month, "cancel"),
        deal("cid", START, "start", 100), deal("cid", START + 2.5 * month, "cancel"),
        # Whoever swaps one contract for another stays; so does who comes back before the month is over.
        deal("dan", START, "start", 100, contract="d1"), deal("dan", START + month, "start", 90, contract="d2"),
        deal("dan", START + 1.5 * month, "cancel", contract="d1"),
        deal("eve", START, "start", 100), deal("eve", START + 1.1 * month, "cancel"),
        deal("eve", START + 1.6 * month, "start", 100),
        deal("fay", START, "start", 100), deal("fay", START + 0.2 * month, "pause"),  # a pause is no end
        deal("gil", START, "start", 100), deal("gil", START + 4.5 * month, "cancel"),  # after what was seen
    )  # fmt: skip
    warehouse, business = dealt(*rows)
    asked = np.array(["ana", "bea", "cid", "dan", "eve", "fay", "gil"])
    lands_on = START + timedelta(days=1)
    found = left_in(warehouse, business, "deals", lands_on, 4, known_on=AS_OF, customer_ids=asked)
    assert found.tolist() == [0, 1, 3, 0, 0, 0, 0]


def test_an_end_that_was_told_late_is_not_known_before() -> None:
    late: dict[str, Any] = {"loaded_at": at(date(2025, 5, 1))}
    warehouse, business = dealt(deal("ana", START, "start", 100), deal("ana", date(2025, 2, 15), "cancel", **late))
    asked, lands_on = np.array(["ana"]), date(2025, 2, 1)
    known = [
        left_in(warehouse, business, "deals", lands_on, 2, known_on=on, customer_ids=asked).tolist()
        for on in (date(2025, 4, 20), AS_OF)
    ]
    assert known == [[0], [1]]


def test_what_was_paid_is_the_price_at_each_months_end() -> None:
    month = timedelta(days=30.4375)
    rows = (
        deal("ana", START, "start", 1000), deal("ana", START + 1.5 * month, "change", 1500),
        deal("bea", START, "start", 1000), deal("bea", START + 1.5 * month, "cancel"),
        deal("cid", START, "start", 1000), deal("cid", START + 0.5 * month, "pause"),
        deal("cid", START + 2.5 * month, "renew"),
    )  # fmt: skip
    warehouse, business = dealt(*rows)
    asked = np.array(["ana", "bea", "cid"])
    found = paid_in_months(
        warehouse, business, "deals", START + timedelta(days=1), 3, known_on=AS_OF, customer_ids=asked
    )
    assert found.tolist() == [10 + 15 + 15, 10, 10]


def test_the_first_end_on_record_is_found() -> None:
    rows = (deal("ana", date(2015, 1, 1), "start", 100), deal("bea", date(2025, 2, 3), "cancel"))
    assert first_ending(*dealt(*rows), "deals", AS_OF) == date(2025, 2, 3)
    assert first_ending(*dealt(*rows), "deals", date(2025, 2, 1)) is None
    assert first_ending(*dealt(), "deals", AS_OF) is None


# -- which feed --------------------------------------------------------------------------------------------------------


def test_contracts_come_before_purchases_unless_the_file_says_otherwise() -> None:
    assert value_feed(company("tills", "deals")) == ("deals", "contracts")
    assert value_feed(company("tills", "deals", feed="tills")) == ("tills", "purchases")
    assert value_feed(company("levels", "tills")) == ("tills", "purchases")


def test_balances_are_left_to_the_bookkeeping() -> None:
    with pytest.raises(BusinessFileError, match=r"'levels' holds balances.*carried on by the bookkeeping"):
        value_feed(company("levels"))
    with pytest.raises(BusinessFileError, match="bookkeeping"):
        value_feed(company("levels", "tills", feed="levels"))


def test_a_business_without_revenue_is_told_what_is_missing() -> None:
    with pytest.raises(BusinessFileError, match=r"no feed says what a customer brings.*columns\.price"):
        value_feed(company("chats"))
    with pytest.raises(BusinessFileError, match=r"no feed says what a customer brings"):
        value_feed(company("deals", without_price=True))
    with pytest.raises(BusinessFileError, match=r"value\.feed: 'deals' maps no price"):
        value_feed(company("deals", "tills", feed="deals", without_price=True))
