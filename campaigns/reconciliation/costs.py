"""What a reported cost is the cost of: the one rule for what contacts and incentives really cost.

The cost of a reported line is what that line's event cost. On a ``redeemed`` line it is what the incentive really cost
and replaces the amount that was offered; on any other line it is what the contact cost. A decision of which no
contact's cost was reported costs what was expected without its incentive; an incentive of which no cost was reported
counts with the amount offered where it was redeemed, if redemptions of the action are reported at all, else as
expected.
"""

from __future__ import annotations

from typing import Final


def cost_entry(event: str) -> str:
    """SQL of the ledger's ``entry_id`` of an event's cost, from the ``entry_id`` of the event."""
    return f"sha256('cost' || {event})"


#: SQL condition: a row of kind ``cost`` is that of a redemption.
IS_OF_A_REDEMPTION: Final = f"entry_id in (select {cost_entry('entry_id')} from ledger where kind = 'redeemed')"


def told_of(rows: str) -> str:
    """SQL of ``decision_id, contact_told_cents, incentive_told_cents, is_redeemed`` from rows of the ledger.

    Args:
        rows: SQL of rows of the ledger, some of kinds ``cost`` and ``redeemed``; corrected ones are left out.
    """
    return f"""select decision_id,
        sum(cost_cents) filter (where kind = 'cost' and not is_given) as contact_told_cents,
        sum(cost_cents) filter (where kind = 'cost' and is_given) as incentive_told_cents,
        bool_or(kind = 'redeemed') as is_redeemed
    from (select *, {IS_OF_A_REDEMPTION} as is_given from ({rows})) where decision_id is not null
    group by decision_id"""


def told_of_lines(lines: str) -> str:
    """SQL of the same from lines of a feed: ``decision_id, outcome, cost_cents``."""
    return f"""select decision_id, sum(cost_cents) filter (where outcome <> 'redeemed') as contact_told_cents,
        sum(cost_cents) filter (where outcome = 'redeemed') as incentive_told_cents,
        bool_or(outcome = 'redeemed') as is_redeemed
    from ({lines}) group by decision_id"""


def contact_price(decided: str) -> str:
    """SQL of what the contact of a decision cost; ``decided`` is what it was expected to cost, without incentive."""
    return f"coalesce(contact_told_cents, {decided})"


def incentive_price(offered: str, expected: str, redeeming: str) -> str:
    """SQL of what the incentive of a decision cost.

    Args:
        offered: SQL of the amount that was offered.
        expected: SQL of what was expected to be given per contact.
        redeeming: SQL of the actions of which redemptions are reported.
    """
    return f"""coalesce(incentive_told_cents, case when action in ({redeeming})
            then case when is_redeemed then {offered} else 0 end else {expected} end, 0)"""
