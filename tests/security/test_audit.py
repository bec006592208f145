"""Advisories about what we depend on: found ones fail, known ones have a reason and an end, silence is said."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from tests.house.tree import ROOT

TODAY = date(2026, 11, 22)
KNOWN = {
    "package": "jinja2",
    "id": "PYSEC-2026-1",
    "reason": "only filters that we do not use",
    "expires_on": "2026-12-31",
}
FOUND = {"id": "PYSEC-2026-1", "aliases": ["CVE-2026-1"], "fix_versions": ["3.1.7"]}


@pytest.fixture(scope="module")
def judge() -> Callable[..., Any]:
    spec = importlib.util.spec_from_file_location("audit", ROOT / ".ci" / "audit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Callable[..., Any] = module.judge
    return found


def report(*vulns: dict[str, Any]) -> dict[str, Any]:
    return {"dependencies": [{"name": "Jinja2", "version": "3.1.6", "vulns": list(vulns)}]}


def test_a_finding_fails_with_the_version_that_mends_it(judge: Callable[..., Any]) -> None:
    failing, said = judge(report(FOUND), [], TODAY)
    assert failing == [
        "Jinja2 3.1.6: PYSEC-2026-1 (mended in: 3.1.7). Raise the pin, or add it to .ci/known_advisories.json with a "
        "reason."
    ]
    assert said == []


@pytest.mark.parametrize("name", ["PYSEC-2026-1", "CVE-2026-1"])
def test_a_known_finding_is_said_until_its_day_and_fails_after_it(judge: Callable[..., Any], name: str) -> None:
    known = [{**KNOWN, "id": name}]
    failing, said = judge(report(FOUND), known, TODAY)
    assert failing == []
    assert "known until 2026-12-31: only filters that we do not use" in said[0]
    assert "Look at it again" in judge(report(FOUND), known, date(2027, 1, 1))[0][0]


def test_what_is_no_longer_found_is_to_be_taken_out(judge: Callable[..., Any]) -> None:
    assert judge(report(), [KNOWN], TODAY) == ([], ["jinja2: PYSEC-2026-1 is no longer found: take it out of the list"])


def test_what_is_known_has_a_reason_an_end_within_half_a_year_and_a_pin() -> None:
    pins = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE))
    for entry in json.loads((ROOT / ".ci" / "known_advisories.json").read_text(encoding="utf-8")):
        assert set(entry) == {"package", "id", "reason", "noted_on", "expires_on"}, entry
        assert len(entry["reason"].split()) >= 5
        assert 0 < (date.fromisoformat(entry["expires_on"]) - date.fromisoformat(entry["noted_on"])).days <= 184
        assert entry["package"].lower() in pins


def test_the_audit_stands_apart_from_what_the_tests_ran_with() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    run = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "pip-audit" not in project
    assert "build/audit/bin/pip" in run
    assert re.search(r"sections=\(.*\baudit\b.*\)", run)
    assert "build" in (ROOT / ".gitignore").read_text(encoding="utf-8")
