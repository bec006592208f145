"""The page for the security officer names a proof for each protection, and every proof is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.house.tree import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
TESTS = {
    name
    for path in (ROOT / "tests").rglob("test_*.py")
    for name in re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
}


def test_every_test_that_the_page_names_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert len(named) > 30
    assert named - TESTS == set()


def test_every_threat_has_what_stops_it_and_a_test() -> None:
    rows = PAGE.split("| threat | what stops it | test |")[1].split("\n\n")[0].splitlines()[2:]
    assert len(rows) > 15
    assert [row for row in rows if len(row.split("|")) != 5 or "`test_" not in row.split("|")[3]] == []


@pytest.mark.parametrize("path", ["docs/contact-list.md"])
def test_the_pages_that_it_leads_to_are_there(path: str) -> None:
    assert f"({Path(path).name})" in PAGE
    assert (ROOT / path).is_file()


def test_what_the_page_says_of_numbers_is_what_the_code_says() -> None:
    from campaigns.delivery.signing import REPLAY_SECONDS
    from flows.failures import KEPT_DAYS
    from holdback.business.reading import LARGEST_BYTES, MOST_VALUES
    from monitoring.cells import MINIMUM_CELL
    from training.encoding import FEWEST_CUSTOMERS

    assert f"{LARGEST_BYTES // 1000} kB, {MOST_VALUES:,} values" in PAGE
    assert f"{REPLAY_SECONDS} s" in PAGE
    assert f"gone after {KEPT_DAYS} days" in PAGE
    assert FEWEST_CUSTOMERS == MINIMUM_CELL == 5
    assert "at least five\ncustomers share" in PAGE
