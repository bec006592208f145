"""What a customer may hear of the reasons of the model."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from campaigns.messages.phrases import _HAPPENED, LANGUAGES, PHRASES, reason_phrase
from features.families import feature_set
from holdback.business import load_business

FRIGHTENING = re.compile(
    r"\b(risk|riesgo|leav\w*|churn\w*|baja|cancel\w*|abandon\w*|probab\w*|predict\w*|predic\w*|model\w*|"
    r"score\w*|complain\w*|queja\w*|debt\w*|deuda\w*|lapsed)\b|[0-9%]",
    re.IGNORECASE,
)
BUSINESSES = ("telecom", "groceries", "online_retail", "telco")
#: Families that are never told: where money went, what a customer wrote, and the company's own attributes.
SILENT = {"flows", "remarks", "attributes"}


def reasons(*given: tuple[str, str, str]) -> str:
    return json.dumps([{"family": family, "feature": name, "value": value} for family, name, value in given])


def test_every_phrase_is_there_in_every_language_and_frightens_nobody() -> None:
    for family, words in [*PHRASES.items(), *_HAPPENED.items()]:
        assert tuple(words) == LANGUAGES, family
        for phrase in words.values():
            assert phrase.strip() == phrase
            assert not FRIGHTENING.search(phrase), phrase


@pytest.mark.parametrize("name", BUSINESSES)
def test_every_family_of_our_features_has_words_or_is_silent_on_purpose(project_root: Path, name: str) -> None:
    business = load_business(project_root / "businesses" / f"{name}.yaml")
    families = {feature.family for feature in feature_set(business).features}
    assert families <= set(PHRASES) | SILENT


@pytest.mark.parametrize(
    ("given", "phrase"),
    [
        ([("service", "interaction_count_30d", "4")], "sus contactos recientes con nuestro servicio"),
        ([("service", "tills_interaction_phone_count_90d", "1")], "sus contactos recientes con nuestro servicio"),
        # None of it happened: nothing is said that is not true.
        ([("service", "interaction_count_30d", "0")], "su experiencia con nuestro servicio"),
        ([("service", "interaction_count_365d", "4")], "su experiencia con nuestro servicio"),
        ([("service", "days_since_last_interaction", "no consta")], "su experiencia con nuestro servicio"),
        ([("flows", "to_other_bank_amount_30d", "900 EUR"), ("plan", "plan_last", "fibre")], "su tarifa"),
        ([("weather", "rain", "yes")], None),
        ([], None),
    ],
)  # fmt: skip
def test_the_first_reason_with_words_is_told_and_only_what_is_true(
    given: list[tuple[str, str, str]], phrase: str
) -> None:
    assert reason_phrase(reasons(*given), "es") == phrase


def test_an_attribute_is_never_told_whatever_it_is_called() -> None:
    assert reason_phrase(reasons(("tenure", "tenure", "7")), "en") == "your time with us"
    assert reason_phrase(reasons(("tenure", "tenure", "7")), "en", {"tenure"}) is None


@pytest.mark.parametrize("broken", [None, "", "{", "{}", "[1]", '[{"family": []}]', "null"])
def test_reasons_that_cannot_be_read_are_none(broken: str | None) -> None:
    assert reason_phrase(broken, "en") is None


def test_a_language_without_words_hears_no_reason() -> None:
    assert reason_phrase(reasons(("plan", "plan_last", "fibre")), "fr") is None
