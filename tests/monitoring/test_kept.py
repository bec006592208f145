"""What is kept is read back as it was said, and asked anew once it depends on something else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from math import isnan
from pathlib import Path

import pytest

from holdback.business import Business
from holdback.errors import NotKnowableYet
from holdback.workspace import Workspace
from monitoring.kept import kept, key_of
from monitoring.proportions import Share, wilson

FILE = {
    "slug": "acme", "name": "Acme", "currency": "EUR", "time_zone": "UTC",
    "feeds": {"orders": {"role": "transactions", "source": "o.csv",
                         "columns": {"customer_id": "c", "event_at": "at", "amount": "a"}}},
    "churn": [{"name": "gone", "kind": "inactivity", "feed": "orders", "outcome_days": 30}],
}  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """Something of everything that answers hold."""

    on: date
    share: Share | None
    parts: tuple[tuple[str, float], ...] = ()


ANSWER = Answer(date(2026, 3, 2), wilson(1, 3), (("a", 0.1 + 0.2), ("b", 1e-300)))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path, Business.model_validate(FILE), threads=1)


def never() -> Answer:
    raise AssertionError("it was asked")


def test_it_is_asked_once_and_read_back_to_the_bit(workspace: Workspace) -> None:
    assert kept(workspace, "one", "key", Answer, lambda: ANSWER) == ANSWER
    assert kept(workspace, "one", "key", Answer, never) == ANSWER


def test_another_key_asks_anew_and_takes_its_place(workspace: Workspace) -> None:
    later = Answer(date(2026, 3, 9), None)
    kept(workspace, "one", key_of(1), Answer, lambda: ANSWER)
    assert kept(workspace, "one", key_of(2), Answer, lambda: later) == later
    assert kept(workspace, "one", key_of(2), Answer, never) == later
    assert len(list((workspace.folder / "kept").iterdir())) == 1


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"key": "key", "answer": 7}', '{"key": "key", "answer": "{}"}'])
def test_what_cannot_be_read_is_asked(workspace: Workspace, content: str) -> None:
    kept(workspace, "one", "key", Answer, lambda: ANSWER)
    (workspace.folder / "kept" / "one.json").write_text(content, encoding="utf-8")
    assert kept(workspace, "one", "key", Answer, lambda: ANSWER) == ANSWER
    assert kept(workspace, "one", "key", Answer, never) == ANSWER


def test_what_is_not_knowable_is_not_kept(workspace: Workspace) -> None:
    def wait() -> Answer:
        raise NotKnowableYet("come back")

    with pytest.raises(NotKnowableYet):
        kept(workspace, "one", "key", Answer, wait)
    assert kept(workspace, "one", "key", Answer, lambda: ANSWER) == ANSWER


def test_figures_without_a_value_are_kept_too(workspace: Workspace) -> None:
    strange = Answer(date(2026, 3, 2), None, (("a", float("nan")), ("b", float("-inf"))))
    for ask in (lambda: strange, never):
        [(_, nothing), (_, least)] = kept(workspace, "one", "key", Answer, ask).parts
        assert (isnan(nothing), least) == (True, float("-inf"))


def test_a_folder_that_cannot_be_written_costs_time_alone(workspace: Workspace) -> None:
    workspace.folder.mkdir(parents=True)
    (workspace.folder / "kept").write_text("a file", encoding="utf-8")
    assert kept(workspace, "one", "key", Answer, lambda: ANSWER) == ANSWER
