"""What the environment says, and what it must not say."""

from pathlib import Path

import pytest

from flows.settings import home
from holdback.errors import OperatorError


@pytest.mark.parametrize("name", ["50%", "data[1]", "a|b"])
def test_a_folder_that_tables_cannot_live_in_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("HOLDBACK_HOME", str(tmp_path / name))
    with pytest.raises(OperatorError, match="Set HOLDBACK_HOME to a folder without"):
        home()
    assert not (tmp_path / name).exists()


def test_a_folder_with_blanks_and_accents_is_fine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDBACK_HOME", str(tmp_path / "mis datos año 1"))
    assert home() == (tmp_path / "mis datos año 1").resolve()
