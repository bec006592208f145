"""Who must not be contacted, and at which hours the rest may."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.suppression import Reason, Remembered, contact_window, cooling_off, known_contacts, suppressed
from holdback.business import Business
from tests.campaigns.company import AS_OF, company, ledger_row, rows, units_of, warehouse
from tests.features.world import Row

BUSINESS = company()
NOW = BUSINESS.instant(AS_OF)
ALONE = units_of({who: who for who in "abcdef"})
HOME = units_of({"a": "a", "b": "a", "c": "c"})


def day(days_ago: float, *, hours: float = 12) -> datetime:
    """Noon of a day before AS_OF (which has no change of the clocks within reach), as naive UTC."""
    return NOW - timedelta(days=days_ago) + timedelta(hours=hours)


def person(who: str, **rest: Any) -> Row:
    return {"customer_id": who, "has_consent": True, "mail_ok": True, "loaded_at": day(400), **rest}


def mail(who: str, days_ago: float, outcome: str | None = "sent", **rest: Any) -> Row:
    at = day(days_ago)
    return {"customer_id": who, "event_at": at, "campaign": "spring", "outcome": outcome, "loaded_at": at, **rest}


def decided(who: str, days_ago: int, **rest: Any) -> Row:
    told = {"campaign": "spring", "action": "mail", "channel": "email", **rest}
    return ledger_row("decided", who, AS_OF - timedelta(days=days_ago), **told)


def reasons(
    units: Any = ALONE, *, business: Business = BUSINESS, people: list[Row] | None = None, **tables: list[Row]
) -> list[tuple[str, str, str | None]]:
    known = [person(who) for who in "abcdef"] if people is None else people
    stored = warehouse(business, customers=known, **tables)
    return rows(suppressed(stored, business, AS_OF, units, remembered=Remembered()))


def contact_count(units: str = "a", *, days: int = 30, **tables: list[Row]) -> int:
    return known_contacts(warehouse(BUSINESS, **tables), BUSINESS, AS_OF, days=days).num_rows


# Consent and opt-out


def test_nobody_is_suppressed_without_a_reason() -> None:
    assert reasons() == []


def test_consent_must_be_known_to_be_given() -> None:
    people = [person("a"), person("b", has_consent=False), person("c", has_consent=None)]
    found = reasons(units_of({who: who for who in "abcd"}), people=people)  # d is not known at all
    assert [row for row in found if row[1] == Reason.NO_CONSENT] == [(who, "no_consent", None) for who in "bcd"]


def test_a_company_without_a_column_for_consent_is_not_asked_for_it() -> None:
    customers = BUSINESS.customers
    assert customers is not None
    columns = {name: value for name, value in customers.columns.items() if name != "consent"}
    silent = company(customers={**customers.model_dump(exclude_defaults=True), "columns": columns})
    assert reasons(business=silent, people=[person(who, has_consent=None) for who in "abcdef"]) == []


def test_the_newest_version_known_at_as_of_counts() -> None:
    people = [
        *(person(who) for who in "abcdef"),
        person("a", has_consent=False, loaded_at=NOW),
        person("b", has_consent=False, loaded_at=NOW + timedelta(microseconds=1)),
    ]
    assert reasons(people=people) == [("a", "no_consent", None)]


def test_who_said_no_once_is_left_alone_for_ever() -> None:
    found = reasons(
        people=[person("a", quiet=True), *(person(who) for who in "bcdef")],
        mails=[mail("b", 3000, "opted_out"), mail("c", 1, " Opted_Out ")],
        ledger=[ledger_row("opted_out", "d", date(2020, 1, 1))],
    )
    assert found == [(who, "opted_out", None) for who in "abcd"]


def test_an_opt_out_is_known_by_both_clocks_and_while_it_is_not_corrected() -> None:
    told = ledger_row("opted_out", "d", date(2020, 1, 1))
    found = reasons(
        mails=[
            mail("a", 1, "opted_out", loaded_at=NOW + timedelta(seconds=1)),
            mail("b", 0, "opted_out", event_at=NOW, loaded_at=NOW),
            mail("c", 9, "opted_out", batch_id="x", row_number=7),
        ],
        superseded=[{"feed": "mails", "batch_id": "x", "row_number": 7, "replaced_at": NOW, "replaced_by": "y"}],
        ledger=[told, ledger_row("corrected", "d", AS_OF, corrects=told["entry_id"])],
    )
    assert found == []


def test_an_opt_out_holds_for_the_recipient_not_for_the_household() -> None:
    people = [
        person("a", household_id="h", contact_key="K1 "),
        person("b", household_id="h", contact_key="k2"),
        person("c", contact_key="k1"),
        person("d", contact_key=""),
        person("e", contact_key=""),
    ]
    mails = [mail("a", 50, "opted_out"), mail("d", 50, "opted_out")]
    units = units_of({"a": "a", "b": "a", "c": "a", "d": "d", "e": "e"})
    assert reasons(units, people=people, mails=mails) == [(who, "opted_out", None) for who in "acd"]


# Too often


def test_contacts_of_the_whole_unit_count_over_all_campaigns() -> None:
    mails = [mail("a", 3), mail("b", 20, campaign="other")]
    assert reasons(HOME, mails=mails) == [("a", "contacted_too_often", None), ("b", "contacted_too_often", None)]
    assert reasons(ALONE, mails=mails) == []


def test_the_window_begins_with_the_first_of_its_days_and_ends_before_as_of() -> None:
    # Two in 30 days: the first instant of the 30th day before counts, the one before it does not, nor does today.
    first = BUSINESS.instant(AS_OF - timedelta(days=30))
    for at, is_known in ((first, True), (first - timedelta(microseconds=1), False), (NOW, False)):
        other = mail("a", 0, event_at=at, loaded_at=min(at, NOW))
        assert bool(reasons(mails=[mail("a", 1), other])) is is_known


def test_all_that_is_reported_of_one_decision_is_one_contact() -> None:
    told = decided("a", 5)
    reports = [mail("a", 5 - i, outcome, decision_id=told["entry_id"]) for i, outcome in enumerate(("sent", "opened"))]
    assert contact_count(ledger=[told], mails=reports) == 1
    assert contact_count(ledger=[told], mails=reports, letters=[mail("a", 2)]) == 2


def test_a_decision_counts_before_it_is_reported_and_not_when_it_was_not_sent() -> None:
    told = [decided("a", 5), decided("a", 1), decided("a", 2, action="none"), decided("a", 3, action=None)]
    assert contact_count(ledger=told) == 2
    assert reasons(ledger=told) == [("a", "contacted_too_often", None)]
    assert contact_count(ledger=[*told, ledger_row("corrected", "a", AS_OF, corrects=told[0]["entry_id"])]) == 1


def test_a_decision_that_is_reported_late_counts_when_it_was_sent() -> None:
    told = decided("a", 32)
    assert contact_count(ledger=[told]) == 0
    assert contact_count(ledger=[told], mails=[mail("a", 29, decision_id=told["entry_id"])]) == 1


def test_a_reaction_to_an_old_contact_is_no_new_contact() -> None:
    reports = [mail("a", 40, decision_id="d"), mail("a", 2, "redeemed", decision_id="d")]
    assert contact_count(mails=reports) == 0


def test_a_report_without_an_id_is_that_of_the_decision_before_it() -> None:
    told = [decided("a", 20), decided("a", 10)]
    assert contact_count(ledger=told, mails=[mail("a", 18)]) == 2  # of the first; the second is awaited
    assert contact_count(ledger=told, mails=[mail("a", 18), mail("a", 9)]) == 2
    assert contact_count(ledger=told, mails=[mail("a", 12)]) == 3  # eight days later: something else
    assert contact_count(ledger=told, mails=[mail("a", 18, campaign="other")]) == 3
    assert contact_count(ledger=told, mails=[mail("b", 18)]) == 3


def test_decisions_of_the_day_itself_do_not_count_but_later_ones_do() -> None:
    assert contact_count(ledger=[decided("a", 0)]) == 0  # or a rerun would find its own contacts
    assert contact_count(ledger=[decided("a", -3)]) == 1  # or a backfill would add a third
    assert contact_count(ledger=[decided("a", -31)]) == 0


def test_a_contact_says_when_and_by_what_it_was_made() -> None:
    told = decided("a", 5)
    report = mail("a", 4, decision_id=told["entry_id"], campaign=None)
    found = known_contacts(warehouse(BUSINESS, ledger=[told], mails=[report]), BUSINESS, AS_OF, days=30)
    on = AS_OF - timedelta(days=4)
    assert rows(found) == [("a", told["entry_id"], "spring", "email", "mail", day(4), on)]


# Complaints, flags, channels


def call(who: str, days_ago: float, resolved_at: datetime | None = None, topic: str = "complaint") -> Row:
    at = day(days_ago)
    return {"customer_id": who, "event_at": at, "loaded_at": at, "topic": topic, "resolved_at": resolved_at}


def test_an_unresolved_young_complaint_stops_contacts() -> None:
    calls = [
        call("a", 89),
        call("b", 5, resolved_at=NOW),  # solved later than anybody could know
        call("c", 5, resolved_at=day(1)),
        call("d", 91),
        call("e", 5, topic="question"),
    ]
    assert reasons(calls=calls) == [("a", "open_complaint", None), ("b", "open_complaint", None)]


def test_a_complaint_about_a_message_of_ours_is_one_too() -> None:
    assert reasons(mails=[mail("a", 5, "complained"), mail("b", 95, "complained")]) == [("a", "open_complaint", None)]


def test_flags_that_protect_stop_contacts() -> None:
    people = [person("a", vulnerable=True), person("b", disputing=True), person("c", vulnerable=None)]
    units = units_of({who: who for who in "abc"})
    # By default those that protect from being classed out; the company may say otherwise, also that none does.
    for stated, found in ((None, ["a"]), (["vulnerable", "disputing"], ["a", "b"]), ("disputing", ["b"]), ([], [])):
        business = company(contact={} if stated is None else {"suppressed_by": stated})
        assert reasons(units, business=business, people=people) == [(who, "protected", None) for who in found]


def test_a_flag_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match=r"contact\.suppressed_by: 'vulnerble' is not a flag of customers"):
        company(contact={"suppressed_by": ["vulnerble"]})


def test_a_channel_must_be_known_to_be_open() -> None:
    people = [person("a"), person("b", mail_ok=False), person("c", mail_ok=None)]
    found = reasons(units_of({who: who for who in "abc"}), people=people)
    assert found == [("b", "unreachable", "email"), ("c", "unreachable", "email")]


def test_a_channel_that_bounced_is_closed_until_something_arrives() -> None:
    told = decided("e", 4)
    mails = [
        mail("a", 100, "bounced", channel="email"),
        mail("b", 181, "bounced", channel="email"),
        *(mail("c", days, outcome, channel="email") for days, outcome in ((60, "bounced"), (50, "delivered"))),
        *(mail("d", days, outcome, channel="email") for days, outcome in ((60, "opened"), (50, "bounced"))),
        mail("e", 3, "bounced", decision_id=told["entry_id"]),
        mail("f", 60, "bounced", channel="email"),
        mail("f", 50, "answered", channel="phone"),
    ]  # fmt: skip
    found = reasons(mails=mails, ledger=[told])
    assert found == [(who, "bounced", "email") for who in "adef"]


def test_every_reason_is_told_once() -> None:
    people = [person("a", has_consent=False, vulnerable=True, mail_ok=False, quiet=True)]
    mails = [mail("a", days, outcome, channel="email") for days in (2, 3) for outcome in ("bounced", "opted_out")]
    found = reasons(units_of({"a": "a"}), people=people, mails=mails, calls=[call("a", 1), call("a", 2)])
    told = ["contacted_too_often", "no_consent", "open_complaint", "opted_out", "protected"]
    assert sorted(found, key=str) == sorted(
        [*(("a", reason, None) for reason in told), ("a", "bounced", "email"), ("a", "unreachable", "email")], key=str
    )


def test_a_company_without_customers_feeds_or_campaigns_suppresses_nobody() -> None:
    bare = Business.model_validate(
        {
            "slug": "bare", "name": "Bare", "currency": "EUR", "time_zone": "UTC",
            "feeds": {"tills": {"role": "transactions", "source": "t.csv",
                                "columns": {"customer_id": "c", "event_at": "t", "amount": "a"}}},
            "churn": [{"name": "lapse", "kind": "inactivity", "feed": "tills", "outcome_days": 30}],
        }
    )  # fmt: skip
    assert reasons(business=bare, people=[]) == []
    assert cooling_off(warehouse(bare), bare, AS_OF, ALONE).num_rows == 0


_FACTS = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.integers(1, 60),
        st.sampled_from(["sent", "delivered", "bounced", "opted_out", "complained", None]),
        st.booleans(),
    ),
    max_size=6,
)


def _told(facts: list[tuple[str, int, str | None, bool]]) -> dict[str, list[Row]]:
    """Contacts as the company reports them, or as decisions that nobody reported yet; each a contact of its own."""
    mails = [mail(who, days, outcome, channel="email", decision_id=f"r{i}")
             for i, (who, days, outcome, is_reported) in enumerate(facts) if is_reported]  # fmt: skip
    decisions = [{**decided(who, days), "entry_id": f"d{i}"}
                 for i, (who, days, _, is_reported) in enumerate(facts) if not is_reported]  # fmt: skip
    return {"mails": mails, "ledger": decisions}


@settings(max_examples=15, deadline=None)
@given(_FACTS, _FACTS)
def test_another_contact_never_sets_anybody_free(
    before: list[tuple[str, int, str | None, bool]], more: list[tuple[str, int, str | None, bool]]
) -> None:
    # What arrives opens a channel again, so only that reason may go.
    def closed(facts: list[tuple[str, int, str | None, bool]]) -> set[tuple[str, str, str | None]]:
        return {row for row in reasons(HOME, **_told(facts)) if row[1] != Reason.BOUNCED}

    assert closed(before) <= closed(before + more)


# Cooling off


def test_an_action_cools_off_for_the_whole_unit() -> None:
    ledger = [decided("b", 19), decided("c", 20), decided("c", 5, action="call")]
    found = cooling_off(warehouse(BUSINESS, ledger=ledger), BUSINESS, AS_OF, HOME)
    # mail: 20 days; c got it 20 days ago and may have it today; calls do not cool off
    assert rows(found) == [("a", "mail", AS_OF + timedelta(days=1))]


def test_a_reported_action_cools_off_from_the_day_it_was_sent() -> None:
    told = decided("a", 25)
    mails = [mail("a", 10, decision_id=told["entry_id"]), mail("c", 15, action="mail")]
    found = cooling_off(warehouse(BUSINESS, ledger=[told], mails=mails), BUSINESS, AS_OF, HOME)
    assert rows(found) == [("a", "mail", AS_OF + timedelta(days=10)), ("c", "mail", AS_OF + timedelta(days=5))]


# Hours


@pytest.mark.parametrize(
    ("zone", "quiet", "on", "opens", "closes"),
    [
        # Over midnight: from nine to nine. Madrid is UTC+1, in summer UTC+2.
        ("Europe/Madrid", ("21:00", "09:00"), "2026-01-15", "2026-01-15 08:00", "2026-01-15 20:00"),
        ("Europe/Madrid", ("21:00", "09:00"), "2026-07-15", "2026-07-15 07:00", "2026-07-15 19:00"),
        # The clocks change at 01:00 UTC: the day is shorter or longer, the window is not.
        ("Europe/Madrid", ("21:00", "09:00"), "2026-03-29", "2026-03-29 07:00", "2026-03-29 19:00"),
        ("Europe/Madrid", ("21:00", "09:00"), "2026-10-25", "2026-10-25 08:00", "2026-10-25 20:00"),
        # Within the day: the longer of the two windows left.
        ("Europe/Madrid", ("00:00", "09:00"), "2026-01-15", "2026-01-15 08:00", "2026-01-15 23:00"),
        ("Europe/Madrid", ("13:00", "16:00"), "2026-01-15", "2026-01-14 23:00", "2026-01-15 12:00"),
        ("Europe/Madrid", ("20:00", "00:00"), "2026-01-15", "2026-01-14 23:00", "2026-01-15 19:00"),
        # 02:30 does not exist on 29 March (it reads 01:30 or 00:30 UTC): quiet until the later, from the earlier.
        ("Europe/Madrid", ("21:00", "02:30"), "2026-03-29", "2026-03-29 01:30", "2026-03-29 19:00"),
        ("Europe/Madrid", ("02:30", "01:00"), "2026-03-29", "2026-03-29 00:00", "2026-03-29 00:30"),
        # 02:30 comes twice on 25 October (00:30 and 01:30 UTC): quiet until the second, from the first.
        ("Europe/Madrid", ("21:00", "02:30"), "2026-10-25", "2026-10-25 01:30", "2026-10-25 20:00"),
        ("Europe/Madrid", ("02:30", "01:00"), "2026-10-25", "2026-10-24 23:00", "2026-10-25 00:30"),
        # The day of the business, not that of UTC.
        ("Pacific/Auckland", ("21:00", "09:00"), "2026-01-15", "2026-01-14 20:00", "2026-01-15 08:00"),
        # Nothing left: only the hour that does not exist would have been allowed.
        ("Europe/Madrid", ("02:45", "02:15"), "2026-03-29", "2026-03-29 01:15", "2026-03-29 01:15"),
    ],
)  # fmt: skip
def test_contacts_leave_outside_the_quiet_hours(
    zone: str, quiet: tuple[str, str], on: str, opens: str, closes: str
) -> None:
    business = company(time_zone=zone, contact={"quiet_hours": quiet})
    window = contact_window(business, date.fromisoformat(on))
    assert window == (datetime.fromisoformat(opens), datetime.fromisoformat(closes))


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["Europe/Madrid", "America/New_York", "Australia/Lord_Howe", "Pacific/Auckland", "UTC"]),
    st.tuples(st.times(), st.times()).filter(lambda pair: pair[0] != pair[1]),
    st.dates(date(2026, 1, 1), date(2026, 12, 31)),
    st.floats(0, 1, exclude_max=True),
)
def test_no_instant_of_the_window_reads_as_a_quiet_hour(
    zone: str, quiet: tuple[Any, Any], on: date, share: float
) -> None:
    contact = BUSINESS.contact.model_copy(update={"quiet_hours": quiet})
    business = BUSINESS.model_copy(update={"time_zone": zone, "contact": contact})
    opens, closes = contact_window(business, on)
    assert business.instant(on) <= opens <= closes <= business.instant(on + timedelta(days=1)) or opens == closes
    if opens == closes:
        return
    inside = min(opens + (closes - opens) * share, closes - timedelta(microseconds=1))
    local = inside.replace(tzinfo=UTC).astimezone(ZoneInfo(zone))
    assert local.date() == on
    starts, ends = quiet
    moment = local.time()
    assert ends <= moment < starts if starts > ends else not starts <= moment < ends
