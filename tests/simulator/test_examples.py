from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import simulator

MODULES = ["simulator", *(f"simulator.{module.name}" for module in pkgutil.iter_modules(simulator.__path__))]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_the_documentation_are_true(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0
