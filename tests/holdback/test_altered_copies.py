"""A file with the right name, columns and vocabulary but other values is noticed.

Public copies of famous files circulate with one id repeated, two thirds churned, negative charges, countries that
changed places, decimals cut off, or a line of documentation among the rows. Each alteration is made here, of a small
bank of our own and of the real files where they are at hand.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from holdback.business import Business, load_business
from holdback.errors import ContractBroken
from holdback.ingest import IngestResult, ingest
from holdback.quarantine import show_rows
from holdback.workspace import Workspace

AS_OF = date(2026, 3, 2)
Row = dict[str, str]
Alteration = Callable[[list[Row]], None]

BANK = Business.model_validate(
    {
        "slug": "bank", "name": "Bank", "currency": "EUR", "time_zone": "Europe/Madrid",
        "customers": {
            "source": "$HOLDBACK_DATA/bank/bank.csv", "key": "id",
            "attributes": {"country": "category", "balance": "number", "exited": "label"},
            "accepts": {"country": ["France", "Germany", "Spain"]},
            "expects": {
                "quarantined_share": 0.01, "between": {"balance": [0, 1e6]},
                "reference": {
                    "customer_id": {"distinct_share": [1, 1]},
                    "exited": {"shares": {"true": [0.17, 0.24]}},
                    "country": {"shares": {"France": [0.45, 0.55], "Spain": [0.2, 0.3], "Germany": [0.2, 0.3]}},
                    "balance": {"whole_share": [0, 0.1]},
                },
            },
        },
        "churn": [{"name": "left", "kind": "column", "attribute": "exited"}],
    }
)  # fmt: skip


def bank() -> list[Row]:
    rng = random.Random(1)
    return [
        {
            "id": str(1000 + i),
            "country": ("France", "France", "Spain", "Germany")[i % 4],
            "balance": f"{rng.uniform(0, 200_000):.2f}",
            "exited": "1" if i % 5 == 0 else "0",
        }
        for i in range(500)
    ]


def one_repeated_id(column: str) -> Alteration:
    def alter(rows: list[Row]) -> None:
        for row in rows:
            row[column] = rows[0][column]

    return alter


def two_thirds(column: str, yes: str, no: str) -> Alteration:
    def alter(rows: list[Row]) -> None:
        for i, row in enumerate(rows):
            row[column] = no if i % 3 == 0 else yes

    return alter


def negative(column: str) -> Alteration:
    def alter(rows: list[Row]) -> None:
        for row in rows[::10]:
            row[column] = f"-{row[column]}"

    return alter


def change_places(column: str, *values: str) -> Alteration:
    def alter(rows: list[Row]) -> None:
        following = dict(zip(values, [*values[1:], values[0]], strict=True))
        for row in rows:
            row[column] = following.get(row[column], row[column])

    return alter


def decimals_cut(column: str) -> Alteration:
    def alter(rows: list[Row]) -> None:
        for row in rows:
            row[column] = row[column].split(".")[0]

    return alter


def documentation(rows: list[Row]) -> None:
    rows.insert(0, {name: f"What {name} means" for name in rows[0]})


def load(folder: Path, business: Business, path: str, rows: list[Row]) -> IngestResult:
    target = folder / "data" / path
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    workspace = Workspace(folder / "work", business, {"HOLDBACK_DATA": str(folder / "data")})
    return ingest(workspace, AS_OF)


ALTERED: dict[str, tuple[Alteration, str]] = {
    "one repeated id": (one_repeated_id("id"), "customer_id_is_unique: 500 rows"),
    "66 % churn": (two_thirds("exited", "1", "0"), "exited_share_of_true_is_as_known: 0.666"),
    "negative amounts": (negative("balance"), "balance_is_in_range: 50 rows"),
    "countries change places": (
        change_places("country", "France", "Spain", "Germany"), "country_share_of_france_is_as_known: 0.25",
    ),
    "countries translated": (
        change_places("country", "France", "Francia"), "country_is_in_vocabulary: 250 rows",
    ),
    "decimals cut off": (decimals_cut("balance"), "balance_whole_share_is_as_known: 1 "),
}  # fmt: skip


@pytest.mark.parametrize("alteration", ALTERED)
def test_an_altered_copy_is_refused(tmp_path: Path, alteration: str) -> None:
    rows = bank()
    alter, finding = ALTERED[alteration]
    alter(rows)
    with pytest.raises(ContractBroken) as caught:
        load(tmp_path, BANK, "bank/bank.csv", rows)
    assert finding in str(caught.value)


def test_the_unaltered_file_passes_and_a_line_of_documentation_is_kept_aside(tmp_path: Path) -> None:
    rows = bank()
    documentation(rows)
    result = load(tmp_path, BANK, "bank/bank.csv", rows)
    assert (result.clean, result.reasons) == (
        500, {"balance_is_number": 1, "exited_is_flag": 1, "country_is_in_vocabulary": 1},
    )  # fmt: skip
    (row,) = show_rows(Workspace(tmp_path / "work", BANK, {}))
    assert (row.row_number, row.raw["id"]) == (1, "What id means")  # type: ignore[index]


TELCO: dict[str, tuple[Alteration, str]] = {
    "one repeated id": (one_repeated_id("customerID"), "customer_id_is_unique: 7043 rows"),
    "66 % churn": (two_thirds("Churn", "Yes", "No"), "churned_share_of_true_is_as_known: 0.666"),
    "negative charges": (negative("MonthlyCharges"), "monthly_charges_negative_share_is_as_known: 0.1"),
    "contracts change places": (
        change_places("Contract", "Month-to-month", "Two year", "One year"),
        "contract_share_of_month_to_month_is_as_known",
    ),
    "decimals cut off": (decimals_cut("MonthlyCharges"), "monthly_charges_whole_share_is_as_known: 1 "),
}  # fmt: skip
BANK_CUSTOMERS: dict[str, tuple[Alteration, str]] = {
    "one repeated id": (one_repeated_id("customer_id"), "customer_id_is_unique: 28382 rows"),
    "66 % churn": (two_thirds("churn", "1", "0"), "churned_share_of_true_is_as_known: 0.666"),
    "decimals cut off": (decimals_cut("current_balance"), "current_balance_whole_share_is_as_known: 1 "),
    "occupations change places": (
        change_places("occupation", "self_employed", "salaried"), "occupation_share_of_self_employed_is_as_known: 0.23",
    ),
}  # fmt: skip


def real_rows(path: Path) -> list[Row]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("business", "path", "alterations"),
    [
        ("telco", "telco/Telco-Customer-Churn.csv", TELCO),
        ("savings_bank", "savings_bank/churn_prediction.csv", BANK_CUSTOMERS),
    ],
)
def test_an_altered_copy_of_a_real_file_is_refused_and_the_original_is_not(
    tmp_path: Path,
    project_root: Path,
    shared_data: Callable[[str], Path],
    business: str,
    path: str,
    alterations: dict[str, tuple[Alteration, str]],
) -> None:
    original = shared_data(path)
    company = load_business(project_root / "businesses" / f"{business}.yaml")
    for name, (alter, finding) in alterations.items():
        rows = real_rows(original)
        alter(rows)
        with pytest.raises(ContractBroken) as caught:
            load(tmp_path / name, company, path, rows)
        assert finding in str(caught.value), name
    rows = real_rows(original)
    count = len(rows)
    documentation(rows)
    result = load(tmp_path / "documented", company, path, rows)
    assert (result.clean, result.quarantined) == (count, 1)
    untouched: Any = load(tmp_path / "original", company, path, real_rows(original))
    assert (untouched.clean, untouched.quarantined) == (count, 0)
