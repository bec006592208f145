"""The whole site of a business and day: every page read once at one moment, said in each language, switched as one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache, partial
from pathlib import Path
from traceback import walk_tb
from typing import Any, Protocol

from holdback.errors import HoldbackError
from holdback.progress import Progress, silent
from holdback.workspace import Workspace
from monitoring import words as catalogues
from monitoring.moment import one_moment
from monitoring.portal import editions
from monitoring.portal.drawing import Frame, assets, draw_page
from monitoring.portal.pages import campaigns, churn, data, earned, models, signals, today
from monitoring.portal.parts import Notice, Page, Section
from monitoring.portal.source import Source
from monitoring.words import LANGUAGES, Language, Words

#: What a day may weigh without Plotly's script, which all days share.
MOST_BYTES = 3_000_000
#: Where the templates and the words lie; their files end so.
_LOOKS_IN = (Path(__file__).parent.parent / "templates" / "portal", Path(catalogues.__file__).parent)
_LOOKS = {".j2", ".css", ".js", ".po"}
_OURS = ("holdback.", "features.", "training.", "campaigns.", "monitoring.")


class PageModule(Protocol):
    """What a module of :mod:`monitoring.portal.pages` offers."""

    @property
    def __name__(self) -> str:
        """The module's name; its last part is the page's."""
        ...

    def read(self, source: Source) -> Any:
        """Ask the warehouse, once for all languages."""
        ...

    def page(self, content: Any, words: Words) -> Page:
        """Say what was read in one language."""
        ...


#: The pages in the order of the navigation; the site opens with the first.
PAGES: tuple[PageModule, ...] = (today, churn, campaigns, earned, models, data, signals)


@dataclass(frozen=True)
class FailedPage:
    """A page that says why it could not be built.

    Attributes:
        name: The page.
        language: The language that failed; None when it could not be read for any.
        error: What went wrong.
    """

    name: str
    language: Language | None
    error: str


@dataclass(frozen=True)
class BuiltSite:
    """A site that stands.

    Attributes:
        business: The business' slug.
        business_name: Its name.
        language: The business' language.
        as_of: The day.
        root: The site's folder, with all its days.
        edition: Name of the folder with this day's pages.
        assets: Name of the folder under ``assets`` with what they share.
        index: The page that leads to the newest day.
        first_page: This day's first page in the business' language.
        pages: Names of the pages, in order.
        failed: Pages that say why they could not be built.
        size_bytes: Of the day in all languages, without Plotly's script.
        newest: The day that the site opens with.
        is_newest: True when it is this one.
        was_there_already: True when exactly these pages stood there.
        removed_days: Days that were too old to stay.
        notes: What is worth a look.
    """

    business: str
    business_name: str
    language: Language
    as_of: date
    root: Path
    edition: str
    assets: str
    index: Path
    first_page: Path
    pages: tuple[str, ...]
    failed: tuple[FailedPage, ...]
    size_bytes: int
    newest: date
    is_newest: bool
    was_there_already: bool
    removed_days: tuple[date, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Written:
    """A page in one language."""

    page: Page
    language: Language


def build_portal(
    workspace: Workspace,
    as_of: date,
    *,
    churn_name: str | None = None,
    progress: Progress = silent,
    pages: Sequence[PageModule] | None = None,
) -> BuiltSite:
    """Build the site of one day; built again, the same knowledge gives the same bytes and changes nothing.

    All pages are read at one moment, and appear at one moment. A page that cannot be read or drawn becomes a page that
    says why; the others stand. How the site lies on the disk is told in :mod:`monitoring.portal.editions`.

    Args:
        workspace: The business.
        as_of: The day; nothing loaded or decided later is shown.
        churn_name: The churn definition that the site is about; the first one if None.
        progress: Told each page.
        pages: The page modules, in the order of the navigation; :data:`PAGES` if None.

    Returns:
        Where it stands and what failed.

    Raises:
        BusinessFileError: the churn definition does not exist.
        Busy: another build of this business runs.
        OperatorError: the disk is full or may not be written; the site that stood there still stands.
    """
    business = workspace.business
    pages = PAGES if pages is None else pages
    definition = business.churn_named(churn_name)
    with workspace.lock("site"):
        with one_moment(workspace.warehouse) as moment:
            source = Source(moment, workspace.journal, business, definition, as_of, workspace)
            written, failed = _read_all(source, pages, progress)
        progress("drawing", len(pages), len(pages) + 1)
        shared = assets()
        names = tuple(_name(module) for module in pages)
        drawn, undrawn = _draw_all(source, written, f"../../assets/{editions.digest_of(shared)}")
        failed += undrawn
        files = {**drawn, "index.html": _day_page(source, names[0])}
        facts = {
            "business": business.slug, "as_of": as_of.isoformat(), "pages": names,
            "failed": [dataclasses.asdict(one) for one in failed],
        }  # fmt: skip
        return _stand(workspace, source, files, shared, facts, failed)


@cache
def looks() -> str:
    """Return a digest of what pages are drawn with and said in: their assets, templates and words.

    The same business and day look different once it changes.
    """
    files = {
        f"{folder.name}/{path.relative_to(folder).as_posix()}": path.read_bytes()
        for folder in _LOOKS_IN
        for path in folder.rglob("*")
        if path.suffix in _LOOKS
    }
    return editions.digest_of({**assets(), **files})


def _stand(
    workspace: Workspace,
    source: Source,
    files: editions.Files,
    shared: editions.Files,
    facts: Mapping[str, Any],
    failed: tuple[FailedPage, ...],
) -> BuiltSite:
    """Write the day's edition, lead to it, and let old days go."""
    root, as_of, language = workspace.portal, source.as_of, source.business.language
    keep_days = source.business.portal.keep_days
    edition = editions.write_edition(root, as_of, files, shared, facts)
    here = f"../{edition.name}/index.html"
    editions.lead_to(root, as_of, edition.name, _pointer(source, edition.name, {here: Words(language).day(as_of)}))
    newest = editions.days_in(root)[-1]
    if newest == as_of:
        links = {f"{edition.name}/index.html": Words(language).day(as_of)}
        editions.lead_to_newest(root, as_of, _pointer(source, edition.name, links))
    removed = editions.keep(root, keep_days, asked=as_of)
    weight = {name: len(content) for name, content in {**files, **shared}.items() if "plotly" not in name}
    return BuiltSite(
        business=source.business.slug,
        business_name=source.business.name,
        language=language,
        as_of=as_of,
        root=root,
        edition=edition.name,
        assets=edition.assets.name,
        index=root / "index.html",
        first_page=_first_page(root, as_of, edition.name, f"{language}/{facts['pages'][0]}.html"),
        pages=facts["pages"],
        failed=failed,
        size_bytes=sum(weight.values()),
        newest=newest,
        is_newest=newest == as_of,
        was_there_already=not edition.is_new,
        removed_days=removed,
        notes=(*_worth_a_look(weight), *_too_old(as_of, newest, keep_days)),
    )


def _first_page(root: Path, as_of: date, edition: str, page: str) -> Path:
    """Return the page's address by its day, or by its edition where there are no symbolic links."""
    by_day = root / as_of.isoformat() / page
    return by_day if by_day.is_file() else root / edition / page


def _worth_a_look(weight: Mapping[str, int]) -> Iterator[str]:
    total = sum(weight.values())
    if total > MOST_BYTES:
        largest = sorted(weight, key=lambda name: (-weight[name], name))[:3]
        told = ", ".join(f"{name} {weight[name] / 1e6:.1f} MB" for name in largest)
        yield (
            f"the day weighs {total / 1e6:.1f} MB without Plotly; more than {MOST_BYTES / 1e6:.0f} MB opens slowly "
            f"(largest: {told}). Fewer segments under journey.segments make it lighter."
        )


def _too_old(as_of: date, newest: date, keep_days: int) -> Iterator[str]:
    if as_of <= newest - timedelta(days=keep_days):
        yield (
            f"{as_of} is older than portal.keep_days ({keep_days} days before {newest}): it stays readable until "
            "another day is built."
        )


def _read_all(
    source: Source, pages: Sequence[PageModule], progress: Progress
) -> tuple[list[_Written], tuple[FailedPage, ...]]:
    """Read every page once and say it in every language."""
    written: list[_Written] = []
    failed: list[FailedPage] = []
    for position, module in enumerate(pages):
        name = _name(module)
        progress(f"reading page {name}", position, len(pages) + 1)
        content, error = _tried(partial(module.read, source))
        if error is not None:
            failed.append(FailedPage(name, None, error))
            written += [_Written(_apology(name, error, Words(language)), language) for language in LANGUAGES]
            continue
        for language in LANGUAGES:
            words = Words(language)
            page, fault = _tried(partial(module.page, content, words))
            if fault is not None:
                failed.append(FailedPage(name, language, fault))
            written.append(_Written(page if fault is None else _apology(name, fault, words), language))
    return written, tuple(failed)


def _draw_all(
    source: Source, written: Sequence[_Written], shared: str
) -> tuple[dict[str, bytes], tuple[FailedPage, ...]]:
    """Draw every page in its frame; a page that cannot be drawn says so."""
    files: dict[str, bytes] = {}
    failed: list[FailedPage] = []
    for one in written:
        words = Words(one.language)
        frame = _frame(source, [other.page for other in written if other.language == one.language], one, shared)
        html, error = _tried(partial(draw_page, one.page, frame, words))
        if error is not None:
            failed.append(FailedPage(one.page.name, one.language, error))
            html = draw_page(_apology(one.page.name, error, words), frame, words)
        files[f"{one.language}/{one.page.name}.html"] = html.encode()
    return files, tuple(failed)


def _frame(source: Source, pages: Sequence[Page], one: _Written, shared: str) -> Frame:
    [other] = [language for language in LANGUAGES if language != one.language]
    words = Words(one.language)
    return Frame(
        business_name=source.business.name,
        currency=source.business.currency,
        as_of=source.as_of,
        pages=tuple((page.name, words.known("portal_title_", page.name)) for page in pages),
        language=one.language,
        other_language=other,
        assets=shared,
    )


def _apology(name: str, error: str, words: Words) -> Page:
    """Return the page that stands where another could not be built."""
    w = words
    failed = Section(
        "failed", w("portal_failed_title"), (Notice(error, state="bad"), Notice(w("portal_failed_what_to_do")))
    )
    return Page(name, w.known("portal_title_", name), w("portal_failed_lead"), (failed,))


def _tried(work: Callable[[], Any]) -> tuple[Any, str | None]:
    """Return what ``work`` returns and None, or None and what went wrong in one sentence.

    What we did not foresee is told by its kind and place alone: a vendor's message may repeat a cell of the data.
    """
    try:
        return work(), None
    except HoldbackError as error:
        return None, str(error)
    except Exception as error:  # noqa: BLE001 - one page must not take the others with it
        return None, f"{type(error).__name__} ({_place(error)})"


def _place(error: Exception) -> str:
    """Return where in our own code an error arose, or where at all when it never was in our code."""
    frames = list(walk_tb(error.__traceback__))[1:] or list(walk_tb(error.__traceback__))  # the first one asked for it
    own = [(frame, line) for frame, line in frames if frame.f_globals.get("__name__", "").startswith(_OURS)]
    frame, line = (own or frames)[-1]
    return f"{Path(frame.f_code.co_filename).name}:{line}"


def _name(module: PageModule) -> str:
    return module.__name__.rpartition(".")[2]


def _day_page(source: Source, first: str) -> bytes:
    """Return the page that leads to the day's first page, in the business' language before the others."""
    own = source.business.language
    ordered = sorted(LANGUAGES, key=lambda language: (language != own, language))
    links = {f"{language}/{first}.html": Words(language)("portal_in_this_language") for language in ordered}
    return _pointer(source, source.as_of.isoformat(), links)


def _pointer(source: Source, leads_to: str, links: Mapping[str, str]) -> bytes:
    business = source.business
    title = f"{business.name}, {Words(business.language).day(source.as_of)}"
    return editions.pointer(title, business.language, links, mark=f"{business.slug} {source.as_of} {leads_to}")
