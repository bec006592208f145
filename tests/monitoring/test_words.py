"""Two languages that say the same things, each with its own numbers and days."""

import ast
import re
from datetime import date
from pathlib import Path
from string import Formatter

import pytest

from monitoring.words import LANGUAGES, Words, catalogue

CATALOGUES = {language: catalogue(language) for language in LANGUAGES}
PAGES = Path(__file__).resolve().parents[2] / "monitoring"


def test_both_languages_have_the_same_keys():
    assert set(CATALOGUES["en"]) == set(CATALOGUES["es"])


@pytest.mark.parametrize("key", sorted(CATALOGUES["en"]))
def test_both_languages_ask_for_the_same_values(key):
    def asked(text):
        return {name for _, name, _, _ in Formatter().parse(text) if name}

    assert asked(CATALOGUES["en"][key]) == asked(CATALOGUES["es"][key])


def test_no_text_was_forgotten_in_the_other_language():
    same = {key for key in CATALOGUES["en"] if CATALOGUES["en"][key] == CATALOGUES["es"][key]}
    assert {key for key in same if re.search("[a-z]{4}", re.sub(r"{.*?}", "", CATALOGUES["en"][key]))} == set()


def test_every_text_is_used_somewhere():
    files = [
        *PAGES.glob("*.py"),
        PAGES / "words" / "__init__.py",
        *PAGES.glob("portal/**/*.py"),
        *PAGES.glob("alerts/*.py"),
        *PAGES.glob("templates/**/*.j2"),
    ]
    used = "\n".join(path.read_text() for path in files)
    prefixes = re.findall(r"""(?:w|self)(?:\.known)?\(\s*f?['"]([a-z_]+_)(?:\{|['"]\s*[~,])""", used)
    unused = [key for key in CATALOGUES["en"] if f"'{key}'" not in used and f'"{key}"' not in used]
    assert [key for key in unused if not key.startswith(tuple(prefixes))] == []


def test_every_key_that_code_asks_for_exists():
    for path in (*PAGES.glob("*.py"), *PAGES.glob("portal/**/*.py"), *PAGES.glob("alerts/*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "w":
                key = node.args[0]
                if isinstance(key, ast.Constant):
                    assert key.value in CATALOGUES["en"], f"{path.name}: {key.value}"


@pytest.mark.parametrize(
    ("language", "number", "share", "signed", "day"),
    [
        ("en", "1,234.5", "12.3%", "+0.004", "1 March 2026"),
        ("es", "1.234,5", "12,3 %", "+0,004", "1 de marzo de 2026"),
    ],
)
def test_numbers_and_days_are_written_as_the_language_does(language, number, share, signed, day):
    w = Words(language)
    assert w.number(1234.5, 1) == number
    assert w.share(0.123).replace("\u00a0", " ") == share
    assert w.signed(0.004) == signed
    assert w.day(date(2026, 3, 1)).replace("\u00a0", " ") == day


def test_a_minus_is_a_minus_and_nothing_is_minus_zero():
    w = Words("en")
    assert w.number(-1.5, 1) == "\u22121.5"
    assert w.number(-0.001, 1) == "0.0"
    assert w.signed(-0.0001) == "+0.000"


@pytest.mark.parametrize(
    ("value", "written"),
    [(0.0, "0"), (3.0, "3"), (3.25, "3.25"), (0.12345, "0.1235"), (12345.6, "12,346"), (1e9, "1,000,000,000"),
     (float("inf"), "∞"), (float("-inf"), "\u2212∞"), (5e-324, "0.0000"), (-2.5, "\u22122.5")],
)  # fmt: skip
def test_edges_of_any_size_are_written_short(value, written):
    assert Words("en").significant(value) == written


def test_an_unknown_name_is_shown_as_it_is():
    assert Words("es").known("model_", "home_made") == "home made"
    with pytest.raises(KeyError):
        Words("es")("no such key")


@pytest.mark.parametrize(
    ("language", "amount", "currency", "written"),
    [
        ("en", 1234.5, "EUR", "€1,234.50"),
        ("es", 1234.5, "EUR", "1.234,50 €"),
        ("es", -0.4, "JPY", "0 JPY"),
        ("en", -12.0, "JPY", "−¥12"),
        ("es", 3.0, "XTS", "3,00 XTS"),
    ],
)
def test_money_has_the_decimals_of_its_currency(language, amount, currency, written):
    assert Words(language).money(amount, currency).replace("\u00a0", " ") == written


def test_a_key_stands_in_one_part_of_a_catalogue_only(tmp_path, monkeypatch):
    import monitoring.words

    (tmp_path / "en").mkdir()
    for part in ("one", "two"):
        (tmp_path / "en" / f"{part}.po").write_text('msgid "same"\nmsgstr "x"\n')
    monkeypatch.setattr(monitoring.words, "__file__", str(tmp_path / "__init__.py"))
    with pytest.raises(ValueError, match="same: another part"):
        monitoring.words.catalogue.__wrapped__("en")
