"""What customers' words and the model's features have in common: one small rule, and nothing beyond it.

A topic is about the family that counts it, when a feature does ("contacts about outage"). Else a reason or topic is
about a family when its own words name it: it is the family's name, or one of its words stands in the table below for
exactly one family that the business has features of. Everything else ("moving", "competitor",
"billing", which is as often a wrong bill as a high one) stays *stated only*: no likeness is guessed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping

from features.declarations import Feature
from holdback.sql import literal
from training.reasons import family_of

#: Words, English and Spanish, without accents, that name a family of features.
WORDS_OF_FAMILY: Mapping[str, frozenset[str]] = {
    "price": frozenset({"price", "prices", "pricing", "expensive", "tariff", "fee", "fees",
                        "precio", "precios", "caro", "cara", "tarifa", "tarifas", "comision", "comisiones"}),
    "discounts": frozenset({"discount", "discounts", "promotion", "promotions",
                            "descuento", "descuentos", "promocion", "promociones"}),
    "refunds": frozenset({"refund", "refunds", "return", "returns", "devolucion", "devoluciones", "reembolso"}),
    "contract": frozenset({"contract", "commitment", "permanence", "contrato", "permanencia"}),
    "service": frozenset({"service", "support", "complaint", "complaints", "attention", "staff",
                          "servicio", "soporte", "queja", "quejas", "reclamacion", "atencion", "trato"}),
    "unresolved": frozenset({"unresolved", "unsolved", "outage", "outages", "fault", "faults", "breakdown", "incident",
                             "averia", "averias", "fallo", "fallos", "incidencia", "incidencias"}),
    "contacts": frozenset({"spam", "advertising", "publicidad"}),
    "usage": frozenset({"usage", "unused", "uso"}),
    "balance": frozenset({"balance", "saldo"}),
}  # fmt: skip


def about(features: Iterable[Feature]) -> Callable[[str, str], str | None]:
    """Return what says which family a reason or topic of a feed is about: ``about(feed, text)``.

    Args:
        features: The features that may be shown.
    """
    shown = list(features)
    families = frozenset(family_of(feature) for feature in shown)
    counting = {(feature.feed, feature.filter): family_of(feature) for feature in shown if feature.filter is not None}

    def found(feed: str, text: str) -> str | None:
        return counting.get((feed, f"topic = {literal(text)}")) or family_named(text, families)

    return found


def family_named(text: str, families: Collection[str]) -> str | None:
    """Return the family that a reason or topic names; None when it names none, or several.

    Args:
        text: The reason or topic, in the company's own vocabulary.
        families: Families that the business has features of.

    Examples:
        >>> family_named("Too expensive", {"price", "service"})
        'price'
        >>> family_named("moving", {"price", "service"}) is None
        True
        >>> family_named("price of service", {"price", "service"}) is None
        True
    """
    words = words_of(text)
    if "_".join(words) in families:
        return "_".join(words)
    named = {family for family, known in WORDS_OF_FAMILY.items() if family in families and known & set(words)}
    return named.pop() if len(named) == 1 else None


def is_named_after(name: str, subject: str) -> bool:
    """True when a campaign or an action is called what a family or feature is called, or that and something more.

    Examples:
        >>> is_named_after("price_promise", "price"), is_named_after("fair_prices", "price")
        (True, False)
    """
    return name == subject or name.startswith(f"{subject}_")


def words_of(text: str) -> tuple[str, ...]:
    """Return the words of a text in lower case and without accents."""
    plain = unicodedata.normalize("NFKD", text.lower()).encode("ascii", "ignore").decode()
    return tuple(re.findall(r"[a-z0-9]+", plain))
