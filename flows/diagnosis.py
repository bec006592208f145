"""What ``holdback doctor`` looks at: the faults that otherwise show late, far from their cause, or not at all."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, packages_distributions, requires, version
from pathlib import Path

from flows import settings
from holdback.business import Business, load_business
from holdback.errors import BusinessFileError

_OUR_PACKAGES = ("holdback", "features", "training", "campaigns", "monitoring", "flows", "simulator")
_FREE_BYTES_WANTED = 2 * 1024**3


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at, what was found, and what to do when it is not as it must be."""

    what: str
    is_ok: bool
    found: str
    remedy: str = ""


def examine(business: Path | None) -> list[Finding]:
    """Look at everything; never raises for what it finds."""
    return [*_installation(), *_places(), *_business_file(business or settings.business_path()), *_server()]


def _installation() -> Iterator[Finding]:
    python = ".".join(map(str, sys.version_info[:3]))
    yield Finding("Python", sys.version_info >= (3, 11), python, "Use Python 3.11 or newer.")
    wrong = sorted(_outside_their_range())
    yield Finding(
        "dependencies",
        not wrong,
        ", ".join(wrong) or "all within the tested ranges",
        "Install with `pip install -c constraints.txt`: sets outside the ranges break silently." if wrong else "",
    )
    owners = packages_distributions()
    clashes = {name: sorted(set(owners.get(name, [])) - {"holdback"}) for name in _OUR_PACKAGES}
    named = [f"{name} (also of {', '.join(others)})" for name, others in clashes.items() if others]
    yield Finding(
        "package names",
        not named,
        ", ".join(named) or "no other distribution provides one of ours",
        "Install Holdback in an environment of its own." if named else "",
    )


def _outside_their_range() -> Iterator[str]:
    from packaging.requirements import Requirement

    try:
        wanted = requires("holdback") or []
    except PackageNotFoundError:
        yield "holdback itself is not installed"
        return
    for text in wanted:
        requirement = Requirement(text)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            found = version(requirement.name)
        except PackageNotFoundError:
            yield f"{requirement.name} is missing"
            continue
        if not requirement.specifier.contains(found, prereleases=True):
            yield f"{requirement.name} {found} (tested: {requirement.specifier})"


def _places() -> Iterator[Finding]:
    home = settings.home()
    there = next(folder for folder in (home, *home.parents) if folder.exists())
    can_write = os.access(there, os.W_OK)
    yield Finding("folder", can_write, str(home), "" if can_write else "Set HOLDBACK_HOME to a folder you can write.")
    free = shutil.disk_usage(there).free
    yield Finding(
        "disk", free >= _FREE_BYTES_WANTED, f"{free / 1024**3:.1f} GiB free", "Free at least 2 GiB on this disk."
    )


def _business_file(path: Path) -> Iterator[Finding]:
    try:
        business = load_business(path)
    except BusinessFileError as error:
        yield Finding("business file", False, str(error), "Correct it; `holdback business check` shows this again.")
        return
    yield Finding("business file", True, f"{path}: {business.name}")
    missing = sorted(_variables(business) - set(os.environ))
    yield Finding(
        "environment",
        not missing,
        f"not set: {', '.join(missing)}" if missing else "every variable that the sources and channels name is set",
        "Set it; the sources or channels of the business file name it." if missing else "",
    )


def _variables(business: Business) -> set[str]:
    sources = [feed.source for feed in business.feeds.values()]
    sources += [business.customers.source] if business.customers else []
    sources += [business.model_dump_json(include={"channels"})]
    return {name for source in sources for name in re.findall(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)", source)}


def _server() -> Iterator[Finding]:
    import urllib.error
    import urllib.request

    url = os.environ.get("PREFECT_API_URL")
    if url is None:
        yield Finding("Prefect server", True, "none configured: each command starts a temporary one")
        return
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/health", timeout=5) as answer:
            yield Finding("Prefect server", answer.status == 200, f"{url} answers {answer.status}")
    except (OSError, urllib.error.URLError) as error:
        yield Finding("Prefect server", False, f"{url}: {error}", "Start it, or unset PREFECT_API_URL.")
