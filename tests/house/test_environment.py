"""What `tests/conftest.py` promises to every other test."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest


def test_no_vendor_writes_into_the_home_folder_of_the_person_who_tests() -> None:
    for name in ("PREFECT_HOME", "MPLCONFIGDIR"):
        assert not Path(os.environ[name]).is_relative_to(Path.home())


def test_nobody_is_told_that_the_tests_ran() -> None:
    assert os.environ["DO_NOT_TRACK"] == os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_no_test_talks_to_a_server_of_the_person_who_tests() -> None:
    assert {"PREFECT_API_URL", "PREFECT_API_KEY", "MLFLOW_REGISTRY_URI"}.isdisjoint(os.environ)


def test_a_data_set_that_is_absent_skips_the_test_and_says_where_it_was_looked_for(
    shared_data: Callable[[str], Path],
) -> None:
    with pytest.raises(pytest.skip.Exception, match=r"'no_such_company' is not in .*; set HOLDBACK_DATA"):
        shared_data("no_such_company")
