"""Say a theme in sentences."""

from __future__ import annotations

from collections.abc import Iterator

from monitoring.causes.results import Driver, FeatureDriver, Figure, Level, Measured, Saying
from monitoring.causes.words import Language, say
from monitoring.proportions import Share
from monitoring.words import Words


def sentences(
    language: Language,
    title: str,
    driver: Driver | None,
    sayings: tuple[Saying, ...],
    measured: tuple[Measured, ...],
) -> str:
    """Say what is known of a theme: associated, stated, controllable, measured, in this order.

    Args:
        language: Of the sentences.
        title: The theme in words.
        driver: What the model associates; None when it does not know the theme.
        sayings: What customers state.
        measured: What campaigns named after it changed.
    """
    w = Words(language)
    told = [*_associated(w, title, driver)] if driver is not None else [say(language, "stated_only")]
    told += [_stated(w, saying) for saying in sayings]
    if driver is not None:
        told.append(say(language, "controllable" if driver.is_controllable else "not_controllable"))
    told += [measured_sentence(language, effect) for effect in measured]
    return " ".join(told)


def measured_sentence(language: Language, effect: Measured) -> str:
    """Say what a campaign was measured to change: the one sentence that may speak of causes."""
    w = Words(language)
    low, high = effect.change.low, effect.change.high
    if low is None or high is None or low <= 0 <= high:
        key = "measured_nothing"
    else:
        key = "measured_less" if high < 0 else "measured_more"
    return say(
        language, key, campaign=effect.campaign, actions=", ".join(effect.actions), change=_signed(w, effect.change),
        reading=say(language, effect.reading), day=w.day(effect.read_on),
    )  # fmt: skip


def _associated(w: Words, title: str, driver: Driver) -> Iterator[str]:
    yield say(
        w.language, "associated", title=title, points=_figure(w, driver.points),
        share=w.share(driver.share.estimate, 0),
    )  # fmt: skip
    if driver.pushed_up is not None and round(100 * driver.pushed_up.share) > 0:
        yield say(w.language, "pushed", pushed=w.share(driver.pushed_up.share, 0))
    yield from _direction(w, driver.features[0])
    trend = driver.trend
    if trend is not None:
        yield say(w.language, trend.verdict, since=w.day(trend.since), change=_signed(w, trend.change))
        if not trend.is_one_model and trend.verdict in ("growing", "shrinking"):
            yield say(w.language, "other_model")


def _direction(w: Words, feature: FeatureDriver) -> Iterator[str]:
    """The direction of the family's strongest feature."""
    if feature.course is not None:
        key = f"flag_{feature.course}" if feature.is_flag else feature.course
        yield say(w.language, key, meaning=feature.meaning)
    elif feature.riskiest is not None and feature.safest is not None:
        yield say(
            w.language, "levels", meaning=feature.meaning,
            riskiest=feature.riskiest.value, worst=_level(w, feature.riskiest),
            safest=feature.safest.value, best=_level(w, feature.safest),
        )  # fmt: skip


def _stated(w: Words, saying: Saying) -> str:
    if saying.difference is None or saying.stayed is None:
        return say(
            w.language, saying.kind, value=saying.value, count=w.count(saying.left.count), n=w.count(saying.left.n),
            share=_share(w, saying.left),
        )  # fmt: skip
    gap = saying.difference
    return say(
        w.language, saying.kind, value=saying.value, left=w.share(saying.left.share),
        stayed=w.share(saying.stayed.share),
        difference=_signed(w, Figure(100 * gap.difference, 100 * gap.low, 100 * gap.high)),
    )  # fmt: skip


def _level(w: Words, level: Level) -> str:
    return w.signed(level.points, 1)


def _share(w: Words, share: Share) -> str:
    return say(
        w.language, "with_interval", value=w.share(share.share), low=w.share(share.low), high=w.share(share.high)
    )


def _figure(w: Words, figure: Figure) -> str:
    if figure.low is None or figure.high is None:
        return w.number(figure.estimate, 1)
    low, high = w.number(figure.low, 1), w.number(figure.high, 1)
    return say(w.language, "with_interval", value=w.number(figure.estimate, 1), low=low, high=high)


def _signed(w: Words, figure: Figure) -> str:
    if figure.low is None or figure.high is None:
        return w.signed(figure.estimate, 1)
    low, high = w.signed(figure.low, 1), w.signed(figure.high, 1)
    return say(w.language, "with_interval", value=w.signed(figure.estimate, 1), low=low, high=high)
