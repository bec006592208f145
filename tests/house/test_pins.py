"""The versions: every dependency is pinned, every cap says why, and the tests run on the pinned set."""

import re
import sys
import tomllib
from importlib import metadata
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.house.tree import PACKAGES, ROOT, repository_files

PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT: dict[str, Any] = PYPROJECT["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
DECLARED = [
    Requirement(line) for line in [*PROJECT["dependencies"], *(line for extra in EXTRAS.values() for line in extra)]
]
PINS = [
    Requirement(line)
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]


def _pin(name: str, *, python: str) -> str | None:
    """The version that `constraints.txt` names for this package on this Python."""
    lines = [
        pin
        for pin in PINS
        if canonicalize_name(pin.name) == canonicalize_name(name)
        and (
            pin.marker is None or pin.marker.evaluate({"python_version": python, "python_full_version": f"{python}.0"})
        )
    ]
    assert len(lines) <= 1, f"{name} is pinned twice for Python {python}"
    return str(lines[0].specifier).removeprefix("==") if lines else None


def _installed_closure() -> dict[str, str]:
    """Every package that Holdback needs, directly or not, as installed here: name to version."""
    found: dict[str, str] = {}
    waiting = [(requirement.name, frozenset(requirement.extras)) for requirement in DECLARED]
    seen = set(waiting)
    while waiting:
        name, extras = waiting.pop()
        distribution = metadata.distribution(name)
        found[canonicalize_name(name)] = distribution.version
        for line in distribution.requires or []:
            needed = Requirement(line)
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
                following = (canonicalize_name(needed.name), frozenset(needed.extras))
                if following not in seen:
                    seen.add(following)
                    waiting.append(following)
    return found


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_every_declared_dependency_is_pinned_inside_its_range(python: str) -> None:
    pins = {
        requirement.name: (_pin(requirement.name, python=python), requirement.specifier) for requirement in DECLARED
    }
    assert {name: pin for name, (pin, allowed) in pins.items() if pin is None or pin not in allowed} == {}


def test_the_tests_run_on_the_pinned_versions() -> None:
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    installed = _installed_closure()
    assert len(installed) > 150
    assert {name: version for name, version in installed.items() if _pin(name, python=here) != version} == {}


def test_every_cap_says_why() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    capped = [line for line in text.splitlines() if re.match(r'\s+"[\w\[\]-]+[^"]*(<|==)[^"]*"', line)]
    lines_of_extras = [line for line in text.splitlines() if re.match(r"(demo|postgres|requires) = \[.*<", line)]
    silent = [line.strip() for line in [*capped, *lines_of_extras] if not re.search(r"#\s.*:\s\S+", line)]
    assert len(capped) >= 15
    assert silent == []


def test_pyproject_names_the_packages_that_exist() -> None:
    assert tuple(PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) == PACKAGES
    assert [package for package in PACKAGES if not (ROOT / package / "__init__.py").is_file()] == []


def test_no_file_names_the_host_of_a_package_index() -> None:
    # Written in two halves so that this file does not name one either.
    hosts = [
        "py" + "pi.org",
        "pythonhosted" + ".org",
        "npmjs" + ".org",
        "index" + "-url",
        "find" + "-links",
        "trusted" + "-host",
    ]
    named = [
        f"{path.relative_to(ROOT)}: {host}"
        for path in repository_files()
        for host in hosts
        if host.encode() in path.read_bytes()
    ]
    assert named == []
