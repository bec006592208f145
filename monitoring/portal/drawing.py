"""Pages as whole HTML documents: one template for all of them, one style sheet, one script, and Plotly's.

Nothing is fetched from anywhere but the folder of the assets beside the pages, and the page itself forbids it.
Without JavaScript everything can be read: charts stand there as tables, definitions show on hover and focus.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from babel.dates import get_day_names, get_month_names
from markupsafe import Markup, escape

from monitoring.cells import MINIMUM_CELL
from monitoring.portal.parts import Chart, Notice, Page, Part, Stats, Table
from monitoring.portal.plotting import as_data, plot
from monitoring.portal.tables import grid_of_chart, grid_of_table
from monitoring.portal.traces import Style, styles
from monitoring.words import Language, Words

if TYPE_CHECKING:
    from jinja2 import Environment

_TEMPLATES = Path(__file__).parent.parent / "templates" / "portal"
#: ``file:`` beside ``'self'``: the folder also opens without a server, and not every browser takes a file's own folder
#: for ``'self'``. Over HTTP no page can reach a file. Plotly writes style attributes, hence ``'unsafe-inline'`` there.
POLICY = (
    "default-src 'none'; script-src 'self' file:; style-src 'self' file: 'unsafe-inline'; img-src 'self' file: data:; "
    "base-uri 'none'; form-action 'none'"
)
#: How Plotly's dashes and symbols look in a legend: SVG dash arrays, and paths around the middle of a box of 34 by 14.
_DASHES = {
    "solid": "none",
    "dot": "2 3",
    "dash": "6 4",
    "dashdot": "7 3 2 3",
    "longdash": "10 4",
    "longdashdot": "10 3 2 3",
}
_SYMBOLS = {
    "circle": "M13 7a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
    "square": "M13.2 3.2h7.6v7.6h-7.6z",
    "diamond": "M17 2l5 5l-5 5l-5-5z",
    "triangle-up": "M17 2l4.8 8.6h-9.6z",
    "cross": "M15.6 2.5h2.8v3.1h3.1v2.8h-3.1v3.1h-2.8v-3.1h-3.1v-2.8h3.1z",
    "x": "M14 2.5l3 3l3-3l1.5 1.5l-3 3l3 3l-1.5 1.5l-3-3l-3 3l-1.5-1.5l3-3l-3-3z",
}


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands around every page of a site.

    Attributes:
        business_name: As the business calls itself.
        currency: ISO 4217; charts of money are written in it.
        as_of: The day of the site.
        pages: ``(name, title)`` of every page in this language, in the order of the navigation.
        language: Of this page.
        other_language: Where the same page stands in another language, under ``../<language>/``; None: nowhere.
        assets: Address of the folder of the assets, as a page says it.
    """

    business_name: str
    currency: str
    as_of: date
    pages: tuple[tuple[str, str], ...]
    language: Language
    other_language: Language | None = None
    assets: str = "../assets"


def draw_page(page: Page, frame: Frame, words: Words) -> str:
    """Draw a page as a whole HTML document that stands in ``<site>/<language>/<page.name>.html``.

    Every text is escaped. The document asks for ``portal.css``, ``portal.js`` and, only where it has a chart,
    ``plotly.min.js`` under ``frame.assets``: see :func:`assets`.

    Raises:
        ValueError: two things of the page have the same name, a chart has no point, or a table's row does not fit its
            columns.
    """
    _refuse_same_names(page)
    sections = [(section, [_drawn(part, frame, words) for part in section.parts]) for section in page.sections]
    html = _environment().get_template("page.html.j2")
    return html.render(
        w=words,
        page=page,
        frame=frame,
        policy=POLICY,
        sections=sections,
        has_charts=any(isinstance(part, Chart) for section in page.sections for part in section.parts),
        dashes=_DASHES,
        symbols=_SYMBOLS,
        least=MINIMUM_CELL,
        dates=as_script_data(_dates(frame.language)),
    )


@cache
def assets() -> Mapping[str, bytes]:
    """Return the files that all pages share, by their name in the folder of the assets."""
    return {
        "plotly.min.js": _plotly().read_bytes(),
        "portal.css": (_TEMPLATES / "portal.css").read_bytes(),
        "portal.js": (_TEMPLATES / "portal.js").read_bytes(),
    }


def _plotly() -> Path:
    spec = find_spec("plotly")  # finds it without importing it
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0]) / "package_data" / "plotly.min.js"


def _drawn(part: Part, frame: Frame, words: Words) -> dict[str, Any]:
    if isinstance(part, Stats):
        return {"kind": "stats", "part": part}
    if isinstance(part, Notice):
        return {"kind": "notice", "part": part}
    if isinstance(part, Table):
        return {"kind": "table", "part": part, "grid": grid_of_table(part, words)}
    return {
        "kind": "chart",
        "part": part,
        "grid": grid_of_chart(part, words, frame.currency),
        "spec": as_script_data(as_data(plot(part, words, frame.currency))),
        "legend": _legend(part),
    }


def as_script_data(value: object) -> Markup:
    r"""Write a value as JSON that can stand inside a ``<script>``: nothing in it can end the element.

    Examples:
        >>> print(as_script_data({"x": "</script>"}))
        {"x":"\u003c/script\u003e"}
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return Markup(text)


def _dates(language: Language) -> Mapping[str, object]:
    """The names of months and days for Plotly's axes of days, which knows only English by itself."""
    months, days = get_month_names, get_day_names
    sunday_first = (6, 0, 1, 2, 3, 4, 5)
    return {
        "language": language,
        "separators": ",." if language == "es" else ".,",
        "months": [months("wide", locale=language)[i] for i in range(1, 13)],
        "shortMonths": [months("abbreviated", locale=language)[i] for i in range(1, 13)],
        "days": [days("wide", locale=language)[i] for i in sunday_first],
        "shortDays": [days("abbreviated", locale=language)[i] for i in sunday_first],
    }


def _legend(chart: Chart) -> list[tuple[str, Style]]:
    if len(chart.series) < 2:
        return []
    return [(series.label, style) for series, style in zip(chart.series, styles(chart.series), strict=True)]


def _refuse_same_names(page: Page) -> None:
    named = [part.name for section in page.sections for part in section.parts if isinstance(part, Chart | Table)]
    for names in (named, [section.name for section in page.sections]):
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"page {page.name}: {', '.join(twice)}: stands twice. Names are unique on a page.")


def _with_code(text: str) -> Markup:
    """Escape a text; what stands between two backticks is a command that a person types."""
    parts = text.split("`")
    if len(parts) % 2 == 0:  # a backtick without its other half is a backtick
        return escape(text)
    drawn = (Markup("<code>{}</code>").format(part) if i % 2 else escape(part) for i, part in enumerate(parts))
    return Markup("").join(drawn)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["with_code"] = _with_code
    return environment
