"""Why a customer's probability is high, in words: what the model associates with leaving, never what causes it.

Exact SHAP values on the calibrated logit. Features of one family tell one story (orders in 30, 90 and 365 days), so
their contributions are added and the strongest speaks for them; the company's own attributes each stand for
themselves. Stability comes from the model's three seeds, not from the grouping. A reason is given in percentage
points: how much lower the probability would be without the family's contribution.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special

from features.declarations import Feature
from training.churn import ChurnModel

Floats = npt.NDArray[np.float64]
Language = Literal["en", "es"]

MOST_REASONS = 3
FEWEST_POINTS = 2.0
"""Percentage points below which a reason is not worth a sentence."""
TIED_WITHIN_POINTS = 1.0
"""Two leading reasons closer than this could as well change places: they are joined by "and/or"."""

ASSOCIATION_NOTE = {
    "en": "Reasons are associations that the model found, not causes: changing one need not change the outcome.",
    "es": "Las razones son asociaciones halladas por el modelo, no causas: cambiar una no tiene por qué cambiar el "
    "resultado.",
}

_OWN = "attributes"
_WORDS = {
    "en": {
        "points": "points",
        "unknown": "not known",
        "yes": "yes",
        "no": "no",
        "days": "days",
        "or": " and/or ",
        "like_leavers": "like others who left",
    },
    "es": {
        "points": "puntos",
        "unknown": "no consta",
        "yes": "sí",
        "no": "no",
        "days": "días",
        "or": " y/o ",
        "like_leavers": "como otros que se fueron",
    },
}


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason.

    Attributes:
        family: The features' family (an attribute's own name for the company's columns).
        feature: The feature that speaks for the family.
        value: Its value as text, in the business' language.
        points: Percentage points of probability that the family adds.
        text: The sentence.
    """

    family: str
    feature: str
    value: str
    points: float
    text: str


def explain(
    model: ChurnModel,
    frame: pd.DataFrame,
    features: Iterable[Feature],
    *,
    language: Language,
    currency: str,
    threads: int,
) -> list[tuple[Reason, ...]]:
    """Give the main reasons of each row, strongest first; rows without a reason worth two points get none.

    Args:
        model: The calibrated model.
        frame: Features of the customers to explain, n rows.
        features: Declarations of the features; protected ones are never shown.
        language: Of the sentences.
        currency: ISO code behind amounts.
        threads: CPU threads.
    """
    if frame.empty:
        return []
    contributions, base = model.contributions(frame, threads=threads)
    logit = base + contributions.sum(axis=1)
    declared = {feature.name: feature for feature in features if not feature.protected}
    names = model.encoding.names
    families: dict[str, list[int]] = {}
    for position, name in enumerate(names):
        if name in declared and declared[name].kind == "text":
            # Who wrote nothing said nothing: that is no reason, whatever the model makes of the silence.
            contributions[frame[name].isna().to_numpy(), position] = 0.0
        if name in declared:
            families.setdefault(family_of(declared[name]), []).append(position)
    order = list(families)
    points = np.column_stack([points_of(logit, contributions[:, families[family]].sum(axis=1)) for family in order])
    columns = {name: frame[name].to_numpy() for name in names if name in declared}
    found = []
    for row in range(len(frame)):
        reasons = []
        # A stable sort: equal points keep the order of the feature set.
        for index in np.argsort(-points[row], kind="stable")[:MOST_REASONS]:
            if points[row, index] < FEWEST_POINTS:
                break
            members = families[order[index]]
            speaker = declared[names[members[int(np.argmax(contributions[row, members]))]]]
            value = written(columns[speaker.name][row], speaker, language=language, currency=currency)
            text = f"{getattr(speaker.meaning, language)}: {value} ({_signed(points[row, index], language)})"
            reasons.append(Reason(order[index], speaker.name, value, round(float(points[row, index]), 1), text))
        found.append(tuple(reasons))
    return found


def points_of(logit: Floats, contribution: Floats) -> Floats:
    """Percentage points that a contribution to the logit adds to the probability, shape (n,).

    Examples:
        >>> points_of(np.array([0.0]), np.array([1.0])).round(1)  # from 26.9 % to 50 %
        array([23.1])
    """
    return np.asarray(100 * (special.expit(logit) - special.expit(logit - contribution)))


def family_of(feature: Feature) -> str:
    """The family a feature is added up with: its declared one, or itself for the company's own attributes."""
    return feature.name if feature.family == _OWN else feature.family


def written(value: object, feature: Feature, *, language: Language, currency: str) -> str:
    """Write a feature's value for a person: with its unit, decimal comma in Spanish, "not known" for null."""
    words = _WORDS[language]
    if pd.isna(value):  # type: ignore[call-overload]
        return words["unknown"]
    if feature.kind == "category":
        return str(value)
    if feature.kind == "text":
        return words["like_leavers"]  # never what was written
    number = float(str(value))
    if feature.unit == "0 or 1":
        return words["yes"] if number >= 0.5 else words["no"]
    if feature.unit.startswith("share"):
        return f"{_number(100 * number, 0, language)} %"
    if feature.unit.startswith("currency"):
        return f"{_number(number, 2, language)} {currency}"
    places = 0 if number == round(number) else 1
    return f"{_number(number, places, language)}{' ' + words['days'] if feature.unit == 'days' else ''}"


def to_json(reasons: Sequence[Reason]) -> str:
    """Reasons as the table ``scores`` keeps them: a JSON list, always the same bytes for the same reasons."""
    told = [{name: getattr(reason, name) for name in Reason.__slots__} for reason in reasons]
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


def from_json(text: str) -> tuple[Reason, ...]:
    """Read back what :func:`to_json` wrote."""
    return tuple(Reason(**content) for content in json.loads(text))


def sentence(reasons: Sequence[Reason], *, language: Language) -> str:
    """All reasons of a customer in one line; leading ones that could change places are joined by "and/or"."""
    if not reasons:
        return ""
    line = reasons[0].text
    for position, (before, after) in enumerate(pairwise(reasons)):
        is_tied = position == 0 and before.points - after.points < TIED_WITHIN_POINTS
        line += (_WORDS[language]["or"] if is_tied else "; ") + after.text
    return line


def _signed(points: float, language: Language) -> str:
    return f"+{_number(points, 0, language)} {_WORDS[language]['points']}"


def _number(value: float, places: int, language: Language) -> str:
    text = f"{value:,.{places}f}"
    return text.translate(str.maketrans(",.", ".,")) if language == "es" else text
