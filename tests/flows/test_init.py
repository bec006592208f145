"""``holdback init`` writes a business file that passes its own check, and never destroys one."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.business_examples import EXAMPLES, FOLDER, example_path, example_text, write_like
from flows.business_templates import TEMPLATES, write_business
from flows.cli.main import app
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


def test_every_shipped_business_file_has_a_name_and_a_line() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.yaml")) == sorted(name.replace("-", "_") for name in EXAMPLES)
    assert all(EXAMPLES.values())


def comments(text: str) -> set[str]:
    """What is said beside the lines: the comments after the head."""
    return {line.split(" #", 1)[1].strip() for line in text.splitlines() if " #" in line and line[0] != "#"}


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_file_like_an_example_is_right_and_says_the_same_with_its_own_name_and_files(
    example: str, tmp_path: Path
) -> None:
    path = tmp_path / "business.yaml"
    sources = write_like(path, example, {"slug": "acme", "name": ANSWERS["name"], "currency": "CHF"})
    own, shipped = load_business(path), load_business(example_path(example))
    assert (own.slug, own.name, own.currency, own.language) == ("acme", ANSWERS["name"], "CHF", shipped.language)
    changed = {"slug", "name", "currency", "customers", "feeds"}
    assert own.model_dump(exclude=changed) == shipped.model_dump(exclude=changed)
    parts = {**own.feeds, **({"customers": own.customers} if own.customers else {})}
    assert sorted(sources) == sorted(part.source for part in parts.values())
    for name, part in parts.items():
        assert part.source.startswith(f"landing/{name}/")
        before = shipped.customers if name == "customers" else shipped.feeds[name]
        assert before is not None
        assert part.model_dump(exclude={"source"}) == before.model_dump(exclude={"source"})
    text = path.read_text()
    assert "$" not in "".join(line for line in text.splitlines() if "source:" in line)
    assert "# Files:" not in text
    assert comments(example_text(example)) <= comments(text)


def test_an_example_may_be_named_with_either_stroke_and_an_unknown_one_is_answered_with_the_list(
    tmp_path: Path,
) -> None:
    assert example_path("online_retail") == example_path("Online-Retail")
    with pytest.raises(
        BusinessFileError, match=r"(?s)no example 'banc'. Did you mean 'bank'\? Choose one of:\n  bank "
    ):
        write_like(tmp_path / "business.yaml", "banc", {})
    assert not (tmp_path / "business.yaml").exists()


def test_an_existing_file_is_never_written_over_by_an_example(tmp_path: Path) -> None:
    path = tmp_path / "business.yaml"
    path.write_text("mine")
    with pytest.raises(BusinessFileError, match="exists already"):
        write_like(path, "bank", {"slug": "acme"})
    assert path.read_text() == "mine"


def test_the_command_writes_a_file_like_a_bank_and_says_what_it_reads(tmp_path: Path) -> None:
    path = tmp_path / "business.yaml"
    done = CliRunner().invoke(app, ["init", str(path), "--like", "bank", "--slug", "acme", "--name", "Acme"])
    assert done.exit_code == 0, done.output
    assert "landing/transfers/{date}.csv" in done.output
    assert load_business(path).slug == "acme"
    told = CliRunner().invoke(app, ["init", "--help"])
    assert "savings-bank" in told.output
