"""Any page becomes one whole HTML document in which every text stays text."""

import json
import re
from dataclasses import replace
from itertools import pairwise

import pytest

from monitoring.portal.drawing import POLICY, as_script_data, assets, draw_page
from monitoring.portal.parts import Cell, Chart, Column, Notice, Page, Point, Section, Series, Stat, Stats, Table
from monitoring.words import LANGUAGES, Words
from tests.monitoring.html import read_page
from tests.monitoring.portal.sample import FORMULA, HOSTILE, TITLES, sample_frame, sample_page

WIDEST_PAGE_BYTES = 300_000


@pytest.fixture(scope="module", params=LANGUAGES)
def language(request):
    return request.param


@pytest.fixture(scope="module")
def html(language):
    return draw_page(sample_page(language), sample_frame(language), Words(language))


@pytest.fixture(scope="module")
def document(html):
    return read_page(html.removeprefix("<!DOCTYPE html>"))


def drawn(*parts, lead="All is well."):
    page = Page("today", "Today", lead, (Section("one", "One", parts),))
    return draw_page(page, sample_frame("en"), Words("en"))


def texts(value):
    """Every text that stands in a page, wherever."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from texts(item)
    elif hasattr(value, "__slots__"):
        for name in value.__slots__:
            if name not in ("name", "kind", "unit", "state"):
                yield from texts(getattr(value, name))


def test_every_text_of_a_page_can_be_read_in_it(language, document):
    read = document.all_text()
    days = re.compile(r"\d{4}-\d{2}(-\d{2})?")  # months are written with their names
    said = {text for text in texts(sample_page(language)) if not days.fullmatch(text) and not text.endswith(".html")}
    without_rows = {"x"}
    assert {text for text in said - without_rows if text not in read} == set()


def test_a_page_has_one_first_heading_and_skips_no_level(language, document):
    levels = [int(heading.tag[1]) for heading in document.every("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_a_page_says_its_language_and_its_day_and_leads_to_all_others(language, document):
    (root,) = document.every("html")
    assert root.attributes["lang"] == language
    links = [link for nav in document.every("nav")[:1] for link in nav.every("a")]
    assert [(link.attributes["href"], link.text) for link in links] == [
        (f"{name}.html", title) for name, title in TITLES[language]
    ]
    assert [link.attributes.get("aria-current") for link in links] == ["page"] + [None] * 6
    other = {"en": "es", "es": "en"}[language]
    (switch,) = [link for link in document.every("a") if link.attributes.get("hreflang")]
    assert switch.attributes["href"] == f"../{other}/today.html"
    assert switch.attributes["lang"] == other
    assert "2026" in document.every("header")[0].all_text()


def test_no_name_is_given_twice_and_every_reference_leads_somewhere(html, document):
    every = [element for tag in set(re.findall(r"<([a-z0-9]+)", html)) for element in document.every(tag)]
    ids = [element.attributes["id"] for element in every if "id" in element.attributes]
    assert sorted(ids) == sorted(set(ids))
    named = ("aria-labelledby", "aria-describedby", "aria-controls", "data-table")
    asked = {name for e in every for at in named for name in (e.attributes.get(at) or "").split()}
    asked |= {e.attributes["href"][1:] for e in document.every("a") if e.attributes["href"].startswith("#")}
    assert asked - set(ids) == set()


def test_every_button_has_a_name_of_its_own(document):
    buttons = document.every("button")
    names = [button.attributes.get("aria-label") or button.all_text() for button in buttons]
    assert all(names)
    tools = [name for name in names if name.startswith(("CSV", "Archivo CSV", "Table:", "Tabla:"))]
    assert len(tools) == len(set(tools)) > 10


def test_a_state_is_said_in_words(language, document):
    w = Words(language)
    said = document.every("main")[0].all_text()
    for state in ("good", "look", "bad"):
        assert said.count(w(f"state_{state}")) >= 2


def test_names_from_data_stay_text(html, document):
    assert HOSTILE not in html
    assert FORMULA in html
    scripts = document.every("script")
    assert [s.attributes.get("src") for s in scripts if "src" in s.attributes] == [
        "../assets/portal.js",
        "../assets/plotly.min.js",
    ]
    assert {s.attributes.get("type") for s in scripts if "src" not in s.attributes} == {"application/json"}
    read = [json.loads(s.text) for s in scripts if "src" not in s.attributes]
    assert any("&lt;/script" in json.dumps(data) for data in read)  # escaped for Plotly, which reads some markup
    assert " onclick" not in html
    assert re.search(r"\son[a-z]+=", html) is None


def test_plotly_is_told_texts_and_no_markup(document):
    names = [json.loads(s.text)["layout"]["yaxis"].get("ticktext", []) for s in document.every("script")
             if s.attributes.get("class") == "spec"]  # fmt: skip
    labels = [label for ticks in names for label in ticks]
    assert any("&lt;b&gt;Bold" in label for label in labels)
    assert all(set(re.findall(r"<[^>]*>", label)) <= {"<br>"} for label in labels)


def test_a_page_asks_for_its_assets_and_nothing_else(html):
    assert set(re.findall(r"""(?:src|href)=["']([^"'#]*)["']""", html)) - {
        f"{name}.html" for name, _ in TITLES["en"]
    } - {"../en/today.html", "../es/today.html"} == {
        "../assets/portal.js", "../assets/portal.css", "../assets/plotly.min.js", "data:,",
    }  # fmt: skip
    assert "http:" not in html
    assert "https:" not in html


def test_the_page_itself_forbids_whatever_else(document):
    (policy,) = [m for m in document.every("meta") if m.attributes.get("http-equiv") == "Content-Security-Policy"]
    assert policy.attributes["content"] == POLICY
    assert POLICY.startswith("default-src 'none'; script-src 'self' file:;")


def test_a_page_is_small_without_plotly(html):
    assert len(html.encode()) < WIDEST_PAGE_BYTES


def test_the_shared_files_are_there_and_name_no_address():
    files = assets()
    assert set(files) == {"plotly.min.js", "portal.css", "portal.js"}
    assert b"plotly.js v2" in files["plotly.min.js"][:200]
    assert b"http" not in files["portal.css"] + files["portal.js"]
    assert len(files["portal.css"]) + len(files["portal.js"]) < 60_000


def test_a_page_with_nothing_but_a_sentence_is_whole():
    html = draw_page(Page("today", "Today", "Nothing is known yet."), sample_frame("en"), Words("en"))
    assert "Nothing is known yet." in html
    assert "plotly" not in html
    read_page(html.removeprefix("<!DOCTYPE html>"))


def test_empty_parts_leave_no_empty_shells():
    html = drawn(Stats(()), Notice("Wait."), Table("t", "T", (Column("a"),), (), empty="No row yet."), lead="")
    main = read_page(html.removeprefix("<!DOCTYPE html>")).every("main")[0]
    assert main.every("dl", "table", "button", "figure", "ul") == []
    assert "No row yet." in main.all_text()


def test_a_business_in_one_language_has_no_switch():
    html = draw_page(sample_page("es"), replace(sample_frame("es"), other_language=None), Words("es"))
    assert "hreflang" not in html


def test_a_definition_belongs_to_its_button():
    document = read_page(
        drawn(Stats((Stat("At risk", "4", "Who is above the line."),))).removeprefix("<!DOCTYPE html>")
    )
    (tip,) = [e for e in document.every("span") if e.attributes.get("role") == "tooltip"]
    (button,) = [e for e in document.every("button") if "aria-describedby" in e.attributes]
    assert button.attributes["aria-describedby"] == tip.attributes["id"]
    assert button.attributes["aria-label"] == "What is this? At risk"
    assert tip.text == "Who is above the line."


def test_rows_beyond_the_shown_ones_are_announced():
    rows = tuple((Cell(f"row {i}"),) for i in range(14))
    html = drawn(Table("t", "T", (Column("a"),), rows, shown=12))
    assert "Show the other 2" in html
    assert html.count('class="more"') == 2
    assert "Show the other" not in drawn(Table("t", "T", (Column("a"),), rows[:12], shown=12))


def test_the_same_name_twice_is_refused():
    table = Table("t", "T", (Column("a"),), ((Cell("x"),),))
    chart = Chart("t", "T", "D", "bars", (Series("s", (Point("a", 1.0),)),), "count", "x", "y")
    with pytest.raises(ValueError, match=r"page today: t: stands twice"):
        drawn(table, chart)


def test_a_row_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"table t: a row has 2 cells for 1 columns"):
        drawn(Table("t", "T", (Column("a"),), ((Cell("x"), Cell("y")),)))


def test_a_chart_without_a_point_is_refused():
    with pytest.raises(ValueError, match=r"chart c: has no points"):
        drawn(Chart("c", "C", "D", "history", (Series("s", ()),), "count", "x", "y"))


@pytest.mark.parametrize("text", ["</script>", "<!--", "]]>", "&amp;", "\u2028", 'it\'s "so"'])
def test_data_in_a_script_can_not_end_it(text):
    written = str(as_script_data({"x": text}))
    assert json.loads(written) == {"x": text}
    assert not set("<>&\u2028") & set(written)


def test_a_command_between_backticks_is_drawn_as_one():
    html = drawn(Notice("Start it: `holdback run <day>`.", details=("a ` alone",)))
    assert "Start it: <code>holdback run &lt;day&gt;</code>." in html
    assert "<li>a ` alone</li>" in html


def test_a_folded_section_shows_its_heading_and_keeps_its_parts():
    page = Page("today", "Today", "", (Section("one", "One", (Notice("Inside."),), "Lead.", is_folded=True),))
    document = read_page(draw_page(page, sample_frame("en"), Words("en")).removeprefix("<!DOCTYPE html>"))
    (fold,) = document.every("details")
    (summary,) = fold.every("summary")
    assert [heading.attributes["id"] for heading in summary.every("h2")] == ["one"]
    assert "Inside." in fold.all_text()
    assert document.every("section")[0].attributes["aria-labelledby"] == "one"
