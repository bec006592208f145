"""Which language a customer is written in."""

from __future__ import annotations

import pytest

from campaigns.messages.languages import written_language


@pytest.mark.parametrize(
    ("spoken", "written"),
    [
        ("en", "en"), ("ES", "es"), (" es ", "es"), ("es-MX", "es"), ("en_GB", "en"), ("pt-BR", "pt_br"),
        ("pt", "es"), ("fr", "es"), (None, "es"), ("", "es"), ("Spanish", "es"),
    ],
)  # fmt: skip
def test_the_customers_own_language_wins_and_the_business_one_stands_in(spoken: str | None, written: str) -> None:
    assert written_language(("en", "es", "pt_br"), spoken, "es") == written


def test_without_either_the_first_declared_is_written() -> None:
    assert written_language(("ca", "fr"), "de", "en") == "ca"
