"""What ``holdback doctor`` looks at: the faults that otherwise show late, far from their cause, or not at all."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, packages_distributions, requires, version
from pathlib import Path

from flows import settings
from flows.servers.processes import is_alive
from flows.servers.states import read_state
from holdback.business import Business, load_business
from holdback.errors import BusinessFileError, OperatorError

_OUR_PACKAGES = ("holdback", "features", "training", "campaigns", "monitoring", "flows", "simulator")
_FREE_BYTES_WANTED = 2 * 1024**3
_LOG_FORMATS = ("", "json", "text")
_STARTS = {
    "HOLDBACK_DATABASE_URL": ("postgresql://", "postgres://"),
    "HOLDBACK_MLFLOW_URL": ("http://", "https://"),
    "HOLDBACK_SPARK_MASTER": ("spark://", "local", "yarn", "k8s://"),
}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at, what was found, and what to do when it is not as it must be."""

    what: str
    is_ok: bool
    found: str
    remedy: str = ""


def examine(business: Path | None) -> list[Finding]:
    """Look at everything; never raises for what it finds."""
    return [
        *_installation(),
        *_places(),
        _settings(),
        *_business_file(business or settings.business_path()),
        *_server(),
        *_registry(),
    ]


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
    is_closed = not home.is_dir() or not any(map(_is_open, home.iterdir()))
    yield Finding(
        "privacy",
        is_closed,
        "closed to other users of this machine" if is_closed else f"others can enter folders in {home}",
        "" if is_closed else f"Run `chmod -R go= {home}`: customers' data are in it.",
    )
    free = shutil.disk_usage(there).free
    yield Finding(
        "disk", free >= _FREE_BYTES_WANTED, f"{free / 1024**3:.1f} GiB free", "Free at least 2 GiB on this disk."
    )


def _is_open(folder: Path) -> bool:
    return folder.is_dir() and bool(folder.stat().st_mode & 0o077)


def _settings() -> Finding:
    """Read every variable of ours as its reader does: some are read only at night."""
    faults = list(faults_of_settings(os.environ))
    return Finding(
        "settings", not faults, " ".join(faults) or "every HOLDBACK_ variable that is set can be read",
        "Correct or unset it." if faults else "",
    )  # fmt: skip


def faults_of_settings(environment: Mapping[str, str]) -> Iterator[str]:
    """Yield what is wrong with each variable of ours, as its reader says it and without what may be a secret."""
    from flows.missed import most_days
    from flows.partitions import chosen_runner
    from flows.servers.deployments import daily_time
    from flows.servers.ports import PORTS, listening

    readers: list[Callable[[], object]] = [
        settings.threads, chosen_runner, most_days,
        lambda: daily_time(environment.get("HOLDBACK_DAILY_AT")), lambda: listening(environment, PORTS),
    ]  # fmt: skip
    for read in readers:
        try:
            read()
        except OperatorError as fault:
            yield str(fault).removesuffix(" Nothing was started.")
    said = environment.get("HOLDBACK_LOG_FORMAT", "").strip().lower()
    if said not in _LOG_FORMATS:
        yield f"HOLDBACK_LOG_FORMAT: must be json or unset (got {said!r})."
    for variable, starts in _STARTS.items():
        address = environment.get(variable)
        if address is not None and not address.startswith(starts):  # what it says may be a password
            yield f"{variable}: must start with {' or '.join(starts)}."


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

    url, remedy = os.environ.get("PREFECT_API_URL"), "Start it, or unset PREFECT_API_URL."
    if not url:
        state = read_state(settings.home())
        if state is None:
            yield Finding("Prefect server", True, "none configured: each command starts a temporary one")
            return
        if not is_alive(state.supervisor):
            yield Finding(
                "Prefect server", False, "the supervisor of `holdback up` is gone without a word",
                "Run `holdback up`: it clears what is left and starts anew.",
            )  # fmt: skip
            return
        url, remedy = state.prefect_api, "`holdback status` says what is not well."
    shown = re.sub(r"//[^/@]*@", "//", url)
    if not url.startswith(("http://", "https://")):
        yield Finding("Prefect server", False, "PREFECT_API_URL is no http:// or https:// address", "Correct it.")
        return
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/health", timeout=5) as answer:
            yield Finding("Prefect server", answer.status == 200, f"{shown} answers {answer.status}", remedy)
    except (OSError, ValueError, urllib.error.URLError) as error:
        said = str(error).replace(url.partition("//")[2].rpartition("@")[0] or "\0", "")
        yield Finding("Prefect server", False, f"{shown}: {said}", remedy)


def _registry() -> Iterator[Finding]:
    url = os.environ.get("HOLDBACK_MLFLOW_URL")
    if url is None:
        yield Finding("model registry", True, "none configured: a database under HOLDBACK_HOME")
        return
    from training.registry import registry_fault

    fault = registry_fault(url)
    if fault is None:
        yield Finding("model registry", True, f"{url} lets us in")
    else:
        yield Finding("model registry", False, "the server that HOLDBACK_MLFLOW_URL names cannot be used", fault)
