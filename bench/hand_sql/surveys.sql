-- One row per customer of the spine: shared features of the surveys, by hand. Window [.., 2026-01-01 Madrid).
with totals as (
    select
        customer_id,
        max(event_at) as newest_at,
        count(case when event_at >= timestamp '2025-10-02 22:00:00' then 1 end) as asked_90,
        count(case when event_at >= timestamp '2024-12-31 23:00:00' then 1 end) as asked_365,
        avg(case when event_at >= timestamp '2024-12-31 23:00:00' then score end) as mean_365,
        min(case when event_at >= timestamp '2024-12-31 23:00:00' then score end) as min_365
    from surveys
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
        as days_since_last_feedback_request,
    cast(coalesce(asked_90, 0) as double) as feedback_request_count_90d,
    cast(coalesce(asked_365, 0) as double) as feedback_request_count_365d,
    mean_365 as feedback_score_mean_365d,
    min_365 as feedback_score_min_365d
from spine
left join totals on totals.customer_id = spine.customer_id
order by spine.customer_id
