"""What a company can change by a decision of its own, against what it can only watch.

The rule: controllable is what the company sets or does (prices, discounts, contracts, how it serves, what it leaves
unsolved, how often it writes). What customers do (buy, use, keep on an account) is what one wants to change, not a
lever; who they are and how long they have been there cannot be changed at all. Attributes of the company's own count
as such until the business file says otherwise, which it may do both ways.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from features.declarations import Feature
from holdback.business import Business
from holdback.errors import BusinessFileError
from training.reasons import family_of

#: Families that every company controls: ``unresolved`` holds its own faults, ``feedback`` what it asks and answers.
CONTROLLABLE = frozenset({"price", "discounts", "refunds", "contract", "service", "unresolved", "contacts", "feedback"})


@dataclass(frozen=True)
class Control:
    """Which features a company can change.

    Attributes:
        features: Names of those that it can.
    """

    features: frozenset[str]

    def holds(self, name: str) -> bool:
        """True when the company can change this feature."""
        return name in self.features


def control_of(business: Business, declared: Iterable[Feature]) -> Control:
    """Return what the company can change: the rule of the house, then its families, then its features.

    Args:
        business: The company; ``journey.controllable`` and ``journey.not_controllable`` name families or features.
        declared: Its features.

    Raises:
        BusinessFileError: a name that is neither, is protected, or stands in both lists.
    """
    known = [feature for feature in declared if not feature.protected]
    journey = business.journey
    _refuse_unknown(business, declared, known)
    both = sorted(set(journey.controllable) & set(journey.not_controllable))
    if both:
        raise BusinessFileError(
            f"{business.slug}: journey: {both[0]!r} stands under controllable and not_controllable. It can only be "
            "one. Take it out of one of them."
        )
    found = set()
    for feature in known:
        family = family_of(feature)
        # An attribute of the company's own counts when it bears a family's name; what others are about is not guessed.
        held = bool({feature.family, family} & CONTROLLABLE)
        for name in (family, feature.name):  # the narrower word is heard last
            if name in journey.controllable:
                held = True
            elif name in journey.not_controllable:
                held = False
        if held:
            found.add(feature.name)
    return Control(frozenset(found))


def _refuse_unknown(business: Business, declared: Iterable[Feature], known: list[Feature]) -> None:
    names = list(dict.fromkeys([*(family_of(feature) for feature in known), *(feature.name for feature in known)]))
    protected = {feature.name for feature in declared if feature.protected}
    for where in ("controllable", "not_controllable"):
        for name in getattr(business.journey, where):
            if name in names:
                continue
            place = f"{business.slug}: journey.{where}: {name!r}"
            if name in protected:
                raise BusinessFileError(
                    f"{place} is a protected attribute. What is protected is audited, never shown. Take it out."
                )
            near = get_close_matches(name, names, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else "`holdback features list` prints all of them."
            raise BusinessFileError(f"{place} is neither a family of features nor a feature. {hint}")
