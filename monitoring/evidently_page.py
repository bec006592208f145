"""Evidently's report of the same figures: built from our results, rendered to one HTML document, packed to be embedded.

Evidently's page alone is no report for people: at 390 pixels its tables are cut off, it has no headings, one language
and one colour scheme. So ours stands on top and carries Evidently's inside.
"""

from __future__ import annotations

import base64
import gzip
import re
import tempfile
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from monitoring.drift.evidently_metrics import batch_quality, binned_drift, matured_performance, run_report
from monitoring.drift.verdicts import ColumnDrift, DayDrift, bin_labels
from monitoring.evidently_figures import day_figures, figures_of
from monitoring.performance import Performance
from monitoring.quality import Quality

_RATIO = (0.8, 1.25)
#: Inside our page it runs without an origin of its own, where asking for the browser's storage is an error.
_NO_STORAGE = """<script>(function () {
  var none = { getItem: function () { return null; }, setItem: function () {}, removeItem: function () {} };
  Object.defineProperty(window, "localStorage", { value: none });
  Object.defineProperty(window, "sessionStorage", { value: none });
})();</script>"""


@dataclass(frozen=True, slots=True)
class EvidentlyPage:
    """Evidently's document.

    Attributes:
        html: The document; opens without internet.
        passed: Tests that passed.
        test_count: All tests.
        snapshot: What the document was drawn from, as Evidently keeps it; None for a document that it did not draw.
    """

    html: str
    passed: int
    test_count: int
    snapshot: Any = field(default=None, compare=False, repr=False)

    @property
    def packed(self) -> str:
        """The document as base64 of its gzip, the same bytes for the same document."""
        return base64.b64encode(gzip.compress(self.html.encode(), 9, mtime=0)).decode()


def evidently_page(drift: DayDrift, quality: Quality, performance: Performance) -> EvidentlyPage:
    """Draw and test the day's drift, data quality and performance with Evidently."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Evidently's remarks on its own insides
        figures, limits = _quality_figures(quality)
        measured, bounds, title = _performance_figures(performance)
        metrics, tables = drift_metrics(drift)
        main = figures_of(drift, quality, performance)
        snapshot = run_report(
            [
                *([day_figures()()] if len(main) else []),
                *metrics,
                batch_quality()(limits=limits),
                matured_performance()(bounds=bounds, title=title),
            ],
            {
                "quality": figures,
                "figures": main,
                "batches": _batches(quality),
                "performance": measured,
                "reliability": _reliability(performance),
                **tables,
            },
        )
        tests = snapshot.dict()["tests"]
        passed = sum(str(getattr(test["status"], "value", test["status"])).upper() == "SUCCESS" for test in tests)
        return EvidentlyPage(document(snapshot), passed, len(tests), snapshot)


def drift_metrics(drift: DayDrift) -> tuple[list[Any], dict[str, pd.DataFrame]]:
    """Return the metrics that draw a day's drift (none when nothing was measured) and the tables that they read."""
    largest = next(iter(drift.measured), None)
    tables = {"verdicts": _verdicts(drift), "bins": _bins(largest)}
    if largest is None:
        return [], tables
    columns = [plain(column.name) for column in drift.measured]
    return [binned_drift()(columns=columns, largest=plain(largest.name))], tables


def document(snapshot: Any) -> str:
    """Return a snapshot as one HTML document that needs no internet; the same figures give the same document."""
    with tempfile.TemporaryDirectory(prefix="holdback-evidently-") as folder:
        path = Path(folder) / "evidently.html"
        snapshot.save_html(str(path))  # a Path would write nothing and say nothing
        html = path.read_text(encoding="utf-8")
    # Random names of its elements: numbered, so that the same figures give the same document.
    names = list(dict.fromkeys(re.findall(r"[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", html)))
    return _renamed(html, names).replace("<head>", f"<head>{_NO_STORAGE}", 1)


def _renamed(html: str, names: list[str]) -> str:
    numbers = {name: f"{i:032x}" for i, name in enumerate(names)}
    return re.sub("|".join(map(re.escape, names)), lambda found: numbers[found[0]], html) if names else html


def _verdicts(drift: DayDrift) -> pd.DataFrame:
    rows = [
        {
            "column": plain(column.name),
            "alarm": column.alarm,
            "change (PSI less chance)": f"{column.excess:.4f}",
            "by chance": f"{column.chance:.4f}",
            "missing, reference": _share(column.missing.first.share) if column.missing else "",
            "missing, today": _share(column.missing.second.share) if column.missing else "",
            "weight in the model": "" if column.importance is None else _share(column.importance),
            "verdict": ", ".join(column.findings) or "as before",
        }
        for column in drift.measured
    ]
    return pd.DataFrame(rows, columns=None if rows else ["column", "alarm"])


def _bins(column: ColumnDrift | None) -> pd.DataFrame:
    if column is None or column.bins is None:
        return pd.DataFrame({"bin": [], "reference": [], "today": []})
    return pd.DataFrame(
        {
            "bin": [plain(label) for label in bin_labels(column.bins)],
            "reference": column.reference_shares,
            "today": column.current_shares,
        }
    )


def _quality_figures(quality: Quality) -> tuple[pd.DataFrame, dict[str, float]]:
    figures: dict[str, float] = {"critical rules broken": sum(r.severity == "critical" for r in quality.broken)}
    limits: dict[str, float] = {"critical rules broken": 0.0}
    lost = quality.offered - quality.clean - quality.quarantined
    figures["rows unaccounted for"], limits["rows unaccounted for"] = float(abs(lost)), 0.0
    for feed in quality.feeds:
        if feed.quarantined_today is not None:
            name = f"{plain(feed.feed)}: share kept aside today"
            figures[name], limits[name] = feed.quarantined_today.share, feed.quarantined_limit
        if feed.days_since_last_event is not None and feed.limit_days is not None:
            name = f"{plain(feed.feed)}: days since the newest event"
            figures[name], limits[name] = float(feed.days_since_last_event), float(feed.limit_days)
    frame = pd.DataFrame({"figure": list(figures), "value": [float(value) for value in figures.values()]})
    return frame, limits


def _batches(quality: Quality) -> pd.DataFrame:
    rows = [
        {
            "feed": plain(feed.feed),
            "newest day": feed.newest.as_of.isoformat() if feed.newest else "none",
            "offered": f"{feed.newest.offered:,}" if feed.newest else "",
            "let in": f"{feed.newest.clean:,}" if feed.newest else "",
            "kept aside": f"{feed.newest.quarantined:,}" if feed.newest else "",
            "newest event": feed.last_event_on.isoformat() if feed.last_event_on else "",
        }
        for feed in quality.feeds
    ]
    return pd.DataFrame(rows, columns=None if rows else ["feed"])


def _performance_figures(performance: Performance) -> tuple[pd.DataFrame, dict[str, float], str]:
    """Figures with how they are shown, the bounds that they must exceed, and a title."""
    cohort = performance.newest
    if cohort is None:
        wait = f"not knowable before {performance.knowable_on}" if performance.knowable_on else str(performance.reason)
        frame = pd.DataFrame({"figure": ["labels matured"], "value": [0.0], "shown": [wait]})
        return frame, {}, "Performance on matured labels"
    figures: dict[str, tuple[float, str]] = {
        "labels matured": (float(cohort.matured_count), f"{cohort.matured_count:,} of {cohort.scored_count:,}"),
        "left": (cohort.observed.share, _share(cohort.observed.share)),
        "predicted to leave": (cohort.predicted, _share(cohort.predicted)),
        "calibration error": (cohort.calibration_error, f"{cohort.calibration_error:.3f}"),
    }
    bounds: dict[str, float] = {}
    if cohort.auc is not None:
        figures["AUC"] = (cohort.auc.estimate, f"{cohort.auc.estimate:.3f}")
        figures["lower end of the AUC's interval"] = (cohort.auc.low, f"{cohort.auc.low:.3f}")
        bounds["lower end of the AUC's interval"] = 0.5
    ratio = cohort.predicted_over_actual
    if ratio is not None:
        figures["predicted over actual"] = (ratio.estimate, f"{ratio.estimate:.2f}")
        figures["upper end of predicted over actual"] = (ratio.high, "")
        figures["upper end of actual over predicted"] = (1 / ratio.low, "")
        bounds["upper end of predicted over actual"] = _RATIO[0]
        bounds["upper end of actual over predicted"] = 1 / _RATIO[1]
    frame = pd.DataFrame(
        {
            "figure": list(figures),
            "value": [value for value, _ in figures.values()],
            "shown": [shown for _, shown in figures.values()],
        }
    )
    return frame, bounds, f"Scores of {cohort.as_of}, version {plain(cohort.model_version)}, against what happened"


def _reliability(performance: Performance) -> pd.DataFrame:
    points = performance.newest.reliability if performance.newest is not None else ()
    return pd.DataFrame(
        {
            "predicted": [point.predicted for point in points],
            "observed": [point.observed.share for point in points],
            "low": [point.observed.low for point in points],
            "high": [point.observed.high for point in points],
        }
    )


def plain(words: str) -> str:
    """Take out of words what looks like a tag: Evidently writes names into a script element as they are."""
    return words.replace("<", "‹").replace(">", "›").replace("&", "+")


def _share(value: float) -> str:
    return f"{value:.1%}"
