-- ### tills
/* tills: one row per row of the spine, as_of 2025-06-01, begins at timestamp '2025-05-31 22:00:00' UTC. */
/* The spine has a customer_id, an as_of and a customer_number of its own in each row. */
/* Windows are half-open, [as_of - days, as_of); only rows that both clocks let through. */
/* Absent customers: days_since_last_order = null; days_since_first_order = null; order_count_90d = 0.0, .... */
WITH _tills_known /* _tills_known: lines that were visible at as_of */ AS (
  SELECT
    spine.customer_number,
    event_at,
    order_id,
    CASE WHEN amount_cents >= 0 THEN 1 ELSE 0 END AS bought_count,
    CASE WHEN amount_cents < 0 THEN 1 ELSE 0 END AS refunded_count,
    CASE WHEN amount_cents >= 0 THEN amount_cents ELSE 0 END AS paid_cents,
    CASE WHEN amount_cents < 0 THEN -amount_cents ELSE 0 END AS refund_cents,
    COALESCE(discount_cents, 0) AS discount_cents,
    CASE
      WHEN ABS(quantity) < 9e12
      THEN CAST(FLOOR(quantity * 1e3 + 0.5e0) AS BIGINT)
    END AS quantity_thousandths,
    channel,
    direction,
    destination,
    CASE category WHEN 'tea' THEN 1 WHEN 'milk' THEN 2 WHEN 'o''clock' THEN 4 ELSE 0 END AS category_bits
  FROM "tills"
  JOIN spine
    ON spine.customer_id = "tills".customer_id
  WHERE
    event_at < CAST('2025-05-31 22:00:00' AS TIMESTAMP)
    AND loaded_at <= CAST('2025-05-31 22:00:00' AS TIMESTAMP)
    AND "tills".customer_id >= (
      SELECT
        MIN(customer_id)
      FROM spine
    )
    AND "tills".customer_id <= (
      SELECT
        MAX(customer_id)
      FROM spine
    )
    AND NOT EXISTS(
      SELECT
        1
      FROM superseded
      WHERE
        superseded.feed = 'tills'
        AND superseded.batch_id = "tills".batch_id
        AND superseded.row_number = "tills".row_number
        AND superseded.replaced_at <= CAST('2025-05-31 22:00:00' AS TIMESTAMP)
    )
), _tills_orders /* _tills_orders: lines of one order become one row: counting orders is counting rows */ AS (
  SELECT
    customer_number,
    MIN(event_at) AS event_at,
    CAST(SUM(bought_count) AS BIGINT) AS bought_count,
    CAST(SUM(refunded_count) AS BIGINT) AS refunded_count,
    CAST(SUM(paid_cents) AS BIGINT) AS paid_cents,
    CAST(SUM(refund_cents) AS BIGINT) AS refund_cents,
    CAST(SUM(discount_cents) AS BIGINT) AS discount_cents,
    CAST(SUM(quantity_thousandths) AS BIGINT) AS quantity_thousandths,
    MIN(channel) AS channel,
    MIN(direction) AS direction,
    MIN(destination) AS destination,
    BIT_OR(category_bits) AS category_bits
  FROM _tills_known
  GROUP BY
    customer_number,
    COALESCE(order_id, CAST(event_at AS TEXT))
), _tills_gaps /* _tills_gaps: seconds between one purchase and the next */ AS (
  SELECT
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
    CASE
      WHEN bought_count > 0
      THEN DIV(
        (
          CAST(EXTRACT(EPOCH FROM event_at) * 1000000 AS BIGINT) - CAST(EXTRACT(EPOCH FROM LAG(event_at) OVER (PARTITION BY customer_number, bought_count > 0 ORDER BY event_at)) * 1000000 AS BIGINT)
        ),
        1000000
      )
    END AS gap_seconds
  FROM _tills_orders
), _tills_rows /* _tills_rows: gaps of lifetimes are cut, so that their squares fit into 64 bits */ AS (
  SELECT
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
    CASE WHEN gap_seconds > 2000000000 THEN 2000000000 ELSE gap_seconds END AS gap_seconds
  FROM _tills_gaps
), _tills_measures /* _tills_measures: one pass: every aggregate of the feed */ AS (
  SELECT
    customer_number,
    MAX(CASE WHEN bought_count > 0 THEN event_at END) AS "days_since_last_order",
    MIN(CASE WHEN bought_count > 0 THEN event_at END) AS "days_since_first_order",
    COUNT(
      CASE
        WHEN bought_count > 0 AND event_at >= CAST('2025-03-02 23:00:00' AS TIMESTAMP)
        THEN 1
      END
    ) AS "order_count_90d",
    SUM(
      CASE WHEN event_at >= CAST('2025-03-02 23:00:00' AS TIMESTAMP) THEN paid_cents END
    ) AS "spend_amount_90d",
    MAX(
      CASE
        WHEN bought_count > 0 AND event_at >= CAST('2024-05-31 22:00:00' AS TIMESTAMP)
        THEN paid_cents
      END
    ) AS "order_amount_max_365d",
    (
      ARRAY_AGG(paid_cents ORDER BY event_at DESC NULLS LAST, paid_cents DESC NULLS LAST) FILTER(WHERE
        NOT paid_cents IS NULL AND bought_count > 0)
    )[1] AS "order_amount_last",
    SUM(
      CASE
        WHEN bought_count > 0 AND event_at >= CAST('2024-05-31 22:00:00' AS TIMESTAMP)
        THEN bought_count
      END
    ) AS "order_lines_mean_365d__sum",
    COUNT(
      CASE
        WHEN bought_count > 0 AND event_at >= CAST('2024-05-31 22:00:00' AS TIMESTAMP)
        THEN bought_count
      END
    ) AS "order_lines_mean_365d__count",
    SUM(
      CASE
        WHEN event_at >= CAST('2025-03-02 23:00:00' AS TIMESTAMP)
        THEN discount_cents
      END
    ) AS "discount_share_90d__part",
    SUM(
      CASE
        WHEN event_at >= CAST('2025-03-02 23:00:00' AS TIMESTAMP)
        THEN paid_cents + discount_cents
      END
    ) AS "discount_share_90d__whole",
    SUM(gap_seconds) AS "gap_mean_days__sum",
    COUNT(gap_seconds) AS "gap_mean_days__count",
    SUM(CAST(gap_seconds * gap_seconds AS DECIMAL)) AS "gap_mean_days__squares",
    COUNT(
      CASE
        WHEN bought_count > 0 AND event_at >= CAST('2025-05-01 22:00:00' AS TIMESTAMP)
        THEN 1
      END
    ) AS "order_count_trend_30d__recent",
    COUNT(
      CASE
        WHEN bought_count > 0
        AND event_at >= CAST('2025-01-31 23:00:00' AS TIMESTAMP)
        AND event_at < CAST('2025-05-01 22:00:00' AS TIMESTAMP)
        THEN 1
      END
    ) AS "order_count_trend_30d__before",
    COUNT(
      CASE
        WHEN bought_count > 0
        AND event_at >= CAST('2024-05-31 22:00:00' AS TIMESTAMP)
        AND event_at < CAST('2024-06-30 22:00:00' AS TIMESTAMP)
        THEN 1
      END
    ) AS "order_count_next_30d_year_ago",
    BIT_OR(
      CASE
        WHEN event_at >= CAST('2025-03-02 23:00:00' AS TIMESTAMP)
        THEN category_bits
      END
    ) AS "category_count_90d",
    MAX(
      CASE
        WHEN bought_count > 0
        THEN (
          CAST(EXTRACT(EPOCH FROM event_at) * 1000000 AS BIGINT) + 62135596800000000
        ) * 64 + CASE channel WHEN 'web' THEN 0 WHEN 'store' THEN 1 END
      END
    ) AS "last_order_channel"
  FROM _tills_rows
  GROUP BY
    customer_number
), _described /* _described: one row per customer of the spine; absent customers get the declared value */ AS (
  SELECT
    spine.customer_id,
    spine.as_of,
    CAST((
      DIV(
        (
          CAST(EXTRACT(EPOCH FROM CAST('2025-05-31 22:00:00' AS TIMESTAMP)) * 1000000 AS BIGINT) - CAST(EXTRACT(EPOCH FROM _tills_measures."days_since_last_order") * 1000000 AS BIGINT)
        ),
        86400000000
      )
    ) AS DOUBLE PRECISION) AS "days_since_last_order",
    CAST((
      DIV(
        (
          CAST(EXTRACT(EPOCH FROM CAST('2025-05-31 22:00:00' AS TIMESTAMP)) * 1000000 AS BIGINT) - CAST(EXTRACT(EPOCH FROM _tills_measures."days_since_first_order") * 1000000 AS BIGINT)
        ),
        86400000000
      )
    ) AS DOUBLE PRECISION) AS "days_since_first_order",
    COALESCE(CAST(_tills_measures."order_count_90d" AS DOUBLE PRECISION), 0e0) AS "order_count_90d",
    COALESCE(
      CAST(CAST(_tills_measures."spend_amount_90d" AS DOUBLE PRECISION) / 100e0 AS DOUBLE PRECISION),
      0e0
    ) AS "spend_amount_90d",
    CAST(CAST(_tills_measures."order_amount_max_365d" AS DOUBLE PRECISION) / 100e0 AS DOUBLE PRECISION) AS "order_amount_max_365d",
    CAST(CAST(_tills_measures."order_amount_last" AS DOUBLE PRECISION) / 100e0 AS DOUBLE PRECISION) AS "order_amount_last",
    CAST(CAST(_tills_measures."order_lines_mean_365d__sum" AS DOUBLE PRECISION) / NULLIF(CAST(_tills_measures."order_lines_mean_365d__count" AS DOUBLE PRECISION), 0e0) AS DOUBLE PRECISION) AS "order_lines_mean_365d",
    CAST(CAST(_tills_measures."discount_share_90d__part" AS DOUBLE PRECISION) / NULLIF(CAST(_tills_measures."discount_share_90d__whole" AS DOUBLE PRECISION), 0e0) AS DOUBLE PRECISION) AS "discount_share_90d",
    CAST(CAST(CAST(_tills_measures."gap_mean_days__sum" AS DOUBLE PRECISION) / NULLIF(CAST(_tills_measures."gap_mean_days__count" AS DOUBLE PRECISION), 0e0) AS DOUBLE PRECISION) / 86400e0 AS DOUBLE PRECISION) AS "gap_mean_days",
    CAST(CASE
      WHEN CAST(_tills_measures."gap_mean_days__count" AS DOUBLE PRECISION) >= 2e0
      THEN CAST(SQRT(
        CAST(GREATEST(
          CAST(_tills_measures."gap_mean_days__count" AS DOUBLE PRECISION) * CAST(_tills_measures."gap_mean_days__squares" AS DOUBLE PRECISION) - CAST(_tills_measures."gap_mean_days__sum" AS DOUBLE PRECISION) * CAST(_tills_measures."gap_mean_days__sum" AS DOUBLE PRECISION),
          0e0
        ) AS DOUBLE PRECISION) / (
          CAST(_tills_measures."gap_mean_days__count" AS DOUBLE PRECISION) * (
            CAST(_tills_measures."gap_mean_days__count" AS DOUBLE PRECISION) - 1e0
          )
        )
      ) AS DOUBLE PRECISION) / 86400e0
    END AS DOUBLE PRECISION) AS "gap_sd_days",
    CAST(CAST(3e0 * COALESCE(CAST(_tills_measures."order_count_trend_30d__recent" AS DOUBLE PRECISION), 0e0) AS DOUBLE PRECISION) / NULLIF(CAST(_tills_measures."order_count_trend_30d__before" AS DOUBLE PRECISION), 0e0) AS DOUBLE PRECISION) AS "order_count_trend_30d",
    COALESCE(CAST(_tills_measures."order_count_next_30d_year_ago" AS DOUBLE PRECISION), 0e0) AS "order_count_next_30d_year_ago",
    COALESCE(
      CAST(BIT_COUNT(CAST(_tills_measures."category_count_90d" AS BIT(64))) AS DOUBLE PRECISION),
      0e0
    ) AS "category_count_90d",
    CAST(CASE _tills_measures."last_order_channel" % 64
      WHEN 0
      THEN 'web'
      WHEN 1
      THEN 'store'
    END AS TEXT) AS "last_order_channel"
  FROM spine
  LEFT JOIN _tills_measures
    ON _tills_measures.customer_number = spine.customer_number
)
SELECT
  customer_id,
  as_of,
  "days_since_last_order",
  "days_since_first_order",
  "order_count_90d",
  "spend_amount_90d",
  CAST(CAST(spend_amount_90d AS DOUBLE PRECISION) / NULLIF(order_count_90d, 0e0) AS DOUBLE PRECISION) AS "order_amount_mean_90d",
  "order_amount_max_365d",
  "order_amount_last",
  "order_lines_mean_365d",
  "discount_share_90d",
  "gap_mean_days",
  "gap_sd_days",
  CAST(CAST(days_since_last_order AS DOUBLE PRECISION) / NULLIF(gap_mean_days, 0e0) AS DOUBLE PRECISION) AS "overdue_ratio",
  "order_count_trend_30d",
  "order_count_next_30d_year_ago",
  "category_count_90d",
  "last_order_channel",
  CAST(CASE
    WHEN days_since_last_order IS NULL
    THEN 'none'
    WHEN days_since_last_order >= 365e0
    THEN 'lapsed'
    WHEN days_since_first_order < 90e0
    THEN 'new'
    WHEN days_since_last_order > 2e0 * gap_mean_days
    THEN 'slipping'
    ELSE 'regular'
  END AS TEXT) AS "lifecycle_stage"
FROM _described
ORDER BY
  customer_id

-- ### calls
/* calls: one row per row of the spine, as_of 2025-06-01, begins at timestamp '2025-05-31 22:00:00' UTC. */
/* The spine has a customer_id, an as_of and a customer_number of its own in each row. */
/* Windows are half-open, [as_of - days, as_of); only rows that both clocks let through. */
/* Absent customers: unresolved_count = 0.0. */
WITH _calls_rows /* _calls_rows: contacts visible at as_of; what was solved later is still open */ AS (
  SELECT
    spine.customer_number,
    event_at,
    channel,
    outcome,
    topic,
    duration_seconds,
    is_caused_by_us,
    CASE
      WHEN event_at >= CAST('2024-05-31 22:00:00' AS TIMESTAMP)
      THEN NULLIF(
        LEFT(
          TRIM(
            REGEXP_REPLACE(
              REGEXP_REPLACE(
                REGEXP_REPLACE(
                  REGEXP_REPLACE(
                    REGEXP_REPLACE(
                      REGEXP_REPLACE(
                        REGEXP_REPLACE(
                          REGEXP_REPLACE(
                            REGEXP_REPLACE(
                              REGEXP_REPLACE(
                                REGEXP_REPLACE(
                                  REGEXP_REPLACE(
                                    REGEXP_REPLACE(
                                      REGEXP_REPLACE(
                                        LOWER((
                                          LEFT(remark, 20000)
                                        ) COLLATE "C.utf8"),
                                        '<(style|script)[^<>]*>[^<]*</(style|script)>|<[a-z/!][^<>]*(>|$)',
                                        ' ',
                                        'g'
                                      ),
                                      '[' || CHR(  1) || '-' || CHR(  32) || ']+',
                                      ' ',
                                      'g'
                                    ),
                                    '&([a-z])acute;',
                                    '\1́',
                                    'g'
                                  ),
                                  '&([a-z])grave;',
                                  '\1̀',
                                  'g'
                                ),
                                '&([a-z])circ;',
                                '\1̂',
                                'g'
                              ),
                              '&([a-z])tilde;',
                              '\1̃',
                              'g'
                            ),
                            '&([a-z])uml;',
                            '\1̈',
                            'g'
                          ),
                          '&([a-z])cedil;',
                          '\1̧',
                          'g'
                        ),
                        '&([a-z])ring;',
                        '\1̊',
                        'g'
                      ),
                      '&szlig;',
                      'ß',
                      'g'
                    ),
                    '&oslash;',
                    'ø',
                    'g'
                  ),
                  '&([ao]e)lig;',
                  '\1',
                  'g'
                ),
                '&#?[a-z0-9]+;|[^ ]+@[^ ]+|(https?://|www[.])[^ ]+|[0-9]+',
                ' ',
                'g'
              ),
              '[' || CHR(  1) || '-' || CHR(  32) || ']+',
              ' ',
              'g'
            )
          ),
          2000
        ),
        ''
      )
    END AS remark_text,
    CASE
      WHEN resolved_at < CAST('2025-05-31 22:00:00' AS TIMESTAMP)
      THEN DIV(
        (
          CAST(EXTRACT(EPOCH FROM resolved_at) * 1000000 AS BIGINT) - CAST(EXTRACT(EPOCH FROM event_at) * 1000000 AS BIGINT)
        ),
        1000000
      )
    END AS resolution_seconds
  FROM "calls"
  JOIN spine
    ON spine.customer_id = "calls".customer_id
  WHERE
    event_at < CAST('2025-05-31 22:00:00' AS TIMESTAMP)
    AND loaded_at <= CAST('2025-05-31 22:00:00' AS TIMESTAMP)
    AND "calls".customer_id >= (
      SELECT
        MIN(customer_id)
      FROM spine
    )
    AND "calls".customer_id <= (
      SELECT
        MAX(customer_id)
      FROM spine
    )
), _calls_measures /* _calls_measures: one pass: every aggregate of the feed */ AS (
  SELECT
    customer_number,
    COUNT(CASE WHEN resolution_seconds IS NULL THEN 1 END) AS "unresolved_count"
  FROM _calls_rows
  GROUP BY
    customer_number
), _described /* _described: one row per customer of the spine; absent customers get the declared value */ AS (
  SELECT
    spine.customer_id,
    spine.as_of,
    COALESCE(CAST(_calls_measures."unresolved_count" AS DOUBLE PRECISION), 0e0) AS "unresolved_count"
  FROM spine
  LEFT JOIN _calls_measures
    ON _calls_measures.customer_number = spine.customer_number
)
SELECT
  customer_id,
  as_of,
  "unresolved_count"
FROM _described
ORDER BY
  customer_id

-- ### surveys
/* surveys: one row per row of the spine, as_of 2025-06-01, begins at timestamp '2025-05-31 22:00:00' UTC. */
/* The spine has a customer_id, an as_of and a customer_number of its own in each row. */
/* Windows are half-open, [as_of - days, as_of); only rows that both clocks let through. */
/* Absent customers: feedback_remarks_365d = null; feedback_score_last = null; feedback_score_previous = null, .... */
WITH _surveys_known /* _surveys_known: requests that were visible at as_of */ AS (
  SELECT
    spine.customer_number,
    event_at,
    CASE WHEN ABS(score) < 9e12 THEN CAST(FLOOR(score * 1e3 + 0.5e0) AS BIGINT) END AS score_thousandths,
    CASE
      WHEN event_at >= CAST('2024-05-31 22:00:00' AS TIMESTAMP)
      THEN NULLIF(
        LEFT(
          TRIM(
            REGEXP_REPLACE(
              REGEXP_REPLACE(
                REGEXP_REPLACE(
                  REGEXP_REPLACE(
                    REGEXP_REPLACE(
                      REGEXP_REPLACE(
                        REGEXP_REPLACE(
                          REGEXP_REPLACE(
                            REGEXP_REPLACE(
                              REGEXP_REPLACE(
                                REGEXP_REPLACE(
                                  REGEXP_REPLACE(
                                    REGEXP_REPLACE(
                                      REGEXP_REPLACE(
                                        LOWER((
                                          LEFT(remark, 20000)
                                        ) COLLATE "C.utf8"),
                                        '<(style|script)[^<>]*>[^<]*</(style|script)>|<[a-z/!][^<>]*(>|$)',
                                        ' ',
                                        'g'
                                      ),
                                      '[' || CHR(  1) || '-' || CHR(  32) || ']+',
                                      ' ',
                                      'g'
                                    ),
                                    '&([a-z])acute;',
                                    '\1́',
                                    'g'
                                  ),
                                  '&([a-z])grave;',
                                  '\1̀',
                                  'g'
                                ),
                                '&([a-z])circ;',
                                '\1̂',
                                'g'
                              ),
                              '&([a-z])tilde;',
                              '\1̃',
                              'g'
                            ),
                            '&([a-z])uml;',
                            '\1̈',
                            'g'
                          ),
                          '&([a-z])cedil;',
                          '\1̧',
                          'g'
                        ),
                        '&([a-z])ring;',
                        '\1̊',
                        'g'
                      ),
                      '&szlig;',
                      'ß',
                      'g'
                    ),
                    '&oslash;',
                    'ø',
                    'g'
                  ),
                  '&([ao]e)lig;',
                  '\1',
                  'g'
                ),
                '&#?[a-z0-9]+;|[^ ]+@[^ ]+|(https?://|www[.])[^ ]+|[0-9]+',
                ' ',
                'g'
              ),
              '[' || CHR(  1) || '-' || CHR(  32) || ']+',
              ' ',
              'g'
            )
          ),
          2000
        ),
        ''
      )
    END AS remark_text,
    COALESCE(kind IN ('nps', 'csat', 'ces', 'rating'), TRUE) AS is_asked,
    (
      NOT score IS NULL
      OR COALESCE(
        TRIM(
          REGEXP_REPLACE(
            REGEXP_REPLACE(
              REGEXP_REPLACE(
                LOWER((
                  LEFT(remark, 20000)
                ) COLLATE "C.utf8"),
                '<(style|script)[^<>]*>[^<]*</(style|script)>|<[a-z/!][^<>]*(>|$)',
                ' ',
                'g'
              ),
              '&(nbsp|#160);',
              ' ',
              'g'
            ),
            '[' || CHR(  1) || '-' || CHR(  32) || ']+',
            ' ',
            'g'
          )
        ),
        ''
      ) <> ''
    ) AS is_answered
  FROM "surveys"
  JOIN spine
    ON spine.customer_id = "surveys".customer_id
  WHERE
    event_at < CAST('2025-05-31 22:00:00' AS TIMESTAMP)
    AND loaded_at <= CAST('2025-05-31 22:00:00' AS TIMESTAMP)
    AND "surveys".customer_id >= (
      SELECT
        MIN(customer_id)
      FROM spine
    )
    AND "surveys".customer_id <= (
      SELECT
        MAX(customer_id)
      FROM spine
    )
), _surveys_rows /* _surveys_rows: answers from the newest (1) backwards; requests that came after the newest answer */ AS (
  SELECT
    customer_number,
    event_at,
    score_thousandths,
    CASE
      WHEN NOT score_thousandths IS NULL
      THEN ROW_NUMBER() OVER (
        PARTITION BY customer_number, score_thousandths IS NULL
        ORDER BY event_at DESC NULLS LAST, score_thousandths DESC NULLS LAST
      )
    END AS answer_rank,
    is_asked
    AND NOT is_answered
    AND event_at > COALESCE(
      MAX(CASE WHEN is_answered THEN event_at END) OVER (PARTITION BY customer_number),
      CAST('0001-01-01 00:00:00' AS TIMESTAMP)
    ) AS is_silent,
    is_asked,
    is_answered,
    remark_text
  FROM _surveys_known
), _surveys_measures /* _surveys_measures: one pass: every aggregate of the feed */ AS (
  SELECT
    customer_number,
    STRING_AGG(
      remark_text, ' '
      ORDER BY
        event_at DESC NULLS LAST,
        remark_text DESC NULLS LAST
    ) FILTER(WHERE
      NOT remark_text IS NULL AND event_at >= CAST('2024-05-31 22:00:00' AS TIMESTAMP)) AS "feedback_remarks_365d",
    MAX(CASE WHEN answer_rank = 1 THEN score_thousandths END) AS "feedback_score_last",
    MAX(CASE WHEN answer_rank = 2 THEN score_thousandths END) AS "feedback_score_previous",
    MIN(
      CASE
        WHEN event_at >= CAST('2024-05-31 22:00:00' AS TIMESTAMP)
        THEN score_thousandths
      END
    ) AS "feedback_score_min_365d",
    MIN(CASE WHEN is_silent THEN event_at END) AS "feedback_silence_days"
  FROM _surveys_rows
  GROUP BY
    customer_number
), _described /* _described: one row per customer of the spine; absent customers get the declared value */ AS (
  SELECT
    spine.customer_id,
    spine.as_of,
    CAST(LEFT(_surveys_measures."feedback_remarks_365d", 2000) AS TEXT) AS "feedback_remarks_365d",
    CAST(CAST(_surveys_measures."feedback_score_last" AS DOUBLE PRECISION) / 1000e0 AS DOUBLE PRECISION) AS "feedback_score_last",
    CAST(CAST(_surveys_measures."feedback_score_previous" AS DOUBLE PRECISION) / 1000e0 AS DOUBLE PRECISION) AS "feedback_score_previous",
    CAST(CAST(_surveys_measures."feedback_score_min_365d" AS DOUBLE PRECISION) / 1000e0 AS DOUBLE PRECISION) AS "feedback_score_min_365d",
    CAST((
      DIV(
        (
          CAST(EXTRACT(EPOCH FROM CAST('2025-05-31 22:00:00' AS TIMESTAMP)) * 1000000 AS BIGINT) - CAST(EXTRACT(EPOCH FROM _surveys_measures."feedback_silence_days") * 1000000 AS BIGINT)
        ),
        86400000000
      )
    ) AS DOUBLE PRECISION) AS "feedback_silence_days"
  FROM spine
  LEFT JOIN _surveys_measures
    ON _surveys_measures.customer_number = spine.customer_number
)
SELECT
  customer_id,
  as_of,
  "feedback_remarks_365d",
  "feedback_score_last",
  "feedback_score_previous",
  CAST(feedback_score_last - feedback_score_previous AS DOUBLE PRECISION) AS "feedback_score_change",
  "feedback_score_min_365d",
  "feedback_silence_days"
FROM _described
ORDER BY
  customer_id

-- ### levels
/* levels: one row per row of the spine, as_of 2025-06-01, begins at timestamp '2025-05-31 22:00:00' UTC. */
/* The spine has a customer_id, an as_of and a customer_number of its own in each row. */
/* Windows are half-open, [as_of - days, as_of); only rows that both clocks let through. */
/* Absent customers: balance_amount = null; balance_30d_ago_amount = null; balance_drop_30d_amount = null. */
WITH _levels_known /* _levels_known: balances that were visible at as_of */ AS (
  SELECT
    spine.customer_number,
    event_at,
    balance_cents,
    account_kind
  FROM "levels"
  JOIN spine
    ON spine.customer_id = "levels".customer_id
  WHERE
    event_at < CAST('2025-05-31 22:00:00' AS TIMESTAMP)
    AND loaded_at <= CAST('2025-05-31 22:00:00' AS TIMESTAMP)
    AND "levels".customer_id >= (
      SELECT
        MIN(customer_id)
      FROM spine
    )
    AND "levels".customer_id <= (
      SELECT
        MAX(customer_id)
      FROM spine
    )
), _levels_rows /* _levels_rows: one row per account: its newest balance, and the newest before each day of comparison */ AS (
  SELECT
    customer_number,
    account_kind,
    MAX(event_at) AS event_at,
    (
      ARRAY_AGG(balance_cents ORDER BY event_at DESC NULLS LAST, balance_cents DESC NULLS LAST)
    )[1] AS balance_cents,
    (
      ARRAY_AGG(balance_cents ORDER BY event_at DESC NULLS LAST, balance_cents DESC NULLS LAST) FILTER(WHERE
        event_at < CAST('2025-05-24 22:00:00' AS TIMESTAMP))
    )[1] AS balance_7d_ago_cents,
    (
      ARRAY_AGG(balance_cents ORDER BY event_at DESC NULLS LAST, balance_cents DESC NULLS LAST) FILTER(WHERE
        event_at < CAST('2025-05-01 22:00:00' AS TIMESTAMP))
    )[1] AS balance_30d_ago_cents,
    (
      ARRAY_AGG(balance_cents ORDER BY event_at DESC NULLS LAST, balance_cents DESC NULLS LAST) FILTER(WHERE
        event_at < CAST('2025-03-02 23:00:00' AS TIMESTAMP))
    )[1] AS balance_90d_ago_cents,
    MAX(balance_cents) FILTER(WHERE
      event_at >= CAST('2025-03-02 23:00:00' AS TIMESTAMP)) AS peak_90d_cents
  FROM _levels_known
  GROUP BY
    customer_number,
    account_kind
), _levels_measures /* _levels_measures: one pass: every aggregate of the feed */ AS (
  SELECT
    customer_number,
    SUM(balance_cents) AS "balance_amount",
    SUM(balance_30d_ago_cents) AS "balance_30d_ago_amount"
  FROM _levels_rows
  GROUP BY
    customer_number
), _described /* _described: one row per customer of the spine; absent customers get the declared value */ AS (
  SELECT
    spine.customer_id,
    spine.as_of,
    CAST(CAST(_levels_measures."balance_amount" AS DOUBLE PRECISION) / 100e0 AS DOUBLE PRECISION) AS "balance_amount",
    CAST(CAST(_levels_measures."balance_30d_ago_amount" AS DOUBLE PRECISION) / 100e0 AS DOUBLE PRECISION) AS "balance_30d_ago_amount"
  FROM spine
  LEFT JOIN _levels_measures
    ON _levels_measures.customer_number = spine.customer_number
)
SELECT
  customer_id,
  as_of,
  "balance_amount",
  "balance_30d_ago_amount",
  CAST(CASE
    WHEN balance_30d_ago_amount > balance_amount
    THEN balance_30d_ago_amount - balance_amount
    WHEN balance_30d_ago_amount <= balance_amount
    THEN 0e0
  END AS DOUBLE PRECISION) AS "balance_drop_30d_amount"
FROM _described
ORDER BY
  customer_id

-- ### deals
/* deals: one row per row of the spine, as_of 2025-06-01, begins at timestamp '2025-05-31 22:00:00' UTC. */
/* The spine has a customer_id, an as_of and a customer_number of its own in each row. */
/* Windows are half-open, [as_of - days, as_of); only rows that both clocks let through. */
/* Absent customers: plan_last = null; contract_price_change_amount = null; contract_days_left = null. */
WITH _deals_known /* _deals_known: events of contracts that were visible at as_of */ AS (
  SELECT
    spine.customer_number,
    event_at,
    loaded_at,
    batch_id,
    row_number,
    COALESCE(subscription_id, "deals".customer_id) AS contract_id,
    kind,
    plan,
    price_cents,
    (
      CAST(ends_on AS DATE) - CAST('2025-06-01' AS DATE)
    ) AS days_left
  FROM "deals"
  JOIN spine
    ON spine.customer_id = "deals".customer_id
  WHERE
    event_at < CAST('2025-05-31 22:00:00' AS TIMESTAMP)
    AND loaded_at <= CAST('2025-05-31 22:00:00' AS TIMESTAMP)
    AND "deals".customer_id >= (
      SELECT
        MIN(customer_id)
      FROM spine
    )
    AND "deals".customer_id <= (
      SELECT
        MAX(customer_id)
      FROM spine
    )
), _deals_rows /* _deals_rows: events of each contract from the newest (1) backwards */ AS (
  SELECT
    customer_number,
    event_at,
    kind,
    plan,
    price_cents,
    LAG(price_cents) OVER (
      PARTITION BY customer_number, contract_id
      ORDER BY event_at ASC, loaded_at ASC, batch_id ASC, row_number ASC
    ) AS previous_price_cents,
    days_left,
    ROW_NUMBER() OVER (
      PARTITION BY customer_number, contract_id
      ORDER BY event_at DESC NULLS LAST, loaded_at DESC NULLS LAST, batch_id DESC NULLS LAST, row_number DESC NULLS LAST
    ) AS event_rank
  FROM _deals_known
), _deals_measures /* _deals_measures: one pass: every aggregate of the feed */ AS (
  SELECT
    customer_number,
    (
      ARRAY_AGG(plan ORDER BY event_at DESC NULLS LAST, plan DESC NULLS LAST) FILTER(WHERE
        NOT plan IS NULL AND kind <> 'cancel')
    )[1] AS "plan_last",
    SUM(
      CASE
        WHEN event_rank = 1 AND kind <> 'cancel'
        THEN price_cents - previous_price_cents
      END
    ) AS "contract_price_change_amount",
    MIN(CASE WHEN event_rank = 1 AND kind <> 'cancel' THEN days_left END) AS "contract_days_left"
  FROM _deals_rows
  GROUP BY
    customer_number
), _described /* _described: one row per customer of the spine; absent customers get the declared value */ AS (
  SELECT
    spine.customer_id,
    spine.as_of,
    CAST(_deals_measures."plan_last" AS TEXT) AS "plan_last",
    CAST(CAST(_deals_measures."contract_price_change_amount" AS DOUBLE PRECISION) / 100e0 AS DOUBLE PRECISION) AS "contract_price_change_amount",
    CAST(_deals_measures."contract_days_left" AS DOUBLE PRECISION) AS "contract_days_left"
  FROM spine
  LEFT JOIN _deals_measures
    ON _deals_measures.customer_number = spine.customer_number
)
SELECT
  customer_id,
  as_of,
  "plan_last",
  "contract_price_change_amount",
  "contract_days_left"
FROM _described
ORDER BY
  customer_id

-- ### meters
/* meters: one row per row of the spine, as_of 2025-06-01, begins at timestamp '2025-05-31 22:00:00' UTC. */
/* The spine has a customer_id, an as_of and a customer_number of its own in each row. */
/* Windows are half-open, [as_of - days, as_of); only rows that both clocks let through. */
/* Absent customers: usage_minutes_30d = 0.0. */
WITH _meters_rows /* _meters_rows: measurements that were visible at as_of */ AS (
  SELECT
    spine.customer_number,
    event_at,
    CASE
      WHEN ABS(quantity) < 9e12
      THEN CAST(FLOOR(quantity * 1e3 + 0.5e0) AS BIGINT)
    END AS quantity_thousandths,
    metric
  FROM "meters"
  JOIN spine
    ON spine.customer_id = "meters".customer_id
  WHERE
    event_at < CAST('2025-05-31 22:00:00' AS TIMESTAMP)
    AND loaded_at <= CAST('2025-05-31 22:00:00' AS TIMESTAMP)
    AND "meters".customer_id >= (
      SELECT
        MIN(customer_id)
      FROM spine
    )
    AND "meters".customer_id <= (
      SELECT
        MAX(customer_id)
      FROM spine
    )
), _meters_measures /* _meters_measures: one pass: every aggregate of the feed */ AS (
  SELECT
    customer_number,
    SUM(
      CASE
        WHEN metric = 'minutes' AND event_at >= CAST('2025-05-01 22:00:00' AS TIMESTAMP)
        THEN quantity_thousandths
      END
    ) AS "usage_minutes_30d"
  FROM _meters_rows
  GROUP BY
    customer_number
), _described /* _described: one row per customer of the spine; absent customers get the declared value */ AS (
  SELECT
    spine.customer_id,
    spine.as_of,
    COALESCE(
      CAST(CAST(_meters_measures."usage_minutes_30d" AS DOUBLE PRECISION) / 1000e0 AS DOUBLE PRECISION),
      0e0
    ) AS "usage_minutes_30d"
  FROM spine
  LEFT JOIN _meters_measures
    ON _meters_measures.customer_number = spine.customer_number
)
SELECT
  customer_id,
  as_of,
  "usage_minutes_30d"
FROM _described
ORDER BY
  customer_id

-- ### mails
/* mails: one row per row of the spine, as_of 2025-06-01, begins at timestamp '2025-05-31 22:00:00' UTC. */
/* The spine has a customer_id, an as_of and a customer_number of its own in each row. */
/* Windows are half-open, [as_of - days, as_of); only rows that both clocks let through. */
/* Absent customers: contact_answered_share_365d = null. */
WITH _mails_rows /* _mails_rows: messages that were visible at as_of */ AS (
  SELECT
    spine.customer_number,
    event_at,
    channel,
    outcome
  FROM "mails"
  JOIN spine
    ON spine.customer_id = "mails".customer_id
  WHERE
    event_at < CAST('2025-05-31 22:00:00' AS TIMESTAMP)
    AND loaded_at <= CAST('2025-05-31 22:00:00' AS TIMESTAMP)
    AND "mails".customer_id >= (
      SELECT
        MIN(customer_id)
      FROM spine
    )
    AND "mails".customer_id <= (
      SELECT
        MAX(customer_id)
      FROM spine
    )
), _mails_measures /* _mails_measures: one pass: every aggregate of the feed */ AS (
  SELECT
    customer_number,
    COUNT(
      CASE
        WHEN outcome IN ('answered', 'clicked', 'redeemed', 'replied', 'converted')
        AND event_at >= CAST('2024-05-31 22:00:00' AS TIMESTAMP)
        THEN 1
      END
    ) AS "contact_answered_share_365d__part",
    COUNT(CASE WHEN event_at >= CAST('2024-05-31 22:00:00' AS TIMESTAMP) THEN 1 END) AS "contact_answered_share_365d__whole"
  FROM _mails_rows
  GROUP BY
    customer_number
), _described /* _described: one row per customer of the spine; absent customers get the declared value */ AS (
  SELECT
    spine.customer_id,
    spine.as_of,
    CAST(CAST(_mails_measures."contact_answered_share_365d__part" AS DOUBLE PRECISION) / NULLIF(
      CAST(_mails_measures."contact_answered_share_365d__whole" AS DOUBLE PRECISION),
      0e0
    ) AS DOUBLE PRECISION) AS "contact_answered_share_365d"
  FROM spine
  LEFT JOIN _mails_measures
    ON _mails_measures.customer_number = spine.customer_number
)
SELECT
  customer_id,
  as_of,
  "contact_answered_share_365d"
FROM _described
ORDER BY
  customer_id

-- ### customers
/* customers: one row per row of the spine, as_of 2025-06-01, begins at timestamp '2025-05-31 22:00:00' UTC. */
/* The spine has a customer_id, an as_of and a customer_number of its own in each row. */
/* Windows are half-open, [as_of - days, as_of); only rows that both clocks let through. */
/* Absent customers: tenure_days = null; vip = null. */
WITH _customers_known /* _customers_known: versions of each customer known at as_of, from the newest (1) backwards */ AS (
  SELECT
    customer_id,
    (
      DIV(
        (
          CAST(EXTRACT(EPOCH FROM CAST('2025-05-31 22:00:00' AS TIMESTAMP)) * 1000000 AS BIGINT) - CAST(EXTRACT(EPOCH FROM signed_up_at) * 1000000 AS BIGINT)
        ),
        86400000000
      )
    ) AS tenure_days,
    "segment",
    "age",
    "vip",
    ROW_NUMBER() OVER (
      PARTITION BY customer_id
      ORDER BY loaded_at DESC NULLS LAST, batch_id DESC NULLS LAST, row_number DESC NULLS LAST
    ) AS version_rank
  FROM "customers"
  WHERE
    loaded_at <= CAST('2025-05-31 22:00:00' AS TIMESTAMP)
    AND customer_id IN (
      SELECT
        customer_id
      FROM spine
    )
    AND customer_id >= (
      SELECT
        MIN(customer_id)
      FROM spine
    )
    AND customer_id <= (
      SELECT
        MAX(customer_id)
      FROM spine
    )
    AND (
      signed_up_at IS NULL OR signed_up_at < CAST('2025-05-31 22:00:00' AS TIMESTAMP)
    )
    AND NOT EXISTS(
      SELECT
        1
      FROM superseded
      WHERE
        superseded.feed = 'customers'
        AND superseded.batch_id = "customers".batch_id
        AND superseded.row_number = "customers".row_number
        AND superseded.replaced_at <= CAST('2025-05-31 22:00:00' AS TIMESTAMP)
    )
), _customers_rows /* _customers_rows: what was known of each customer */ AS (
  SELECT
    *
  FROM _customers_known
  WHERE
    version_rank = 1
), _customers_measures /* _customers_measures: one row per customer already */ AS (
  SELECT
    customer_id,
    tenure_days AS "tenure_days",
    CAST("vip" AS INT) AS "vip"
  FROM _customers_rows
), _described /* _described: one row per customer of the spine; absent customers get the declared value */ AS (
  SELECT
    spine.customer_id,
    spine.as_of,
    CAST(_customers_measures."tenure_days" AS DOUBLE PRECISION) AS "tenure_days",
    CAST(_customers_measures."vip" AS DOUBLE PRECISION) AS "vip"
  FROM spine
  LEFT JOIN _customers_measures
    ON _customers_measures.customer_id = spine.customer_id
)
SELECT
  customer_id,
  as_of,
  "tenure_days",
  "vip"
FROM _described
ORDER BY
  customer_id

-- ### spine_lapse
/* spine: one row per customer that churn definition lapse describes at timestamp '2025-05-31 22:00:00' UTC. */
WITH _described /* _described: purchases in the 90 days before as_of */ AS (
  SELECT
    customer_id
  FROM "tills"
  WHERE
    event_at < CAST('2025-05-31 22:00:00' AS TIMESTAMP)
    AND loaded_at <= CAST('2025-05-31 22:00:00' AS TIMESTAMP)
    AND event_at >= CAST('2025-03-02 23:00:00' AS TIMESTAMP)
    AND amount_cents >= 0
    AND NOT EXISTS(
      SELECT
        1
      FROM superseded
      WHERE
        superseded.feed = 'tills'
        AND superseded.batch_id = "tills".batch_id
        AND superseded.row_number = "tills".row_number
        AND superseded.replaced_at <= CAST('2025-05-31 22:00:00' AS TIMESTAMP)
    )
)
SELECT
  CAST(customer_id AS TEXT) AS customer_id,
  CAST('2025-06-01' AS DATE) AS as_of
FROM _described
GROUP BY
  customer_id
ORDER BY
  customer_id

-- ### labels_lapse
/* labels: one row per (customer_id, as_of) of the spine, by churn definition lapse, as known on 2025-06-01. */
WITH _bought /* _bought: purchases in the outcome window */ AS (
  SELECT
    customer_id
  FROM "tills"
  WHERE
    loaded_at <= CAST('2025-05-31 22:00:00' AS TIMESTAMP)
    AND customer_id IN (
      SELECT
        customer_id
      FROM spine
    )
    AND customer_id >= (
      SELECT
        MIN(customer_id)
      FROM spine
    )
    AND customer_id <= (
      SELECT
        MAX(customer_id)
      FROM spine
    )
    AND event_at >= CAST('2025-03-19 23:00:00' AS TIMESTAMP)
    AND event_at < CAST('2025-05-14 22:00:00' AS TIMESTAMP)
    AND amount_cents >= 0
    AND NOT EXISTS(
      SELECT
        1
      FROM superseded
      WHERE
        superseded.feed = 'tills'
        AND superseded.batch_id = "tills".batch_id
        AND superseded.row_number = "tills".row_number
        AND superseded.replaced_at <= CAST('2025-05-31 22:00:00' AS TIMESTAMP)
    )
), _outcome /* _outcome: who bought anything */ AS (
  SELECT
    customer_id
  FROM _bought
  GROUP BY
    customer_id
), _reach /* _reach: the window is over and the data reach its end */ AS (
  SELECT
    COUNT(*) > 0 AS is_reached
  FROM "tills"
  WHERE
    event_at >= CAST('2025-05-14 22:00:00' AS TIMESTAMP)
    AND event_at < CAST('2025-05-31 22:00:00' AS TIMESTAMP)
    AND loaded_at <= CAST('2025-05-31 22:00:00' AS TIMESTAMP)
)
SELECT
  spine.customer_id,
  spine.as_of,
  CAST(CASE WHEN _reach.is_reached THEN _outcome.customer_id IS NULL END AS BOOLEAN) AS churned,
  CAST('2025-05-15' AS DATE) AS outcome_ends_on
FROM spine
LEFT JOIN _outcome
  ON _outcome.customer_id = spine.customer_id
CROSS JOIN _reach
ORDER BY
  spine.customer_id

-- ### spine_leave
/* spine: one row per customer that churn definition leave describes at timestamp '2025-05-31 22:00:00' UTC. */
WITH _contract_events /* _contract_events: events of contracts that were visible at as_of */ AS (
  SELECT
    customer_id,
    COALESCE(subscription_id, customer_id) AS contract_id,
    kind,
    event_at,
    loaded_at,
    batch_id,
    row_number
  FROM "deals"
  WHERE
    event_at < CAST('2025-05-31 22:00:00' AS TIMESTAMP)
    AND loaded_at <= CAST('2025-05-31 22:00:00' AS TIMESTAMP)
), _contracts /* _contracts: the newest event of each contract */ AS (
  SELECT
    customer_id,
    (
      ARRAY_AGG(
        kind ORDER BY event_at DESC NULLS LAST, loaded_at DESC NULLS LAST, batch_id DESC NULLS LAST, row_number DESC NULLS LAST
      )
    )[1] AS last_kind
  FROM _contract_events
  GROUP BY
    customer_id,
    contract_id
), _described /* _described: those still open */ AS (
  SELECT
    customer_id
  FROM _contracts
  WHERE
    last_kind <> 'cancel'
)
SELECT
  CAST(customer_id AS TEXT) AS customer_id,
  CAST('2025-06-01' AS DATE) AS as_of
FROM _described
GROUP BY
  customer_id
ORDER BY
  customer_id

-- ### labels_leave
/* labels: one row per (customer_id, as_of) of the spine, by churn definition leave, as known on 2025-06-01. */
WITH _contract_events /* _contract_events: what happened before the end of the outcome window */ AS (
  SELECT
    customer_id,
    COALESCE(subscription_id, customer_id) AS contract_id,
    kind,
    event_at,
    loaded_at,
    batch_id,
    row_number
  FROM "deals"
  WHERE
    loaded_at <= CAST('2025-05-31 22:00:00' AS TIMESTAMP)
    AND customer_id IN (
      SELECT
        customer_id
      FROM spine
    )
    AND customer_id >= (
      SELECT
        MIN(customer_id)
      FROM spine
    )
    AND customer_id <= (
      SELECT
        MAX(customer_id)
      FROM spine
    )
    AND event_at < CAST('2025-04-18 22:00:00' AS TIMESTAMP)
), _contracts /* _contracts: the state of each contract when the window starts and when it ends */ AS (
  SELECT
    customer_id,
    (
      ARRAY_AGG(
        kind ORDER BY event_at DESC NULLS LAST, loaded_at DESC NULLS LAST, batch_id DESC NULLS LAST, row_number DESC NULLS LAST
      ) FILTER(WHERE
        event_at < CAST('2025-03-19 23:00:00' AS TIMESTAMP))
    )[1] AS kind_at_start,
    (
      ARRAY_AGG(
        kind ORDER BY event_at DESC NULLS LAST, loaded_at DESC NULLS LAST, batch_id DESC NULLS LAST, row_number DESC NULLS LAST
      )
    )[1] AS kind_at_end
  FROM _contract_events
  GROUP BY
    customer_id,
    contract_id
), _outcome /* _outcome: each customer's open contracts */ AS (
  SELECT
    customer_id,
    COUNT(*) FILTER(WHERE
      kind_at_start <> 'cancel') AS open_at_start,
    COUNT(*) FILTER(WHERE
      kind_at_end <> 'cancel') AS open_at_end
  FROM _contracts
  GROUP BY
    customer_id
), _reach /* _reach: the window is over and the data reach its end */ AS (
  SELECT
    COUNT(*) > 0 AS is_reached
  FROM "deals"
  WHERE
    event_at >= CAST('2025-04-18 22:00:00' AS TIMESTAMP)
    AND event_at < CAST('2025-05-31 22:00:00' AS TIMESTAMP)
    AND loaded_at <= CAST('2025-05-31 22:00:00' AS TIMESTAMP)
)
SELECT
  spine.customer_id,
  spine.as_of,
  CAST(CASE
    WHEN _reach.is_reached AND _outcome.open_at_start > 0
    THEN _outcome.open_at_end = 0
  END AS BOOLEAN) AS churned,
  CAST('2025-04-19' AS DATE) AS outcome_ends_on
FROM spine
LEFT JOIN _outcome
  ON _outcome.customer_id = spine.customer_id
CROSS JOIN _reach
ORDER BY
  spine.customer_id

-- ### spine_said
/* spine: one row per customer that churn definition said describes at timestamp '2025-05-31 22:00:00' UTC. */
WITH _customers_known /* _customers_known: versions of each customer known at as_of, from the newest (1) backwards */ AS (
  SELECT
    customer_id,
    ROW_NUMBER() OVER (
      PARTITION BY customer_id
      ORDER BY loaded_at DESC NULLS LAST, batch_id DESC NULLS LAST, row_number DESC NULLS LAST
    ) AS version_rank
  FROM "customers"
  WHERE
    loaded_at <= CAST('2025-05-31 22:00:00' AS TIMESTAMP)
    AND (
      signed_up_at IS NULL OR signed_up_at < CAST('2025-05-31 22:00:00' AS TIMESTAMP)
    )
    AND NOT EXISTS(
      SELECT
        1
      FROM superseded
      WHERE
        superseded.feed = 'customers'
        AND superseded.batch_id = "customers".batch_id
        AND superseded.row_number = "customers".row_number
        AND superseded.replaced_at <= CAST('2025-05-31 22:00:00' AS TIMESTAMP)
    )
), _customers_rows /* _customers_rows: what was known of each customer */ AS (
  SELECT
    *
  FROM _customers_known
  WHERE
    version_rank = 1
), _described /* _described: every known customer */ AS (
  SELECT
    customer_id
  FROM _customers_rows
)
SELECT
  CAST(customer_id AS TEXT) AS customer_id,
  CAST('2025-06-01' AS DATE) AS as_of
FROM _described
GROUP BY
  customer_id
ORDER BY
  customer_id

-- ### labels_said
/* labels: one row per (customer_id, as_of) of the spine, by churn definition said, as known on 2025-06-01. */
WITH _customers_known /* _customers_known: versions of each customer known at as_of, from the newest (1) backwards */ AS (
  SELECT
    customer_id,
    "left" AS said,
    ROW_NUMBER() OVER (
      PARTITION BY customer_id
      ORDER BY loaded_at DESC NULLS LAST, batch_id DESC NULLS LAST, row_number DESC NULLS LAST
    ) AS version_rank
  FROM "customers"
  WHERE
    loaded_at <= CAST('2025-05-31 22:00:00' AS TIMESTAMP)
    AND customer_id IN (
      SELECT
        customer_id
      FROM spine
    )
    AND customer_id >= (
      SELECT
        MIN(customer_id)
      FROM spine
    )
    AND customer_id <= (
      SELECT
        MAX(customer_id)
      FROM spine
    )
    AND (
      signed_up_at IS NULL OR signed_up_at < CAST('2025-05-31 22:00:00' AS TIMESTAMP)
    )
    AND NOT EXISTS(
      SELECT
        1
      FROM superseded
      WHERE
        superseded.feed = 'customers'
        AND superseded.batch_id = "customers".batch_id
        AND superseded.row_number = "customers".row_number
        AND superseded.replaced_at <= CAST('2025-05-31 22:00:00' AS TIMESTAMP)
    )
), _customers_rows /* _customers_rows: what was known of each customer */ AS (
  SELECT
    *
  FROM _customers_known
  WHERE
    version_rank = 1
), _outcome /* _outcome: what the company says */ AS (
  SELECT
    customer_id,
    said
  FROM _customers_rows
), _reach /* _reach: a statement about a customer needs no waiting */ AS (
  SELECT
    TRUE AS is_reached
)
SELECT
  spine.customer_id,
  spine.as_of,
  CAST(CASE WHEN _reach.is_reached THEN _outcome.said END AS BOOLEAN) AS churned,
  CAST('2025-03-13' AS DATE) AS outcome_ends_on
FROM spine
LEFT JOIN _outcome
  ON _outcome.customer_id = spine.customer_id
CROSS JOIN _reach
ORDER BY
  spine.customer_id

-- ### spine_habit
/* spine: one row per customer that churn definition habit describes at timestamp '2025-05-31 22:00:00' UTC. */
WITH _purchase_days /* _purchase_days: two purchases on one day are one */ AS (
  SELECT DISTINCT
    customer_id,
    days_ago
  FROM (
    SELECT
      customer_id,
      (
        CAST('2025-06-01' AS DATE) - CAST(event_at AT TIME ZONE 'UTC' AT TIME ZONE 'Europe/Madrid' AS DATE)
      ) AS days_ago
    FROM "tills"
    WHERE
      event_at < CAST('2025-05-31 22:00:00' AS TIMESTAMP)
      AND loaded_at <= CAST('2025-05-31 22:00:00' AS TIMESTAMP)
      AND amount_cents >= 0
      AND NOT EXISTS(
        SELECT
          1
        FROM superseded
        WHERE
          superseded.feed = 'tills'
          AND superseded.batch_id = "tills".batch_id
          AND superseded.row_number = "tills".row_number
          AND superseded.replaced_at <= CAST('2025-05-31 22:00:00' AS TIMESTAMP)
      )
  ) AS _unnamed_541
), _purchase_gaps /* _purchase_gaps: days from one day with a purchase to the next */ AS (
  SELECT
    customer_id,
    days_ago,
    LAG(days_ago) OVER (PARTITION BY customer_id ORDER BY days_ago DESC NULLS LAST) - days_ago AS gap_days
  FROM _purchase_days
), _ranked_gaps /* _ranked_gaps: from the shortest (1) to the longest; the first purchase has none */ AS (
  SELECT
    customer_id,
    days_ago,
    gap_days,
    ROW_NUMBER() OVER (PARTITION BY customer_id ORDER BY gap_days) AS gap_rank,
    COUNT(gap_days) OVER (PARTITION BY customer_id) AS gap_count
  FROM _purchase_gaps
), _rhythms /* _rhythms: how long ago the last purchase was, and how long a silence is still usual */ AS (
  SELECT
    customer_id,
    MIN(days_ago) AS silent_days,
    LEAST(
      GREATEST(
        DIV(
          (
            (
              MIN(gap_days) FILTER(WHERE
                2 * gap_rank >= gap_count) + MIN(gap_days) FILTER(WHERE
                2 * gap_rank > gap_count)
            ) * 2 + 1
          ),
          2
        ),
        10
      ),
      40
    ) AS window_days
  FROM _ranked_gaps
  GROUP BY
    customer_id
  HAVING
    COUNT(*) >= 4
), _described /* _described: those with a rhythm who are not overdue */ AS (
  SELECT
    customer_id
  FROM _rhythms
  WHERE
    silent_days <= window_days
)
SELECT
  CAST(customer_id AS TEXT) AS customer_id,
  CAST('2025-06-01' AS DATE) AS as_of
FROM _described
GROUP BY
  customer_id
ORDER BY
  customer_id

-- ### labels_habit
/* labels: one row per (customer_id, as_of) of the spine, by churn definition habit, as known on 2025-06-01. */
WITH _purchase_days /* _purchase_days: two purchases on one day are one */ AS (
  SELECT DISTINCT
    customer_id,
    days_ago
  FROM (
    SELECT
      customer_id,
      (
        CAST('2025-03-13' AS DATE) - CAST(event_at AT TIME ZONE 'UTC' AT TIME ZONE 'Europe/Madrid' AS DATE)
      ) AS days_ago
    FROM "tills"
    WHERE
      event_at < CAST('2025-03-12 23:00:00' AS TIMESTAMP)
      AND loaded_at <= CAST('2025-03-12 23:00:00' AS TIMESTAMP)
      AND customer_id IN (
        SELECT
          customer_id
        FROM spine
      )
      AND customer_id >= (
        SELECT
          MIN(customer_id)
        FROM spine
      )
      AND customer_id <= (
        SELECT
          MAX(customer_id)
        FROM spine
      )
      AND amount_cents >= 0
      AND NOT EXISTS(
        SELECT
          1
        FROM superseded
        WHERE
          superseded.feed = 'tills'
          AND superseded.batch_id = "tills".batch_id
          AND superseded.row_number = "tills".row_number
          AND superseded.replaced_at <= CAST('2025-03-12 23:00:00' AS TIMESTAMP)
      )
  ) AS _unnamed_704
), _purchase_gaps /* _purchase_gaps: days from one day with a purchase to the next */ AS (
  SELECT
    customer_id,
    days_ago,
    LAG(days_ago) OVER (PARTITION BY customer_id ORDER BY days_ago DESC NULLS LAST) - days_ago AS gap_days
  FROM _purchase_days
), _ranked_gaps /* _ranked_gaps: from the shortest (1) to the longest; the first purchase has none */ AS (
  SELECT
    customer_id,
    days_ago,
    gap_days,
    ROW_NUMBER() OVER (PARTITION BY customer_id ORDER BY gap_days) AS gap_rank,
    COUNT(gap_days) OVER (PARTITION BY customer_id) AS gap_count
  FROM _purchase_gaps
), _rhythms /* _rhythms: how long ago the last purchase was, and how long a silence is still usual */ AS (
  SELECT
    customer_id,
    MIN(days_ago) AS silent_days,
    LEAST(
      GREATEST(
        DIV(
          (
            (
              MIN(gap_days) FILTER(WHERE
                2 * gap_rank >= gap_count) + MIN(gap_days) FILTER(WHERE
                2 * gap_rank > gap_count)
            ) * 2 + 1
          ),
          2
        ),
        10
      ),
      40
    ) AS window_days
  FROM _ranked_gaps
  GROUP BY
    customer_id
  HAVING
    COUNT(*) >= 4
), _windows /* _windows: when each one's own window ends */ AS (
  SELECT
    customer_id,
    CAST(EXTRACT(EPOCH FROM CAST('2025-03-12 23:00:00' AS TIMESTAMP)) * 1000000 AS BIGINT) + (
      5 + window_days
    ) * 86400000000 + CASE WHEN (
      5 + window_days
    ) >= 18 THEN -3600000000 ELSE 0 END AS ends_us
  FROM _rhythms
), _bought /* _bought: purchases in the longest window */ AS (
  SELECT
    customer_id,
    event_at
  FROM "tills"
  WHERE
    loaded_at <= CAST('2025-05-31 22:00:00' AS TIMESTAMP)
    AND customer_id IN (
      SELECT
        customer_id
      FROM spine
    )
    AND customer_id >= (
      SELECT
        MIN(customer_id)
      FROM spine
    )
    AND customer_id <= (
      SELECT
        MAX(customer_id)
      FROM spine
    )
    AND event_at >= CAST('2025-03-17 23:00:00' AS TIMESTAMP)
    AND event_at < CAST('2025-04-26 22:00:00' AS TIMESTAMP)
    AND amount_cents >= 0
    AND NOT EXISTS(
      SELECT
        1
      FROM superseded
      WHERE
        superseded.feed = 'tills'
        AND superseded.batch_id = "tills".batch_id
        AND superseded.row_number = "tills".row_number
        AND superseded.replaced_at <= CAST('2025-05-31 22:00:00' AS TIMESTAMP)
    )
), _outcome /* _outcome: who bought nothing in his own */ AS (
  SELECT
    _windows.customer_id,
    COUNT(_bought.event_at) = 0 AS is_silent
  FROM _windows
  LEFT JOIN _bought
    ON _bought.customer_id = _windows.customer_id
    AND CAST(EXTRACT(EPOCH FROM _bought.event_at) * 1000000 AS BIGINT) < _windows.ends_us
  GROUP BY
    _windows.customer_id
), _reach /* _reach: the window is over and the data reach its end */ AS (
  SELECT
    COUNT(*) > 0 AS is_reached
  FROM "tills"
  WHERE
    event_at >= CAST('2025-04-26 22:00:00' AS TIMESTAMP)
    AND event_at < CAST('2025-05-31 22:00:00' AS TIMESTAMP)
    AND loaded_at <= CAST('2025-05-31 22:00:00' AS TIMESTAMP)
)
SELECT
  spine.customer_id,
  spine.as_of,
  CAST(CASE WHEN _reach.is_reached THEN _outcome.is_silent END AS BOOLEAN) AS churned,
  CAST('2025-04-27' AS DATE) AS outcome_ends_on
FROM spine
LEFT JOIN _outcome
  ON _outcome.customer_id = spine.customer_id
CROSS JOIN _reach
ORDER BY
  spine.customer_id

-- ### spine_drain
/* spine: one row per customer that churn definition drain describes at timestamp '2025-05-31 22:00:00' UTC. */
WITH _levels /* _levels: balances that were visible at as_of */ AS (
  SELECT
    customer_id,
    event_at,
    balance_cents,
    account_kind
  FROM "levels"
  WHERE
    event_at < CAST('2025-05-31 22:00:00' AS TIMESTAMP)
    AND loaded_at <= CAST('2025-05-31 22:00:00' AS TIMESTAMP)
), _accounts /* _accounts: the newest balance of each account */ AS (
  SELECT
    customer_id,
    account_kind,
    (
      ARRAY_AGG(balance_cents ORDER BY event_at DESC NULLS LAST, balance_cents DESC NULLS LAST)
    )[1] AS balance_cents
  FROM _levels
  GROUP BY
    customer_id,
    account_kind
), _described /* _described: those who hold enough */ AS (
  SELECT
    customer_id
  FROM _accounts
  GROUP BY
    customer_id
  HAVING
    SUM(balance_cents) >= 40000
)
SELECT
  CAST(customer_id AS TEXT) AS customer_id,
  CAST('2025-06-01' AS DATE) AS as_of
FROM _described
GROUP BY
  customer_id
ORDER BY
  customer_id

-- ### labels_drain
/* labels: one row per (customer_id, as_of) of the spine, by churn definition drain, as known on 2025-06-01. */
WITH _levels_before /* _levels_before: balances that were visible at as_of */ AS (
  SELECT
    customer_id,
    event_at,
    balance_cents,
    account_kind
  FROM "levels"
  WHERE
    event_at < CAST('2025-03-12 23:00:00' AS TIMESTAMP)
    AND loaded_at <= CAST('2025-03-12 23:00:00' AS TIMESTAMP)
    AND customer_id IN (
      SELECT
        customer_id
      FROM spine
    )
    AND customer_id >= (
      SELECT
        MIN(customer_id)
      FROM spine
    )
    AND customer_id <= (
      SELECT
        MAX(customer_id)
      FROM spine
    )
), _held_before /* _held_before: what each one held then */ AS (
  SELECT
    customer_id,
    SUM(cents) AS cents
  FROM (
    SELECT
      customer_id,
      account_kind,
      (
        ARRAY_AGG(balance_cents ORDER BY event_at DESC NULLS LAST, balance_cents DESC NULLS LAST)
      )[1] AS cents
    FROM _levels_before
    GROUP BY
      customer_id,
      account_kind
  ) AS _unnamed_172
  GROUP BY
    customer_id
), _levels_after /* _levels_after: balances until the end of the outcome window */ AS (
  SELECT
    customer_id,
    event_at,
    balance_cents,
    account_kind
  FROM "levels"
  WHERE
    loaded_at <= CAST('2025-05-31 22:00:00' AS TIMESTAMP)
    AND customer_id IN (
      SELECT
        customer_id
      FROM spine
    )
    AND customer_id >= (
      SELECT
        MIN(customer_id)
      FROM spine
    )
    AND customer_id <= (
      SELECT
        MAX(customer_id)
      FROM spine
    )
    AND event_at < CAST('2025-04-18 22:00:00' AS TIMESTAMP)
), _held_after /* _held_after: what each one holds at its end */ AS (
  SELECT
    customer_id,
    SUM(cents) AS cents
  FROM (
    SELECT
      customer_id,
      account_kind,
      (
        ARRAY_AGG(balance_cents ORDER BY event_at DESC NULLS LAST, balance_cents DESC NULLS LAST)
      )[1] AS cents
    FROM _levels_after
    GROUP BY
      customer_id,
      account_kind
  ) AS _unnamed_171
  GROUP BY
    customer_id
), _outcome /* _outcome: who held something, then and at the end */ AS (
  SELECT
    customer_id,
    _held_before.cents AS before_cents,
    _held_after.cents AS after_cents
  FROM _held_before
  INNER JOIN _held_after
    USING (customer_id)
), _reach /* _reach: the window is over and the data reach its end */ AS (
  SELECT
    COUNT(*) > 0 AS is_reached
  FROM "levels"
  WHERE
    event_at >= CAST('2025-04-18 22:00:00' AS TIMESTAMP)
    AND event_at < CAST('2025-05-31 22:00:00' AS TIMESTAMP)
    AND loaded_at <= CAST('2025-05-31 22:00:00' AS TIMESTAMP)
)
SELECT
  spine.customer_id,
  spine.as_of,
  CAST(CASE
    WHEN _reach.is_reached AND _outcome.before_cents >= 40000
    THEN CAST(_outcome.after_cents AS DOUBLE PRECISION) * 5 <= CAST(_outcome.before_cents AS DOUBLE PRECISION) * 1
  END AS BOOLEAN) AS churned,
  CAST('2025-04-19' AS DATE) AS outcome_ends_on
FROM spine
LEFT JOIN _outcome
  ON _outcome.customer_id = spine.customer_id
CROSS JOIN _reach
ORDER BY
  spine.customer_id
