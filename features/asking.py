"""Whom a company asked for feedback, and who answered: the same SQL for features and for what reports say of silence.

A review or a remark that somebody sent of their own accord is no answer to a question; words without a score are one.
"""

from __future__ import annotations

from typing import Final, Protocol

from features.remarks import has_words

#: Kinds of feedback that somebody asks for; who does not answer is silent.
ASKED_KINDS: Final = ("nps", "csat", "ces", "rating")


class Mapped(Protocol):
    """A feed or its shape: says which columns it maps."""

    def has(self, column: str) -> bool:
        """True for a mapped column."""
        ...


def is_asked(feed: Mapped) -> str:
    """SQL condition on a feedback feed's rows: the company asked for it.

    A row that does not say its kind is a request where the feed has scores, and a mere remark where it has none.

    Examples:
        >>> from holdback.business import Feed
        >>> columns = {"customer_id": "c", "event_at": "at", "kind": "k", "score": "s"}
        >>> is_asked(Feed(role="feedback", source="answers.csv", columns=columns))
        "coalesce(kind in ('nps', 'csat', 'ces', 'rating'), true)"
    """
    otherwise = "true" if feed.has("score") else "false"
    asked = ", ".join(f"'{kind}'" for kind in ASKED_KINDS)
    return f"coalesce(kind in ({asked}), {otherwise})" if feed.has("kind") else otherwise


def is_answered(feed: Mapped) -> str:
    """SQL condition on a feedback feed's rows: there is a score, or words."""
    said = [*(["score is not null"] if feed.has("score") else []), *([has_words()] if feed.has("remark") else [])]
    return f"({' or '.join(said)})" if said else "false"
