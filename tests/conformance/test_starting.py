"""What is said when Spark cannot be started."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdback.errors import OperatorError
from holdback.warehouse.spark import refuse_old_java
from holdback.warehouse.spark.starting import settings_for


def fake_java(folder: Path, told: str) -> dict[str, str]:
    program = folder / "bin" / "java"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho '{told}' >&2\n", encoding="utf-8")
    program.chmod(0o755)
    return {"JAVA_HOME": str(folder), "PATH": ""}


def test_without_java_it_is_said_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match=r"no Java was found \(PATH\)\. Spark needs Java 17 or newer\. Install one"):
        refuse_old_java({"PATH": str(tmp_path)})
    with pytest.raises(OperatorError, match="JAVA_HOME is"):
        refuse_old_java({"JAVA_HOME": str(tmp_path), "PATH": ""})


@pytest.mark.parametrize("told", ['openjdk version "11.0.22" 2024-01-16', 'java version "1.8.0_402"', "what?"])
def test_an_old_java_is_refused(told: str, tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="is too old"):
        refuse_old_java(fake_java(tmp_path, told))


@pytest.mark.parametrize("told", ['openjdk version "17.0.15" 2025-04-15', 'openjdk version "21" 2023-09-19'])
def test_a_java_that_is_new_enough_is_taken(told: str, tmp_path: Path) -> None:
    refuse_old_java(fake_java(tmp_path, told))


def test_what_gives_a_statement_its_meaning_is_fixed_on_every_master_and_no_port_of_a_page_is_opened() -> None:
    for master in ("local[2]", "local-cluster[2,1,1024]", "spark://host:7077"):
        told = settings_for(master, Path("/scratch"))
        assert told["spark.sql.session.timeZone"] == "UTC"
        assert told["spark.sql.ansi.enabled"] == "true"
        assert told["spark.ui.enabled"] == "false"
        assert ("spark.driver.bindAddress" in told) == master.startswith("local")
