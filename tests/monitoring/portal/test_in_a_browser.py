"""The made-up page in a real browser: drawn, read by keyboard and pointer, as picture, table and file."""

import base64
import csv
import io
import re
from dataclasses import replace
from pathlib import Path

import pytest

from monitoring.portal.drawing import assets, draw_page
from monitoring.portal.parts import Notice, Page, Section
from monitoring.words import LANGUAGES, Words
from tests.monitoring.portal.axe import serious_faults
from tests.monitoring.portal.sample import FORMULA, HOSTILE, sample_frame, sample_page

pytestmark = [pytest.mark.browser, pytest.mark.slow]

DRAWN = "document.documentElement.dataset.drawn === 'yes'"
SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
CHARTS = "document.querySelectorAll('figure.chart').length"
PICTURES = """[...document.querySelectorAll('.chart-plot')].filter(plot => plot.querySelector('.main-svg')
    && plot.querySelector('.trace path, .bars path, .lines path, .points path') && plot.offsetHeight > 100).length"""
CUT_OFF = """[...document.querySelectorAll('body *')]
    .filter(e => e.getClientRects().length && !e.closest('.scroll table, .unseen, .skip, .plotly, #js-plotly-tester'))
    .filter(e => e.getBoundingClientRect().right > innerWidth + 1 || e.getBoundingClientRect().left < -1)
    .map(e => e.outerHTML.slice(0, 80))"""
TEXT_OUTSIDE_ITS_PICTURE = """[...document.querySelectorAll('.chart-plot text')].filter(text => {
    const box = text.getBoundingClientRect(), whole = text.closest('.chart-plot').getBoundingClientRect();
    return box.width && (box.left < whole.left - 1 || box.right > whole.right + 1); }).map(text => text.textContent)"""
SMALLEST_TEXT = """Math.min(...[...document.querySelectorAll('.chart-plot text')]
    .filter(text => text.textContent.trim()).map(text => parseFloat(getComputedStyle(text).fontSize)))"""
# What the page would download: the script's own file, read instead of saved.
CATCH_FILES = """window.files = []; URL.createObjectURL = blob => {
    window.files.push(blob.arrayBuffer().then(all => btoa(String.fromCharCode(...new Uint8Array(all)))));
    return '#'; }"""
LINE = "getComputedStyle(document.querySelector('#chart-risk .trace:nth-child(2) .js-line')).stroke"
GROUNDS = {False: "rgb(247, 246, 243)", True: "rgb(19, 21, 23)"}
LINES = {False: "rgb(11, 114, 133)", True: "rgb(79, 188, 204)"}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The same page in both languages, as a folder that is opened without a server."""
    root = tmp_path_factory.mktemp("site")
    (root / "assets").mkdir()
    for name, content in assets().items():
        (root / "assets" / name).write_bytes(content)
    for language in LANGUAGES:
        (root / language).mkdir()
        html = draw_page(sample_page(language), sample_frame(language), Words(language))
        (root / language / "today.html").write_text(html, encoding="utf-8")
    return root


@pytest.fixture
def show(page, site):
    def open_page(language="en", *, width=1280, dark=False, anchor=""):
        page.point_away()
        page.open((site / language / "today.html").as_uri() + anchor, width=width, dark=dark)
        page.wait_for(DRAWN)
        return page

    yield open_page
    page.ask("location.protocol === 'file:' && localStorage.clear()")  # a test that was skipped opened nothing


def downloaded(page, button):
    """The rows of the file that a button offers."""
    page.ask(CATCH_FILES)
    page.ask(f"document.querySelector({button!r}).click()")
    content = base64.b64decode(str(page.ask("window.files.at(-1)")))
    assert content.startswith("\ufeff".encode())
    assert content.endswith(b"\r\n")
    comma = {"en": ",", "es": ";"}[str(page.ask("document.documentElement.lang"))]
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=comma))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_chart_is_drawn_and_nothing_leaves_the_folder(show, site, language, width, dark):
    page = show(language, width=width, dark=dark)
    assert page.ask(PICTURES) == page.ask(CHARTS) == 8
    assert page.errors == []
    assert {address for address in page.requests if not address.startswith(("data:", site.as_uri()))} == set()
    assert page.ask(SIDEWAYS) <= 0
    assert page.ask("innerWidth") == width  # a telephone would zoom out to show what is too wide
    assert page.ask(CUT_OFF) == []
    assert page.ask(TEXT_OUTSIDE_ITS_PICTURE) == []
    assert page.ask(SMALLEST_TEXT) >= 12
    assert page.ask("getComputedStyle(document.body).backgroundColor") == GROUNDS[dark]
    assert page.ask("typeof window.alerted") == "undefined"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_no_serious_fault(show, width, dark):
    page = show("es", width=width, dark=dark)
    assert serious_faults(page) == []
    page.ask("document.querySelectorAll('.flip, .rest').forEach(button => button.click())")
    page.ask("document.querySelector('.tip-button').focus()")
    assert serious_faults(page) == []


def test_axe_does_find_what_is_wrong(show):
    page = show()
    page.ask("""document.querySelector('.lead').style.color = '#ddd';
        document.querySelector('.site-theme').replaceChildren()""")
    assert {fault.split()[1].rstrip(":") for fault in serious_faults(page)} >= {"button-name", "color-contrast"}


def test_a_chart_turns_into_its_table_and_back(show):
    page = show()
    visible = (
        "['.chart-picture', '.chart-points'].map(part => !!document.querySelector('#chart-risk ' + part).offsetHeight)"
    )
    pressed = "document.querySelector('#chart-risk .flip').getAttribute('aria-pressed')"
    assert (page.ask(visible), page.ask(pressed)) == ([True, False], "false")
    page.click("#chart-risk .flip")
    assert (page.ask(visible), page.ask(pressed)) == ([False, True], "true")
    assert page.ask("document.querySelectorAll('#chart-risk-points tbody tr').length") == 90
    page.ask("document.querySelector('.site-theme').click()")  # drawn anew in its absence
    page.click("#chart-risk .flip")
    assert (page.ask(visible), page.ask(pressed)) == ([True, False], "false")
    page.wait_for("document.querySelector('#chart-risk .main-svg').clientWidth > 600")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_file_of_a_chart_holds_the_numbers_of_its_points(show, language):
    rows = downloaded(show(language), "#chart-segments .csv")
    assert [len(row) for row in rows] == [5] * 6
    assert rows[0][0] == {"en": "Segment", "es": "Segmento"}[language]
    point = {"en": ".", "es": ","}[language]  # as a spreadsheet of that language reads numbers
    assert rows[1][1:] == [number.replace(".", point) for number in ("0.04", "0.03", "0.055", "0.05")]
    assert rows[2][0] == HOSTILE
    assert rows[3][0] == "'" + FORMULA  # a spreadsheet reads it as text
    assert rows[3][4] == {"en": "not shown", "es": "no se muestra"}[language]


def test_the_file_of_a_table_holds_every_row_with_bare_numbers_and_no_formula(show):
    rows = downloaded(show("es"), "#table-segment-list ~ *, .tabular .csv")
    bounds = ["Abandono, límite inferior", "Abandono, límite superior"]
    assert rows[0] == ["Segmento", "Clientes", "Abandono", *bounds, "Margen", "Veredicto"]
    assert len(rows) == 21
    assert [row[0] for row in rows[1:5]] == [HOSTILE, "'" + FORMULA, "'@sum", "'-minus"]
    assert rows[1][1:5] == ["1200", "0,02", "0,01", "0,05"]
    assert rows[1][5:] == ["-2469", "se mantiene"]
    assert rows[6][1] == "no se muestra"


def test_a_file_is_saved_under_the_name_of_page_part_and_day(show, tmp_path):
    page = show()
    page.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path), eventsEnabled=True)
    page.click("#chart-risk .csv")
    saved = tmp_path / "today-risk-2026-09-29.csv"
    page.wait_for("true")
    for _ in range(100):
        if saved.is_file():
            break
        page.ask("new Promise(done => setTimeout(done, 50))")
    assert saved.read_bytes().startswith("\ufeffDay,".encode())
    page.call("Browser.setDownloadBehavior", behavior="default")


TIP_IS_SHOWN = "getComputedStyle(document.querySelector('{} [role=tooltip]')).display === 'block'"
TIP_IS_INSIDE = """(() => {{ const at = document.querySelector('{} [role=tooltip]').getBoundingClientRect();
    return at.left >= 0 && at.right <= document.documentElement.clientWidth && at.top >= 0
        && at.bottom <= innerHeight; }})()"""
PARTS_WITH_A_DEFINITION = (
    ".stat:first-child",
    ".stat:last-child",
    "#chart-months",
    "#table-segment-list th:nth-child(3)",
)


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("where", PARTS_WITH_A_DEFINITION)
def test_a_definition_shows_on_hover_and_on_focus_whole_and_goes_with_escape(show, where, width):
    if width < 640 and where.startswith("#table"):
        pytest.skip("the heads of a table of cards are not seen: their definitions are listed below it")
    page = show("es", width=width)
    button, shown, inside = f"{where} .tip-button", TIP_IS_SHOWN.format(where), TIP_IS_INSIDE.format(where)
    assert page.ask(shown) is False
    page.point_at(button)
    assert page.ask(shown) is True
    assert page.ask(inside) is True
    page.press("Escape")
    assert page.ask(shown) is False
    page.point_away()
    page.ask(f"document.querySelector({button!r}).focus()")
    assert page.ask(shown) is True
    assert page.ask(inside) is True
    page.press("Escape")
    assert page.ask(shown) is False


def test_the_pointer_can_move_onto_a_definition(show):
    page = show()
    page.point_at(".stat .tip-button")
    page.point_at(".stat [role=tooltip]")
    assert page.ask(TIP_IS_SHOWN.format(".stat")) is True


def test_pointing_at_a_point_says_its_value_and_interval(show):
    page = show("es")
    page.point_at("#chart-effects .points path:nth-of-type(2)")
    page.wait_for("document.querySelector('#chart-effects .hovertext')")
    said = str(page.ask("document.querySelector('#chart-effects .hovertext').textContent")).replace("\u00a0", " ")
    assert said == "Otoño 20,60 % (−0,40 % a 1,80 %)" or re.fullmatch(r"Otoño 20,6 % \(−0,4 % a 1,8 %\)", said)


def test_the_first_stop_of_the_keyboard_leads_to_the_content(show):
    page = show()
    page.press("Tab")
    assert page.ask("document.activeElement.className") == "skip"
    assert page.ask("document.activeElement.getBoundingClientRect().left") >= 0
    page.press("Enter")
    assert page.ask("location.hash") == "#site-content"


def test_the_rest_of_a_long_table_shows_when_asked_for(show):
    page = show()
    rows = "[...document.querySelectorAll('#table-segment-list tbody tr')].filter(row => row.offsetHeight).length"
    assert page.ask(rows) == 12
    page.click(".rest")
    assert page.ask(rows) == 20
    assert page.ask("document.querySelector('.rest').offsetHeight") == 0


def test_the_other_language_opens_at_the_same_place(show):
    show("es")
    page = show("en", anchor="#model")
    assert str(page.ask("document.querySelector('.site-language').href")).endswith("/es/today.html#model")
    page.ask("location.hash = '#list'")
    page.wait_for("document.querySelector('.site-language').href.endsWith('/es/today.html#list')")
    page.open(str(page.ask("document.querySelector('.site-language').href")), width=1280)
    page.wait_for(DRAWN)
    assert page.ask("document.documentElement.lang") == "es"
    assert page.ask("location.hash") == "#list"
    assert page.ask("!!document.getElementById('list')") is True


def test_the_other_language_opens_at_what_is_being_read(show):
    page = show("en")
    assert "#" not in str(page.ask("document.querySelector('.site-language').href"))
    page.ask("document.getElementById('groups').scrollIntoView({behavior: 'instant'})")
    page.wait_for("document.querySelector('.site-language').href.endsWith('/es/today.html#groups')")
    page.ask("scrollTo({top: 0, behavior: 'instant'})")
    page.wait_for("document.querySelector('.site-language').href.endsWith('/es/today.html')")


def test_a_section_that_was_asked_for_is_on_top_once_all_is_drawn(show):
    show("en")
    page = show("es", anchor="#groups")  # a document of its own, and no step within the same one
    assert 0 <= float(str(page.ask("document.getElementById('groups').getBoundingClientRect().top"))) < 110


def test_on_a_telephone_rows_are_cards_with_the_labels_of_their_columns_and_still_a_table(show):
    page = show("es", width=390)
    cell = "#table-segment-list tbody tr:first-child td:nth-of-type(2)"
    assert page.ask("document.querySelector('#table-segment-list').classList.contains('cards')") is True
    assert page.ask(f"getComputedStyle(document.querySelector({cell!r}), '::before').content.includes('Abandono')")
    roles = "[...document.querySelectorAll('#table-segment-list [role]')].map(e => e.getAttribute('role'))"
    assert set(page.ask(roles)) == {"rowgroup", "row", "columnheader", "rowheader", "cell", "tooltip"}
    box = "document.querySelector('#table-segment-list').parentNode"
    assert page.ask(f"{box}.scrollWidth <= {box}.clientWidth") is True


def test_definitions_of_columns_are_one_stop_of_the_keyboard_below_the_table(show):
    page = show()
    assert page.ask("[...document.querySelectorAll('thead .tip-button')].map(button => button.tabIndex)") == [-1, -1]
    means = "document.querySelector('.tabular .means')"
    assert page.ask(f"{means}.open") is False
    page.ask(f"{means}.querySelector('summary').focus()")
    page.press("Enter")
    page.wait_for(f"{means}.open")
    assert page.ask(f"[...{means}.querySelectorAll('dd')].map(text => text.textContent)") == [
        "On that day.", "Left over stayed.",
    ]  # fmt: skip


def test_on_paper_tables_are_no_wider_than_the_sheet_and_definitions_stand_at_the_end(show):
    page = show()
    page.call("Emulation.setDeviceMetricsOverride", width=700, height=900, deviceScaleFactor=1, mobile=False)
    page.call("Emulation.setEmulatedMedia", media="print", features=[])
    page.ask("dispatchEvent(new Event('beforeprint'))")
    wide = (
        "[...document.querySelectorAll('table')].filter(t => t.getBoundingClientRect().right > innerWidth + 1).length"
    )
    assert page.ask(wide) == 0
    assert page.ask("[...document.querySelectorAll('.scroll')].every(e => getComputedStyle(e).boxShadow === 'none')")
    assert page.ask("[...document.querySelectorAll('.on-paper dt')].filter(e => e.offsetHeight).length") >= 8
    page.ask("dispatchEvent(new Event('afterprint'))")
    page.call("Emulation.setEmulatedMedia", media="", features=[])
    assert page.ask("document.querySelector('.on-paper').offsetHeight") == 0


@pytest.fixture
def folded(site):
    """The sample page with all sections but the first folded."""
    page = sample_page("en")
    sections = tuple(replace(section, is_folded=i > 0) for i, section in enumerate(page.sections))
    path = site / "en" / "folded.html"
    path.write_text(draw_page(replace(page, sections=sections), sample_frame("en"), Words("en")), encoding="utf-8")
    return path


OPEN_FOLDS = "[...document.querySelectorAll('.fold[open] h2')].map(heading => heading.id)"


def test_a_folded_section_opens_when_its_address_is_asked_for_and_on_paper(page, folded):
    page.open(folded, width=1280)
    page.wait_for(DRAWN)
    assert page.ask(OPEN_FOLDS) == []
    assert serious_faults(page) == []
    page.ask("location.hash = '#model'")
    page.wait_for("document.querySelector('.fold[open]')")
    assert page.ask(OPEN_FOLDS) == ["model"]
    page.wait_for(f"{PICTURES} === 8")
    page.ask("dispatchEvent(new Event('beforeprint'))")
    assert page.ask(OPEN_FOLDS) == ["time", "groups", "model", "list"]
    page.ask("dispatchEvent(new Event('afterprint'))")
    assert page.ask(OPEN_FOLDS) == ["model"]


def test_the_chosen_scheme_is_remembered_and_charts_follow_it(show):
    page = show()
    assert page.ask(LINE) == LINES[False]
    page.click(".site-theme")
    page.wait_for(f"{LINE} === '{LINES[True]}'")
    assert page.ask("document.querySelector('.site-theme').getAttribute('aria-pressed')") == "true"
    page = show("es")
    assert page.ask("getComputedStyle(document.body).backgroundColor") == GROUNDS[True]
    assert page.ask(LINE) == LINES[True]


def test_charts_follow_the_scheme_of_the_system(show):
    page = show()
    page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    page.wait_for(f"{LINE} === '{LINES[True]}'")


def test_charts_follow_the_width_of_the_window(show):
    page = show()
    page.call("Emulation.setDeviceMetricsOverride", width=390, height=900, deviceScaleFactor=1, mobile=True)
    page.wait_for("[...document.querySelectorAll('.main-svg')].every(svg => svg.getBoundingClientRect().width < 390)")
    assert page.ask(CUT_OFF) == []


def test_on_paper_charts_are_light_and_no_wider_than_the_sheet(show):
    page = show(dark=True)
    page.ask("dispatchEvent(new Event('beforeprint'))")
    page.wait_for("[...document.querySelectorAll('.main-svg')].every(svg => svg.getBoundingClientRect().width <= 640)")
    page.wait_for(f"{LINE} === '{LINES[False]}'")
    page.ask("dispatchEvent(new Event('afterprint'))")
    page.wait_for(f"{LINE} === '{LINES[True]}'")
    pages = base64.b64decode(page.call("Page.printToPDF")["data"])
    assert pages.startswith(b"%PDF")


def test_without_a_script_everything_can_still_be_read(page, site):
    page.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        page.open(site / "en" / "today.html", width=390)
        page.errors.clear()
    finally:
        page.call("Emulation.setScriptExecutionDisabled", value=False)
    tables = "[...document.querySelectorAll('figure table')].filter(table => table.offsetHeight > 60).length"
    assert page.ask(tables) == page.ask(CHARTS)
    assert (
        page.ask("[...document.querySelectorAll('.flip, .csv, .rest, .site-theme')].filter(b => b.offsetHeight).length")
        == 0
    )
    assert page.ask("document.querySelectorAll('#table-segment-list tbody tr')[19].offsetHeight") > 0
    page.point_at(".stat .tip-button")
    assert page.ask(TIP_IS_SHOWN.format(".stat")) is True
    assert page.ask(TIP_IS_INSIDE.format(".stat")) is True


def test_without_plotly_the_tables_stand_in_for_the_pictures(page, site, tmp_path):
    (tmp_path / "assets").mkdir()
    for name in ("portal.css", "portal.js"):
        (tmp_path / "assets" / name).write_bytes(assets()[name])
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / "today.html").write_bytes((site / "en" / "today.html").read_bytes())
    page.open(tmp_path / "en" / "today.html", width=1280)
    page.wait_for(DRAWN)
    assert page.ask("document.querySelector('#chart-risk table').offsetHeight > 60") is True
    assert page.ask("document.querySelector('#chart-risk .flip').offsetHeight") == 0


def test_a_page_may_not_run_or_fetch_what_is_not_its_own(page, site):
    """Were a text ever drawn unescaped, the browser would still refuse it."""
    said = Page("today", "Today", "Hello", (Section("one", "One", (Notice("MARK"),)),))
    html = draw_page(said, sample_frame("en"), Words("en"))
    evil = "<script>window.alerted = 1</script><img src='x:y' onerror='window.alerted = 2'><img src='https://192.0.2.1/a.png'>"
    path = Path(site / "en" / "evil.html")
    path.write_text(html.replace("MARK", evil), encoding="utf-8")
    page.open(path, width=1280)
    page.wait_for(DRAWN)
    assert page.ask("typeof window.alerted") == "undefined"
    assert len([error for error in page.errors if "Content Security Policy" in error]) >= 3
