"""Whether outcomes are missing more in one group than in the other, and whether the asked answered alike.

An effect among those whose outcome is known is an effect only if who is known does not depend on the group.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Final

from scipy.stats import norm

from monitoring.effects.checks import Check, Verdict
from monitoring.effects.moments import Moments
from monitoring.proportions import Share, ShareDifference, newcombe, wilson

#: Known shares further apart than this bias an effect by as much: one point.
LARGEST_DIFFERENCE: Final = 0.01
#: With less of the outcomes known the effect is shown with a warning, and with less than the second it is withheld.
WARN_BELOW_COVERAGE: Final = 0.95
FAIL_BELOW_COVERAGE: Final = 0.80
#: Looked at daily: as strict as the sample ratio.
_KNOWN_P_LIMIT: Final = 0.001
#: Response rates: below the first the effect on feedback is withheld, below the second it carries a warning.
RESPONSE_P_LIMIT: Final = 0.01
RESPONSE_P_WARNING: Final = 0.05
#: With fewer asked in a group nothing is judged.
SMALLEST_ASKED: Final = 10
_GROUPS: Final = ("treatment", "holdout")


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of the outcomes is known, in all and by group.

    Attributes:
        overall: Share of matured customers whose outcome is known; None when there are none.
        difference: Known share in treatment minus that in the holdout, with a 95 % Newcombe interval; None when a
            group is empty.
        p_value: Probability of a difference at least as large if nothing depends on the group; None as above.
        largest_difference: What passes, as a share.
        verdict: See :func:`coverage`.
        finding: What was seen, in a sentence.
    """

    overall: Share | None
    difference: ShareDifference | None
    p_value: float | None
    largest_difference: float
    verdict: Verdict
    finding: str

    @property
    def check(self) -> Check:
        """The row that it makes: the difference in known shares against its limit."""
        value = None if self.difference is None else self.difference.difference
        return Check("missing_outcomes", self.verdict, value, self.largest_difference, self.finding)


@dataclass(frozen=True, slots=True)
class ResponseRates:
    """Whether those who were asked answered alike in both groups.

    Attributes:
        difference: Answered share in treatment minus that in the holdout, with a 95 % Newcombe interval; None when it
            is not checked.
        p_value: Probability of a difference at least as large by chance; None when it is not checked.
        p_limit: Below it the effect on feedback is withheld.
        verdict: See :func:`response_rates`.
        finding: What was seen, in a sentence.
    """

    difference: ShareDifference | None
    p_value: float | None
    p_limit: float
    verdict: Verdict
    finding: str

    @property
    def check(self) -> Check:
        """The row that it makes."""
        return Check("response_rate", self.verdict, self.p_value, self.p_limit, self.finding)


def coverage(
    groups: Mapping[str, Moments],
    *,
    known: str = "known",
    of: str = "present",
    largest_difference: float = LARGEST_DIFFERENCE,
) -> Coverage:
    """Compare how much of an outcome is known in treatment and in holdout.

    - ``failed``: less than 80 % is known in all; or the known shares differ by no chance (p < .001) and by more than
      ``largest_difference``: an effect of that size may be nothing but who is missing.
    - ``warning``: less than 95 % is known in all, or the shares differ by no chance, however little.
    - ``not checked``: a group has no matured customer.

    Households count as drawn: the size behind each share is the effective one, from the variance between units.

    Args:
        groups: Moments of ``treatment`` and ``holdout`` over matured units.
        known: Name of the total of customers whose outcome is known.
        of: Name of the total of customers who have an outcome: not those who had left before they entered.
        largest_difference: Difference in known shares that still passes, as a share.

    Raises:
        ValueError: more customers are known than there are.

    Source: Newcombe, Statistics in Medicine 17 (1998) 873, method 10; effective size as in Kish (1965).
    """
    pair = _difference(groups, known, of)
    if pair is None:
        finding = "No matured customer in one of the groups."
        return Coverage(None, None, None, largest_difference, "not checked", finding)
    difference, p_value = pair
    first, second = difference.first, difference.second
    found, all_of_them = (sum(groups[name].total(total) for name in _GROUPS) for total in (known, of))
    share, size = found / all_of_them, first.n + second.n
    overall = wilson(min(share, 1.0) * size, size)
    is_no_chance = p_value < _KNOWN_P_LIMIT
    seen = (
        f"The outcome of {share:.1%} is known: {second.share:.1%} of the treated, {first.share:.1%} of those held out "
        f"(difference {difference.difference:+.2%}, p = {p_value:.2g})"
    )
    verdict: Verdict
    if share < FAIL_BELOW_COVERAGE:
        verdict, finding = "failed", f"{seen}: too little to read. Look for a feed that is late or lost."
    elif is_no_chance and abs(difference.difference) > largest_difference:
        verdict = "failed"
        finding = f"{seen}: who is known depends on the group. Look for outcomes that only a contact reveals."
    elif is_no_chance:
        verdict, finding = "warning", f"{seen}: who is known depends on the group, a little."
    elif share < WARN_BELOW_COVERAGE:
        verdict, finding = "warning", f"{seen}: alike in both groups, but many are missing."
    else:
        verdict, finding = "passed", f"{seen}."
    return Coverage(overall, difference, p_value, largest_difference, verdict, finding)


def response_rates(
    groups: Mapping[str, Moments],
    *,
    asked: str = "asked",
    answered: str = "answered",
    p_limit: float = RESPONSE_P_LIMIT,
    p_warning: float = RESPONSE_P_WARNING,
) -> ResponseRates:
    """Compare how many of the asked answered: scores of two groups that answer differently are no effect.

    - ``failed`` below ``p_limit``: the effect on feedback is withheld.
    - ``warning`` below ``p_warning``: it is shown with the remark that the groups barely answered alike.
    - ``not checked``: fewer than 10 were asked in a group.

    Args:
        groups: Moments of ``treatment`` and ``holdout`` with the totals ``asked`` and ``answered``.
        asked: Name of the total of questions asked.
        answered: Name of the total of answers.
        p_limit: Smallest p-value that does not withhold the effect.
        p_warning: Smallest p-value without a remark.

    Raises:
        ValueError: more answered than were asked.
    """
    counts = [groups[name].total(asked) if name in groups else 0.0 for name in _GROUPS]
    pair = _difference(groups, answered, asked) if min(counts) >= SMALLEST_ASKED else None
    if pair is None:
        finding = f"{counts[0]:,.0f} treated and {counts[1]:,.0f} held out were asked: too few to compare."
        return ResponseRates(None, None, p_limit, "not checked", finding)
    difference, p_value = pair
    treated, held = difference.second.share, difference.first.share
    seen = f"{treated:.1%} of the asked answered in treatment, {held:.1%} in the holdout (p = {p_value:.2g})"
    verdict: Verdict
    if p_value < p_limit:
        verdict, finding = (
            "failed",
            f"{seen}: the answers come from different people. Look for who asked whom, and how.",
        )
    elif p_value < p_warning:
        verdict, finding = "warning", f"{seen}: barely alike; read the scores with care."
    else:
        verdict, finding = "passed", f"{seen}: as chance has it."
    return ResponseRates(difference, p_value, p_limit, verdict, finding)


def _difference(groups: Mapping[str, Moments], part: str, whole: str) -> tuple[ShareDifference, float] | None:
    """Return treatment minus holdout with its two-sided probability; None when a group has nobody."""
    if any(name not in groups or groups[name].total(whole) <= 0 for name in _GROUPS):
        return None
    (held, held_n), (treated, treated_n) = (_share(groups[name], part, whole) for name in reversed(_GROUPS))
    difference = newcombe((held * held_n, held_n), (treated * treated_n, treated_n))
    pooled = (held * held_n + treated * treated_n) / (held_n + treated_n)
    error = sqrt(max(pooled * (1 - pooled), 0.0) * (1 / held_n + 1 / treated_n))
    gap = abs(difference.difference)
    return difference, float(2 * norm.sf(gap / error)) if error > 0 else 1.0


def _share(moments: Moments, part: str, whole: str) -> tuple[float, float]:
    """Return a share and the number of independent customers that it is worth."""
    i, j = moments.position(part), moments.position(whole)
    size, mean = moments.total(whole), float(moments.mean[j])
    share = moments.total(part) / size
    if not -1e-9 <= share <= 1 + 1e-9:
        raise ValueError(f"missing: {part} is {share:.4g} of {whole}. A part lies between 0 and the whole.")
    share = min(max(share, 0.0), 1.0)
    scale = (moments.count - 1) / moments.count  # the variance of what is there, so that single customers count one
    spread = moments.covariance * scale
    # As if all members of a household were alike: what is left when nothing varies.
    alike = size * mean / (float(spread[j, j]) + mean**2)
    if share in (0.0, 1.0):
        return share, alike
    variance = float(spread[i, i] - 2 * share * spread[i, j] + share**2 * spread[j, j]) / (moments.count * mean**2)
    if variance <= 0:
        return share, alike
    return share, min(share * (1 - share) / variance, size)
