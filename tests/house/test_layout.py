"""Where things stand, and how they are called."""

import ast
from pathlib import Path

import pytest

from tests.house.tree import PACKAGES, ROOT, modules, syntax

NAMES_THAT_SAY_NOTHING = {
    "base", "common", "core", "helper", "helpers", "lib", "manager", "managers", "misc", "service", "services", "stuff",
    "tools", "util", "utils",
}  # fmt: skip
MOST_LINES = 400


def test_every_folder_with_tests_is_a_package() -> None:
    # Without tests/__init__.py, a folder tests/features would shadow the package features.
    folders = {path.parent for path in (ROOT / "tests").rglob("*.py")}
    folders |= {parent for folder in folders for parent in folder.parents if parent.is_relative_to(ROOT / "tests")}
    assert [folder for folder in sorted(folders) if not (folder / "__init__.py").is_file()] == []


def test_every_folder_of_modules_is_a_package() -> None:
    folders = {ROOT / path.parent for path in modules()}
    assert [folder for folder in sorted(folders) if not (folder / "__init__.py").is_file()] == []


def test_no_module_has_a_name_that_says_nothing() -> None:
    everywhere = [*modules(), *(path.relative_to(ROOT) for path in (ROOT / "tests").rglob("*.py"))]
    named = [path for path in everywhere if {path.stem.strip("_"), *path.parent.parts} & NAMES_THAT_SAY_NOTHING]
    named += [path for path in everywhere if path.stem.startswith("base_")]
    assert named == []


def test_no_module_is_longer_than_a_reader_can_hold() -> None:
    lengths = {str(path): len((ROOT / path).read_text(encoding="utf-8").splitlines()) for path in modules()}
    assert {path: count for path, count in lengths.items() if count > MOST_LINES} == {}


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_says_what_it_is_for(package: str) -> None:
    assert ast.get_docstring(syntax(Path(package) / "__init__.py")), f"{package}/__init__.py has no docstring"


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_tells_type_checkers_that_it_is_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()


@pytest.mark.parametrize("package", PACKAGES)
def test_no_package_is_empty(package: str) -> None:
    assert [path for path in modules(package) if path.name != "__init__.py"]


def test_no_module_leaves_work_undone() -> None:
    unfinished = [
        f"{path}:{node.lineno}"
        for path in modules()
        for node in ast.walk(syntax(path))
        if isinstance(node, ast.Raise) and node.exc is not None and "NotImplementedError" in ast.unparse(node.exc)
    ]
    assert unfinished == []
