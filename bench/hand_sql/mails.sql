-- One row per customer of the spine: shared features of the messages, by hand. Window [.., 2026-01-01 Madrid).
with totals as (
    select
        customer_id,
        max(event_at) as newest_at,
        count(case when event_at >= timestamp '2025-10-02 22:00:00' then 1 end) as mails_90,
        count(case when event_at >= timestamp '2024-12-31 23:00:00' then 1 end) as mails_365,
        count(case when channel = 'email' and event_at >= timestamp '2025-10-02 22:00:00' then 1 end) as email_90
    from mails
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
        as days_since_last_contact,
    cast(coalesce(mails_90, 0) as double) as contact_count_90d,
    cast(coalesce(mails_365, 0) as double) as contact_count_365d,
    cast(coalesce(email_90, 0) as double) as contact_email_count_90d
from spine
left join totals on totals.customer_id = spine.customer_id
order by spine.customer_id
