"""Simulated trials whose individual effects are known: the worlds of the uplift tests.

One company, made once: 17.6 % of the untreated leave, treating everybody keeps 3.8 points more of them, the effect has
a standard deviation of 4.7 points, 15 % are better left in peace, the surest leavers are lost causes, and the effect
correlates with the risk by .2 only: close to the moments of the study that the bars come from (see `test_simulation`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special

from training.uplift.trial import Trial

Floats = npt.NDArray[np.float64]
Effect = Literal["varied", "constant", "zero"]

CONSTANT = 0.02
"""Effect in the world where everybody has the same one."""
COST = 0.01
"""Cost of the action there, in customers kept."""


@dataclass(frozen=True, eq=False)
class World:
    """A trial and the truth behind it.

    Attributes:
        trial: What a learner may see.
        gain: True rise of the probability to stay, per row, shape (n,).
        untreated: True probability to stay without the action, shape (n,).
    """

    trial: Trial
    gain: Floats
    untreated: Floats

    def lost_at(self, score: Floats, share: float = 0.2) -> float:
        """Share of the oracle's gain that is lost when the best ``share`` by score is treated ("regret20")."""
        count = int(share * len(score))
        got = self.gain[np.argsort(-score, kind="stable")[:count]].sum()
        return float(1 - got / np.sort(self.gain)[::-1][:count].sum())

    def lost_by_treating(self, mask: npt.NDArray[np.bool_], cost: float = COST) -> float:
        """Share of the oracle's profit that is lost when exactly the ``mask`` is treated ("regret_c")."""
        margin = self.gain - cost
        return float(1 - margin[mask].sum() / margin[margin > 0].sum())


def world(
    rng: np.random.Generator,
    n: int,
    *,
    treated_share: float | None = 0.5,
    effect: Effect = "varied",
    value_amount: float = 1.0,
) -> World:
    """Draw customers and a trial on them.

    Args:
        rng: Source of chance.
        n: Customers, one row each.
        treated_share: Share treated, in (0, 1). None: odds between .1 and .9 that depend on what is known of the
            customer and were written down, as exploration on top of a policy leaves them.
        effect: ``varied`` as above, ``constant`` (2 points for everybody) or ``zero``.
        value_amount: What one customer kept is worth, in currency units.
    """
    frame, hidden = _customers(rng, n)
    leave, gain = _truth(hidden, effect)
    if treated_share is None:
        propensity = 0.1 + 0.8 * special.expit(1.2 * hidden["recency"] + 0.8 * hidden["tickets"])
    else:
        propensity = np.full(n, treated_share)
    treated = rng.random(n) < propensity
    stayed = rng.random(n) < 1 - leave + treated * gain
    trial = Trial(
        action="call",
        frame=frame,
        customer_ids=np.array([f"c-{i:07d}" for i in range(n)]),
        as_ofs=np.full(n, np.datetime64("2026-01-01")),
        treated=treated,
        propensity=propensity,
        good=stayed.astype(np.float64),
        value_amounts=np.full(n, value_amount),
        cost_amounts=np.full(n, COST * value_amount),
        risk=leave,
    )
    return World(trial, gain, 1 - leave)


def _customers(rng: np.random.Generator, n: int) -> tuple[pd.DataFrame, dict[str, Floats]]:
    """Features as a company would hold them, and the standardised numbers that the truth is made of."""
    hidden = {name: rng.normal(size=n) for name in ("recency", "tenure", "spend", "tickets", "usage", "age")}
    hidden["usage"] = 0.5 * hidden["usage"] - 0.5 * hidden["recency"]
    plan = rng.choice(["basic", "family", "pro"], n, p=[0.5, 0.3, 0.2])
    hidden["basic"] = (plan == "basic").astype(np.float64)
    hidden["pro"] = (plan == "pro").astype(np.float64)
    frame = pd.DataFrame(
        {
            "days_since_last_order": 30 * np.exp(0.5 * hidden["recency"]),
            "tenure_days": 400 * np.exp(0.5 * hidden["tenure"]),
            "spend_amount_365d": 100 + 30 * hidden["spend"],
            "ticket_count_90d": np.floor(2 * np.exp(0.6 * hidden["tickets"])),
            "usage_share": special.expit(hidden["usage"]),
            "age_years": 45 + 12 * hidden["age"],
        }
        | {f"noise_{i}": rng.normal(size=n) for i in range(4)}
    )
    frame["plan"] = pd.Series(plan).astype(object)
    frame["region"] = pd.Series(rng.choice(["north", "south", "east", "west"], n)).astype(object)
    frame.loc[rng.random(n) < 0.05, "usage_share"] = np.nan
    frame.loc[rng.random(n) < 0.05, "region"] = None
    return frame, hidden


def _truth(hidden: dict[str, Floats], effect: Effect) -> tuple[Floats, Floats]:
    """Probability to leave untreated, and the rise of the probability to stay."""
    h = hidden
    logit = -2.1 + 0.75 * h["recency"] - 0.45 * h["tenure"] + 0.4 * h["tickets"] + 0.5 * h["basic"] - 0.3 * h["spend"]
    leave = special.expit(logit)
    if effect == "zero":
        return leave, np.zeros(leave.size)
    if effect == "constant":
        # Nobody can be kept more surely than surely: who stays anyway leaves a little more often in this world.
        leave = CONSTANT + (1 - CONSTANT) * leave
        return leave, np.full(leave.size, CONSTANT)
    saved = 0.5 + 0.34 * h["spend"] - 0.11 * h["usage"] + 0.4 * h["age"] + 0.45 * h["pro"] + 0.13 * np.tanh(h["tenure"])
    saved *= special.expit(-0.84 * logit)  # lost causes: the surer to leave, the less an action moves
    return leave, leave - special.expit(logit - saved)
