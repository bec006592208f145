"""Which of the company's features a measurement computes: all of them, 64, or what other tools can express as well."""

from __future__ import annotations

from bench.world import business
from features.compiler import only
from features.declarations import FeatureSet
from features.families import feature_set

#: What a company keeps that does not want 151 columns: of every window the quarter and the year; nothing divided by the
#: value of a channel, an outcome or an account; no scores made of other features, no season. What is dear stays:
#: rhythms, newest values, distinct categories, the newest answer, each account's balance now and a quarter ago.
SIXTY_FOUR = """
    days_since_last_order days_since_first_order order_count_90d order_count_365d order_count_all spend_amount_90d
    spend_amount_365d spend_amount_all order_amount_mean_90d order_amount_mean_365d order_amount_max_365d
    order_amount_last order_lines_mean_365d refund_count_90d refund_count_365d refund_amount_90d refund_amount_365d
    refund_share_365d days_since_last_refund discount_amount_90d discount_amount_365d discount_share_90d
    discount_share_365d gap_mean_days gap_sd_days overdue_ratio order_count_trend_90d spend_amount_trend_90d
    category_count_90d category_count_365d last_order_channel

    days_since_last_interaction interaction_count_90d interaction_count_365d interaction_count_all
    last_interaction_channel last_interaction_outcome interaction_minutes_90d interaction_minutes_365d
    interaction_minutes_mean_365d

    days_since_last_feedback_request feedback_request_count_90d feedback_request_count_365d feedback_score_last
    feedback_score_mean_365d feedback_score_min_365d days_since_last_feedback feedback_answer_count_90d
    feedback_answer_count_365d feedback_answer_share_365d feedback_unanswered_count feedback_silence_days

    balance_amount balance_90d_ago_amount balance_drop_90d_amount balance_drop_90d_share days_since_last_balance

    days_since_last_contact contact_count_90d contact_count_365d contact_answered_count_90d
    contact_answered_count_365d contact_answered_share_365d days_since_last_answered_contact
"""

#: Those of them, with a division by a value, that pandas, Spark and featuretools state in their own words.
SHARED = """
    days_since_last_order days_since_first_order order_count_90d order_count_365d order_count_all spend_amount_90d
    spend_amount_365d spend_amount_all order_amount_max_365d refund_amount_90d refund_amount_365d discount_amount_90d
    discount_amount_365d

    days_since_last_interaction interaction_count_90d interaction_count_365d interaction_count_all
    interaction_phone_count_365d interaction_minutes_90d interaction_minutes_365d interaction_minutes_mean_365d

    days_since_last_feedback_request feedback_request_count_90d feedback_request_count_365d feedback_score_mean_365d
    feedback_score_min_365d

    days_since_last_contact contact_count_90d contact_count_365d contact_email_count_90d
"""

#: The newest value of each feed as of a day: what a feature store's point-in-time join returns.
NEWEST = """
    days_since_last_interaction last_interaction_channel last_interaction_outcome
    days_since_last_feedback_request days_since_last_contact days_since_last_balance
    balance_savings_amount balance_checking_amount
"""

_NAMED = {"64": SIXTY_FOUR, "shared": SHARED, "newest": NEWEST}


def chosen(which: str) -> FeatureSet:
    """Return the features of ``all``, ``64``, ``shared`` or ``newest``."""
    declared = feature_set(business())
    return declared if which == "all" else only(declared, _NAMED[which].split())
