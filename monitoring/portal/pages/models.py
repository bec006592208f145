"""The page about models: can scores be believed, what changed since they were learned, who decides about actions."""

from __future__ import annotations

from functools import partial

from monitoring.portal.pages.models_changes import features_section, labels_section, scores_section
from monitoring.portal.pages.models_content import ModelsContent, read_models
from monitoring.portal.pages.models_judged import (
    calibration_section,
    champion_section,
    figures_section,
    guards_section,
    judged_section,
    newest_judged,
    not_judged,
    promise_section,
)
from monitoring.portal.pages.models_league import league_section, value_section
from monitoring.portal.pages.models_written import written
from monitoring.portal.parts import Notice, Page, Section
from monitoring.portal.source import Source
from monitoring.words import Words

__all__ = ["ModelsContent", "page", "read"]


def read(source: Source) -> ModelsContent:
    """Ask the warehouse and the journal, once for both languages; nothing is written."""
    return read_models(source)


def page(content: ModelsContent, words: Words) -> Page:
    """Say it in one language."""
    return Page(
        "models",
        words("models_title"),
        _lead(content, words),
        (
            champion_section(content, words),
            *guards_section(content, words),
            judged_section(content, words),
            calibration_section(content, words),
            promise_section(content, words),
            labels_section(content, words),
            scores_section(content, words),
            features_section(content, words),
            figures_section(content, words),
            league_section(content, words),
            value_section(content, words),
            Section("methods", words("models_methods"), (Notice(words("models_methods_say")),), is_folded=True),
        ),
    )


def _lead(c: ModelsContent, w: Words) -> str:
    """How things stand: is the model judged, does it rank, are its probabilities true, has its world changed."""
    if c.version is None:
        return w("models_lead_none")
    since = c.in_office_since or c.as_of
    said = [w("models_lead_office", version=c.version, day=w.day(since))]
    newest = newest_judged(c)
    if newest is None or newest.auc is None:
        said.append(w("models_lead_not_judged", why=not_judged(c, w)) if newest is None else w("models_lead_one_class"))
    else:
        auc = written(w, newest.auc, partial(w.number, digits=2)).both
        kind = "ranks" if newest.auc.low > 0.5 else "chance"
        pairs = w.count(100 * newest.auc.estimate)
        said.append(w(f"models_lead_{kind}", day=w.day(newest.as_of), auc=auc, pairs=pairs))
        said.append(w(f"models_lead_{newest.calibration}"))
    if c.drift.measured:
        said.append(_changed(c, w))
    return " ".join(said)


def _changed(c: ModelsContent, w: Words) -> str:
    """Say how many features changed; those that only fill up with time are told below, not here."""
    changed, measured = len(c.drift.drifted), w.count(len(c.drift.measured))
    if not changed:
        return w("models_lead_unchanged")
    if c.young_count == 0:
        return w("models_lead_changed", n=w.count(changed), measured=measured)
    news = changed - c.young_count
    return w("models_lead_changed_old", n=w.count(news), measured=measured) if news else w("models_lead_only_young")
