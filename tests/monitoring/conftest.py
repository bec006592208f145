"""The shop, built once for all tests that only read it; and a browser, when there is one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from holdback.workspace import Workspace
from monitoring.report import ReportResult, write_report
from monitoring.report_content import ReportContent, gather
from tests.monitoring.browser import Page, browser_page, find_browser
from tests.monitoring.company import CHURN, FIRST_DAY, LAST_DAY, full_company


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The shop after nine months. Tests must not change it."""
    return full_company(tmp_path_factory.mktemp("company"))


@pytest.fixture(scope="session")
def report_of_first_day(company: Workspace) -> ReportResult:
    return write_report(company, FIRST_DAY, churn_name=CHURN)


@pytest.fixture(scope="session")
def report_of_last_day(company: Workspace, report_of_first_day: ReportResult) -> ReportResult:
    return write_report(company, LAST_DAY, churn_name=CHURN)


@pytest.fixture(scope="session")
def content(company: Workspace, report_of_last_day: ReportResult) -> ReportContent:
    """What the report of the last day says, before it is drawn."""
    return gather(company, LAST_DAY, company.business.churn_named(CHURN))


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    command = find_browser()
    if command is None:
        pytest.skip("no Chromium on this machine; install it with `apt-get install chromium`")
    with browser_page(command, tmp_path_factory.mktemp("browser") / "profile") as tab:
        yield tab


@pytest.fixture
def pages_folder() -> Path:
    return Path(__file__).resolve().parents[2] / "monitoring" / "templates"
