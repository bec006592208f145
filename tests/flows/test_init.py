"""``holdback init`` writes a business file that passes its own check, and never destroys one."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.business_templates import TEMPLATES, write_business
from holdback.business import load_business
from holdback.errors import BusinessFileError

ANSWERS = {
    "slug": "acme",
    "name": 'Acme: "the" shop # 1',
    "currency": "EUR",
    "time_zone": "Europe/Madrid",
    "language": "es",
}


@pytest.mark.parametrize("kind", TEMPLATES)
def test_every_template_gives_a_right_business_file(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "business.yaml"
    write_business(path, kind, ANSWERS)
    business = load_business(path)
    assert (business.name, business.language) == (ANSWERS["name"], "es")


def test_a_country_code_that_yaml_takes_for_a_truth_value_stays_text(tmp_path: Path) -> None:
    path = tmp_path / "business.yaml"
    write_business(path, "shop", {**ANSWERS, "slug": "no", "name": "yes"})
    assert load_business(path).slug == "no"


def test_an_existing_file_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "business.yaml"
    path.write_text("mine")
    with pytest.raises(BusinessFileError, match="exists already"):
        write_business(path, "shop", ANSWERS)
    assert path.read_text() == "mine"


def test_a_wrong_answer_is_told_and_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / "business.yaml"
    with pytest.raises(BusinessFileError, match=r"currency: must match"):
        write_business(path, "shop", {**ANSWERS, "currency": "euro"})
    assert not path.exists()
