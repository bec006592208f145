"""The page about data: files counted by hand, gaps that are seen, rules in words."""

from datetime import datetime, timedelta

import pytest

from monitoring.portal.pages import data
from monitoring.portal.pages.data_rules import rule_in_words
from monitoring.portal.parts import Table
from tests.campaigns.decisions.world import AS_OF, put
from tests.monitoring.portal.desk import (
    EN,
    ES,
    YESTERDAY,
    batch,
    chart,
    parts,
    rows,
    said,
    section,
    shape,
    stat,
    table,
    texts,
    without_definition,
    workspace,
)

HOSTILE = "<script>alert('1')</script>.csv"
LATE = {"kind": "start", "price_cents": 1, "customer_id": "client-0001"}


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Ten days of contracts without the fourth last; today three of 30 rows were kept aside."""
    desk = workspace(tmp_path_factory.mktemp("shop"))
    days = [AS_OF - timedelta(days=back) for back in range(9, 0, -1) if back != 3]
    files = [
        batch("contracts", day, sequence=n, rows_offered=20 + n, rows_clean=20 + n) for n, day in enumerate(days, 1)
    ]
    files += [
        batch("contracts", AS_OF, sequence=20, source=HOSTILE, rows_offered=30, rows_clean=27, rows_quarantined=3,
              rows_unchanged=4, rows_corrected=2),
        batch("contracts", AS_OF - timedelta(days=10), sequence=0, batch_id="past", rows_offered=90_000,
              rows_clean=90_000, is_load_time_assumed=True),
        batch("customers", AS_OF, sequence=21, rows_offered=50, rows_clean=50),
    ]  # fmt: skip
    put(desk, "batches", files, batch="batches")
    rule = {"batch_id": f"contracts/{AS_OF}", "feed": "contracts", "as_of": AS_OF, "is_accepted": True,
            "is_passed": False, "severity": "warning", "scope": "row", "expected": "?"}  # fmt: skip
    verdicts = [
        {**rule, "rule": "price_is_money", "unexpected_count": 3},
        {**rule, "rule": "row_count_is_as_usual", "scope": "batch", "observed": "30"},
        {**rule, "rule": "kind_is_given", "is_passed": True, "unexpected_count": 0},
        {**rule, "feed": "sendings", "batch_id": "bad", "rule": "columns_are_present", "severity": "critical",
         "scope": "batch", "is_accepted": False},
    ]  # fmt: skip
    put(desk, "validations", verdicts, batch="validations")
    kept = [
        {"batch_id": f"contracts/{AS_OF}", "feed": "contracts", "row_number": n, "raw": '{"who": "client-0007"}',
         "is_parsed": True, "failed_rules": '["price_is_money"]', "loaded_at": datetime(2026, 3, 2)} for n in (1, 2, 3)
    ]  # fmt: skip
    put(desk, "quarantine", kept, batch="quarantine")
    put(desk, "releases", [{"batch_id": f"contracts/{AS_OF}", "feed": "contracts", "row_number": 2,
                            "released_batch_id": "r"}], batch="releases")  # fmt: skip
    put(desk, "contracts", [{**LATE, "event_at": datetime(2026, 2, 28, 12), "loaded_at": datetime(2026, 3, 1)}],
        batch="contracts")  # fmt: skip
    profile = {"batch_id": "b", "feed": "contracts", "column_name": "price_cents", "statistic": "null_share",
               "row_count": 20}  # fmt: skip
    put(desk, "profiles", [
        *({**profile, "as_of": AS_OF - timedelta(days=back), "value": 0.01} for back in (3, 2, 1)),
        {**profile, "as_of": AS_OF, "value": 0.40},
    ], batch="profiles")  # fmt: skip
    return desk


def test_todays_rows_add_up(shop):
    page = said(data, shop)
    # 30 contracts and 50 customers came; of the contracts three were kept aside. The refused file brought nothing.
    shown = {one.label: one.value for one in parts(page)[0].stats}
    assert shown == {
        "Rows in the files": "80", "Let in": "77", "Kept aside": "3", "Known already": "4", "Corrected": "2",
        "Feeds with a file today": "2 of 3",
    }  # fmt: skip
    assert stat(page, "Kept aside").note == "3.8% of the rows"
    assert page.lead == (
        "Today 80 rows came in, from 2 of 3 feeds; 3 (3.8%) were kept aside. Files refused as a whole: 1. In the last "
        "weeks 1 file that was to be expected is missing."
    )


def test_files_are_listed_newest_first_with_their_names_as_plain_text(shop):
    listed = rows(said(data, shop), "batches")
    assert len(listed) == 11
    assert listed[1] == ["2 Mar 2026", "contracts", HOSTILE, "30", "27", "3", "4", "2"]
    assert table(said(data, shop), "batches").rows[-1][2].small == "first load of the past"


def test_a_missing_day_is_named_and_leaves_a_gap(shop):
    page = said(data, shop)
    missing = (AS_OF - timedelta(days=3)).isoformat()
    assert [row[:4] for row in rows(page, "gaps")] == [["contracts", "every day", "1", "27 Feb 2026"]]
    drawn = chart(page, "rows-1")
    points = {point.x: point.value for point in drawn.series[0].points}
    assert points[missing] is None
    assert (len(points), points[AS_OF.isoformat()], points[YESTERDAY.isoformat()]) == (10, 30.0, 28.0)
    assert drawn.sentence == "1 day is missing and leaves a gap."
    assert 90_000.0 not in points.values()  # the first load of the past would hide everything else


def test_the_share_kept_aside_is_drawn(shop):
    drawn = chart(said(data, shop), "kept-aside")
    assert drawn.series[0].points[-1].value == pytest.approx(0.1)
    assert drawn.sentence == "The largest share was 10.0%: contracts on 2\u00a0March\u00a02026."


def test_rules_that_did_not_hold_are_said_in_words_the_gravest_first(shop):
    page = said(data, shop)
    assert rows(page, "rules") == [
        [
            "every column that the business file names must be in the file",
            "sendings",
            "critical",
            "1",
            "the whole file",
        ],
        ["price must be an amount of money", "contracts", "warning", "1", "3"],
        ["the file must have about as many rows as the ones before", "contracts", "warning", "1", "the whole file"],
    ]
    assert table(page, "rules").rows[2][4].small == "seen: 30"
    refused = section(page, "contracts").parts[0]
    assert (refused.state, refused.text) == (
        "bad",
        "sendings: files refused as a whole today: 1. Not kept: every column that the business file names must be in "
        "the file.",
    )


def test_what_waits_in_quarantine_is_told_with_how_to_look_and_never_shown(shop):
    page = said(data, shop)
    assert "reasons" not in [part.name for part in section(page, "quarantine").parts if isinstance(part, Table)]
    assert section(page, "quarantine").parts[0].text == "Why: the table of rules above says it of each of today's rows."
    # One of the three was let in.
    assert [row[3:] for row in rows(page, "waiting")] == [["2", f"holdback quarantine show contracts/{AS_OF}"]]
    assert not [text for text in texts(page) if "client-" in text]


def test_the_age_of_each_feed_is_held_against_its_limit(tmp_path):
    feeds = {
        name: {"role": "subscriptions", "source": f"{name}.csv",
               "columns": {"customer_id": "who", "event_at": "at", "kind": "kind", "price": "price"},
               "expects": {"fresh_within_days": limit} if limit else {}}
        for name, limit in (("contracts", 2), ("late", 1), ("free", None), ("never", 1))
    }  # fmt: skip
    desk = workspace(tmp_path, feeds=feeds)
    put(desk, "batches", [batch(name, YESTERDAY) for name in ("contracts", "late", "free")], batch="batches")
    for name in ("contracts", "late", "free"):
        at = datetime(2026, 2, 28, 12)
        put(desk, name, [{**LATE, "event_at": at, "loaded_at": datetime(2026, 3, 1)}], batch=name)
    page = said(data, desk)
    assert [row for row in rows(page, "freshness") if row[0] not in ("customers", "sendings")] == [
        ["contracts", "1 Mar 2026", "28 Feb 2026", "2", "2", "Within the limit."],
        ["late", "1 Mar 2026", "28 Feb 2026", "2", "1", "Too old: ask whoever delivers it."],
        ["free", "1 Mar 2026", "28 Feb 2026", "2", "–", "No limit is set."],
        ["never", "–", "–", "–", "1", "Nothing has come in yet."],
    ]
    assert "Older than allowed: late." in page.lead


def test_an_unusually_empty_column_is_named(shop):
    assert rows(said(data, shop), "nulls") == [["price_cents", "contracts", "40.0%", "1.0%", "20"]]


def test_a_file_that_was_read_twice_counts_once(tmp_path):
    desk = workspace(tmp_path)
    files = [batch("contracts", AS_OF - timedelta(days=back)) for back in (3, 2, 1)]
    again = batch("contracts", YESTERDAY, batch_id="again", rows_offered=25, replaces=f"contracts/{YESTERDAY}")
    let_out = batch("contracts", YESTERDAY, batch_id="out", rows_offered=9, released_from="x")
    put(desk, "batches", [*files, again, let_out], batch="batches")
    assert [point.value for point in chart(said(data, desk), "rows-1").series[0].points] == [20.0, 20.0, 25.0]


def test_the_day_in_the_name_of_a_file_is_its_day(tmp_path):
    desk = workspace(tmp_path)
    files = [
        batch("contracts", AS_OF, batch_id=str(back), covers_on=AS_OF - timedelta(days=back)) for back in (4, 3, 2, 1)
    ]
    put(desk, "batches", files, batch="batches")  # a long weekend was caught up on Monday
    page = said(data, desk)
    assert len(chart(page, "rows-1").series[0].points) == 4
    assert rows(page, "gaps") == []


def test_days_that_the_business_file_allows_to_be_without_a_file_are_not_complained_of(tmp_path):
    feed = {"role": "subscriptions", "source": "c.csv", "is_required": False,
            "columns": {"customer_id": "who", "event_at": "at", "kind": "kind", "price": "price"}}  # fmt: skip
    desk = workspace(tmp_path, feeds={"contracts": feed})
    put(desk, "batches", [batch("contracts", AS_OF - timedelta(days=back)) for back in (5, 4, 3, 0)], batch="b")
    page = said(data, desk)
    assert rows(page, "gaps")[0][-1].startswith("The business file allows days without a file.")
    assert "missing" not in page.lead.replace("none is missing", "")


def test_the_first_day_ever_says_what_to_do(tmp_path):
    page = said(data, workspace(tmp_path))
    assert page.lead == "No file has come in yet."
    assert "holdback ingest" in list(texts(page))
    assert len(page.sections) == 8


def test_a_day_without_a_file_says_which_the_newest_was(shop):
    page = said(data, shop, AS_OF + timedelta(days=3))
    assert page.lead.startswith("Nothing came in today; the newest files are of 2\u00a0March\u00a02026.")
    assert rows(page, "gaps")[0][3] == "5 Mar 2026, 4 Mar 2026, 3 Mar 2026, 27 Feb 2026"


def test_what_came_later_is_not_shown(shop):
    page = said(data, shop, YESTERDAY)
    loaded = [EN.day_of(cells[0].text) for cells in table(page, "batches").rows]
    assert all(day is not None and day <= YESTERDAY for day in loaded)
    assert (rows(page, "rules"), rows(page, "waiting"), rows(page, "nulls")) == ([], [], [])


@pytest.mark.parametrize("what", ["shop", "empty"])
def test_both_languages_are_made_of_the_same_parts(what, shop, tmp_path):
    desk = shop if what == "shop" else workspace(tmp_path)
    english, spanish = said(data, desk, words=EN), said(data, desk, words=ES)
    assert shape(english) == shape(spanish)
    assert english.lead != spanish.lead


def test_every_number_says_how_it_is_computed(shop):
    assert without_definition(said(data, shop)) == []


@pytest.mark.parametrize(
    ("rule", "english", "spanish"),
    [
        ("price_is_money", "price must be an amount of money", "price debe ser un importe"),
        ("who_and_at_is_unique", "who + at must not stand twice in one file",
         "who + at no puede repetirse en un mismo fichero"),
        ("ends_on_is_not_before_event_at", "ends_on must not lie before event_at",
         "ends_on no puede ser anterior a event_at"),
        ("is_odd_null_share_is_as_known", "is_odd must be empty as often as is known",
         "is_odd debe faltar tan a menudo como se sabe"),
        ("score_is_on_scale_nps_since_2026_01_01", "the score must lie on the scale of its day, up to its top",
         "la puntuación debe estar en la escala de su día y alcanzar su máximo"),
        ("customer_id_is_known", "the customer must be in the table of customers",
         "el cliente debe estar en la tabla de clientes"),
        ("made_up_elsewhere", "made up elsewhere", "made up elsewhere"),
    ],
)  # fmt: skip
def test_rules_are_said_in_words(rule, english, spanish):
    assert (rule_in_words(rule, EN), rule_in_words(rule, ES)) == (english, spanish)


def test_every_rule_of_the_example_businesses_has_words():
    from pathlib import Path

    from holdback.business import load_business
    from holdback.contracts import contract_of
    from holdback.mapping import shape_of

    folder = Path(__file__).resolve().parents[3] / "businesses"
    for path in sorted(folder.glob("*.yaml")):
        business = load_business(path)
        for feed in (*business.feeds, *(["customers"] if business.customers else [])):
            for rule in contract_of(shape_of(business, feed)).rules:
                assert rule_in_words(rule.name, EN) != rule.name.replace("_", " "), (path.name, rule.name)
