"""What goes with leaving, what customers state and what was measured: read once, said in each language."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

from features.families import feature_set
from holdback.errors import DataError, NotKnowableYet, OperatorError
from monitoring.causes import Asked, Driver, FeatureDriver, Measured, Saying, find_causes, measured_sentence
from monitoring.causes.results import Figure
from monitoring.causes.words import family_title, say
from monitoring.portal.pages.figures import in_points, limits
from monitoring.portal.parts import Cell, Chart, Column, Notice, Part, Point, Section, Series, Table
from monitoring.portal.source import Source
from monitoring.words import Language, Words

#: Drivers in the picture; the table has them all.
_DRAWN: Final = 10
#: Customers whom the model is asked about for a page: means are known to a few percent of them, as the intervals tell.
_MOST_CUSTOMERS: Final = 5_000
#: Part of all that the model sees below which nobody needs to be told of a family.
_TELLING: Final = 0.005

Lack = Literal["no_model", "damaged", "nobody"]


@dataclass(frozen=True)
class Reasons:
    """Why customers leave, as far as it is known.

    Attributes:
        lack: Why the model cannot be asked; None when it was.
        drivers: What it associates with leaving, the strongest first.
        sayings: What customers state.
        measured: What campaigns were measured to change.
        asked: The model and how many it was asked about; None without one.
        compared_on: The day whose leavers and stayers are compared; None while no outcome is known.
        meanings: What features mean, by language and name.
    """

    lack: Lack | None = None
    drivers: tuple[Driver, ...] = ()
    sayings: tuple[Saying, ...] = ()
    measured: tuple[Measured, ...] = ()
    asked: Asked | None = None
    compared_on: date | None = None
    meanings: Mapping[Language, Mapping[str, str]] | None = None


def read_reasons(source: Source) -> Reasons:
    """Ask the model in office, the feeds and the readings of campaigns."""
    try:
        found = find_causes(
            source.workspace, source.churn.name, source.as_of, segments=(), most_customers=_MOST_CUSTOMERS,
            warehouse=source.warehouse,
        )  # fmt: skip
    except NotKnowableYet:
        return Reasons("no_model")
    except OperatorError:
        return Reasons("damaged")
    except DataError:
        return Reasons("nobody")
    drivers = tuple(theme.driver for theme in found.themes if theme.driver is not None)
    features = feature_set(source.business)
    return Reasons(
        drivers=tuple(one for one in drivers if one.share.estimate >= _TELLING),
        sayings=tuple(saying for theme in found.themes for saying in theme.sayings),
        measured=found.measured,
        asked=found.days[-1],
        compared_on=found.compared_on,
        meanings={
            "en": {feature.name: feature.meaning.en for feature in features},
            "es": {feature.name: feature.meaning.es for feature in features},
        },
    )


def strongest(reasons: Reasons, words: Words) -> str | None:
    """Return the title of what is associated with leaving the most; None when the model was not asked."""
    return _title(reasons, words, reasons.drivers[0]) if reasons.drivers else None


def reasons_section(reasons: Reasons, words: Words) -> Section:
    """Say why customers leave: associated, stated, measured, never mixed."""
    w = words
    parts: list[Part] = [*_drivers(reasons, w), *_stated(reasons, w), *_measured(reasons, w)]
    return Section("drivers", w("churn_page_drivers"), tuple(parts), w("churn_page_drivers_lead"))


def _drivers(reasons: Reasons, words: Words) -> Iterator[Part]:
    w = words
    if reasons.lack is not None or reasons.asked is None:
        lack = reasons.lack or "no_model"
        yield Notice(w(f"churn_page_causes_{lack}"), state="bad" if lack == "damaged" else "none")
        return
    if not reasons.drivers:
        yield Notice(w("churn_page_causes_few"))
        return
    asked = reasons.asked
    version, trained = asked.model_version, w.day(asked.trained_on)
    definition = w("churn_page_weight_definition", version=version, trained=trained, n=w.count(asked.sample_count))
    drawn = reasons.drivers[:_DRAWN]
    yield Chart(
        "drivers",
        w("churn_page_drivers_chart"),
        definition,
        "dots",
        (Series(w("churn_page_weight"), tuple(_point(_title(reasons, w, one), one.points) for one in drawn), True),),
        "number",
        w("churn_page_driver"),
        w("churn_page_weight_points"),
        sentence=w(
            "churn_page_drivers_sentence",
            first=_title(reasons, w, drawn[0]),
            share=w.share(drawn[0].share.estimate, 0),
        ),
    )
    yield Table(
        "drivers-table",
        w("churn_page_drivers_table"),
        (
            Column(w("churn_page_driver"), w("churn_page_driver_definition")),
            Column(w("churn_page_weight_points"), definition, is_number=True),
            Column(w("churn_page_pushed"), w("churn_page_pushed_definition"), is_number=True),
            Column(w("churn_page_direction"), w("churn_page_direction_definition")),
            Column(w("churn_page_controllable"), w("churn_page_controllable_definition")),
        ),
        tuple(_row(reasons, w, one) for one in reasons.drivers),
    )
    if asked.sample_count < asked.customer_count:
        yield Notice(
            say(w.language, "sample_note", sample=w.count(asked.sample_count), all=w.count(asked.customer_count))
        )


def _row(reasons: Reasons, words: Words, driver: Driver) -> tuple[Cell, ...]:
    w = words
    pushed = driver.pushed_up
    return (
        Cell(_title(reasons, w, driver)),
        Cell(w.number(driver.points.estimate, 1), _limits(w, driver.points)),
        Cell(w("nothing")) if pushed is None else Cell(w.share(pushed.share), limits(w, pushed)),
        Cell(_direction(reasons, w, driver.features[0])),
        Cell(w("churn_page_yes") if driver.is_controllable else w("churn_page_no")),
    )


def _direction(reasons: Reasons, words: Words, feature: FeatureDriver) -> str:
    """Say in which direction the family's strongest feature goes with leaving."""
    w, language = words, words.language
    meaning = _meaning(reasons, language, feature)
    if feature.course is not None:
        return say(language, f"flag_{feature.course}" if feature.is_flag else feature.course, meaning=meaning)
    if feature.riskiest is not None and feature.safest is not None:
        return say(
            language, "levels", meaning=meaning, riskiest=feature.riskiest.value, safest=feature.safest.value,
            worst=w.signed(feature.riskiest.points, 1), best=w.signed(feature.safest.points, 1),
        )  # fmt: skip
    return w("churn_page_no_direction", meaning=meaning)


def _stated(reasons: Reasons, words: Words) -> Iterator[Part]:
    w = words
    given = [one for one in reasons.sayings if one.kind == "reason"]
    if given:
        given.sort(key=lambda one: -one.left.count)
        yield Table(
            "reasons",
            w("churn_page_reasons"),
            (
                Column(w("churn_page_reason")),
                Column(w("churn_page_reason_share"), w("churn_page_reason_definition"), is_number=True),
                Column(w("churn_page_reason_about"), w("churn_page_reason_about_definition")),
            ),
            tuple(
                (Cell(one.value), Cell(w.share(one.left.share), limits(w, one.left)), Cell(_about(reasons, w, one)))
                for one in given
            ),
        )
    elif reasons.lack is None:
        yield Notice(say(w.language, "no_reasons"))
    compared = [one for one in reasons.sayings if one.difference is not None and one.stayed is not None]
    if compared and reasons.compared_on is not None:
        compared.sort(key=lambda one: -abs(one.difference.difference) if one.difference else 0.0)
        yield Table(
            "before-leaving",
            w("churn_page_before", day=w.day(reasons.compared_on)),
            (
                Column(w("churn_page_said")),
                Column(w("churn_page_leavers"), w("churn_page_leavers_definition"), is_number=True),
                Column(w("churn_page_stayers"), w("churn_page_stayers_definition"), is_number=True),
                Column(w("churn_page_gap"), w("churn_page_gap_definition"), is_number=True),
            ),
            tuple(_compared(w, one) for one in compared),
        )
    elif reasons.lack is None:
        yield Notice(w("churn_page_no_comparison"))


def _compared(words: Words, saying: Saying) -> tuple[Cell, ...]:
    w = words
    assert saying.difference is not None
    assert saying.stayed is not None
    gap = saying.difference
    return (
        Cell(w(f"churn_page_said_{saying.kind}", value=saying.value)),
        Cell(w.share(saying.left.share), limits(w, saying.left)),
        Cell(w.share(saying.stayed.share), limits(w, saying.stayed)),
        Cell(in_points(w, gap.difference, gap.low, gap.high), "" if gap.excludes_zero else w("churn_page_no_evidence")),
    )


def _measured(reasons: Reasons, words: Words) -> Iterator[Part]:
    w = words
    if not reasons.measured:
        yield Notice(w("churn_page_nothing_measured"))
    for effect in reasons.measured:
        low, high = effect.change.low, effect.change.high
        helps, harms = high is not None and high < 0, low is not None and low > 0
        yield Notice(measured_sentence(w.language, effect), state="good" if helps else "bad" if harms else "none")


def _about(reasons: Reasons, words: Words, saying: Saying) -> str:
    if saying.family is None:
        return words("churn_page_stated_only")
    driver = next((one for one in reasons.drivers if one.family == saying.family), None)
    return family_title(words.language, saying.family) if driver is None else _title(reasons, words, driver)


def _title(reasons: Reasons, words: Words, driver: Driver) -> str:
    return family_title(words.language, driver.family, _meaning(reasons, words.language, driver.features[0]))


def _meaning(reasons: Reasons, language: Language, feature: FeatureDriver) -> str:
    return (reasons.meanings or {}).get(language, {}).get(feature.feature, feature.meaning)


def _point(label: str, figure: Figure) -> Point:
    return Point(label, figure.estimate, figure.low, figure.high)


def _limits(words: Words, figure: Figure) -> str:
    w = words
    if figure.low is None or figure.high is None:
        return ""
    return w("interval", low=w.number(figure.low, 1), high=w.number(figure.high, 1))
