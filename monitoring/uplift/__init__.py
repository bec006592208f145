"""Campaigns in Evidently: our metrics ``Effect``, ``Qini``, ``SampleRatio`` and ``Contamination``, and their report."""

from __future__ import annotations

from monitoring.uplift.figures import CampaignFigures, Contamination, ShownEffect
from monitoring.uplift.report import uplift_report

__all__ = ["CampaignFigures", "Contamination", "ShownEffect", "uplift_report"]
