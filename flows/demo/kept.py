"""Outcomes as a run's receipt keeps them, so that a second demo can print the first one's screen."""

from __future__ import annotations

from datetime import date

from flows.runs import Outcome


def plain(outcome: Outcome) -> dict[str, object]:
    """Return an outcome as JSON values."""
    return {"flow": outcome.flow, "business": outcome.business, "as_of": outcome.as_of.isoformat(),
            "receipt": outcome.receipt}  # fmt: skip


def again(step: dict[str, object]) -> Outcome:
    """Return the outcome that :func:`plain` wrote."""
    return Outcome(
        flow=str(step["flow"]),
        business=str(step["business"]),
        as_of=date.fromisoformat(str(step["as_of"])),
        receipt=step["receipt"],  # type: ignore[arg-type]
        was_done_already=False,
    )
