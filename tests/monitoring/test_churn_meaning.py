"""What leaving means, said on the report for each kind of churn."""

import pytest
from pydantic import TypeAdapter

from holdback.business import Churn
from monitoring.report_view import churn_meaning
from monitoring.words import Words

PURCHASES = {"name": "a", "feed": "f", "outcome_days": 60}
RHYTHM = {**PURCHASES, "kind": "rhythm", "times": 2.5}
DROP = {**PURCHASES, "kind": "balance_drop", "drop_share": 0.8}


@pytest.mark.parametrize(
    ("definition", "lead", "said"),
    [
        (RHYTHM, 0, "no purchase for 2.5 of the customer’s own usual gaps, 60 days at most."),
        (RHYTHM, 7, "from 7 days on, no purchase for 2.5 of the customer’s own usual gaps, 60 days at most."),
        (DROP, 0, "80% of the balance is gone when the 60 days from this one on are over."),
        (DROP, 7, "80% of the balance is gone when the 60 days that begin 7 days later are over."),
    ],
)
def test_a_rhythm_and_a_drop_say_their_own_figures(definition, lead, said):
    churn = TypeAdapter(Churn).validate_python({**definition, "lead_days": lead})
    assert churn_meaning(churn, Words("en")) == f"To leave means: {said}"
    assert churn_meaning(churn, Words("es")).startswith("Abandonar significa ")


@pytest.mark.parametrize("lead", [0, 7])
@pytest.mark.parametrize("kind", ["inactivity", "cancellation", "rhythm", "balance_drop"])
def test_the_words_are_true_of_any_day_not_of_today_alone(kind, lead):
    churn = TypeAdapter(Churn).validate_python({**PURCHASES, "kind": kind, "lead_days": lead})
    for language, of_today in (("en", ("today", " in 7 days")), ("es", ("hoy", "dentro de"))):
        assert not any(words in churn_meaning(churn, Words(language)) for words in of_today)


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("lead", [0, 7])
@pytest.mark.parametrize("kind", ["inactivity", "cancellation", "rhythm", "balance_drop"])
def test_every_kind_has_its_words(kind, lead, language):
    churn = TypeAdapter(Churn).validate_python({**PURCHASES, "kind": kind, "lead_days": lead})
    assert "60" in churn_meaning(churn, Words(language))
