"""axe, the checker of accessibility, run inside the browser on a page that is open there.

It is an npm package, so it is fetched once, in one exact edition, into the user's cache folder; a machine without npm,
or without a way to npm's packages, skips with that reason.
"""

import hashlib
import json
import os
import shutil
import subprocess
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest

from tests.monitoring.browser import Page

EDITION = "4.14.1"
SHA256 = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
_PATIENCE_SECONDS = 120


def serious_faults(page: Page) -> list[str]:
    """What axe finds on the open page that is serious or critical: rule, why, and up to five places."""
    page.ask(axe_source() + "; true")
    asked = "axe.run(document, {resultTypes: ['violations'], preload: false})"  # it may fetch nothing
    found = page.ask(f"{asked}.then(all => JSON.stringify(all.violations))")
    assert isinstance(found, str)
    return [
        f"{fault['impact']} {fault['id']}: {fault['help']}: "
        + " | ".join(f"{node['html'][:120]} ({node['failureSummary'][:200]})" for node in fault["nodes"][:5])
        for fault in json.loads(found)
        if fault["impact"] in ("serious", "critical")
    ]


@cache
def axe_source() -> str:
    """The source of axe; skips the test where it cannot be had."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "holdback-tests" / f"axe-{EDITION}"
    script = folder / "node_modules" / "axe-core" / "axe.min.js"
    if not script.is_file():
        _fetch(folder)
    content = script.read_bytes()
    assert hashlib.sha256(content).hexdigest() == SHA256, f"{script} is not axe-core {EDITION} as it was published"
    return content.decode("utf-8")


def _fetch(folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm on this machine, which fetches axe; install it with `apt-get install npm`")
    own = folder.with_name(f"{folder.name}.{os.getpid()}")  # several test processes may fetch at once
    own.mkdir(parents=True, exist_ok=True)
    command = [npm, "install", "--prefix", str(own), "--ignore-scripts", "--no-audit", "--no-fund", "--no-save"]
    try:
        done = subprocess.run(
            [*command, f"axe-core@{EDITION}"], capture_output=True, text=True, timeout=_PATIENCE_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        pytest.skip("npm did not fetch axe within two minutes")
    if done.returncode:
        pytest.skip(f"npm could not fetch axe: {done.stderr.strip()[-200:]}")
    with suppress(OSError):  # another process was faster
        own.rename(folder)
