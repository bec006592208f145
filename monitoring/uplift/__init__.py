"""Campaigns in Evidently: our metrics ``Effect``, ``Qini``, ``SampleRatio`` and ``Contamination``, and their report."""

from __future__ import annotations

from monitoring.uplift.figures import LARGEST_CONTAMINATION, CampaignFigures, Contamination, ShownEffect
from monitoring.uplift.report import uplift_report

__all__ = ["LARGEST_CONTAMINATION", "CampaignFigures", "Contamination", "ShownEffect", "uplift_report"]
