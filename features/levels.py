"""Levels: what a customer held at the end of a day, over all accounts or those of one kind."""

from __future__ import annotations

from decimal import Decimal

from holdback.business import BalanceDropChurn, Business
from holdback.sql import literal

CENTS = 100


def level_columns(business: Business, churn: BalanceDropChurn) -> tuple[str, ...]:
    """Columns of the feed's rows from which levels are found."""
    return ("event_at", "balance_cents", *account_key(business, churn))


def account_key(business: Business, churn: BalanceDropChurn) -> tuple[str, ...]:
    """Return what tells the accounts of a customer apart; nothing when the feed does not say."""
    return ("account_kind",) if business.feeds[churn.feed].has("account_kind") else ()


def level(before: str | None = None) -> str:
    """SQL of the newest level of a group of rows (before an instant).

    Two levels at the same instant say nothing about their order: the higher one is taken, as features take it.
    """
    newest = "arg_max(balance_cents, row(event_at, balance_cents))"
    return newest if before is None else f"{newest} filter (where event_at < {before})"


def counts(churn: BalanceDropChurn) -> str | None:
    """SQL condition on the rows that count; None when all do."""
    return None if churn.account_kind is None else f"account_kind = {literal(churn.account_kind)}"


def is_held(churn: BalanceDropChurn, cents: str) -> str:
    """SQL condition: the level is enough for something to leave."""
    return f"{cents} >= {max(1, round(churn.least_amount * CENTS))}"


def has_left(churn: BalanceDropChurn, before: str, after: str) -> str:
    """SQL condition: of what was there before, at least a share is gone; exact for whole percents."""
    kept, whole = (1 - Decimal(str(churn.drop_share))).as_integer_ratio()
    return f"cast({after} as double) * {whole} <= cast({before} as double) * {kept}"
