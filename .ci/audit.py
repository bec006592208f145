"""Compare the pins of constraints.txt with published advisories: run by `.ci/run audit`, needs nothing but Python.

pip-audit runs in an environment of its own (build/audit) and asks an advisory service (OSV) about each pin. A service
that cannot be reached is said plainly, and fails nothing: a build must not depend on it. A finding fails the section
unless known_advisories.json names it with a reason and a day until which that holds.
"""

# ruff: noqa: T201 - it is a command, and what it says is what it is for

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PINS = HERE.parent / "constraints.txt"
KNOWN = HERE / "known_advisories.json"
PLACE = HERE.parent / "build" / "audit"
_SECONDS = 900


def judge(report: Mapping[str, Any], known: Iterable[Mapping[str, str]], today: date) -> tuple[list[str], list[str]]:
    """Return what fails, and what is only to be said, of a report of pip-audit.

    Args:
        report: Its JSON.
        known: Entries of known_advisories.json.
        today: Entries that ended before today no longer excuse anything.
    """
    excused = {(one["package"].lower(), one["id"]): one for one in known}
    failing, said, seen = [], [], set()
    for package in report.get("dependencies", []):
        for found in package.get("vulns", []):
            names = [found["id"], *found.get("aliases", [])]
            key = next(((package["name"].lower(), n) for n in names if (package["name"].lower(), n) in excused), None)
            fixes = ", ".join(found.get("fix_versions", [])) or "none yet"
            what = f"{package['name']} {package['version']}: {found['id']} (mended in: {fixes})"
            if key is None:
                failing.append(f"{what}. Raise the pin, or add it to .ci/known_advisories.json with a reason.")
            elif date.fromisoformat(excused[key]["expires_on"]) < today:
                failing.append(f"{what}: was excused until {excused[key]['expires_on']}. Look at it again.")
            else:
                said.append(f"{what}: known until {excused[key]['expires_on']}: {excused[key]['reason']}")
            seen.add(key)
    gone = [one for key, one in excused.items() if key not in seen]
    said += [f"{one['package']}: {one['id']} is no longer found: take it out of the list" for one in gone]
    return failing, said


def main() -> int:
    """Audit the pins; return the exit code of the section."""
    program, report = PLACE / "bin" / "pip-audit", PLACE / "report.json"
    report.unlink(missing_ok=True)
    command = [str(program), "--requirement", str(PINS), "--no-deps", "--disable-pip", "--vulnerability-service", "osv"]
    command += ["--format", "json", "--output", str(report), "--progress-spinner", "off", "--timeout", "10"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SECONDS)
        said = done.stderr.strip().splitlines()
    except subprocess.TimeoutExpired:
        said = [f"no end after {_SECONDS} seconds"]
    try:
        content = json.loads(report.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        if any("connection" in line.lower() or "resolve" in line.lower() or "seconds" in line for line in said):
            print("audit: NOT DONE: the advisory service cannot be reached from here; nothing is known of the pins.")
            return 0
        print("audit: pip-audit failed:", *said[-3:], sep="\n  ")
        return 1
    failing, remarks = judge(content, json.loads(KNOWN.read_text(encoding="utf-8")), datetime.now(UTC).date())
    for line in remarks:
        print("audit:", line)
    for line in failing:
        print("audit: FAILED:", line)
    print(f"audit: {len(content.get('dependencies', []))} pins were looked up, {len(failing)} findings stand")
    return 1 if failing else 0


if __name__ == "__main__":
    sys.exit(main())
