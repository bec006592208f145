"""Features of a feed of role ``transactions``: what a customer buys, how often, for how much, in which rhythm.

An *order* is the lines that share ``order_id`` (each line, where no order is mapped). It counts as bought when at
least one line brought money or cost nothing, and as refunded when at least one line gave money back; it can be both.
"""

from __future__ import annotations

from features.declarations import Feature, FeedShape
from features.families.declaring import MOST_BITS, WINDOWS, Declarer
from holdback.sql import literal

BOUGHT = "bought_count > 0"
REFUNDED = "refunded_count > 0"
CENTS = 100

# A declaration reads better as a few lines than as a column of arguments.
# fmt: off


def transaction_features(shape: FeedShape, prefix: str) -> list[Feature]:
    """Declare the features that the mapped columns of a transactions feed allow."""
    declarer = Declarer(shape, prefix)
    _recency_and_frequency(declarer)
    _amounts(declarer)
    _refunds_and_discounts(declarer)
    _rhythm_trend_and_season(declarer)
    _variety_and_channels(declarer)
    _directions(declarer)
    _segments(declarer)
    return declarer.features


def _recency_and_frequency(d: Declarer) -> None:
    d.add(
        "days_since_last_order", "recency", "days_since_last", "days",
        "Days since the last order", "Días desde el último pedido", filter=BOUGHT,
    )
    d.add(
        "days_since_first_order", "recency", "days_since_first", "days",
        "Days since the first order", "Días desde el primer pedido", filter=BOUGHT,
    )
    d.each(WINDOWS, "order_count", "frequency", "count", "orders", "Orders", "Pedidos", filter=BOUGHT)
    d.add(
        "order_count_all", "frequency", "count", "orders",
        "Orders so far", "Pedidos hasta hoy", filter=BOUGHT, absent=0.0,
    )


def _amounts(d: Declarer) -> None:
    d.each(
        WINDOWS, "spend_amount", "amount", "sum", "currency", "Amount spent", "Importe gastado",
        column="paid_cents", divided_by=CENTS,
    )
    d.add(
        "spend_amount_all", "amount", "sum", "currency",
        "Amount spent so far", "Importe gastado hasta hoy", column="paid_cents", divided_by=CENTS, absent=0.0,
    )
    for days in (90, 365):
        spent, orders = d.named(f"spend_amount_{days}d"), d.named(f"order_count_{days}d")
        d.add(
            f"order_amount_mean_{days}d", "amount", "derived", "currency",
            f"Mean amount of an order in the last {days} days",
            f"Importe medio de un pedido en los últimos {days} días",
            column=f"{spent} / nullif({orders}, 0e0)",
        )
    d.each(
        (365,), "order_amount_max", "amount", "max", "currency", "Largest order", "Mayor pedido",
        column="paid_cents", filter=BOUGHT, divided_by=CENTS, absent=None,
    )
    d.add(
        "order_amount_last", "amount", "last", "currency",
        "Amount of the last order", "Importe del último pedido",
        column="paid_cents", filter=BOUGHT, divided_by=CENTS,
    )
    if d.shape.has("quantity"):
        d.each(
            (30, 90, 365), "unit_count", "amount", "sum", "units", "Units bought, less those returned",
            "Unidades compradas, menos las devueltas", column="quantity_thousandths", divided_by=1000,
        )
    if d.shape.has("order_id"):
        d.each(
            (365,), "order_lines_mean", "amount", "mean", "lines", "Lines per order", "Líneas por pedido",
            column="bought_count", filter=BOUGHT, absent=None,
        )


def _refunds_and_discounts(d: Declarer) -> None:
    d.each(
        (30, 90, 365), "refund_count", "refunds", "count", "orders", "Orders with money back",
        "Pedidos con devolución", filter=REFUNDED,
    )
    d.each(
        (30, 90, 365), "refund_amount", "refunds", "sum", "currency", "Amount given back", "Importe devuelto",
        column="refund_cents", divided_by=CENTS,
    )
    d.each(
        (365,), "refund_share", "refunds", "share", "share of spending", "Share of spending given back",
        "Parte del gasto devuelta", column="refund_cents", over="paid_cents", absent=None,
    )
    d.add(
        "days_since_last_refund", "refunds", "days_since_last", "days",
        "Days since money was last given back", "Días desde la última devolución", filter=REFUNDED,
    )
    if d.shape.has("discount_cents"):
        d.each(
            (30, 90, 365), "discount_amount", "discounts", "sum", "currency", "Discount received",
            "Descuento recibido", column="discount_cents", divided_by=CENTS,
        )
        d.each(
            (90, 365), "discount_share", "discounts", "share", "share of list price",
            "Share of the list price that was discounted", "Parte del precio de tarifa descontada",
            column="discount_cents", over="paid_cents + discount_cents", absent=None,
        )


def _rhythm_trend_and_season(d: Declarer) -> None:
    d.add(
        "gap_mean_days", "rhythm", "gap_mean_days", "days",
        "Mean time between orders", "Tiempo medio entre pedidos", column="gap_seconds",
    )
    d.add(
        "gap_sd_days", "rhythm", "gap_sd_days", "days",
        "Variation of the time between orders (standard deviation)",
        "Variación del tiempo entre pedidos (desviación típica)", column="gap_seconds",
    )
    d.add(
        "overdue_ratio", "rhythm", "derived", "usual gaps",
        "Time since the last order, in the customer's own usual gaps",
        "Tiempo desde el último pedido, en intervalos habituales del cliente",
        column=f"{d.named('days_since_last_order')} / nullif({d.named('gap_mean_days')}, 0e0)",
    )
    for days in (30, 90):
        en = f"the last {days} days against the {3 * days} before"
        es = f"últimos {days} días frente a los {3 * days} anteriores"
        d.add(
            f"order_count_trend_{days}d", "trend", "trend", "ratio of daily rates",
            f"Orders per day: {en}", f"Pedidos por día: {es}", window_days=days, filter=BOUGHT,
        )
        d.add(
            f"spend_amount_trend_{days}d", "trend", "trend", "ratio of daily rates",
            f"Spending per day: {en}", f"Gasto por día: {es}", window_days=days, column="paid_cents",
        )
    d.add(
        "order_count_30d_year_ago", "season", "count", "orders",
        "Orders in the same 30 days a year ago", "Pedidos en los mismos 30 días hace un año",
        window_days=30, ends_days_ago=365, filter=BOUGHT, absent=0.0,
    )
    for days in (30, 90):
        d.add(
            f"order_count_next_{days}d_year_ago", "season", "count", "orders",
            f"Orders a year ago in the {days} days that now lie ahead",
            f"Pedidos hace un año en los {days} días que ahora vienen",
            window_days=days, ends_days_ago=365 - days, filter=BOUGHT, absent=0.0,
        )
    d.add(
        "spend_amount_next_90d_year_ago", "season", "sum", "currency",
        "Amount spent a year ago in the 90 days that now lie ahead",
        "Importe gastado hace un año en los 90 días que ahora vienen",
        window_days=90, ends_days_ago=275, column="paid_cents", divided_by=CENTS, absent=0.0,
    )


def _variety_and_channels(d: Declarer) -> None:
    if 0 < len(d.shape.vocabulary("category")) <= MOST_BITS:
        d.each(
            (30, 90, 365), "category_count", "variety", "distinct", "categories", "Different categories bought",
            "Categorías distintas compradas", column="category_bits",
        )
    for value, slug in d.values("channel"):
        d.each(
            (90, 365), f"order_{slug}_count", "channel", "count", "orders", f"Orders by {value}",
            f"Pedidos por {value}", filter=f"{BOUGHT} and channel = {literal(value)}",
        )
    d.last_of(
        "last_order_channel", "channel", "channel", "Channel of the last order", "Canal del último pedido",
        filter=BOUGHT,
    )


def _directions(d: Declarer) -> None:
    if d.shape.has("direction"):
        for direction, en, es in (
            ("in", "Amount that came in", "Importe entrante"),
            ("out", "Amount that went out", "Importe saliente"),
        ):
            d.each(
                (30, 90), f"{direction}flow_amount", "flows", "sum", "currency", en, es,
                column="paid_cents", filter=f"direction = {literal(direction)}", divided_by=CENTS,
            )
    outgoing = "direction = 'out' and " if d.shape.has("direction") else ""
    for value, slug in d.values("destination"):
        condition = f"{outgoing}destination = {literal(value)}"
        d.each(
            (30, 90), f"to_{slug}_amount", "flows", "sum", "currency", f"Amount sent to {value}",
            f"Importe enviado a {value}", column="paid_cents", filter=condition, divided_by=CENTS,
        )


def _segments(d: Declarer) -> None:
    """Scores with fixed steps: unlike quintiles, one customer's score does not depend on the others'."""
    recency, year, spend, first, gap = (
        d.named(name)
        for name in (
            "days_since_last_order", "order_count_365d", "spend_amount_365d", "days_since_first_order", "gap_mean_days",
        )
    )
    d.add(
        "rfm_recency_score", "segments", "derived", "1 to 5",
        "Recency score: 5 within a week, 4 a month, 3 a quarter, 2 half a year, 1 longer",
        "Puntuación de recencia: 5 en una semana, 4 un mes, 3 un trimestre, 2 medio año, 1 más",
        column=f"case when {recency} < 7e0 then 5e0 when {recency} < 30e0 then 4e0 when {recency} < 90e0 then 3e0 "
        f"when {recency} < 180e0 then 2e0 else 1e0 end",
    )
    d.add(
        "rfm_frequency_score", "segments", "derived", "1 to 5",
        "Frequency score: orders in a year, 5 from 24, 4 from 12, 3 from 6, 2 from 2, 1 below",
        "Puntuación de frecuencia: pedidos en un año, 5 desde 24, 4 desde 12, 3 desde 6, 2 desde 2, 1 menos",
        column=f"case when {year} >= 24e0 then 5e0 when {year} >= 12e0 then 4e0 when {year} >= 6e0 then 3e0 "
        f"when {year} >= 2e0 then 2e0 else 1e0 end",
    )
    d.add(
        "rfm_monetary_score", "segments", "derived", "1 to 5",
        "Monetary score: spent in a year, 5 from 10,000, 4 from 1,000, 3 from 100, 2 from 10, 1 below",
        "Puntuación monetaria: gasto en un año, 5 desde 10.000, 4 desde 1.000, 3 desde 100, 2 desde 10, 1 menos",
        column=f"case when {spend} >= 1e4 then 5e0 when {spend} >= 1e3 then 4e0 when {spend} >= 1e2 then 3e0 "
        f"when {spend} >= 1e1 then 2e0 else 1e0 end",
    )
    d.add(
        "lifecycle_stage", "segments", "derived", "stage",
        "Stage: none (no order yet), new (first order under 90 days ago), regular, slipping (more than twice the "
        "usual gap without an order), lapsed (a year without one)",
        "Etapa: none (sin pedidos), new (primer pedido hace menos de 90 días), regular, slipping (más del doble del "
        "intervalo habitual sin pedido), lapsed (un año sin pedido)",
        column=f"case when {recency} is null then 'none' when {recency} >= 365e0 then 'lapsed' "
        f"when {first} < 90e0 then 'new' when {recency} > 2e0 * {gap} then 'slipping' else 'regular' end",
        kind="category",
    )
