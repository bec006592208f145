"""The file for finance: each figure follows from the columns beside it, and nobody is named in it."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from holdback.errors import OperatorError
from monitoring.pnl import ARITHMETIC, ProfitAndLoss, pnl, pnl_table, write_pnl
from tests.monitoring.pnl.shop import AS_OF, Shop, opened

Row = dict[str, str]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return opened(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def account(world: Shop) -> ProfitAndLoss:
    return pnl(world.workspace, AS_OF)


@pytest.fixture(scope="module")
def rows(account: ProfitAndLoss, tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    path = write_pnl(account, tmp_path_factory.mktemp("finance") / "pnl.csv")
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def cents(amount: float) -> int:
    return round(amount * 100)


def test_each_figure_follows_from_the_columns_beside_it_to_the_cent(rows: list[Row]) -> None:
    measured = [{k: float(v) for k, v in row.items() if _is_number(v)} for row in rows if row["status"] == "measured"]
    assert len(measured) >= 6
    for r in measured:
        assert cents(r["cost"]) == cents(r["contact_cost"]) + cents(r["incentive_cost"])
        per_one = r["treated_margin"] / r["treated"] - r["held_out_margin"] / r["held_out"]
        per_one -= r["theta"] * (r["treated_before"] / r["treated"] - r["held_out_before"] / r["held_out"])
        assert per_one == pytest.approx(r["margin_per_customer"], abs=1e-9)
        for end in ("", "_low", "_high"):
            incremental = r[f"margin_per_customer{end}"] * r["treated"]
            assert cents(r[f"incremental_margin{end}"]) == cents(incremental)
            assert cents(r[f"net{end}"]) == cents(incremental - r["cost"])
            assert r[f"roi{end}"] == pytest.approx((incremental - r["cost"]) / r["cost"], abs=1e-9)
            if f"stayer_share{end}" in r:
                assert cents(r[f"incentives_to_stayers{end}"]) == cents(r[f"stayer_share{end}"] * r["incentive_cost"])
        expected = r["treated_value_kept"] / r["treated"] - r["held_out_value_kept"] / r["held_out"]
        assert cents(r["expected_net"]) == cents(expected * r["treated"])
    assert any("stayer_share" in r for r in measured)


def test_the_columns_are_those_that_the_arithmetic_names(account: ProfitAndLoss) -> None:
    columns = set(pnl_table(account).column_names)
    words = {
        word.strip("()") for formula in ARITHMETIC for word in formula.replace("(likewise low and high)", "").split()
    }
    assert {word for word in words if word.isidentifier()} <= columns


def test_what_is_not_known_is_empty_and_says_why(rows: list[Row]) -> None:
    march = [row for row in rows if row["entry_month"] == "2026-03"]
    assert {row["status"] for row in march} == {"not knowable before 2026-04-10"}
    assert {row["net"] for row in march} == {row["margin_per_customer"] for row in march} == {""}
    assert all(float(row["cost"]) > 0 for row in march)


def test_costs_of_the_lines_add_up_to_the_proved_total(rows: list[Row], account: ProfitAndLoss) -> None:
    own = [row for row in rows if row["campaign"] == "spring" and row["is_total"] == "false"]
    proved = sum(p.books_cents for p in account.proofs if p.what in ("spring/1: contact cost", "spring/1: incentives"))
    assert sum(cents(float(row["cost"])) for row in own) == proved


def test_nobody_is_named_and_only_its_owner_can_read_it(world: Shop, account: ProfitAndLoss, tmp_path: Path) -> None:
    path = tmp_path / "pnl.csv"
    path.write_text("an older account")
    path.chmod(0o644)
    assert write_pnl(account, path) == path
    assert path.stat().st_mode & 0o777 == 0o600
    text = path.read_text()
    assert not [name for name in [*world.everywhere, "z-stranger"] if name in text]
    assert text.startswith(
        "as_of,currency,level,campaign,version,fit_class,entry_month,is_total,status,treated,held_out,"
    )
    again = tmp_path / "again.csv"
    write_pnl(pnl(world.workspace, AS_OF), again)
    assert again.read_bytes() == path.read_bytes()


def test_a_folder_that_is_not_there_is_told(account: ProfitAndLoss, tmp_path: Path) -> None:
    with pytest.raises(OperatorError):
        write_pnl(account, tmp_path / "no" / "pnl.csv")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
