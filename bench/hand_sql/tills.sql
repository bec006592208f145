-- One row per customer of the spine: shared features of the receipts, by hand. Window [.., 2026-01-01 Madrid).
with lines as (
    select customer_id, order_id, event_at, amount_cents, discount_cents
    from tills
    where event_at < timestamp '2025-12-31 23:00:00'
        and loaded_at <= timestamp '2025-12-31 23:00:00'
        and customer_id in (select customer_id from spine)
        and customer_id between (select min(customer_id) from spine) and (select max(customer_id) from spine)
),
orders as (
    select
        customer_id,
        min(event_at) as event_at,
        max(amount_cents) >= 0 as is_bought,
        cast(sum(greatest(amount_cents, 0)) as bigint) as paid_cents,
        cast(sum(greatest(-amount_cents, 0)) as bigint) as refund_cents,
        cast(sum(discount_cents) as bigint) as discount_cents
    from lines
    group by customer_id, order_id
),
totals as (
    select
        customer_id,
        max(case when is_bought then event_at end) as newest_at,
        min(case when is_bought then event_at end) as oldest_at,
        count(case when is_bought and event_at >= timestamp '2025-10-02 22:00:00' then 1 end) as orders_90,
        count(case when is_bought and event_at >= timestamp '2024-12-31 23:00:00' then 1 end) as orders_365,
        count(case when is_bought then 1 end) as orders,
        sum(case when event_at >= timestamp '2025-10-02 22:00:00' then paid_cents end) as paid_90,
        sum(case when event_at >= timestamp '2024-12-31 23:00:00' then paid_cents end) as paid_365,
        sum(paid_cents) as paid,
        max(case when is_bought and event_at >= timestamp '2024-12-31 23:00:00' then paid_cents end) as largest_365,
        sum(case when event_at >= timestamp '2025-10-02 22:00:00' then refund_cents end) as refund_90,
        sum(case when event_at >= timestamp '2024-12-31 23:00:00' then refund_cents end) as refund_365,
        sum(case when event_at >= timestamp '2025-10-02 22:00:00' then discount_cents end) as discount_90,
        sum(case when event_at >= timestamp '2024-12-31 23:00:00' then discount_cents end) as discount_365
    from orders
    group by customer_id
)
select
    spine.customer_id,
    spine.as_of,
    cast((epoch_us(timestamp '2025-12-31 23:00:00') - epoch_us(newest_at)) // 86400000000 as double)
        as days_since_last_order,
    cast((epoch_us(timestamp '2025-12-31 23:00:00') - epoch_us(oldest_at)) // 86400000000 as double)
        as days_since_first_order,
    cast(coalesce(orders_90, 0) as double) as order_count_90d,
    cast(coalesce(orders_365, 0) as double) as order_count_365d,
    cast(coalesce(orders, 0) as double) as order_count_all,
    coalesce(paid_90 / 100, 0) as spend_amount_90d,
    coalesce(paid_365 / 100, 0) as spend_amount_365d,
    coalesce(paid / 100, 0) as spend_amount_all,
    largest_365 / 100 as order_amount_max_365d,
    coalesce(refund_90 / 100, 0) as refund_amount_90d,
    coalesce(refund_365 / 100, 0) as refund_amount_365d,
    coalesce(discount_90 / 100, 0) as discount_amount_90d,
    coalesce(discount_365 / 100, 0) as discount_amount_365d
from spine
left join totals on totals.customer_id = spine.customer_id
order by spine.customer_id
