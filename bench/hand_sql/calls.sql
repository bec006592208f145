-- One row per customer of the spine: shared features of the contacts, by hand. Window [.., 2026-01-01 Madrid).
with totals as (
    select
        customer_id,
        max(event_at) as newest_at,
        count(case when event_at >= timestamp '2025-10-02 22:00:00' then 1 end) as calls_90,
        count(case when event_at >= timestamp '2024-12-31 23:00:00' then 1 end) as calls_365,
        count(*) as calls,
        count(case when channel = 'phone' and event_at >= timestamp '2024-12-31 23:00:00' then 1 end) as phone_365,
        sum(case when event_at >= timestamp '2025-10-02 22:00:00' then duration_seconds end) as seconds_90,
        sum(case when event_at >= timestamp '2024-12-31 23:00:00' then duration_seconds end) as seconds_365,
        count(case when event_at >= timestamp '2024-12-31 23:00:00' then duration_seconds end) as timed_365
    from calls
    where event_at < timestamp '2025-12-31 23:00:00'
        and loaded_at <= timestamp '2025-12-31 23:00:00'
        and customer_id in (select customer_id from spine)
        and customer_id between (select min(customer_id) from spine) and (select max(customer_id) from spine)
    group by customer_id
)
select
    spine.customer_id,
    spine.as_of,
    cast((epoch_us(timestamp '2025-12-31 23:00:00') - epoch_us(newest_at)) // 86400000000 as double)
        as days_since_last_interaction,
    cast(coalesce(calls_90, 0) as double) as interaction_count_90d,
    cast(coalesce(calls_365, 0) as double) as interaction_count_365d,
    cast(coalesce(calls, 0) as double) as interaction_count_all,
    cast(coalesce(phone_365, 0) as double) as interaction_phone_count_365d,
    coalesce(seconds_90 / 60, 0) as interaction_minutes_90d,
    coalesce(seconds_365 / 60, 0) as interaction_minutes_365d,
    seconds_365 / nullif(timed_365, 0) / 60 as interaction_minutes_mean_365d
from spine
left join totals on totals.customer_id = spine.customer_id
order by spine.customer_id
