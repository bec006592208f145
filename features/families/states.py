"""Features of what a customer has: ``balances``, ``subscriptions``, ``usage``."""

from __future__ import annotations

from features.declarations import Feature, FeedShape
from features.families.declaring import WINDOWS, Declarer
from holdback.sql import literal

CENTS = 100

#: The newest event of a contract that is not a cancellation: the contract is open.
OPEN = "event_rank = 1 and kind <> 'cancel'"

# A declaration reads better as a few lines than as a column of arguments.
# fmt: off


def balance_features(shape: FeedShape, prefix: str) -> list[Feature]:
    """Declare the level of a customer's accounts, how far it fell, and how far it is below its peak.

    The prepared rows are the accounts (one per ``account_kind``); each feature sums over them.
    """
    d = Declarer(shape, prefix)
    _balance_levels(d, "balance", "", "Balance", "Saldo", None)
    d.add("balance_peak_90d_amount", "balance", "sum", "currency", "Highest balance in the last 90 days",
          "Saldo más alto en los últimos 90 días", column="peak_90d_cents", divided_by=CENTS)
    d.add("balance_below_peak_share", "balance", "derived", "share of the peak",
          "How far the balance is below its peak of 90 days", "Cuánto está el saldo bajo su máximo de 90 días",
          column=f"case when {d.named('balance_peak_90d_amount')} > 0e0 then "
                 f"1e0 - {d.named('balance_amount')} / {d.named('balance_peak_90d_amount')} end")
    d.add("days_since_last_balance", "balance", "days_since_last", "days",
          "Days since a balance was last reported", "Días desde el último saldo comunicado")
    for value, slug in d.values("account_kind"):
        _balance_levels(d, f"balance_{slug}", f" ({value})", "Balance", "Saldo", f"account_kind = {literal(value)}")
    return d.features


def _balance_levels(d: Declarer, name: str, of: str, en: str, es: str, condition: str | None) -> None:
    d.add(f"{name}_amount", "balance", "sum", "currency", f"{en}{of}", f"{es}{of}",
          column="balance_cents", filter=condition, divided_by=CENTS)
    for days in (7, 30, 90):
        ago = f"balance_{days}d_ago_cents"
        d.add(f"{name}_{days}d_ago_amount", "balance", "sum", "currency", f"{en} {days} days ago{of}",
              f"{es} hace {days} días{of}", column=ago, filter=condition, divided_by=CENTS)
        before, now = d.named(f"{name}_{days}d_ago_amount"), d.named(f"{name}_amount")
        d.add(f"{name}_drop_{days}d_amount", "balance", "derived", "currency",
              f"How much the balance fell in {days} days{of}", f"Cuánto cayó el saldo en {days} días{of}",
              column=f"case when {before} > {now} then {before} - {now} when {before} <= {now} then 0e0 end")
        d.add(f"{name}_drop_{days}d_share", "balance", "derived", "share of the balance before",
              f"Share of the balance that left in {days} days{of}", f"Parte del saldo que salió en {days} días{of}",
              column=f"case when {before} > 0e0 and {before} > {now} then ({before} - {now}) / {before} "
                     f"when {before} <= {now} then 0e0 end")


def subscription_features(shape: FeedShape, prefix: str) -> list[Feature]:
    """Declare a customer's contracts: how many are open, since when, at what price, and how they changed."""
    d = Declarer(shape, prefix)
    d.add("open_contract_count", "contract", "count", "contracts", "Open contracts", "Contratos abiertos",
          filter=OPEN, absent=0.0)
    d.add("days_since_first_contract", "contract", "days_since_first", "days", "Days since the first contract began",
          "Días desde el primer contrato", filter="kind = 'start'")
    d.add("days_since_last_contract_event", "contract", "days_since_last", "days",
          "Days since anything last happened to a contract", "Días desde el último movimiento de un contrato")
    for kind, en, es in (
        ("change", "Changes of plan", "Cambios de plan"),
        ("renew", "Renewals", "Renovaciones"),
        ("pause", "Pauses", "Pausas"),
        ("cancel", "Contracts cancelled", "Contratos cancelados"),
    ):
        d.each((90, 365), f"contract_{kind}_count", "contract", "count", "events", en, es, filter=f"kind = '{kind}'")
    if shape.has("plan"):
        d.add("plan_last", "contract", "last", "plan", "Plan after the last event of a contract",
              "Plan tras el último movimiento de un contrato", column="plan", filter="kind <> 'cancel'",
              kind="category")
    if shape.has("price_cents"):
        d.add("contract_price_amount", "price", "sum", "currency per month", "Price per month of the open contracts",
              "Precio mensual de los contratos abiertos", column="price_cents", filter=OPEN, divided_by=CENTS)
        d.add("contract_price_change_amount", "price", "sum", "currency per month",
              "Change of the monthly price at the last event of the open contracts",
              "Cambio del precio mensual en el último movimiento de los contratos abiertos",
              column="price_cents - previous_price_cents", filter=OPEN, divided_by=CENTS)
    if shape.has("ends_on"):
        d.add("contract_days_left", "contract", "min", "days", "Days until the next contract can end",
              "Días hasta que pueda acabar el próximo contrato", column="days_left", filter=OPEN)
    return d.features


def usage_features(shape: FeedShape, prefix: str) -> list[Feature]:
    """Declare how much and how often a customer uses what was bought."""
    d = Declarer(shape, prefix)
    d.add("days_since_last_usage", "usage", "days_since_last", "days", "Days since the last use",
          "Días desde el último uso", filter="quantity_thousandths > 0")
    d.each(WINDOWS, "usage_count", "usage", "count", "measurements", "Measurements of use", "Medidas de uso")
    d.add("usage_count_trend_30d", "usage", "trend", "ratio of daily rates",
          "Measurements of use per day: the last 30 days against the 90 before",
          "Medidas de uso por día: últimos 30 días frente a los 90 anteriores", window_days=30)
    metrics: list[tuple[str, str, str | None]]
    metrics = [(f"usage_{slug}", value, f"metric = {literal(value)}") for value, slug in d.values("metric")]
    if not shape.has("metric"):
        metrics = [("usage_quantity", "use", None)]  # one metric: quantities may be added up
    for name, value, condition in metrics:
        d.each(WINDOWS, name, "usage", "sum", value, f"Sum of {value}", f"Suma de {value}",
               column="quantity_thousandths", filter=condition, divided_by=1000)
        d.add(f"{name}_trend_30d", "usage", "trend", "ratio of daily rates",
              f"{value} per day: the last 30 days against the 90 before",
              f"{value} por día: últimos 30 días frente a los 90 anteriores",
              window_days=30, column="quantity_thousandths", filter=condition)
    return d.features
