"""The engines that stay up for a whole run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.conformance.engines import connected
from tests.servers import postgres_server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Any]:
    with postgres_server("holdback") as url, connected(url) as connection:
        yield connection


@pytest.fixture(scope="session")
def spark_master() -> str:
    """Spark on two threads of this machine; the Java process ends with the tests'."""
    pytest.importorskip("pyspark", reason="pyspark is not installed (the extra `spark`)")
    return "local[2]"
