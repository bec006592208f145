"""What is known of why customers leave: what the model associates with it, what they say, and what was measured."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from monitoring.proportions import Share, ShareDifference

#: More of it goes with more churn, with less, or with either, depending on how much.
Course = Literal["higher", "lower", "mixed"]
TrendVerdict = Literal["growing", "shrinking", "steady", "no_evidence"]
#: Attribute and value; :data:`EVERYBODY` for all of them.
Group = tuple[str, str]
EVERYBODY: Group = ("", "")
SayingKind = Literal["reason", "topic", "low_score", "remark", "silence"]


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure with its 95 % interval.

    Attributes:
        estimate: The figure.
        low: Lower end; None where too few customers stand behind it for an honest interval.
        high: Upper end.
    """

    estimate: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Level:
    """One value of a category.

    Attributes:
        value: As it stands in the data; ``(missing)`` for none, ``(other)`` for rare ones.
        points: Mean percentage points of probability that it adds; below 0 it takes away.
        customer_count: Customers of the sample who have it.
    """

    value: str
    points: float
    customer_count: int


@dataclass(frozen=True, slots=True)
class FeatureDriver:
    """One feature as the model uses it on a day. Protected features have none.

    Attributes:
        feature: Its name.
        meaning: What it says, in the business' language.
        points: Mean size of its contribution, in percentage points of probability.
        rank_correlation: Spearman's, of its value with its SHAP value; None for categories and texts, and when flat.
        course: The same in a word; None where ``rank_correlation`` is.
        riskiest: Level of a category with the highest mean contribution; None for numbers, and when flat.
        safest: The one with the lowest.
        is_flag: True for a number that says yes (1) or no (0).
        is_controllable: True when the company can change it by a decision of its own.
    """

    feature: str
    meaning: str
    points: float
    rank_correlation: float | None
    course: Course | None
    riskiest: Level | None
    safest: Level | None
    is_flag: bool
    is_controllable: bool


@dataclass(frozen=True, slots=True)
class Trend:
    """How the size of a family's contribution changed between the oldest and the newest day.

    Attributes:
        since: The oldest day.
        change: Percentage points, newest minus oldest; the intervals of all families hold together.
        verdict: ``steady`` when the interval lies within half a point of 0; else ``growing`` or ``shrinking`` when it
            lies on one side of 0.
        is_one_model: False when another model was asked on the oldest day: the change may be the model's own.
    """

    since: date
    change: Figure
    verdict: TrendVerdict
    is_one_model: bool


@dataclass(frozen=True, slots=True)
class Driver:
    """One family of features as the model uses it on a day: what is associated with leaving, never what causes it.

    Attributes:
        family: The features' family; an attribute of the company's own is a family of its own.
        points: Mean size of its contribution, in percentage points of probability.
        share: Its part of the sizes of all families, in [0, 1].
        pushed_up: Share of the sample's customers whose probability it raises by two points or more; None when they are
            fewer than five.
        features: Its features, the strongest first.
        is_controllable: True when features with at least half of its size are.
        trend: Against the oldest day asked for; None when only one was.
    """

    family: str
    points: Figure
    share: Figure
    pushed_up: Share | None
    features: tuple[FeatureDriver, ...]
    is_controllable: bool
    trend: Trend | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A day that a model was asked about.

    Attributes:
        as_of: The day; nothing later is visible.
        model_version: The model.
        trained_on: The day of its training run.
        was_in_office: True when it was in office on that day; False when that one is not known or cannot be asked, and
            today's was asked instead.
        customer_count: Customers whom the churn definition describes.
        sample_count: Those of them who were asked about, chosen by the hash of their key: the same ones every day.
        points: Mean size of each family's contribution, in percentage points; empty below five customers.
    """

    as_of: date
    model_version: str
    trained_on: date
    was_in_office: bool
    customer_count: int
    sample_count: int
    points: dict[str, Figure]


@dataclass(frozen=True, slots=True)
class Saying:
    """Something customers say or do not say.

    Attributes:
        kind: ``reason``: given with a cancellation; ``topic``: of a contact before leaving; ``low_score``, ``remark``,
            ``silence``: when asked for feedback before leaving.
        feed: Where it stands.
        value: The reason or the topic, in the company's own vocabulary; the feed's name for the others.
        family: The family of features that is about the same thing; None when nothing says so.
        left: Its share among those who left: of a reason, among those who gave one.
        stayed: Its share among those who stayed; None for a reason.
        difference: Left minus stayed; all differences of a day hold together at 95 %. None for a reason.
    """

    kind: SayingKind
    feed: str
    value: str
    family: str | None
    left: Share
    stayed: Share | None = None
    difference: ShareDifference | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """The effect of a campaign on churn: the only place where something may be said to cause something.

    Attributes:
        campaign: Its name.
        version: Its version.
        actions: What it does.
        change: Change of the share that leaves, treatment minus holdout, in percentage points.
        level: Coverage that the interval promises.
        reading: ``official`` (the planned one) or ``daily`` (holds on any day).
        read_on: The day of the reading.
        families: Families and features that the campaign or one of its actions is named after.
    """

    campaign: str
    version: int
    actions: tuple[str, ...]
    change: Figure
    level: float
    reading: Literal["official", "daily"]
    read_on: date
    families: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Theme:
    """One thing in all three lights.

    Attributes:
        name: A family of features, or the reason or topic that no family is about.
        title: The same for people, in the business' language.
        driver: What the model associates; None when no feature is about it.
        sayings: What customers state about it.
        is_controllable: Whether the company can change it; None when no feature is about it.
        measured: What campaigns named after it changed.
        text: All of it in sentences.
    """

    name: str
    title: str
    driver: Driver | None
    sayings: tuple[Saying, ...]
    is_controllable: bool | None
    measured: tuple[Measured, ...]
    text: str


@dataclass(frozen=True, slots=True)
class SegmentCauses:
    """The themes of one segment. Groups of fewer than five customers are not among them.

    Attributes:
        name: The attribute.
        value: Its value.
        sample_count: Customers of the sample in it.
        themes: As for everybody, without trend and measured effects.
    """

    name: str
    value: str
    sample_count: int
    themes: tuple[Theme, ...]


@dataclass(frozen=True, slots=True)
class Causes:
    """Why customers leave, as far as it is known on a day.

    Attributes:
        churn: The churn definition.
        as_of: The day of knowledge.
        days: The days that a model was asked about, oldest first; the last one is ``as_of``.
        themes: The strongest drivers first, then what is only stated.
        segments: The same by segment.
        measured: Every measured effect of a campaign on this churn, named after a theme or not.
        cancelled: Share of those who cancelled who gave a reason; None when no feed holds reasons or nobody cancelled.
        compared_on: The day whose leavers and stayers are compared; None when no outcome is known yet.
        left_count: Leavers among them.
        stayed_count: Stayers among them.
        notes: What a reader must know.
    """

    churn: str
    as_of: date
    days: tuple[Asked, ...]
    themes: tuple[Theme, ...]
    segments: tuple[SegmentCauses, ...]
    measured: tuple[Measured, ...]
    cancelled: Share | None
    compared_on: date | None
    left_count: int
    stayed_count: int
    notes: tuple[str, ...]
