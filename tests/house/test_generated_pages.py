"""The generated pages say what the declarations say."""

import subprocess
import sys

from holdback.business import Business
from holdback.tables import ROLES, TABLES
from tests.house.tree import ROOT


def test_the_generated_pages_are_current() -> None:
    checked = subprocess.run(
        [sys.executable, "docs/generate.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr


def test_the_data_dictionary_has_every_column_of_every_table() -> None:
    page = (ROOT / "docs" / "data-dictionary.md").read_text(encoding="utf-8")
    columns = {column.name for table in [*ROLES.values(), *TABLES.values()] for column in table.columns}
    assert {name for name in columns if f"| `{name}` |" not in page} == set()


def test_the_reference_page_has_every_key_of_the_business_file() -> None:
    page = (ROOT / "docs" / "business-file.md").read_text(encoding="utf-8")
    assert {key for key in Business.model_fields if f"| `{key}` |" not in page} == set()
