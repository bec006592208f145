"""Score every described customer of a day, once and for ever.

The champion is resolved once. A day's scores are one commit: all rows or none, and never rewritten; a rerun answers
with the stored rows, also when another champion has taken office since.

The work is done by ranges of customers (:mod:`training.scoring.parts`), one after the other or by whoever is given as
``run_parts``; what is about all customers (the guard, the line, the commit) stands in :mod:`training.scoring.days`.
"""

from training.scoring.days import champion_for, commit_parts, draw_line, refuse_empty_columns, score
from training.scoring.parts import (
    PartReceipt,
    ScorePlan,
    TablesChanged,
    explain_part,
    one_after_another,
    plan_parts,
    score_part,
)
from training.scoring.results import (
    ReasonCount,
    ScoreResult,
    above_capacity_line,
    explained_too,
    keep_features,
    risk_tiers,
    score_result,
    score_rows,
    stored_scores,
)

__all__ = [
    "PartReceipt",
    "ReasonCount",
    "ScorePlan",
    "ScoreResult",
    "TablesChanged",
    "above_capacity_line",
    "champion_for",
    "commit_parts",
    "draw_line",
    "explain_part",
    "explained_too",
    "keep_features",
    "one_after_another",
    "plan_parts",
    "refuse_empty_columns",
    "risk_tiers",
    "score",
    "score_part",
    "score_result",
    "score_rows",
    "stored_scores",
]
