"""Answers print what the data hold, whatever it looks like."""

from __future__ import annotations

import pytest

from flows.cli.options import bold, show, table_of


def test_brackets_in_data_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    table = table_of("Batch [/b]", "as it came")
    table.add_row("see [/url] end [red alert]")
    show(table, bold("[bold]"), "[/x]")
    printed = capsys.readouterr().out
    for text in ("Batch [/b]", "see [/url] end [red alert]", "[bold]", "[/x]"):
        assert text in printed
