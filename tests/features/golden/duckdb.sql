-- ### tills
-- tills: one row per row of the spine, as_of 2025-06-01, begins at timestamp '2025-05-31 22:00:00' UTC.
-- The spine has a customer_id, an as_of and a customer_number of its own in each row.
-- Windows are half-open, [as_of - days, as_of); only rows that both clocks let through.
-- Absent customers: days_since_last_order = null; days_since_first_order = null; order_count_90d = 0.0, ....
with
-- _tills_known: lines that were visible at as_of
_tills_known as (
    select
        spine.customer_number,
        event_at,
        order_id,
        case when amount_cents >= 0 then 1 else 0 end as bought_count,
        case when amount_cents < 0 then 1 else 0 end as refunded_count,
        case when amount_cents >= 0 then amount_cents else 0 end as paid_cents,
        case when amount_cents < 0 then -amount_cents else 0 end as refund_cents,
        coalesce(discount_cents, 0) as discount_cents,
        case when abs(quantity) < 9e12 then cast(floor(quantity * 1e3 + 0.5e0) as bigint) end as quantity_thousandths,
        channel,
        direction,
        destination,
        case category when 'tea' then 1 when 'milk' then 2 when 'o''clock' then 4 else 0 end as category_bits
    from "tills"
    join spine on spine.customer_id = "tills".customer_id
    where event_at < timestamp '2025-05-31 22:00:00'
        and loaded_at <= timestamp '2025-05-31 22:00:00'
        and "tills".customer_id >= (select min(customer_id) from spine)
        and "tills".customer_id <= (select max(customer_id) from spine)
        and not exists (
            select 1 from superseded
            where superseded.feed = 'tills' and superseded.batch_id = "tills".batch_id
                and superseded.row_number = "tills".row_number and superseded.replaced_at <= timestamp '2025-05-31 22:00:00'
        )
),

-- _tills_orders: lines of one order become one row: counting orders is counting rows
_tills_orders as (
    select
        customer_number,
        min(event_at) as event_at,
        cast(sum(bought_count) as bigint) as bought_count,
        cast(sum(refunded_count) as bigint) as refunded_count,
        cast(sum(paid_cents) as bigint) as paid_cents,
        cast(sum(refund_cents) as bigint) as refund_cents,
        cast(sum(discount_cents) as bigint) as discount_cents,
        cast(sum(quantity_thousandths) as bigint) as quantity_thousandths,
        min(channel) as channel,
        min(direction) as direction,
        min(destination) as destination,
        bit_or(category_bits) as category_bits
    from _tills_known
    group by customer_number, coalesce(order_id, cast(event_at as varchar))
),

-- _tills_gaps: seconds between one purchase and the next
_tills_gaps as (
    select
        customer_number,
        event_at,
        bought_count,
        refunded_count,
        paid_cents,
        refund_cents,
        discount_cents,
        quantity_thousandths,
        channel,
        direction,
        destination,
        category_bits,
        case when bought_count > 0 then (epoch_us(event_at) - epoch_us(lag(event_at) over (partition by customer_number, bought_count > 0 order by event_at))) // 1000000 end as gap_seconds
    from _tills_orders
),

-- _tills_rows: gaps of lifetimes are cut, so that their squares fit into 64 bits
_tills_rows as (
    select
        customer_number,
        event_at,
        bought_count,
        refunded_count,
        paid_cents,
        refund_cents,
        discount_cents,
        quantity_thousandths,
        channel,
        direction,
        destination,
        category_bits,
        case when gap_seconds > 2000000000 then 2000000000 else gap_seconds end as gap_seconds
    from _tills_gaps
),

-- _tills_measures: one pass: every aggregate of the feed
_tills_measures as (
    select
        customer_number,
        max(case when bought_count > 0 then event_at end) as "days_since_last_order",
        min(case when bought_count > 0 then event_at end) as "days_since_first_order",
        count(case when bought_count > 0 and event_at >= timestamp '2025-03-02 23:00:00' then 1 end) as "order_count_90d",
        sum(case when event_at >= timestamp '2025-03-02 23:00:00' then paid_cents end) as "spend_amount_90d",
        max(case when bought_count > 0 and event_at >= timestamp '2024-05-31 22:00:00' then paid_cents end) as "order_amount_max_365d",
        arg_max(paid_cents, row(event_at, paid_cents)) filter (where paid_cents is not null and bought_count > 0) as "order_amount_last",
        sum(case when bought_count > 0 and event_at >= timestamp '2024-05-31 22:00:00' then bought_count end) as "order_lines_mean_365d__sum",
        count(case when bought_count > 0 and event_at >= timestamp '2024-05-31 22:00:00' then bought_count end) as "order_lines_mean_365d__count",
        sum(case when event_at >= timestamp '2025-03-02 23:00:00' then discount_cents end) as "discount_share_90d__part",
        sum(case when event_at >= timestamp '2025-03-02 23:00:00' then paid_cents + discount_cents end) as "discount_share_90d__whole",
        sum(gap_seconds) as "gap_mean_days__sum",
        count(gap_seconds) as "gap_mean_days__count",
        sum(cast(gap_seconds * gap_seconds as hugeint)) as "gap_mean_days__squares",
        count(case when bought_count > 0 and event_at >= timestamp '2025-05-01 22:00:00' then 1 end) as "order_count_trend_30d__recent",
        count(case when bought_count > 0 and event_at >= timestamp '2025-01-31 23:00:00' and event_at < timestamp '2025-05-01 22:00:00' then 1 end) as "order_count_trend_30d__before",
        count(case when bought_count > 0 and event_at >= timestamp '2024-05-31 22:00:00' and event_at < timestamp '2024-06-30 22:00:00' then 1 end) as "order_count_next_30d_year_ago",
        bit_or(case when event_at >= timestamp '2025-03-02 23:00:00' then category_bits end) as "category_count_90d",
        max(case when bought_count > 0 then (epoch_us(event_at) + 62135596800000000) * 64 + case channel when 'web' then 0 when 'store' then 1 end end) as "last_order_channel"
    from _tills_rows
    group by customer_number
),

-- _described: one row per customer of the spine; absent customers get the declared value
_described as (
    select
        spine.customer_id,
        spine.as_of,
        cast(((epoch_us(timestamp '2025-05-31 22:00:00') - epoch_us(_tills_measures."days_since_last_order")) // 86400000000) as double) as "days_since_last_order",
        cast(((epoch_us(timestamp '2025-05-31 22:00:00') - epoch_us(_tills_measures."days_since_first_order")) // 86400000000) as double) as "days_since_first_order",
        coalesce(cast(_tills_measures."order_count_90d" as double), 0e0) as "order_count_90d",
        coalesce(cast(cast(_tills_measures."spend_amount_90d" as double) / 100e0 as double), 0e0) as "spend_amount_90d",
        cast(cast(_tills_measures."order_amount_max_365d" as double) / 100e0 as double) as "order_amount_max_365d",
        cast(cast(_tills_measures."order_amount_last" as double) / 100e0 as double) as "order_amount_last",
        cast(cast(_tills_measures."order_lines_mean_365d__sum" as double) / nullif(cast(_tills_measures."order_lines_mean_365d__count" as double), 0e0) as double) as "order_lines_mean_365d",
        cast(cast(_tills_measures."discount_share_90d__part" as double) / nullif(cast(_tills_measures."discount_share_90d__whole" as double), 0e0) as double) as "discount_share_90d",
        cast(cast(_tills_measures."gap_mean_days__sum" as double) / nullif(cast(_tills_measures."gap_mean_days__count" as double), 0e0) / 86400e0 as double) as "gap_mean_days",
        cast(case when cast(_tills_measures."gap_mean_days__count" as double) >= 2e0 then sqrt(greatest(cast(_tills_measures."gap_mean_days__count" as double) * cast(_tills_measures."gap_mean_days__squares" as double) - cast(_tills_measures."gap_mean_days__sum" as double) * cast(_tills_measures."gap_mean_days__sum" as double), 0e0) / (cast(_tills_measures."gap_mean_days__count" as double) * (cast(_tills_measures."gap_mean_days__count" as double) - 1e0))) / 86400e0 end as double) as "gap_sd_days",
        cast(3e0 * coalesce(cast(_tills_measures."order_count_trend_30d__recent" as double), 0e0) / nullif(cast(_tills_measures."order_count_trend_30d__before" as double), 0e0) as double) as "order_count_trend_30d",
        coalesce(cast(_tills_measures."order_count_next_30d_year_ago" as double), 0e0) as "order_count_next_30d_year_ago",
        coalesce(cast(bit_count(_tills_measures."category_count_90d") as double), 0e0) as "category_count_90d",
        cast(case _tills_measures."last_order_channel" % 64 when 0 then 'web' when 1 then 'store' end as varchar) as "last_order_channel"
    from spine
    left join _tills_measures on _tills_measures.customer_number = spine.customer_number
)

select
    customer_id,
    as_of,
    "days_since_last_order",
    "days_since_first_order",
    "order_count_90d",
    "spend_amount_90d",
    cast(spend_amount_90d / nullif(order_count_90d, 0e0) as double) as "order_amount_mean_90d",
    "order_amount_max_365d",
    "order_amount_last",
    "order_lines_mean_365d",
    "discount_share_90d",
    "gap_mean_days",
    "gap_sd_days",
    cast(days_since_last_order / nullif(gap_mean_days, 0e0) as double) as "overdue_ratio",
    "order_count_trend_30d",
    "order_count_next_30d_year_ago",
    "category_count_90d",
    "last_order_channel",
    cast(case when days_since_last_order is null then 'none' when days_since_last_order >= 365e0 then 'lapsed' when days_since_first_order < 90e0 then 'new' when days_since_last_order > 2e0 * gap_mean_days then 'slipping' else 'regular' end as varchar) as "lifecycle_stage"
from _described
order by customer_id

-- ### calls
-- calls: one row per row of the spine, as_of 2025-06-01, begins at timestamp '2025-05-31 22:00:00' UTC.
-- The spine has a customer_id, an as_of and a customer_number of its own in each row.
-- Windows are half-open, [as_of - days, as_of); only rows that both clocks let through.
-- Absent customers: unresolved_count = 0.0.
with
-- _calls_rows: contacts visible at as_of; what was solved later is still open
_calls_rows as (
    select
        spine.customer_number,
        event_at,
        channel,
        outcome,
        topic,
        duration_seconds,
        is_caused_by_us,
        case when event_at >= timestamp '2024-05-31 22:00:00' then nullif(left(trim(regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(lower(left(remark, 20000)), '<(style|script)[^<>]*>[^<]*</(style|script)>|<[a-z/!][^<>]*(>|$)', ' ', 'g'), '[' || chr(1) || '-' || chr(32) || ']+', ' ', 'g'), '&([a-z])acute;', '\1́', 'g'), '&([a-z])grave;', '\1̀', 'g'), '&([a-z])circ;', '\1̂', 'g'), '&([a-z])tilde;', '\1̃', 'g'), '&([a-z])uml;', '\1̈', 'g'), '&([a-z])cedil;', '\1̧', 'g'), '&([a-z])ring;', '\1̊', 'g'), '&szlig;', 'ß', 'g'), '&oslash;', 'ø', 'g'), '&([ao]e)lig;', '\1', 'g'), '&#?[a-z0-9]+;|[^ ]+@[^ ]+|(https?://|www[.])[^ ]+|[0-9]+', ' ', 'g'), '[' || chr(1) || '-' || chr(32) || ']+', ' ', 'g')), 2000), '') end as remark_text,
        case when resolved_at < timestamp '2025-05-31 22:00:00' then (epoch_us(resolved_at) - epoch_us(event_at)) // 1000000 end as resolution_seconds
    from "calls"
    join spine on spine.customer_id = "calls".customer_id
    where event_at < timestamp '2025-05-31 22:00:00'
        and loaded_at <= timestamp '2025-05-31 22:00:00'
        and "calls".customer_id >= (select min(customer_id) from spine)
        and "calls".customer_id <= (select max(customer_id) from spine)
),

-- _calls_measures: one pass: every aggregate of the feed
_calls_measures as (
    select
        customer_number,
        count(case when resolution_seconds is null then 1 end) as "unresolved_count"
    from _calls_rows
    group by customer_number
),

-- _described: one row per customer of the spine; absent customers get the declared value
_described as (
    select
        spine.customer_id,
        spine.as_of,
        coalesce(cast(_calls_measures."unresolved_count" as double), 0e0) as "unresolved_count"
    from spine
    left join _calls_measures on _calls_measures.customer_number = spine.customer_number
)

select
    customer_id,
    as_of,
    "unresolved_count"
from _described
order by customer_id

-- ### surveys
-- surveys: one row per row of the spine, as_of 2025-06-01, begins at timestamp '2025-05-31 22:00:00' UTC.
-- The spine has a customer_id, an as_of and a customer_number of its own in each row.
-- Windows are half-open, [as_of - days, as_of); only rows that both clocks let through.
-- Absent customers: feedback_remarks_365d = null; feedback_score_last = null; feedback_score_previous = null, ....
with
-- _surveys_known: requests that were visible at as_of
_surveys_known as (
    select
        spine.customer_number,
        event_at,
        case when abs(score) < 9e12 then cast(floor(score * 1e3 + 0.5e0) as bigint) end as score_thousandths,
        case when event_at >= timestamp '2024-05-31 22:00:00' then nullif(left(trim(regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(lower(left(remark, 20000)), '<(style|script)[^<>]*>[^<]*</(style|script)>|<[a-z/!][^<>]*(>|$)', ' ', 'g'), '[' || chr(1) || '-' || chr(32) || ']+', ' ', 'g'), '&([a-z])acute;', '\1́', 'g'), '&([a-z])grave;', '\1̀', 'g'), '&([a-z])circ;', '\1̂', 'g'), '&([a-z])tilde;', '\1̃', 'g'), '&([a-z])uml;', '\1̈', 'g'), '&([a-z])cedil;', '\1̧', 'g'), '&([a-z])ring;', '\1̊', 'g'), '&szlig;', 'ß', 'g'), '&oslash;', 'ø', 'g'), '&([ao]e)lig;', '\1', 'g'), '&#?[a-z0-9]+;|[^ ]+@[^ ]+|(https?://|www[.])[^ ]+|[0-9]+', ' ', 'g'), '[' || chr(1) || '-' || chr(32) || ']+', ' ', 'g')), 2000), '') end as remark_text,
        coalesce(kind in ('nps', 'csat', 'ces', 'rating'), true) as is_asked,
        (score is not null or coalesce(trim(regexp_replace(regexp_replace(regexp_replace(lower(left(remark, 20000)), '<(style|script)[^<>]*>[^<]*</(style|script)>|<[a-z/!][^<>]*(>|$)', ' ', 'g'), '&(nbsp|#160);', ' ', 'g'), '[' || chr(1) || '-' || chr(32) || ']+', ' ', 'g')), '') <> '') as is_answered
    from "surveys"
    join spine on spine.customer_id = "surveys".customer_id
    where event_at < timestamp '2025-05-31 22:00:00'
        and loaded_at <= timestamp '2025-05-31 22:00:00'
        and "surveys".customer_id >= (select min(customer_id) from spine)
        and "surveys".customer_id <= (select max(customer_id) from spine)
),

-- _surveys_rows: answers from the newest (1) backwards; requests that came after the newest answer
_surveys_rows as (
    select
        customer_number,
        event_at,
        score_thousandths,
        case when score_thousandths is not null then row_number() over (partition by customer_number, score_thousandths is null order by event_at desc, score_thousandths desc) end as answer_rank,
        is_asked and not is_answered
            and event_at > coalesce(max(case when is_answered then event_at end) over (partition by customer_number), timestamp '0001-01-01 00:00:00') as is_silent,
        is_asked,
        is_answered,
        remark_text
    from _surveys_known
),

-- _surveys_measures: one pass: every aggregate of the feed
_surveys_measures as (
    select
        customer_number,
        string_agg(remark_text, ' ' order by event_at desc, remark_text desc) filter (where remark_text is not null and event_at >= timestamp '2024-05-31 22:00:00') as "feedback_remarks_365d",
        max(case when answer_rank = 1 then score_thousandths end) as "feedback_score_last",
        max(case when answer_rank = 2 then score_thousandths end) as "feedback_score_previous",
        min(case when event_at >= timestamp '2024-05-31 22:00:00' then score_thousandths end) as "feedback_score_min_365d",
        min(case when is_silent then event_at end) as "feedback_silence_days"
    from _surveys_rows
    group by customer_number
),

-- _described: one row per customer of the spine; absent customers get the declared value
_described as (
    select
        spine.customer_id,
        spine.as_of,
        cast(left(_surveys_measures."feedback_remarks_365d", 2000) as varchar) as "feedback_remarks_365d",
        cast(cast(_surveys_measures."feedback_score_last" as double) / 1000e0 as double) as "feedback_score_last",
        cast(cast(_surveys_measures."feedback_score_previous" as double) / 1000e0 as double) as "feedback_score_previous",
        cast(cast(_surveys_measures."feedback_score_min_365d" as double) / 1000e0 as double) as "feedback_score_min_365d",
        cast(((epoch_us(timestamp '2025-05-31 22:00:00') - epoch_us(_surveys_measures."feedback_silence_days")) // 86400000000) as double) as "feedback_silence_days"
    from spine
    left join _surveys_measures on _surveys_measures.customer_number = spine.customer_number
)

select
    customer_id,
    as_of,
    "feedback_remarks_365d",
    "feedback_score_last",
    "feedback_score_previous",
    cast(feedback_score_last - feedback_score_previous as double) as "feedback_score_change",
    "feedback_score_min_365d",
    "feedback_silence_days"
from _described
order by customer_id

-- ### levels
-- levels: one row per row of the spine, as_of 2025-06-01, begins at timestamp '2025-05-31 22:00:00' UTC.
-- The spine has a customer_id, an as_of and a customer_number of its own in each row.
-- Windows are half-open, [as_of - days, as_of); only rows that both clocks let through.
-- Absent customers: balance_amount = null; balance_30d_ago_amount = null; balance_drop_30d_amount = null.
with
-- _levels_known: balances that were visible at as_of
_levels_known as (
    select
        spine.customer_number,
        event_at,
        balance_cents,
        account_kind
    from "levels"
    join spine on spine.customer_id = "levels".customer_id
    where event_at < timestamp '2025-05-31 22:00:00'
        and loaded_at <= timestamp '2025-05-31 22:00:00'
        and "levels".customer_id >= (select min(customer_id) from spine)
        and "levels".customer_id <= (select max(customer_id) from spine)
),

-- _levels_rows: one row per account: its newest balance, and the newest before each day of comparison
_levels_rows as (
    select
        customer_number,
        account_kind,
        max(event_at) as event_at,
        arg_max(balance_cents, row(event_at, balance_cents)) as balance_cents,
        arg_max(balance_cents, row(event_at, balance_cents)) filter (where event_at < timestamp '2025-05-24 22:00:00') as balance_7d_ago_cents,
        arg_max(balance_cents, row(event_at, balance_cents)) filter (where event_at < timestamp '2025-05-01 22:00:00') as balance_30d_ago_cents,
        arg_max(balance_cents, row(event_at, balance_cents)) filter (where event_at < timestamp '2025-03-02 23:00:00') as balance_90d_ago_cents,
        max(balance_cents) filter (where event_at >= timestamp '2025-03-02 23:00:00') as peak_90d_cents
    from _levels_known
    group by customer_number, account_kind
),

-- _levels_measures: one pass: every aggregate of the feed
_levels_measures as (
    select
        customer_number,
        sum(balance_cents) as "balance_amount",
        sum(balance_30d_ago_cents) as "balance_30d_ago_amount"
    from _levels_rows
    group by customer_number
),

-- _described: one row per customer of the spine; absent customers get the declared value
_described as (
    select
        spine.customer_id,
        spine.as_of,
        cast(cast(_levels_measures."balance_amount" as double) / 100e0 as double) as "balance_amount",
        cast(cast(_levels_measures."balance_30d_ago_amount" as double) / 100e0 as double) as "balance_30d_ago_amount"
    from spine
    left join _levels_measures on _levels_measures.customer_number = spine.customer_number
)

select
    customer_id,
    as_of,
    "balance_amount",
    "balance_30d_ago_amount",
    cast(case when balance_30d_ago_amount > balance_amount then balance_30d_ago_amount - balance_amount when balance_30d_ago_amount <= balance_amount then 0e0 end as double) as "balance_drop_30d_amount"
from _described
order by customer_id

-- ### deals
-- deals: one row per row of the spine, as_of 2025-06-01, begins at timestamp '2025-05-31 22:00:00' UTC.
-- The spine has a customer_id, an as_of and a customer_number of its own in each row.
-- Windows are half-open, [as_of - days, as_of); only rows that both clocks let through.
-- Absent customers: plan_last = null; contract_price_change_amount = null; contract_days_left = null.
with
-- _deals_known: events of contracts that were visible at as_of
_deals_known as (
    select
        spine.customer_number,
        event_at,
        loaded_at,
        batch_id,
        row_number,
        coalesce(subscription_id, "deals".customer_id) as contract_id,
        kind,
        plan,
        price_cents,
        date_diff('day', date '2025-06-01', cast(ends_on as date)) as days_left
    from "deals"
    join spine on spine.customer_id = "deals".customer_id
    where event_at < timestamp '2025-05-31 22:00:00'
        and loaded_at <= timestamp '2025-05-31 22:00:00'
        and "deals".customer_id >= (select min(customer_id) from spine)
        and "deals".customer_id <= (select max(customer_id) from spine)
),

-- _deals_rows: events of each contract from the newest (1) backwards
_deals_rows as (
    select
        customer_number,
        event_at,
        kind,
        plan,
        price_cents,
        lag(price_cents) over (partition by customer_number, contract_id order by event_at asc, loaded_at asc, batch_id asc, row_number asc) as previous_price_cents,
        days_left,
        row_number() over (partition by customer_number, contract_id order by event_at desc, loaded_at desc, batch_id desc, row_number desc) as event_rank
    from _deals_known
),

-- _deals_measures: one pass: every aggregate of the feed
_deals_measures as (
    select
        customer_number,
        arg_max(plan, row(event_at, plan)) filter (where plan is not null and kind <> 'cancel') as "plan_last",
        sum(case when event_rank = 1 and kind <> 'cancel' then price_cents - previous_price_cents end) as "contract_price_change_amount",
        min(case when event_rank = 1 and kind <> 'cancel' then days_left end) as "contract_days_left"
    from _deals_rows
    group by customer_number
),

-- _described: one row per customer of the spine; absent customers get the declared value
_described as (
    select
        spine.customer_id,
        spine.as_of,
        cast(_deals_measures."plan_last" as varchar) as "plan_last",
        cast(cast(_deals_measures."contract_price_change_amount" as double) / 100e0 as double) as "contract_price_change_amount",
        cast(_deals_measures."contract_days_left" as double) as "contract_days_left"
    from spine
    left join _deals_measures on _deals_measures.customer_number = spine.customer_number
)

select
    customer_id,
    as_of,
    "plan_last",
    "contract_price_change_amount",
    "contract_days_left"
from _described
order by customer_id

-- ### meters
-- meters: one row per row of the spine, as_of 2025-06-01, begins at timestamp '2025-05-31 22:00:00' UTC.
-- The spine has a customer_id, an as_of and a customer_number of its own in each row.
-- Windows are half-open, [as_of - days, as_of); only rows that both clocks let through.
-- Absent customers: usage_minutes_30d = 0.0.
with
-- _meters_rows: measurements that were visible at as_of
_meters_rows as (
    select
        spine.customer_number,
        event_at,
        case when abs(quantity) < 9e12 then cast(floor(quantity * 1e3 + 0.5e0) as bigint) end as quantity_thousandths,
        metric
    from "meters"
    join spine on spine.customer_id = "meters".customer_id
    where event_at < timestamp '2025-05-31 22:00:00'
        and loaded_at <= timestamp '2025-05-31 22:00:00'
        and "meters".customer_id >= (select min(customer_id) from spine)
        and "meters".customer_id <= (select max(customer_id) from spine)
),

-- _meters_measures: one pass: every aggregate of the feed
_meters_measures as (
    select
        customer_number,
        sum(case when metric = 'minutes' and event_at >= timestamp '2025-05-01 22:00:00' then quantity_thousandths end) as "usage_minutes_30d"
    from _meters_rows
    group by customer_number
),

-- _described: one row per customer of the spine; absent customers get the declared value
_described as (
    select
        spine.customer_id,
        spine.as_of,
        coalesce(cast(cast(_meters_measures."usage_minutes_30d" as double) / 1000e0 as double), 0e0) as "usage_minutes_30d"
    from spine
    left join _meters_measures on _meters_measures.customer_number = spine.customer_number
)

select
    customer_id,
    as_of,
    "usage_minutes_30d"
from _described
order by customer_id

-- ### mails
-- mails: one row per row of the spine, as_of 2025-06-01, begins at timestamp '2025-05-31 22:00:00' UTC.
-- The spine has a customer_id, an as_of and a customer_number of its own in each row.
-- Windows are half-open, [as_of - days, as_of); only rows that both clocks let through.
-- Absent customers: contact_answered_share_365d = null.
with
-- _mails_rows: messages that were visible at as_of
_mails_rows as (
    select
        spine.customer_number,
        event_at,
        channel,
        outcome
    from "mails"
    join spine on spine.customer_id = "mails".customer_id
    where event_at < timestamp '2025-05-31 22:00:00'
        and loaded_at <= timestamp '2025-05-31 22:00:00'
        and "mails".customer_id >= (select min(customer_id) from spine)
        and "mails".customer_id <= (select max(customer_id) from spine)
),

-- _mails_measures: one pass: every aggregate of the feed
_mails_measures as (
    select
        customer_number,
        count(case when outcome in ('answered', 'clicked', 'redeemed', 'replied', 'converted') and event_at >= timestamp '2024-05-31 22:00:00' then 1 end) as "contact_answered_share_365d__part",
        count(case when event_at >= timestamp '2024-05-31 22:00:00' then 1 end) as "contact_answered_share_365d__whole"
    from _mails_rows
    group by customer_number
),

-- _described: one row per customer of the spine; absent customers get the declared value
_described as (
    select
        spine.customer_id,
        spine.as_of,
        cast(cast(_mails_measures."contact_answered_share_365d__part" as double) / nullif(cast(_mails_measures."contact_answered_share_365d__whole" as double), 0e0) as double) as "contact_answered_share_365d"
    from spine
    left join _mails_measures on _mails_measures.customer_number = spine.customer_number
)

select
    customer_id,
    as_of,
    "contact_answered_share_365d"
from _described
order by customer_id

-- ### customers
-- customers: one row per row of the spine, as_of 2025-06-01, begins at timestamp '2025-05-31 22:00:00' UTC.
-- The spine has a customer_id, an as_of and a customer_number of its own in each row.
-- Windows are half-open, [as_of - days, as_of); only rows that both clocks let through.
-- Absent customers: tenure_days = null; vip = null.
with
-- _customers_known: versions of each customer known at as_of, from the newest (1) backwards
_customers_known as (
    select
        customer_id,
        ((epoch_us(timestamp '2025-05-31 22:00:00') - epoch_us(signed_up_at)) // 86400000000) as tenure_days,
        "segment",
        "age",
        "vip",
        row_number() over (partition by customer_id order by loaded_at desc, batch_id desc, row_number desc) as version_rank
    from "customers"
    where loaded_at <= timestamp '2025-05-31 22:00:00'
        and customer_id in (select customer_id from spine)
        and customer_id >= (select min(customer_id) from spine)
        and customer_id <= (select max(customer_id) from spine)
        and (signed_up_at is null or signed_up_at < timestamp '2025-05-31 22:00:00')
        and not exists (
            select 1 from superseded
            where superseded.feed = 'customers' and superseded.batch_id = "customers".batch_id
                and superseded.row_number = "customers".row_number and superseded.replaced_at <= timestamp '2025-05-31 22:00:00'
        )
),

-- _customers_rows: what was known of each customer
_customers_rows as (
    select *
    from _customers_known
    where version_rank = 1
),

-- _customers_measures: one row per customer already
_customers_measures as (
    select
        customer_id,
        tenure_days as "tenure_days",
        cast("vip" as integer) as "vip"
    from _customers_rows
),

-- _described: one row per customer of the spine; absent customers get the declared value
_described as (
    select
        spine.customer_id,
        spine.as_of,
        cast(_customers_measures."tenure_days" as double) as "tenure_days",
        cast(_customers_measures."vip" as double) as "vip"
    from spine
    left join _customers_measures on _customers_measures.customer_id = spine.customer_id
)

select
    customer_id,
    as_of,
    "tenure_days",
    "vip"
from _described
order by customer_id

-- ### spine_lapse
-- spine: one row per customer that churn definition lapse describes at timestamp '2025-05-31 22:00:00' UTC.
with
-- _described: purchases in the 90 days before as_of
_described as (
    select
        customer_id
    from "tills"
    where event_at < timestamp '2025-05-31 22:00:00'
        and loaded_at <= timestamp '2025-05-31 22:00:00'
        and event_at >= timestamp '2025-03-02 23:00:00' and amount_cents >= 0
        and not exists (
            select 1 from superseded
            where superseded.feed = 'tills' and superseded.batch_id = "tills".batch_id
                and superseded.row_number = "tills".row_number and superseded.replaced_at <= timestamp '2025-05-31 22:00:00'
        )
)

select
    cast(customer_id as varchar) as customer_id,
    date '2025-06-01' as as_of
from _described
group by customer_id
order by customer_id

-- ### labels_lapse
-- labels: one row per (customer_id, as_of) of the spine, by churn definition lapse, as known on 2025-06-01.
with
-- _bought: purchases in the outcome window
_bought as (
    select
        customer_id
    from "tills"
    where loaded_at <= timestamp '2025-05-31 22:00:00'
        and customer_id in (select customer_id from spine)
        and customer_id >= (select min(customer_id) from spine)
        and customer_id <= (select max(customer_id) from spine)
        and event_at >= timestamp '2025-03-19 23:00:00' and event_at < timestamp '2025-05-14 22:00:00' and amount_cents >= 0
        and not exists (
            select 1 from superseded
            where superseded.feed = 'tills' and superseded.batch_id = "tills".batch_id
                and superseded.row_number = "tills".row_number and superseded.replaced_at <= timestamp '2025-05-31 22:00:00'
        )
),

-- _outcome: who bought anything
_outcome as (
    select
        customer_id
    from _bought
    group by customer_id
),

-- _reach: the window is over and the data reach its end
_reach as (
    select
        count(*) > 0 as is_reached
    from "tills"
    where event_at >= timestamp '2025-05-14 22:00:00' and event_at < timestamp '2025-05-31 22:00:00' and loaded_at <= timestamp '2025-05-31 22:00:00'
)

select
    spine.customer_id,
    spine.as_of,
    cast(case when _reach.is_reached then _outcome.customer_id is null end as boolean) as churned,
    date '2025-05-15' as outcome_ends_on
from spine
left join _outcome on _outcome.customer_id = spine.customer_id
cross join _reach
order by spine.customer_id

-- ### spine_leave
-- spine: one row per customer that churn definition leave describes at timestamp '2025-05-31 22:00:00' UTC.
with
-- _contract_events: events of contracts that were visible at as_of
_contract_events as (
    select
        customer_id,
        coalesce(subscription_id, customer_id) as contract_id,
        kind,
        event_at,
        loaded_at,
        batch_id,
        row_number
    from "deals"
    where event_at < timestamp '2025-05-31 22:00:00'
        and loaded_at <= timestamp '2025-05-31 22:00:00'
),

-- _contracts: the newest event of each contract
_contracts as (
    select
        customer_id,
        arg_max(kind, row(event_at, loaded_at, batch_id, row_number)) as last_kind
    from _contract_events
    group by customer_id, contract_id
),

-- _described: those still open
_described as (
    select
        customer_id
    from _contracts
    where last_kind <> 'cancel'
)

select
    cast(customer_id as varchar) as customer_id,
    date '2025-06-01' as as_of
from _described
group by customer_id
order by customer_id

-- ### labels_leave
-- labels: one row per (customer_id, as_of) of the spine, by churn definition leave, as known on 2025-06-01.
with
-- _contract_events: what happened before the end of the outcome window
_contract_events as (
    select
        customer_id,
        coalesce(subscription_id, customer_id) as contract_id,
        kind,
        event_at,
        loaded_at,
        batch_id,
        row_number
    from "deals"
    where loaded_at <= timestamp '2025-05-31 22:00:00'
        and customer_id in (select customer_id from spine)
        and customer_id >= (select min(customer_id) from spine)
        and customer_id <= (select max(customer_id) from spine)
        and event_at < timestamp '2025-04-18 22:00:00'
),

-- _contracts: the state of each contract when the window starts and when it ends
_contracts as (
    select
        customer_id,
        arg_max(kind, row(event_at, loaded_at, batch_id, row_number)) filter (where event_at < timestamp '2025-03-19 23:00:00') as kind_at_start,
        arg_max(kind, row(event_at, loaded_at, batch_id, row_number)) as kind_at_end
    from _contract_events
    group by customer_id, contract_id
),

-- _outcome: each customer's open contracts
_outcome as (
    select
        customer_id,
        count(*) filter (where kind_at_start <> 'cancel') as open_at_start,
        count(*) filter (where kind_at_end <> 'cancel') as open_at_end
    from _contracts
    group by customer_id
),

-- _reach: the window is over and the data reach its end
_reach as (
    select
        count(*) > 0 as is_reached
    from "deals"
    where event_at >= timestamp '2025-04-18 22:00:00' and event_at < timestamp '2025-05-31 22:00:00' and loaded_at <= timestamp '2025-05-31 22:00:00'
)

select
    spine.customer_id,
    spine.as_of,
    cast(case when _reach.is_reached and _outcome.open_at_start > 0 then _outcome.open_at_end = 0 end as boolean) as churned,
    date '2025-04-19' as outcome_ends_on
from spine
left join _outcome on _outcome.customer_id = spine.customer_id
cross join _reach
order by spine.customer_id

-- ### spine_said
-- spine: one row per customer that churn definition said describes at timestamp '2025-05-31 22:00:00' UTC.
with
-- _customers_known: versions of each customer known at as_of, from the newest (1) backwards
_customers_known as (
    select
        customer_id,
        row_number() over (partition by customer_id order by loaded_at desc, batch_id desc, row_number desc) as version_rank
    from "customers"
    where loaded_at <= timestamp '2025-05-31 22:00:00'
        and (signed_up_at is null or signed_up_at < timestamp '2025-05-31 22:00:00')
        and not exists (
            select 1 from superseded
            where superseded.feed = 'customers' and superseded.batch_id = "customers".batch_id
                and superseded.row_number = "customers".row_number and superseded.replaced_at <= timestamp '2025-05-31 22:00:00'
        )
),

-- _customers_rows: what was known of each customer
_customers_rows as (
    select *
    from _customers_known
    where version_rank = 1
),

-- _described: every known customer
_described as (
    select
        customer_id
    from _customers_rows
)

select
    cast(customer_id as varchar) as customer_id,
    date '2025-06-01' as as_of
from _described
group by customer_id
order by customer_id

-- ### labels_said
-- labels: one row per (customer_id, as_of) of the spine, by churn definition said, as known on 2025-06-01.
with
-- _customers_known: versions of each customer known at as_of, from the newest (1) backwards
_customers_known as (
    select
        customer_id,
        "left" as said,
        row_number() over (partition by customer_id order by loaded_at desc, batch_id desc, row_number desc) as version_rank
    from "customers"
    where loaded_at <= timestamp '2025-05-31 22:00:00'
        and customer_id in (select customer_id from spine)
        and customer_id >= (select min(customer_id) from spine)
        and customer_id <= (select max(customer_id) from spine)
        and (signed_up_at is null or signed_up_at < timestamp '2025-05-31 22:00:00')
        and not exists (
            select 1 from superseded
            where superseded.feed = 'customers' and superseded.batch_id = "customers".batch_id
                and superseded.row_number = "customers".row_number and superseded.replaced_at <= timestamp '2025-05-31 22:00:00'
        )
),

-- _customers_rows: what was known of each customer
_customers_rows as (
    select *
    from _customers_known
    where version_rank = 1
),

-- _outcome: what the company says
_outcome as (
    select
        customer_id,
        said
    from _customers_rows
),

-- _reach: a statement about a customer needs no waiting
_reach as (
    select true as is_reached
)

select
    spine.customer_id,
    spine.as_of,
    cast(case when _reach.is_reached then _outcome.said end as boolean) as churned,
    date '2025-03-13' as outcome_ends_on
from spine
left join _outcome on _outcome.customer_id = spine.customer_id
cross join _reach
order by spine.customer_id

-- ### spine_habit
-- spine: one row per customer that churn definition habit describes at timestamp '2025-05-31 22:00:00' UTC.
with
-- _purchase_days: two purchases on one day are one
_purchase_days as (
    select distinct customer_id, days_ago from (select
        customer_id,
        date_diff('day', cast(event_at at time zone 'UTC' at time zone 'Europe/Madrid' as date), date '2025-06-01') as days_ago
    from "tills"
    where event_at < timestamp '2025-05-31 22:00:00'
        and loaded_at <= timestamp '2025-05-31 22:00:00'
        and amount_cents >= 0
        and not exists (
            select 1 from superseded
            where superseded.feed = 'tills' and superseded.batch_id = "tills".batch_id
                and superseded.row_number = "tills".row_number and superseded.replaced_at <= timestamp '2025-05-31 22:00:00'
        ))
),

-- _purchase_gaps: days from one day with a purchase to the next
_purchase_gaps as (
    select
        customer_id,
        days_ago,
        lag(days_ago) over (partition by customer_id order by days_ago desc) - days_ago as gap_days
    from _purchase_days
),

-- _ranked_gaps: from the shortest (1) to the longest; the first purchase has none
_ranked_gaps as (
    select
        customer_id,
        days_ago,
        gap_days,
        row_number() over (partition by customer_id order by gap_days nulls last) as gap_rank,
        count(gap_days) over (partition by customer_id) as gap_count
    from _purchase_gaps
),

-- _rhythms: how long ago the last purchase was, and how long a silence is still usual
_rhythms as (
    select
        customer_id,
        min(days_ago) as silent_days,
        least(greatest(((min(gap_days) filter (where 2 * gap_rank >= gap_count) + min(gap_days) filter (where 2 * gap_rank > gap_count)) * 2 + 1) // 2, 10), 40) as window_days
    from _ranked_gaps
    group by customer_id
    having count(*) >= 4
),

-- _described: those with a rhythm who are not overdue
_described as (
    select
        customer_id
    from _rhythms
    where silent_days <= window_days
)

select
    cast(customer_id as varchar) as customer_id,
    date '2025-06-01' as as_of
from _described
group by customer_id
order by customer_id

-- ### labels_habit
-- labels: one row per (customer_id, as_of) of the spine, by churn definition habit, as known on 2025-06-01.
with
-- _purchase_days: two purchases on one day are one
_purchase_days as (
    select distinct customer_id, days_ago from (select
        customer_id,
        date_diff('day', cast(event_at at time zone 'UTC' at time zone 'Europe/Madrid' as date), date '2025-03-13') as days_ago
    from "tills"
    where event_at < timestamp '2025-03-12 23:00:00'
        and loaded_at <= timestamp '2025-03-12 23:00:00'
        and customer_id in (select customer_id from spine)
        and customer_id >= (select min(customer_id) from spine)
        and customer_id <= (select max(customer_id) from spine)
        and amount_cents >= 0
        and not exists (
            select 1 from superseded
            where superseded.feed = 'tills' and superseded.batch_id = "tills".batch_id
                and superseded.row_number = "tills".row_number and superseded.replaced_at <= timestamp '2025-03-12 23:00:00'
        ))
),

-- _purchase_gaps: days from one day with a purchase to the next
_purchase_gaps as (
    select
        customer_id,
        days_ago,
        lag(days_ago) over (partition by customer_id order by days_ago desc) - days_ago as gap_days
    from _purchase_days
),

-- _ranked_gaps: from the shortest (1) to the longest; the first purchase has none
_ranked_gaps as (
    select
        customer_id,
        days_ago,
        gap_days,
        row_number() over (partition by customer_id order by gap_days nulls last) as gap_rank,
        count(gap_days) over (partition by customer_id) as gap_count
    from _purchase_gaps
),

-- _rhythms: how long ago the last purchase was, and how long a silence is still usual
_rhythms as (
    select
        customer_id,
        min(days_ago) as silent_days,
        least(greatest(((min(gap_days) filter (where 2 * gap_rank >= gap_count) + min(gap_days) filter (where 2 * gap_rank > gap_count)) * 2 + 1) // 2, 10), 40) as window_days
    from _ranked_gaps
    group by customer_id
    having count(*) >= 4
),

-- _windows: when each one's own window ends
_windows as (
    select
        customer_id,
        epoch_us(timestamp '2025-03-12 23:00:00') + (5 + window_days) * 86400000000 + case when (5 + window_days) >= 18 then -3600000000 else 0 end as ends_us
    from _rhythms
),

-- _bought: purchases in the longest window
_bought as (
    select
        customer_id,
        event_at
    from "tills"
    where loaded_at <= timestamp '2025-05-31 22:00:00'
        and customer_id in (select customer_id from spine)
        and customer_id >= (select min(customer_id) from spine)
        and customer_id <= (select max(customer_id) from spine)
        and event_at >= timestamp '2025-03-17 23:00:00' and event_at < timestamp '2025-04-26 22:00:00' and amount_cents >= 0
        and not exists (
            select 1 from superseded
            where superseded.feed = 'tills' and superseded.batch_id = "tills".batch_id
                and superseded.row_number = "tills".row_number and superseded.replaced_at <= timestamp '2025-05-31 22:00:00'
        )
),

-- _outcome: who bought nothing in his own
_outcome as (
    select
        _windows.customer_id,
        count(_bought.event_at) = 0 as is_silent
    from _windows left join _bought
        on _bought.customer_id = _windows.customer_id and epoch_us(_bought.event_at) < _windows.ends_us
    group by _windows.customer_id
),

-- _reach: the window is over and the data reach its end
_reach as (
    select
        count(*) > 0 as is_reached
    from "tills"
    where event_at >= timestamp '2025-04-26 22:00:00' and event_at < timestamp '2025-05-31 22:00:00' and loaded_at <= timestamp '2025-05-31 22:00:00'
)

select
    spine.customer_id,
    spine.as_of,
    cast(case when _reach.is_reached then _outcome.is_silent end as boolean) as churned,
    date '2025-04-27' as outcome_ends_on
from spine
left join _outcome on _outcome.customer_id = spine.customer_id
cross join _reach
order by spine.customer_id

-- ### spine_drain
-- spine: one row per customer that churn definition drain describes at timestamp '2025-05-31 22:00:00' UTC.
with
-- _levels: balances that were visible at as_of
_levels as (
    select
        customer_id,
        event_at,
        balance_cents,
        account_kind
    from "levels"
    where event_at < timestamp '2025-05-31 22:00:00'
        and loaded_at <= timestamp '2025-05-31 22:00:00'
),

-- _accounts: the newest balance of each account
_accounts as (
    select
        customer_id,
        account_kind,
        arg_max(balance_cents, row(event_at, balance_cents)) as balance_cents
    from _levels
    group by customer_id, account_kind
),

-- _described: those who hold enough
_described as (
    select
        customer_id
    from _accounts
    group by customer_id
    having sum(balance_cents) >= 40000
)

select
    cast(customer_id as varchar) as customer_id,
    date '2025-06-01' as as_of
from _described
group by customer_id
order by customer_id

-- ### labels_drain
-- labels: one row per (customer_id, as_of) of the spine, by churn definition drain, as known on 2025-06-01.
with
-- _levels_before: balances that were visible at as_of
_levels_before as (
    select
        customer_id,
        event_at,
        balance_cents,
        account_kind
    from "levels"
    where event_at < timestamp '2025-03-12 23:00:00'
        and loaded_at <= timestamp '2025-03-12 23:00:00'
        and customer_id in (select customer_id from spine)
        and customer_id >= (select min(customer_id) from spine)
        and customer_id <= (select max(customer_id) from spine)
),

-- _held_before: what each one held then
_held_before as (
    select customer_id, sum(cents) as cents from (select
        customer_id,
        account_kind,
        arg_max(balance_cents, row(event_at, balance_cents)) as cents
    from _levels_before
        group by customer_id, account_kind)
    group by customer_id
),

-- _levels_after: balances until the end of the outcome window
_levels_after as (
    select
        customer_id,
        event_at,
        balance_cents,
        account_kind
    from "levels"
    where loaded_at <= timestamp '2025-05-31 22:00:00'
        and customer_id in (select customer_id from spine)
        and customer_id >= (select min(customer_id) from spine)
        and customer_id <= (select max(customer_id) from spine)
        and event_at < timestamp '2025-04-18 22:00:00'
),

-- _held_after: what each one holds at its end
_held_after as (
    select customer_id, sum(cents) as cents from (select
        customer_id,
        account_kind,
        arg_max(balance_cents, row(event_at, balance_cents)) as cents
    from _levels_after
        group by customer_id, account_kind)
    group by customer_id
),

-- _outcome: who held something, then and at the end
_outcome as (
    select
        customer_id,
        _held_before.cents as before_cents,
        _held_after.cents as after_cents
    from _held_before inner join _held_after using (customer_id)
),

-- _reach: the window is over and the data reach its end
_reach as (
    select
        count(*) > 0 as is_reached
    from "levels"
    where event_at >= timestamp '2025-04-18 22:00:00' and event_at < timestamp '2025-05-31 22:00:00' and loaded_at <= timestamp '2025-05-31 22:00:00'
)

select
    spine.customer_id,
    spine.as_of,
    cast(case when _reach.is_reached and _outcome.before_cents >= 40000 then cast(_outcome.after_cents as double) * 5 <= cast(_outcome.before_cents as double) * 1 end as boolean) as churned,
    date '2025-04-19' as outcome_ends_on
from spine
left join _outcome on _outcome.customer_id = spine.customer_id
cross join _reach
order by spine.customer_id
