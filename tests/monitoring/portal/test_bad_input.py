"""The whole site of companies that have next to nothing, or far too much: every page stands and says so."""

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pyarrow as pa
import pytest

from features.segments import write_segments
from holdback.commits import rows_of
from holdback.workspace import Workspace
from monitoring.cells import MINIMUM_CELL
from monitoring.portal.site import MOST_BYTES, BuiltSite, build_portal
from tests.monitoring.company import CHURN, HOSTILE, LAST_DAY, load_year, score_rows, workspace_in

DAY = LAST_DAY
MANY = 10_000


def customers(workspace: Workspace, count: int, *, region: Callable[[int], str], paid_cents: int = 1000) -> list[str]:
    """Load customers who bought something each month of the last half year."""
    first = datetime(2025, 4, 1, 9)
    names = [f"c{number:05d}" for number in range(count)]
    lake = workspace.warehouse
    loaded = {"batch_id": "all", "loaded_at": first}
    clients = [
        {"customer_id": name, "region": region(number), "row_number": number + 1, **loaded}
        for number, name in enumerate(names)
    ]
    lake.append("customers", rows_of(workspace.business.tables["customers"], clients), batch="clients")
    bought = [
        {"customer_id": name, "event_at": first + timedelta(days=30 * month, minutes=number % 600),
         "amount_cents": paid_cents, "order_id": f"{name}-{month}", "channel": "web", "batch_id": "all",
         "row_number": number * 6 + month + 1, "loaded_at": first + timedelta(days=30 * month + 1)}
        for number, name in enumerate(names) for month in range(6)
    ]  # fmt: skip
    lake.append("tills", rows_of(workspace.business.tables["tills"], bought), batch="tills")
    return names


def scored(workspace: Workspace, names: list[str], days: list[date]) -> None:
    lake = workspace.warehouse
    for day in days:
        rows: pa.Table = score_rows([day], names)
        lake.append("scores", rows, batch=f"scores/{CHURN}/{day}")


def built(workspace: Workspace, as_of: date = DAY) -> BuiltSite:
    site = build_portal(workspace, as_of)
    assert site.failed == ()
    assert site.notes == ()
    return site


def texts(site: BuiltSite) -> dict[str, str]:
    """Every page as its source, by language and name."""
    folder = site.root / site.edition
    return {path.relative_to(folder).as_posix(): path.read_text() for path in sorted(folder.glob("*/*.html"))}


class _Prose(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.read: list[str] = []
        self._inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._inside and self._inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if "script" not in self._inside and "style" not in self._inside:
            self.read.append(data)


def prose(page: str) -> str:
    """What a person reads of a page."""
    parser = _Prose()
    parser.feed(page)
    return " ".join(" ".join(parser.read).split())


def assert_nothing_is_broken(site: BuiltSite) -> None:
    """No value that was not written for people stands on any page."""
    for name, page in texts(site).items():
        read = prose(page)
        assert len(read) > 200, name
        for broken in ("None", "nan%", "NaN", "inf ", "{", "Traceback", "<function", "datetime.date("):
            assert broken not in read, (name, broken, read[max(0, read.find(broken) - 80) :][:200])


def test_a_company_that_has_nothing_yet(tmp_path: Path) -> None:
    assert_nothing_is_broken(built(workspace_in(tmp_path)))


def test_the_first_day_of_a_company_without_actions_campaigns_or_attributes(tmp_path: Path) -> None:
    clients = {"source": "clients.csv", "key": "client"}
    site = built(workspace_in(tmp_path, customers=clients, actions=[], name="Ñandú & <b>Söhne</b>"))
    assert_nothing_is_broken(site)
    assert all("<b>Söhne" not in page for page in texts(site).values())


def test_a_company_of_one_customer(tmp_path: Path) -> None:
    workspace = workspace_in(tmp_path, journey={"segments": ["region"]})
    [name] = customers(workspace, 1, region=lambda _: "north")
    scored(workspace, [name], [DAY - timedelta(days=1), DAY])
    write_segments(workspace.warehouse, workspace.business, DAY)
    site = built(workspace)
    assert_nothing_is_broken(site)
    assert all(name not in page for page in texts(site).values())


def test_days_without_scores_in_the_middle(tmp_path: Path) -> None:
    workspace = workspace_in(tmp_path)
    names = customers(workspace, 60, region=lambda number: "north" if number % 2 else "south")
    scored(workspace, names, [DAY - timedelta(days=back) for back in (20, 19, 9, 1)])
    assert_nothing_is_broken(built(workspace))


@pytest.mark.parametrize(("currency", "decimals"), [("JPY", 0), ("KWD", 3), ("XYZ", 2)])
def test_a_currency_without_or_with_odd_decimals(tmp_path: Path, currency: str, decimals: int) -> None:
    workspace = workspace_in(tmp_path, currency=currency)
    names = customers(workspace, 40, region=lambda _: "north", paid_cents=123_456)
    scored(workspace, names, [DAY])
    site = built(workspace)
    assert_nothing_is_broken(site)
    if decimals == 0:
        for page in texts(site).values():
            assert not re.search(r"(JP)?¥[\d,]+\.\d|\d,\d+\s(JPY|¥)", prose(page))


def test_names_that_look_like_markup_are_text(tmp_path: Path) -> None:
    workspace = workspace_in(tmp_path, journey={"segments": ["region"]})
    names = customers(workspace, 90, region=lambda number: (HOSTILE, "{x}", "%s")[number % 3])
    scored(workspace, names, [DAY])
    write_segments(workspace.warehouse, workspace.business, DAY)
    pages = texts(built(workspace))
    for name, page in pages.items():
        assert "<script>alert" not in page, name
    for language in ("en", "es"):
        shown = prose(pages[f"{language}/churn.html"])
        assert all(region in shown for region in (HOSTILE, "{x}", "%s"))


@pytest.mark.slow
def test_ten_thousand_segments(tmp_path: Path) -> None:
    workspace = workspace_in(tmp_path, journey={"segments": ["region"]})
    names = customers(workspace, 6 * MANY, region=lambda number: f"region {number % MANY:05d}")
    scored(workspace, names, [DAY])
    write_segments(workspace.warehouse, workspace.business, DAY)
    site = built(workspace)
    assert site.size_bytes < MOST_BYTES
    shown = {name: len(set(re.findall(r"region \d{5}", page))) for name, page in texts(site).items()}
    assert max(shown.values()) == 50, shown


def test_no_page_holds_a_customer_or_a_group_too_small(tmp_path: Path) -> None:
    workspace = workspace_in(tmp_path, journey={"segments": ["region"]})
    few = MINIMUM_CELL - 1
    names = customers(workspace, 60, region=lambda number: "tiny village" if number < few else "north")
    scored(workspace, names, [DAY])
    write_segments(workspace.warehouse, workspace.business, DAY)
    site = built(workspace)
    for name, page in texts(site).items():
        assert "tiny village" not in page, name
        assert not set(re.findall(r"c\d{5}", page)) & set(names), name


def test_the_same_knowledge_gives_the_same_bytes_elsewhere(tmp_path: Path) -> None:
    sites = []
    for place in ("here", "there"):
        workspace = workspace_in(tmp_path / place)
        load_year(workspace, customers=60)
        scored(workspace, [f"c{number:04d}" for number in range(60)], [DAY])
        sites.append(built(workspace))
    assert sites[0].edition == sites[1].edition
    assert texts(sites[0]) == texts(sites[1])
