"""The whole site of a small company in a real browser, from its files and from its server.

Pictures of every page are kept in the folder that HOLDBACK_SCREENSHOTS names, where CI takes them from.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from holdback.workspace import Workspace
from monitoring.portal.serving import serving
from monitoring.portal.site import MOST_BYTES, PAGES, BuiltSite, build_portal
from monitoring.words import LANGUAGES
from tests.monitoring.browser import Page
from tests.monitoring.company import LAST_DAY
from tests.monitoring.portal.axe import serious_faults
from tests.monitoring.portal.test_serving import free_port

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NAMES = tuple(module.__name__.rpartition(".")[2] for module in PAGES)
YESTERDAY = LAST_DAY - timedelta(days=1)
WIDTHS = (1280, 390)
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
LINKS = "[...document.querySelectorAll('a[href]')].map(a => a.href)"
UNDRAWN = """[...document.querySelectorAll('figure.chart .plot')].filter(p => p.getClientRects().length)
    .filter(p => !p.querySelector('svg')).map(p => p.getAttribute('aria-label'))"""
CHARTS_ARE_DRAWN = f"({UNDRAWN}).length === 0"


@pytest.fixture(scope="module")
def site(company: Workspace) -> BuiltSite:
    """The shop's site of its last day; the one of the day before stands beside it."""
    build_portal(company, YESTERDAY)
    return build_portal(company, LAST_DAY)


@pytest.fixture(scope="module")
def address(site: BuiltSite) -> Iterator[str]:
    with serving(site.root, port=free_port()) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.address
        server.shutdown()
        thread.join()


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = Path(os.environ.get("HOLDBACK_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def page_file(site: BuiltSite, language: str, name: str, day: str = LAST_DAY.isoformat()) -> Path:
    return site.root / day / language / f"{name}.html"


def arrive(page: Page, ending: str) -> None:
    """Wait until the browser was led to an address; while it is led on, it answers no question."""
    asked = "new Promise(done => setTimeout(() => done(location.href + ' ' + document.readyState), 50))"
    for _ in range(100):
        with suppress(AssertionError):
            if str(page.ask(asked)).endswith(f"{ending} complete"):
                return
    raise TimeoutError(f"the browser was not led to {ending}")


def test_every_page_of_the_registry_is_there_and_none_failed(site: BuiltSite) -> None:
    assert site.pages == NAMES
    assert site.failed == ()
    assert site.notes == ()
    assert site.size_bytes < MOST_BYTES


def test_a_second_build_gives_the_same_bytes(site: BuiltSite, company: Workspace) -> None:
    again = build_portal(company, LAST_DAY)
    assert (again.edition, again.was_there_already) == (site.edition, True)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", NAMES)
def test_a_page_opens_without_a_server_an_error_or_a_request_outside(
    page: Page, site: BuiltSite, pictures: Path, name: str, language: str, width: int
) -> None:
    page.open(page_file(site, language, name), width=width)
    page.wait_for(CHARTS_ARE_DRAWN)
    assert page.errors == []
    assert all(request.startswith((site.root.as_uri(), "data:")) for request in page.requests), page.requests
    assert page.ask("document.documentElement.lang") == language
    assert len(str(page.ask("document.querySelector('h1').innerText"))) > 0
    assert page.ask(OVERFLOW) == 0
    taken = page.picture(pictures / f"portal-{name}-{language}-{width}.png")
    assert taken.stat().st_size > 10_000


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", NAMES)
def test_every_link_leads_somewhere(page: Page, site: BuiltSite, name: str, language: str) -> None:
    page.open(page_file(site, language, name), width=1280)
    links = page.ask(LINKS)
    assert isinstance(links, list)
    assert len(links) > len(NAMES)
    for link in links:
        parts = urlsplit(str(link))
        file = Path(unquote(parts.path))
        assert parts.scheme == "file"
        assert file.is_file(), link
        if parts.fragment:
            assert f'id="{parts.fragment}"' in file.read_text(), link


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_served_with_its_headers_and_complains_of_nothing(page: Page, address: str, name: str) -> None:
    page.open(f"{address}latest/es/{name}.html", width=1280)
    page.wait_for(CHARTS_ARE_DRAWN)
    assert page.errors == []
    assert all(request.startswith((address, "data:")) for request in page.requests), page.requests


@pytest.mark.parametrize("name", NAMES)
def test_nothing_keeps_anybody_from_reading_a_page(page: Page, site: BuiltSite, name: str) -> None:
    for dark in (False, True):
        page.open(page_file(site, "en", name), width=1280, dark=dark)
        page.wait_for(CHARTS_ARE_DRAWN)
        assert serious_faults(page) == []


def test_the_site_opens_with_its_first_page_in_the_language_of_the_business(page: Page, site: BuiltSite) -> None:
    page.open(site.index, width=1280)
    arrive(page, f"{site.edition}/en/{NAMES[0]}.html")
    page.click("a.site-language")
    arrive(page, f"{site.edition}/es/{NAMES[0]}.html")


def test_a_day_of_the_past_is_read_as_it_was(page: Page, site: BuiltSite) -> None:
    page.open(page_file(site, "en", NAMES[0], YESTERDAY.isoformat()), width=1280)
    page.wait_for(CHARTS_ARE_DRAWN)
    assert page.errors == []
    assert "30 September 2025" in str(page.ask("document.querySelector('.site-day').innerText")).replace("\u00a0", " ")
