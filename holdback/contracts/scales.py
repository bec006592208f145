"""What a contract asks of a survey's scores: that they lie on the scale of their day, and that they use it.

A score outside its scale is a bad row. A survey that moves from 0-10 to 1-5 has no bad row: every answer is read as a
low one. What gives it away is that not one of many answers lies above 5 although many used to. Files may be small:
the newest stored answers count with the batch for as long as none of them lies outside the shorter scale.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdback.business import Feed
from holdback.scales import SCALE_RANGES, ScaleSpan, scale_spans

if TYPE_CHECKING:
    from holdback.mapping import Shape

SCORE: Final = '"score"'

#: Answers that were accepted before: one row per scale and shorter one.
SCORES_RELATION: Final = "_scores_before"

#: A batch that would look like this less often than once in a million is not on the declared scale.
SMALLEST_CHANCE: Final = 1e-6


def only_scale(shape: Shape) -> ScaleSpan | None:
    """Return the scale of a feed that always had the same one; None when there are several or none."""
    spans = _spans(shape)
    return spans[0] if len(spans) == 1 else None


def changed_scales(shape: Shape) -> tuple[ScaleSpan, ...]:
    """Return the scales of a feed that had several, the oldest first; empty for any other feed."""
    spans = _spans(shape)
    return spans if len(spans) > 1 else ()


def watched_scales(shape: Shape) -> tuple[ScaleSpan, ...]:
    """Return the scales that answers could leave for a shorter one without a bad row."""
    return tuple(span for span in _spans(shape) if _shorter(span))


def scores_before_sql(shape: Shape) -> str | None:
    """SQL of :data:`SCORES_RELATION` over the feed's table; None when no scale of the feed is watched.

    The *run* is what was answered after the newest answer that lies outside the shorter scale. Columns: position of the
    scale, top of the shorter one, answers before the run, those of them not above that top, customers of the run.
    """
    selects = []
    for position, span in enumerate(_spans(shape)):
        of_span = f'from "{shape.feed}" where {span.condition(shape.instant)}'
        for low, top in _shorter(span):
            run_after = f"(select max(event_at) {of_span} and {SCORE} not between {low!r} and {top!r})"
            selects.append(
                f"select {position} as scale_position, {top!r} as top,"
                f" count({SCORE}) filter (not is_run) as answers,"
                f" count(*) filter (not is_run and {SCORE} <= {top!r}) as not_above,"
                f" list(distinct customer_id) filter (is_run and {SCORE} is not null) as run_customers"
                f" from (select customer_id, {SCORE}, coalesce(event_at > {run_after}, false) as is_run {of_span})"
            )
    return " union all ".join(selects) or None


def chance_of_no_higher_score(shape: Shape, span: ScaleSpan) -> str:
    """SQL of how probable it is that no answer of the run and the batch lies above the top of a shorter scale.

    The predictive probability of no success in ``n`` trials after ``k`` successes in ``m``, with a uniform prior:
    ``G(m - k + 1 + n) G(m + 2) / (G(m - k + 1) G(m + 2 + n))`` with the gamma function G. ``m`` are the answers before
    the run, ``n`` the customers of the run and the batch: customers are counted, not answers, because those of one
    customer resemble each other. 1 when the shorter scale does not hold the batch, or no answer ever lay above its top.

    Source: Gelman et al., Bayesian Data Analysis (3rd edition, 2013), section 2.4 (beta-binomial prediction).
    """
    position = _spans(shape).index(span)
    counted = f"is_clean and {SCORE} is not null and {span.condition(shape.instant)}"
    customers, lowest, highest = (
        f"{what} filter ({counted})" for what in ("list(distinct customer_id)", f"min({SCORE})", f"max({SCORE})")
    )
    chances = []
    for low, top in _shorter(span):
        row = f"from {SCORES_RELATION} where scale_position = {position} and top = {top!r}"
        not_above, all_before, run = (
            f"(select {column} {row})" for column in ("not_above", "answers", "run_customers")
        )
        n = f"len(list_distinct(list_concat({customers}, {run})))"
        logarithm = (
            f"lgamma({not_above} + 1 + {n}) - lgamma({not_above} + 1)"
            f" + lgamma({all_before} + 2) - lgamma({all_before} + 2 + {n})"
        )
        is_held = f"{lowest} >= {low!r} and {highest} <= {top!r} and {all_before} > {not_above}"
        chances.append(f"when {is_held} then exp({logarithm})")
    return f"(case {' '.join(chances)} else 1e0 end)"


def _spans(shape: Shape) -> tuple[ScaleSpan, ...]:
    is_scored = isinstance(shape.source, Feed) and shape.column("score") is not None
    return scale_spans(shape.source) if is_scored and isinstance(shape.source, Feed) else ()


def _shorter(span: ScaleSpan) -> list[tuple[float, float]]:
    """Return lowest and highest answer of the usual scales with a lower top, the shortest first."""
    ranges = {SCALE_RANGES["five"], SCALE_RANGES["nps"]}
    return sorted((low, top) for low, top in ranges if top < span.highest)[::-1]
