"""How a reason of the model sounds to the customer whom it is about: neutral, and true whichever way it points.

No figure, no probability, no word of leaving. A reason that has no such words here (an attribute of the company, where
money went, a feature of the company's own) has none at all: it is never told.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import Final

_ACTIVITY: Final = {"en": "your activity with us", "es": "su actividad con nosotros"}

#: By family of features, by language.
PHRASES: Final[Mapping[str, Mapping[str, str]]] = {
    "service": {"en": "your experience with our service", "es": "su experiencia con nuestro servicio"},
    "unresolved": {"en": "how we have attended to you", "es": "cómo le hemos atendido"},
    "feedback": {"en": "what you think of us", "es": "su opinión sobre nosotros"},
    "contacts": {"en": "how we keep in touch with you", "es": "cómo nos comunicamos con usted"},
    "tenure": {"en": "your time with us", "es": "el tiempo que lleva con nosotros"},
    "contract": {"en": "your contract with us", "es": "su contrato con nosotros"},
    "plan": {"en": "your plan", "es": "su tarifa"},
    "price": {"en": "the terms that you have with us", "es": "las condiciones que tiene con nosotros"},
    "discounts": {"en": "the terms that you have with us", "es": "las condiciones que tiene con nosotros"},
    "usage": {"en": "how you use our service", "es": "el uso que hace de nuestro servicio"},
    "balance": {"en": "your accounts with us", "es": "sus cuentas con nosotros"},
    "variety": {"en": "what you choose with us", "es": "lo que elige con nosotros"},
    "channel": {"en": "how you deal with us", "es": "cómo trata con nosotros"},
    "recency": _ACTIVITY,
    "frequency": _ACTIVITY,
    "amount": _ACTIVITY,
    "refunds": _ACTIVITY,
    "rhythm": _ACTIVITY,
    "trend": _ACTIVITY,
    "season": _ACTIVITY,
    "segments": _ACTIVITY,
}
#: Said instead where the reason is a count of the last months that is not zero: then there was something to speak of.
_HAPPENED: Final[Mapping[str, Mapping[str, str]]] = {
    "service": {"en": "your recent contacts with our service", "es": "sus contactos recientes con nuestro servicio"},
    "unresolved": {"en": "what you recently told our service", "es": "lo que comunicó hace poco a nuestro servicio"},
    "refunds": {"en": "your recent returns", "es": "sus devoluciones recientes"},
}
_RECENT_COUNT: Final = re.compile(r"_count_(7|30|90)d$")
LANGUAGES: Final = tuple(PHRASES["service"])


def reason_phrase(reasons: str | None, language: str, attributes: Collection[str] = ()) -> str | None:
    """Return the strongest reason that can be told to a customer, as words that follow "about".

    Args:
        reasons: JSON as the table ``scores`` keeps it, strongest first; null when the customer has none.
        language: Of the words.
        attributes: The company's own attributes: a reason that is one of them is never told, whatever it is called.

    Examples:
        >>> told = '[{"family": "province", "feature": "province", "value": "Lugo"}, '
        >>> told += '{"family": "service", "feature": "interaction_count_30d", "value": "4"}]'
        >>> reason_phrase(told, "en", {"province"}), reason_phrase(None, "es")
        ('your recent contacts with our service', None)
    """
    for reason in _listed(reasons):
        family, feature = reason.get("family"), str(reason.get("feature"))
        if not isinstance(family, str) or family in attributes:
            continue
        happened = _RECENT_COUNT.search(feature) and re.search("[1-9]", str(reason.get("value")))
        words = (_HAPPENED if happened and family in _HAPPENED else PHRASES).get(family, {})
        if language in words:
            return words[language]
    return None


def _listed(reasons: str | None) -> list[Mapping[str, object]]:
    try:
        found = json.loads(reasons or "[]")
    except ValueError:
        return []
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
