"""The rules of the contracts in the words of the page: what each asks, in both languages."""

from __future__ import annotations

import re
from typing import Final

from monitoring.words import Words

#: Rules on a whole file, by their whole name.
WHOLE: Final = (
    "columns_are_present", "columns_are_all_used", "line_can_be_split", "row_count_is_in_range",
    "row_count_is_as_usual", "newest_event_is_fresh", "quarantined_share_is_small", "customer_id_is_known",
)  # fmt: skip
#: Rules on one column, by the end of their name; the longer one first where one ends like another.
ENDS: Final = (
    "is_rarely_missing", "null_share_is_as_known", "has_not_drifted", "is_given", "is_unique", "is_in_range",
    "is_in_vocabulary", "is_not_in_the_future", "is_as_known", "is_instant", "is_date", "is_money", "is_number",
    "is_integer", "is_flag",
)  # fmt: skip
_ORDER: Final = re.compile(r"^(.+)_is_not_before_(.+)$")
_SCALE: Final = re.compile(r"^score_(?:is_on|reaches_up)_scale_")


def rule_in_words(rule: str, w: Words) -> str:
    """Say what a rule asks; one that is not known is written as it is called.

    Examples:
        >>> rule_in_words("amount_is_money", Words("en"))
        'amount must be an amount of money'
    """
    if rule in WHOLE:
        return w(f"data_rule_{rule}")
    if _SCALE.match(rule):
        return w("data_rule_scale")
    order = _ORDER.match(rule)
    if order is not None:
        return w("data_rule_order", later=order[1], earlier=order[2])
    for end in ENDS:
        if rule.endswith(f"_{end}"):
            columns = rule.removesuffix(f"_{end}")
            if end == "is_unique":
                columns = columns.replace("_and_", " + ")
            return w(f"data_end_{end}", column=columns)
    return rule.replace("_", " ")
