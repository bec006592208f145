"""Who competes besides those that are learned: what decides today, and the scores that a company adds."""

from __future__ import annotations

import numpy as np

from holdback.business import Business
from holdback.errors import BusinessFileError
from training.rows import is_number
from training.uplift.frozen import COLUMN
from training.uplift.trial import Floats, Trial

#: What decides while no model is in office: the frozen risk times the value, as the rule of the day has it.
RULE = "rule"
#: With whom a campaign that was run elsewhere, and knows no risk, is compared.
RANDOM = "random"


def incumbent_of(trial: Trial, in_office: str | None) -> str:
    """Return the competitor whom others must beat: who is in office, else what decides without a model."""
    if in_office is not None:
        return in_office
    return RULE if _knows_risk(trial) else RANDOM


def given_scores(business: Business, trial: Trial, in_office: str | None) -> dict[str, Floats]:
    """Return the scores that compete although nothing was learned for them, by competitor, each of shape (n,).

    The rule of the day competes only while it decides: afterwards ``risk``, learned from the same customers, does. A
    feature that the business file names competes as it stands; where it is missing it says nothing.

    Args:
        business: The company; ``training.scorers`` names its features.
        trial: What is learned from.
        in_office: The competitor in office; None when there is none.

    Raises:
        BusinessFileError: there is no such feature, or it is no number.
    """
    names = [*business.training.scorers]
    if in_office is not None and in_office.startswith(COLUMN):
        names.append(in_office.removeprefix(COLUMN))  # who decides competes, also when the file no longer names it
    found = {f"{COLUMN}{name}": _column(business, trial, name) for name in dict.fromkeys(names)}
    if in_office is None and _knows_risk(trial):
        found[RULE] = trial.risk
    return found


def _knows_risk(trial: Trial) -> bool:
    return bool(np.isfinite(trial.risk).all())


def _column(business: Business, trial: Trial, name: str) -> Floats:
    from difflib import get_close_matches

    numbers = [str(column) for column in trial.frame.columns if is_number(trial.frame[column])]
    if name not in numbers:
        near = get_close_matches(name, numbers, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else "`holdback features list` names them."
        raise BusinessFileError(
            f"{business.slug}: training.scorers: {name!r} is not a feature that is a number. Only those can compete as "
            f"they stand. {hint}"
        )
    column = trial.frame[name].to_numpy(dtype=np.float64)
    known = column[~np.isnan(column)]
    return np.where(np.isnan(column), known.mean() if known.size else 0.0, column)
