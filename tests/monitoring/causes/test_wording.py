"""Two languages that say "associated with", and speak of causes only where a campaign was measured."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from string import Formatter

import pytest

from monitoring.causes import Causes, Figure, Measured, measured_sentence
from monitoring.causes.control import CONTROLLABLE
from monitoring.causes.vocabulary import WORDS_OF_FAMILY, family_named, is_named_after
from monitoring.causes.wording import sentences
from monitoring.causes.words import MEASURED_KEYS, WORDS, Language, family_title, say
from monitoring.proportions import wilson

CAUSAL = re.compile(
    r"\bcaus|\bdue to\b|\bbecause\b|\bdrives?\b|\bleads? to\b|\bresults? in\b"
    r"|\bprovoc|\bdebid|\bporque\b|\bpor culpa\b",
    re.IGNORECASE,
)
LANGUAGES: tuple[Language, ...] = ("en", "es")


@pytest.mark.parametrize("language", LANGUAGES)
def test_only_a_measured_effect_speaks_of_causes(language: Language) -> None:
    speak = {key for key, text in WORDS[language].items() if CAUSAL.search(text)}
    assert speak == set(MEASURED_KEYS)


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_the_model_sees_is_associated(language: Language) -> None:
    word = {"en": r"\bassociated with\b", "es": r"\b(asociado|asociación|se asocia) con\b"}[language]
    for key in ("associated", "higher", "lower", "mixed", "flag_higher", "flag_lower", "flag_mixed", "levels", "note"):
        assert re.search(word, WORDS[language][key]), key


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_title_has_to_agree_with_what_is_said_of_it(language: Language) -> None:
    """Titles are plural ("Discounts"), feminine ("La opinión") and sentences ("Cuánto gastan")."""
    titled = {key: text for key, text in WORDS[language].items() if "{title}" in text}
    assert titled
    assert all(text.startswith("{title}: ") for text in titled.values())
    assert "{title}: asociado" not in titled["associated"]
    assert say("es", "associated", title="La opinión", points="3,1", share="4 %").startswith("La opinión: asociación ")
    assert say("en", "associated", title="Discounts", points="3.1", share="4%").startswith("Discounts: associated ")


@pytest.mark.parametrize(("count", "says"), [(0, None), (4, None), (6, " 1% of customers"), (120, " 12% of customers")])
def test_nobody_is_told_that_the_probability_of_none_is_raised(found: Causes, count: int, says: str | None) -> None:
    driver = found.themes[0].driver
    assert driver is not None
    told = sentences("en", "Price", replace(driver, pushed_up=wilson(count, 1_000)), (), ())
    assert "It raises the probability of 0%" not in told
    assert (says in told) if says else "It raises" not in told


def test_no_theme_speaks_of_causes_but_behind_a_measured_effect(found: Causes) -> None:
    for theme in (*found.themes, *(theme for segment in found.segments for theme in segment.themes)):
        before, _, _ = theme.text.partition("Measured:")
        assert not CAUSAL.search(before), before
        assert ("Measured:" in theme.text) == bool(theme.measured)
    assert not any(CAUSAL.search(note) for note in found.notes)


def test_both_languages_say_the_same_things() -> None:
    assert set(WORDS["en"]) == set(WORDS["es"])
    for key, text in WORDS["en"].items():
        asked = [{name for _, name, _, _ in Formatter().parse(t) if name} for t in (text, WORDS["es"][key])]
        assert asked[0] == asked[1], key
        assert text != WORDS["es"][key], key


@pytest.mark.parametrize("family", sorted({*CONTROLLABLE, *WORDS_OF_FAMILY}))
def test_every_family_of_the_rules_has_a_title(family: str) -> None:
    assert family_title("en", family) != family_title("es", family)
    assert f"family_{family}" in WORDS["en"]


def test_an_attribute_is_called_what_it_means() -> None:
    assert family_title("es", "internet_service", "Servicio de internet") == "Servicio de internet"
    assert family_title("en", "internet_service") == "internet service"
    with pytest.raises(KeyError):
        say("en", "no such key")


@pytest.mark.parametrize(
    ("low", "high", "language", "says"),
    [
        (-5.0, -1.0, "en", "campaign spring (call, gift) causes fewer to leave: −3.0 (−5.0 to −1.0) points (official"),
        (1.0, 5.0, "en", "campaign spring (call, gift) causes more to leave"),
        (-5.0, 1.0, "en", "no evidence that campaign spring (call, gift) causes anybody to stay or leave"),
        (None, None, "en", "no evidence"),
        (-5.0, -1.0, "es", "la campaña spring (call, gift) causa menos bajas: −3,0 (de −5,0 a −1,0) puntos"),
    ],
)
def test_a_measured_effect_says_no_more_than_its_interval(
    low: float | None, high: float | None, language: Language, says: str
) -> None:
    estimate = 0.0 if low is None or high is None else (low + high) / 2
    effect = Measured(
        "spring", 1, ("call", "gift"), Figure(estimate, low, high), 0.95, "official", date(2026, 3, 1), ()
    )
    assert says in measured_sentence(language, effect)


@pytest.mark.parametrize(
    ("text", "family"),
    [
        ("price", "price"),
        ("Too expensive", "price"),
        ("tarifa más cara", "price"),
        ("Avería sin resolver", "unresolved"),
        ("customer_service", "service"),
        ("customer price service", None),  # two families: no guess
        ("moving", None),
        ("billing", None),
        ("competitor", None),
        ("promotion", None),  # this business has no discounts among its features
        ("loyalty card", "loyalty_card"),  # a family of the company's own, by its name
        ("", None),
        ("¿¿??", None),
    ],
)
def test_words_name_a_family_or_nothing(text: str, family: str | None) -> None:
    assert family_named(text, {"price", "service", "unresolved", "loyalty_card"}) == family


def test_no_word_names_two_families() -> None:
    words = [word for known in WORDS_OF_FAMILY.values() for word in known]
    assert len(words) == len(set(words))
    assert all(word.isascii() and word == word.lower() for word in words)


def test_a_campaign_bears_a_name_or_does_not() -> None:
    assert is_named_after("service_recovery", "service")
    assert is_named_after("price", "price")
    assert not is_named_after("price_promise", "promise")
    assert not is_named_after("prices", "price")
