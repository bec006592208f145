"""One offline report of campaigns, beside the drift of the same day."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd

from monitoring.drift.evidently_metrics import dataset
from monitoring.drift.verdicts import DayDrift
from monitoring.effects.sample_ratio import SampleRatio
from monitoring.evidently_page import drift_metrics, plain
from monitoring.proportions import Share
from monitoring.uplift import metrics
from monitoring.uplift.figures import CampaignFigures, Contamination, ShownEffect
from training.uplift.qini import Qini

_PER = 10_000  # Qini per so many customers: Evidently rounds to three decimals


def uplift_report(
    campaigns: Sequence[CampaignFigures],
    *,
    at: datetime,
    drift: DayDrift | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Any:
    """Draw and test what campaigns did, with Evidently; nothing is computed here.

    Tests: the lower end of every tested benefit lies above zero; the sample ratio passed; the share of the holdout that
    was contacted is within its limit; the lower end of the Qini coefficient lies above zero. What a campaign leaves out
    is neither shown nor tested.

    Args:
        campaigns: One of each, names unique; each may carry the campaign before, with which Evidently compares it.
        at: The instant that the figures are of: the place of this report in a series over time.
        drift: Drift of the same day, drawn below.
        metadata: What else to keep with the snapshot, such as the business and the version of the model.

    Returns:
        Evidently's snapshot. ``snapshot.save_html(str(path))`` writes one document that needs no internet (a ``Path``
        would write nothing and say nothing), ``Workspace.add_run`` shows it in the stock user interface.

    Raises:
        ValueError: nothing to show; a name twice; a figure that is missing or infinite.
    """
    names = [plain(campaign.name) for campaign in campaigns]
    if len(set(names)) < len(names):
        raise ValueError(f"uplift: two campaigns have one name ({', '.join(names)}).")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Evidently's remarks on its own insides
        found: list[Any] = []
        tables: dict[str, pd.DataFrame] = {}
        for campaign in campaigns:
            campaign.check()
            found += metrics_of(campaign)
            tables |= tables_of(campaign, "")
            if campaign.previous is not None:
                tables |= tables_of(campaign.previous, " before", name=campaign.name)
        if not found:
            raise ValueError("uplift: there is nothing to show: every figure of every campaign was left out.")
        if drift is not None:
            drawn, read = drift_metrics(drift)
            found, tables = found + drawn, tables | read
        return _run(found, tables, at, metadata or {}, any(campaign.previous for campaign in campaigns))


def _run(
    found: list[Any], tables: Mapping[str, pd.DataFrame], at: datetime, metadata: Mapping[str, str], has_previous: bool
) -> Any:
    from evidently import Report

    data = {name: dataset(frame) for name, frame in tables.items()}
    anything = next(iter(data.values()))
    report = Report(found, include_tests=True, metadata=dict(metadata))
    # All figures are additional data; a reference must be there for Evidently to compare at all.
    return report.run(anything, anything if has_previous else None, additional_data=data, timestamp=at)


def metrics_of(campaign: CampaignFigures) -> list[Any]:
    """Return Evidently's metrics of what a campaign has."""
    name = plain(campaign.name)
    found: list[Any] = []
    if campaign.effects:
        found.append(
            metrics.effect()(
                campaign=name,
                tested=[plain(shown.label) for shown in campaign.effects if shown.is_tested],
                units={plain(shown.label): plain(shown.unit) for shown in campaign.effects},
            )
        )
    if campaign.qini is not None:
        found.append(metrics.qini()(campaign=name))
    if _is_checked(campaign.sample_ratio):
        found.append(metrics.sample_ratio()(campaign=name))
    if campaign.contamination is not None:
        found.append(metrics.contamination()(campaign=name, limit=campaign.contamination.limit))
    return found


def tables_of(campaign: CampaignFigures, ending: str, *, name: str | None = None) -> dict[str, pd.DataFrame]:
    """Return the tables that the metrics read, under the name of the campaign that they are shown with."""
    title = plain(name if name is not None else campaign.name)
    tables: dict[str, pd.DataFrame] = {}
    if campaign.effects:
        tables[f"{title}: effects{ending}"] = pd.DataFrame([_effect_row(shown) for shown in campaign.effects])
    if campaign.qini is not None:
        tables[f"{title}: qini{ending}"] = _qini(campaign.qini)
        tables[f"{title}: qini curve{ending}"] = pd.DataFrame(
            [(point.share, point.gain, point.at_random) for point in campaign.qini.curve],
            columns=["share", "gain", "at_random"],
        )
    if campaign.sample_ratio is not None and _is_checked(campaign.sample_ratio):
        tables[f"{title}: sample ratio{ending}"] = _sample_ratio(campaign.sample_ratio)
    if campaign.contamination is not None:
        tables[f"{title}: contamination{ending}"] = _contamination(campaign.contamination)
    return tables


def _is_checked(found: SampleRatio | None) -> bool:
    return found is not None and found.verdict != "not checked"


def _effect_row(shown: ShownEffect) -> dict[str, Any]:
    effect, factor = shown.effect, shown.factor
    benefit, low, high = (value * factor for value in (effect.benefit, effect.benefit_low, effect.benefit_high))
    row: dict[str, Any] = {"outcome": plain(shown.label), "benefit": benefit, "low": low, "high": high}
    row["benefit, interval"] = plain(f"{_number(benefit)} [{_number(low)}, {_number(high)}] {shown.unit}".rstrip())
    row["promised coverage"] = f"{effect.level:.0%}"
    row["measured as"] = plain(effect.metric)
    for side, arm in (("treatment", effect.treatment), ("holdout", effect.holdout)):
        rate = "" if arm.rate is None else f"{arm.rate * factor:,.4g}"
        row[side] = f"{rate} ({arm.customer_count:,} customers)".strip()
    row["method"] = plain(effect.method)
    row["notes"] = plain("; ".join(effect.notes))
    return row


def _qini(found: Qini) -> pd.DataFrame:
    each = {"coefficient": found.estimate, metrics.LOWER_END: found.low, metrics.UPPER_END: found.high}
    rows = [
        (name, value * _PER, f"{_number(value * _PER)} good outcomes per {_PER:,} customers")
        for name, value in each.items()
    ]
    counts = f"{found.treatment_count:,} treated, {found.holdout_count:,} held out"
    rows.append(("customers", float(found.treatment_count + found.holdout_count), counts))
    return _shown(rows)


def _sample_ratio(found: SampleRatio) -> pd.DataFrame:
    count = found.treatment_units + found.holdout_units
    expected = count - found.expected_treatment_units
    return _shown(
        [
            (metrics.PASSED, float(found.verdict != "failed"), plain(found.finding)),
            ("units held out", float(found.holdout_units), f"{found.holdout_units:,} of {count:,}"),
            ("units held out, expected", expected, f"{expected:,.1f}"),
            ("p-value", found.p_value, f"{found.p_value:.3g}"),
            ("log Bayes factor", found.log_bayes_factor, f"{found.log_bayes_factor:.2f}"),
        ]
    )


def _contamination(found: Contamination) -> pd.DataFrame:
    rows = [(metrics.CONTACTED, found.contacted.share, _share(found.contacted))]
    if found.unreached is not None:
        rows.append(("treated and not reached", found.unreached.share, _share(found.unreached)))
    return _shown(rows)


def _shown(rows: Sequence[tuple[str, float, str]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["figure", "value", "shown"])


def _number(value: float) -> str:
    return f"{value:+,.4g}"


def _share(share: Share) -> str:
    return f"{share.share:.2%} [{share.low:.2%}, {share.high:.2%}] of {share.n:,.0f}"
