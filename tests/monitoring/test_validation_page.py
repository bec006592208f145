"""Our page of a batch's validation: the verdict, every rule, and no personal data."""

import pytest

from holdback.commits import rows_of
from holdback.errors import DataError
from holdback.tables import TABLES
from monitoring.validation_page import batch_results, may_be_shown, write_validation_page, write_validation_pages
from tests.monitoring.company import HOSTILE, LAST_DAY, receive, workspace_in
from tests.monitoring.html import read_page


def refuse(workspace, batch_id="bad"):
    rows = [
        {
            "batch_id": batch_id, "feed": "tills", "as_of": LAST_DAY, "rule": "row_count_is_in_range",
            "severity": "critical", "scope": "batch", "is_passed": False, "is_accepted": False, "observed": "0",
            "expected": "between 1 and 9 rows",
        }
    ]  # fmt: skip
    workspace.warehouse.append("validations", rows_of(TABLES["validations"], rows), batch=f"{batch_id}/refused")


def test_the_page_shows_the_verdict_and_every_rule(company):
    page = read_page(write_validation_page(company, "b1").read_text(encoding="utf-8"))
    said = page.all_text()
    assert "Let in, with warnings." in said
    assert "channel_is_known" in said
    assert "row_count_is_in_range" in said
    assert "channel must be store or web" in said
    assert "1 of 2 rules held." in said
    assert "5.0%" in said
    assert "holdback quarantine show b1" in said


def test_without_a_name_it_is_the_batch_that_was_validated_last(company):
    assert write_validation_page(company) == company.reports / "validation" / "b1.html"


def test_values_that_broke_rules_are_shown_without_personal_data(company):
    html = write_validation_page(company, "b1").read_text(encoding="utf-8")
    assert "kiosk" in html  # five rows share it: a word of a vocabulary
    assert "example.org" not in html  # one row has it: perhaps somebody's address
    assert "may be personal data" in html


@pytest.mark.parametrize(
    ("value", "rows", "shown"),
    [
        ("12,50", 1, "12,50"),
        ("31/02/2025", 1, "31/02/2025"),
        ("", 1, ""),
        ("GOLD", 5, "GOLD"),
        ("GOLD", 4, None),
        ("Eva Ruiz", 1, None),
        ("eva@example.org", 1, None),
        ("x" * 61, 99, None),
        ("600123456", 1, "600123456"),
        ("4111111111111111", 1, "411…"),
        ("9223372036854775808", 1, "922…"),
    ],
)
def test_which_values_may_be_shown(value, rows, shown):
    assert may_be_shown(value, rows) == shown


def test_identifiers_are_never_shown(tmp_path):
    workspace = workspace_in(tmp_path)
    receive(workspace, LAST_DAY, bad=0)
    rule = {"batch_id": "b1", "feed": "tills", "as_of": LAST_DAY, "rule": "customer_id_is_given", "scope": "row",
            "column_name": "customer_id", "severity": "warning", "is_passed": False, "is_accepted": True,
            "unexpected_count": 9, "expected": "customer_id must not be empty"}  # fmt: skip
    workspace.warehouse.append("validations", rows_of(TABLES["validations"], [rule]), batch="v")
    kept = [
        {"batch_id": "b1", "feed": "tills", "row_number": i, "raw": f'{{"client": "{value}"}}', "is_parsed": True,
         "failed_rules": '["customer_id_is_given"]', "loaded_at": workspace.business.instant(LAST_DAY)}
        for i, value in enumerate(["", "", "12345"] * 3)
    ]  # fmt: skip
    workspace.warehouse.append("quarantine", rows_of(TABLES["quarantine"], kept), batch="q")
    found = batch_results(workspace, ["b1"])["b1"]
    assert [example.values for example in found.examples] == [(("", 6), (None, 3))]


def test_a_line_that_could_not_be_split_is_never_shown(tmp_path):
    workspace = workspace_in(tmp_path)
    receive(workspace, LAST_DAY, bad=6)
    broken = {"batch_id": "b1", "feed": "tills", "row_number": 99, "raw": '"eva;600111222', "is_parsed": False,
              "failed_rules": '["channel_is_known"]', "loaded_at": workspace.business.instant(LAST_DAY)}  # fmt: skip
    workspace.warehouse.append("quarantine", rows_of(TABLES["quarantine"], [broken]), batch="q")
    assert "600111222" not in write_validation_page(workspace).read_text(encoding="utf-8")


def test_a_refused_batch_has_a_page_and_nothing_of_it_was_let_in(tmp_path):
    workspace = workspace_in(tmp_path)
    refuse(workspace)
    said = read_page(write_validation_page(workspace).read_text(encoding="utf-8")).all_text()
    assert "Refused: a critical rule failed." in said
    assert "between 1 and 9 rows" in said


def test_a_batch_that_was_refused_and_then_accepted_is_accepted(tmp_path):
    workspace = workspace_in(tmp_path)
    refuse(workspace, "b1")
    receive(workspace, LAST_DAY, bad=0)
    assert batch_results(workspace, ["b1"])["b1"].verdict == "accepted"


def test_many_pages_are_written_at_once(tmp_path):
    workspace = workspace_in(tmp_path)
    for name in ("b1", "b2", "b3"):
        receive(workspace, LAST_DAY, batch_id=name)
    paths = write_validation_pages(workspace, ["b3", "b1", "b2"])
    assert [path.stem for path in paths] == ["b3", "b1", "b2"]
    assert all("holdback quarantine show " + path.stem in path.read_text() for path in paths)
    assert write_validation_pages(workspace, []) == []


def test_a_batch_that_never_was_is_an_error_and_none_at_all_is_not(tmp_path):
    workspace = workspace_in(tmp_path)
    with pytest.raises(DataError, match="never validated"):
        write_validation_page(workspace, "b'1")
    assert "No batch was validated yet." in write_validation_page(workspace).read_text(encoding="utf-8")


def test_hostile_words_stay_words(company):
    html = write_validation_page(company, "b1").read_text(encoding="utf-8")
    page = read_page(html)
    assert HOSTILE not in html
    assert HOSTILE in page.all_text()  # the file's name
    assert page.every("script") == []
    assert "script-src" not in html  # and the page itself forbids any


def test_it_speaks_spanish(tmp_path):
    workspace = workspace_in(tmp_path, language="es")
    receive(workspace, LAST_DAY)
    page = read_page(write_validation_page(workspace).read_text(encoding="utf-8"))
    assert page.every("html")[0].attributes["lang"] == "es"
    assert "Admitido, con avisos." in page.all_text()
