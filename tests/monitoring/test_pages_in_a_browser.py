"""The pages in a real browser: nothing is cut off, nothing is fetched, Evidently opens inside."""

import pytest

from monitoring.validation_page import write_validation_page

pytestmark = [pytest.mark.browser, pytest.mark.slow]

OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
CUT_OFF = """[...document.querySelectorAll('p, h1, h2, h3, li, dd, figcaption, summary, svg, .card, .state')]
    .filter(e => e.getClientRects().length && !e.closest('.scroll') && !e.classList.contains('skip'))
    .filter(e => e.getBoundingClientRect().right > innerWidth + 0.5 || e.getBoundingClientRect().left < -0.5)
    .map(e => e.outerHTML.slice(0, 80))"""


def files(company, report_of_last_day, report_of_first_day):
    return (report_of_last_day.path, report_of_first_day.path, write_validation_page(company, "b1"))


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("dark", [False, True])
def test_the_pages_fit_and_fetch_nothing(page, company, report_of_last_day, report_of_first_day, width, dark):
    for path in files(company, report_of_last_day, report_of_first_day):
        page.open(path, width=width, dark=dark)
        assert page.ask("document.body.innerText.length") > 500
        assert page.ask(OVERFLOW) == 0
        assert page.ask(CUT_OFF) == []
        assert page.requests == [path.as_uri()]
        ground = page.ask("getComputedStyle(document.body).backgroundColor")
        assert ground == ("rgb(19, 21, 23)" if dark else "rgb(247, 246, 243)")


@pytest.mark.parametrize("width", [1280, 390])
def test_the_whole_text_of_charts_lies_inside_them(page, report_of_last_day, width):
    page.open(report_of_last_day.path, width=width)
    outside = """[...document.querySelectorAll('svg.chart text')].filter(t => {
        const box = t.getBoundingClientRect(), svg = t.closest('svg').getBoundingClientRect();
        return box.width && (box.left < svg.left - 1 || box.right > svg.right + 1); }).map(t => t.textContent)"""
    assert page.ask(outside) == []


def test_evidently_opens_inside_the_report_and_fetches_nothing(page, report_of_last_day):
    page.open(report_of_last_day.path, width=1280)
    page.ask("document.getElementById('evidently-details').open = true")
    page.wait_for("document.getElementById('evidently-frame').dataset.filled === 'yes'")
    frame = page.call("Page.getFrameTree")["frameTree"]["childFrames"][0]["frame"]["id"]
    world = page.call("Page.createIsolatedWorld", frameId=frame)["executionContextId"]
    drawn = page.call(
        "Runtime.evaluate", contextId=world, awaitPromise=True, returnByValue=True,
        expression="new Promise(done => { const look = () => document.body && "
        "document.body.innerText.includes('What came in') && document.querySelector('.js-plotly-plot') "
        "? done(document.body.innerText) : setTimeout(look, 100); look(); })",
    )["result"]["value"]  # fmt: skip
    assert "Drift of today's customers" in drawn
    assert page.requests == [report_of_last_day.path.as_uri()]
