"""What is kept is declared: in both languages, with its unit, its direction, and how it is computed."""

import pytest

from monitoring.history import ABOUT, METRICS
from tests.house.tree import ROOT

#: Other parts of the portal and the rules of alerts ask for these names.
PROMISED = {
    "customers_scored", "customers_at_risk", "margin_at_risk_amount", "mean_probability", "churn_rate",
    "drifted_features", "score_change", "auc", "predicted_over_actual", "calibration_error", "expected_auc",
    "offered_rows", "quarantined_share", "feed_age_days", "critical_rules_broken", "decided_contacts",
    "held_out_customers", "spent_amount", "trigger_firings", "nps", "response_rate", "effect", "integrity_failures",
    "days_since_training",
}  # fmt: skip


def test_the_promised_figures_are_declared_under_their_names():
    assert set(METRICS) == PROMISED
    assert all(name == metric.name for name, metric in METRICS.items())


@pytest.mark.parametrize("name", sorted(PROMISED))
def test_each_says_in_both_languages_what_it_means_and_how_it_is_computed(name):
    metric = METRICS[name]
    for text in (metric.meaning.en, metric.meaning.es):
        assert text.endswith(".")
        assert text[0].isupper()
    assert metric.meaning.en != metric.meaning.es
    assert metric.about in ABOUT
    assert metric.computed
    assert metric.seen


def test_the_page_about_them_names_each_with_its_meaning():
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    for name, metric in METRICS.items():
        assert f"## `{name}`" in page
        assert metric.meaning.en in page
        assert metric.meaning.es in page
