"""The page about signals: triggers, what customers answer and write, and what goes with leaving."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from monitoring.portal.pages.signals_firing import firing_section, trial_section
from monitoring.portal.pages.signals_opinions import answers_section, risk_section, risk_sentence, themes_section
from monitoring.portal.pages.signals_triggers import Watched, read_triggers
from monitoring.portal.pages.signals_voices import Opinions, read_opinions
from monitoring.portal.parts import Notice, Page, Section
from monitoring.portal.source import Source
from monitoring.words import Words


@dataclass(frozen=True)
class SignalsContent:
    """Everything that the page says.

    Attributes:
        currency: Of amounts.
        triggers: In the order of the business file.
        opinions: What customers answer and write.
    """

    currency: str
    triggers: tuple[Watched, ...]
    opinions: Opinions


def read(source: Source) -> SignalsContent:
    """Ask the warehouse; no customer and nobody's text is kept."""
    return SignalsContent(source.business.currency, read_triggers(source), read_opinions(source))


def page(content: SignalsContent, words: Words) -> Page:
    """Say it in one language."""
    w = words
    return Page(
        "signals",
        w("signals_title"),
        " ".join(_lead(content, w)),
        (
            firing_section(content.triggers, content.currency, w),
            *trial_section(content.triggers, w),
            answers_section(content.opinions, w),
            themes_section(content.opinions, w),
            risk_section(content.opinions, w),
            Section("methods", w("signals_methods"), (Notice(w("signals_methods_say")),), is_folded=True),
        ),
    )


def _lead(content: SignalsContent, words: Words) -> Iterator[str]:
    w = words
    if not content.triggers:
        yield w("signals_lead_no_triggers")
    else:
        flooded = [one.trigger.name for one in content.triggers if one.standing.volume == "flooded"]
        yield w("signals_lead_one") if len(content.triggers) == 1 else w("signals_lead", count=len(content.triggers))
        unasked = [one.trigger.name for one in content.triggers if one.standing.last_evaluated_at is None]
        if flooded:
            yield w("signals_lead_flooded", triggers=", ".join(flooded))
        elif len(unasked) < len(content.triggers):
            yield w("signals_lead_calm")
        if unasked:
            yield w("signals_lead_unasked", triggers=", ".join(unasked))
    told = next((one for one in content.opinions.answers if one.rating.nps is not None), None)
    if told is not None and told.rating.nps is not None and told.rating.response is not None:
        figure = told.rating.nps
        score = w.interval(*(w.signed(value, 0) for value in (figure.estimate, figure.low, figure.high)))
        yield w("signals_lead_nps", nps=score, response=w.share(told.rating.response.share, 0), feed=told.feed)
    risk = content.opinions.risk
    if risk is not None:
        low = next((one for one in risk.associations if one.name == "low_score"), None)
        if low is not None:
            yield risk_sentence(low, w)
