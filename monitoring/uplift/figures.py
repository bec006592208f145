"""What an uplift report is drawn from: results that are there already, with the words and units to show them in."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

from monitoring.effects.checks import LARGEST_CONTAMINATION
from monitoring.effects.results import Effect
from monitoring.effects.sample_ratio import SampleRatio
from monitoring.proportions import Share
from training.uplift.qini import Qini


@dataclass(frozen=True, slots=True)
class ShownEffect:
    """One effect and how it is shown; always as a benefit, of which more is better.

    Attributes:
        effect: As measured.
        label: What it is, the same on every day and for every campaign: the name of its series over time.
        unit: In what it is shown: ``points``, ``EUR per customer``; empty when it has none.
        factor: From the effect's own unit to the one shown: 100 for a share in points, 0.01 for cents in EUR.
        is_tested: Whether its lower end must lie above zero.
    """

    effect: Effect
    label: str
    unit: str = ""
    factor: float = 1.0
    is_tested: bool = True


@dataclass(frozen=True, slots=True)
class Contamination:
    """How well treatment and holdout were kept apart.

    Attributes:
        contacted: Customers held out who were contacted all the same.
        unreached: Treated customers who were not reached; None when nobody knows.
        limit: Share of the holdout that may be contacted at most.
    """

    contacted: Share
    unreached: Share | None = None
    limit: float = LARGEST_CONTAMINATION


@dataclass(frozen=True, slots=True)
class CampaignFigures:
    """One campaign, or the programme, on one day.

    What is withheld or not knowable yet is left out: then the report says nothing about it, and tests nothing.

    Attributes:
        name: As shown; names its series over time.
        effects: Effects, the primary outcome first.
        qini: Whether the score says whom to treat.
        sample_ratio: Whether the groups have the sizes that were drawn; left out when it was not checked.
        contamination: How well the groups were kept apart.
        previous: The campaign before, to compare with; its own ``previous`` is not looked at.
    """

    name: str
    effects: tuple[ShownEffect, ...] = ()
    qini: Qini | None = None
    sample_ratio: SampleRatio | None = None
    contamination: Contamination | None = None
    previous: CampaignFigures | None = None

    def check(self) -> None:
        """Refuse what cannot be stored.

        Raises:
            ValueError: a figure is missing or infinite, or two effects have one label.
        """
        labels = [shown.label for shown in self.effects]
        if len(set(labels)) < len(labels):
            raise ValueError(f"uplift: {self.name}: two effects have one label ({', '.join(labels)}).")
        numbers = [
            value * shown.factor
            for shown in self.effects
            for value in (shown.effect.estimate, shown.effect.low, shown.effect.high)
        ]
        if self.qini is not None:
            numbers += [self.qini.estimate, self.qini.low, self.qini.high]
        if self.sample_ratio is not None:
            numbers += [self.sample_ratio.p_value, self.sample_ratio.log_bayes_factor]
        if self.contamination is not None:
            numbers += [self.contamination.contacted.share, self.contamination.limit]
        if not all(isfinite(number) for number in numbers):
            raise ValueError(
                f"uplift: {self.name}: a figure is missing or infinite. Leave out what is withheld or not knowable yet."
            )
        if self.previous is not None:
            self.previous.check()
