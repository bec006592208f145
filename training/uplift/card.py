"""The card of an uplift model: what a person reads before it may decide."""

from __future__ import annotations

from datetime import date

from holdback.business import Business
from training.uplift.league import League
from training.uplift.model import UpliftModel
from training.uplift.trial import Trial

_LIMITS = (
    "No interval is given for a single customer: such intervals cover the truth far less often than they promise "
    "(77 % instead of 95 % in a simulation). Groups are shown with theirs.",
    "It is learned from customers who were drawn to get the action or nothing. Whom the campaign never considered, it "
    "does not know.",
    "A changed offer is another action: its effect is not this one's.",
    "The Qini coefficient is the area between the curve of gains and the line of picking at random, in good outcomes "
    "per customer, by AIPW scores. Other definitions differ by a factor of up to 100 and cannot be compared.",
)


def write_card(
    business: Business, as_of: date, *, trial: Trial, model: UpliftModel, league: League, decision: str
) -> str:
    """Write the card of one version.

    Args:
        business: The company.
        as_of: Day of the learning.
        trial: What was learned from.
        model: What is registered.
        league: Against whom it competed.
        decision: What was decided about its office.
    """
    treated = int(trial.treated.sum())
    left_out = [f"- left out: {count:,} rows, {why}" for why, count in trial.left_out.items()]
    days = f"{trial.as_ofs.min()} to {trial.as_ofs.max()}"
    weights = ", ".join(f"{name} {weight:+.3f}" for name, weight in model.weights.items() if weight) or "none"
    parts = [
        f"# {business.name}: whom {trial.action} changes, as of {as_of}",
        f"**{decision}**: {league.verdict}",
        "## What it answers",
        f"By how much {trial.action} raises a customer's probability of staying (below 0: it drives him away), decided "
        f"by *{model.information['decided_by']}*.",
        "## What it learned from",
        "\n".join(
            [
                f"- {len(trial):,} customers who entered a campaign from {days}: {treated:,} were drawn to get the "
                f"action, {len(trial) - treated:,} to get nothing",
                f"- the odds of each drawing are the logged ones, from {trial.propensity.min():.2f} to "
                f"{trial.propensity.max():.2f}",
                f"- weights of its parts: {weights}",
                *left_out,
            ]
        ),
        "## The league",
        league.to_markdown(),
        "## Do customers differ?",
        "\n".join(f"- {sentence}" for sentence in league.diagnosis.sentences),
        "## What to know",
        "\n".join(f"- {limit}" for limit in _LIMITS),
    ]
    return "\n\n".join(parts) + "\n"
