"""The gate: may this challenger take the champion's place? Decided on the same newest matured rows, with their noise.

A *refresh* (same features, same recipe, newer data) must not be worse: asking it to be significantly better keeps
stale models in office (24 simulated months cost .003 to .02 AUC, and never retraining .04). A *changed recipe* must be
better, twice. Below 150 churners nothing is promoted by itself. Source: churn model design, section C.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass
from datetime import date
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from training.guards import FEWEST_FOR_PROMOTION, Guard
from training.metrics import PairedDifference, auc_difference, log_loss_difference
from training.rows import Rows

Floats = npt.NDArray[np.float64]
Decision = Literal["promote", "keep", "blocked"]

ENOUGH_FOR_NARROW_MARGIN = 450
"""Churners from which the noise of a paired difference is small beside the narrow margin."""
NARROW_MARGIN = 0.005
WIDE_MARGIN = 0.02
SHADOW_CYCLES = 1
"""Earlier retrains in which a changed recipe must already have been superior."""


@dataclass(frozen=True)
class Verdict:
    """What the gate decided, why, and every figure it decided on.

    Attributes:
        decision: ``promote``, ``keep`` (the champion stays) or ``blocked`` (a guard stopped the challenger).
        reasons: Sentences, the deciding one first.
        guards: Every guard's result.
        auc_gain: Challenger minus champion; None without a champion.
        log_loss_gain: Champion minus challenger, so that above zero is better; None without a champion.
        is_refresh: True when features and recipe are the champion's.
        is_superior: True when it was better than the champion beyond chance (counts as a shadow cycle).
        champion: Version it was compared with; None when there was none.
    """

    decision: Decision
    reasons: tuple[str, ...]
    guards: tuple[Guard, ...]
    auc_gain: PairedDifference | None = None
    log_loss_gain: PairedDifference | None = None
    is_refresh: bool = True
    is_superior: bool = False
    champion: str | None = None
    figures: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON content, as the journal stores it."""
        return _plain(self)  # type: ignore[no-any-return]


@dataclass(frozen=True, eq=False)
class Incumbent:
    """The champion as the gate sees it.

    Attributes:
        version: Its registered version.
        probability: Its probabilities on the holdout, from its frozen file, shape (n,).
        recipe: Digest of its recipe and features.
        knows_until: Day on which the last outcome it was trained on ended; None when it is not known.
    """

    version: str
    probability: Floats
    recipe: str
    knows_until: date | None = None


def decide(
    holdout: Rows,
    challenger: Floats,
    *,
    recipe: str,
    guards: Sequence[Guard],
    champion: Incumbent | None,
    shadow_cycles: int = 0,
) -> Verdict:
    """Decide about one challenger.

    Args:
        holdout: The newest matured rows, unseen by both models.
        challenger: Its probabilities, shape (n,).
        recipe: Digest of its recipe and features.
        guards: Results of every guard.
        champion: The champion, or None when there is none.
        shadow_cycles: Earlier retrains in which this changed recipe was already superior.

    Returns:
        The verdict. It promotes nothing itself.

    Examples:
        >>> decide(holdout, p, recipe="a", guards=(), champion=Incumbent("3", p, "a")).decision  # doctest: +SKIP
        'keep'
    """
    guards = tuple(guards)
    blocking = [guard for guard in guards if guard.is_blocking]
    gain = loss = None
    is_refresh = champion is not None and champion.recipe == recipe
    is_superior = False
    if champion is not None:
        customers = holdout.customer_ids
        gain = auc_difference(holdout.churned, challenger, champion.probability, groups=customers)
        loss = log_loss_difference(holdout.churned, champion.probability, challenger, groups=customers)
        is_superior = gain.lower_bound > 0 or loss.lower_bound > 0

    def verdict(decision: Decision, *reasons: str) -> Verdict:
        return Verdict(
            decision=decision,
            reasons=reasons,
            guards=guards,
            auc_gain=gain,
            log_loss_gain=loss,
            is_refresh=is_refresh,
            is_superior=is_superior and not blocking,
            champion=champion.version if champion else None,
            figures={"churner_count": holdout.churner_count, "row_count": len(holdout), "recipe": recipe},
        )

    if blocking:
        return verdict("blocked", *(f"{guard.name}: {guard.reason}" for guard in blocking))
    if champion is None:
        return verdict("promote", "there is no champion yet and every guard passed.")
    if gain is None or np.array_equal(challenger, champion.probability):
        return verdict("keep", "the challenger gives every customer the champion's probability: nothing would change.")
    if champion.knows_until is not None and champion.knows_until > holdout.as_ofs.min().astype(object):
        return verdict(
            "keep",
            f"the champion was trained on outcomes until {champion.knows_until}, which the holdout of "
            f"{holdout.as_ofs.min()} overlaps: no fair comparison exists. Retrain for a later day.",
        )
    if min(holdout.churner_count, holdout.stayer_count) < FEWEST_FOR_PROMOTION:
        return verdict("keep", f"{holdout.churner_count} churners in the holdout: nothing is promoted by itself.")
    if is_refresh:
        return verdict(*_refreshed(gain, holdout.churner_count))
    return verdict(*_changed(gain, loss, is_superior, shadow_cycles))


def _refreshed(gain: PairedDifference, churner_count: int) -> tuple[Decision, str]:
    seen = f"AUC gain {gain}, one-sided bound {gain.lower_bound:+.4f}, {churner_count:,} churners"
    if churner_count >= ENOUGH_FOR_NARROW_MARGIN:
        if gain.lower_bound > -NARROW_MARGIN:
            return "promote", f"a refresh that is not worse ({seen}; the bound must lie above -{NARROW_MARGIN})."
        return "keep", f"the refresh may be worse ({seen}; the bound must lie above -{NARROW_MARGIN})."
    if gain.estimate >= 0 and gain.lower_bound > -WIDE_MARGIN:
        return "promote", f"a refresh that is not worse ({seen}; gain at least 0 and bound above -{WIDE_MARGIN})."
    return "keep", f"the refresh may be worse ({seen}; gain must be at least 0 and the bound above -{WIDE_MARGIN})."


def _changed(
    gain: PairedDifference, loss: PairedDifference | None, is_superior: bool, shadow_cycles: int
) -> tuple[Decision, str]:
    seen = f"AUC gain {gain}; log-loss gain {loss}"
    if not is_superior:
        return "keep", f"a changed recipe must be better beyond chance in AUC or log-loss, and is not ({seen})."
    if shadow_cycles < SHADOW_CYCLES:
        return "keep", (
            f"the changed recipe is better ({seen}), for the first time: it runs beside the champion for "
            f"{SHADOW_CYCLES} cycle and is promoted if it is better again."
        )
    return "promote", f"the changed recipe is better, as it was before ({seen})."


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {key: _plain(item) for key, item in asdict(value).items()}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, date):
        return value.isoformat()
    return value
