"""The tables of what was found and decided: scores, fit, the ledger, evaluations of models."""

from __future__ import annotations

from holdback.tables.columns import CUSTOMER_ID, Column, Table

_AS_OF = Column("as_of", "date", "The day of knowledge: nothing later was visible", required=True)

#: What a row of the ledger can say.
LEDGER_KINDS = (
    "launched", "halted", "resumed", "assigned", "decided", "sent", "delivered", "opened", "answered", "redeemed",
    "bounced", "opted_out", "complained", "cost", "corrected",
)  # fmt: skip

RESULTS: tuple[Table, ...] = (
    Table(
        "scores",
        "one customer on one day for one churn definition; never rewritten",
        (
            _AS_OF,
            CUSTOMER_ID,
            Column("churn", "text", "Name of the churn definition", required=True),
            Column("model_version", "text", "Version of the registered model", required=True),
            Column("probability", "number", "Calibrated probability of churn", required=True, minimum=0, maximum=1),
            Column("risk_tier", "text", "By the business' cut-offs", required=True, allowed=("high", "medium", "low")),
            Column("is_above_capacity_line", "flag", "True for those whom the team can reach today", required=True),
            Column(
                "reasons",
                "text",
                "JSON list of the main reasons; null for customers who are neither at risk nor above the line",
            ),
        ),
    ),
    Table(
        "fit",
        "whether keeping one customer is worth its cost, as seen on one day, with its arithmetic",
        (
            _AS_OF,
            CUSTOMER_ID,
            Column("segment", "text", "Within which contact rates are alike; null when there is only one"),
            Column(
                "months_known",
                "number",
                "Months of the relationship that the records cover",
                unit="months of 30.4375 days",
            ),
            Column("margin_cents", "money", "V: expected margin over the horizon", unit="cents", required=True),
            Column("cost_to_serve_cents", "money", "C: expected cost to serve over the horizon", unit="cents"),
            Column("retention_cents", "money", "R: expected cost of retention over the horizon", unit="cents"),
            Column("net_cents", "money", "V - C - R", unit="cents", required=True),
            Column("net_low_cents", "money", "Lower end of its 80 % interval", unit="cents"),
            Column("net_high_cents", "money", "Upper end of its 80 % interval", unit="cents"),
            Column("kept_cents", "money", "V - C: what is lost when the customer leaves", unit="cents"),
            Column("fit", "number", "50 + 50 (V - C - R) / (V + C + R); 50 is break-even", minimum=0, maximum=100),
            Column("fit_class", "text", "What it means", required=True, allowed=("invest", "maintain", "do_not_spend")),
            Column("guardrail", "text", "Why a customer below break-even was not classed out; else null"),
            Column("arithmetic", "text", "JSON: what V, C and R were computed from; explain_fit reads it"),
            Column("expires_on", "date", "First day on which the class no longer holds", required=True),
        ),
    ),
    Table(
        "ledger",
        "one fact about what was decided and done; only ever added, each row carries the hash of the one before it",
        (
            Column("as_of", "date", "The day that recorded it", required=True),
            Column("sequence", "integer", "Position in the day, from 1", required=True, minimum=1),
            Column("kind", "text", "What happened", required=True, allowed=LEDGER_KINDS),
            Column("entry_id", "text", "Names the row for ever: hash of what it is about", required=True),
            Column("customer_id", "text", "Whom it is about; null for a launch, a halt and a resumption"),
            Column("unit_id", "text", "Randomisation unit: those who share an address or a household"),
            Column("campaign", "text", "Which campaign; null in the global layer"),
            Column("version", "integer", "Version of the campaign, or of the global holdout"),
            Column("salt", "text", "Salt of the layer in which the group or the exploration was drawn"),
            Column("group", "text", "As assigned", allowed=("treatment", "holdout")),
            Column(
                "propensity",
                "number",
                "Probability with which the group (assigned) or the action (decided) was drawn",
                minimum=0,
                maximum=1,
            ),
            Column("action", "text", "What is done; none when nothing is"),
            Column("intended_action", "text", "What the policy chose before holdout and exploration"),
            Column("channel", "text", "By which channel"),
            Column("is_exploration", "flag", "True when the action was drawn at random"),
            Column("decision_id", "text", "entry_id of the decision that this carries out"),
            Column("policy_version", "text", "Which rules chose"),
            Column("model_version", "text", "Which model scored"),
            Column("probability", "number", "Churn probability that the decision saw", minimum=0, maximum=1),
            Column("kept_cents", "money", "What would be lost with the customer, as then seen", unit="cents"),
            Column("fit_class", "text", "Fit that the decision saw"),
            Column("gain_cents", "money", "Expected incremental margin of the intended action", unit="cents"),
            Column("lift", "number", "Save rate that was used"),
            Column("lift_status", "text", "What it rests on", allowed=("assumed", "measured", "stale")),
            Column("eligible", "text", "JSON: probability of each action that could have been drawn"),
            Column("refused", "text", "JSON: the other actions and why they were not chosen"),
            Column("reason", "text", "Why, in words"),
            Column("happened_at", "instant", "When it happened, as the feed reports it", unit="UTC"),
            Column("cost_cents", "money", "What it cost, or is expected to cost (decided)", unit="cents"),
            Column("corrects", "text", "entry_id of the row that this one corrects"),
            Column("detail", "text", "JSON: what the columns have no place for (the design of a launch)"),
            Column("previous_hash", "text", "hash of the row before it", required=True),
            Column("hash", "text", "SHA-256 of previous_hash and of everything in this row", required=True),
        ),
        is_in_one_piece=True,  # nearly every question is about all of its days
    ),
    Table(
        "evaluations",
        "one figure of one trained model, with its interval",
        (
            _AS_OF,
            Column("churn", "text", "Name of the churn definition", required=True),
            Column("run_id", "text", "The training run (MLflow)", required=True),
            Column("model", "text", "catboost, or the baseline's name", required=True),
            Column("metric", "text", "auc, pr_auc, log_loss, ...", required=True),
            Column("slice", "text", "all, or column=value"),
            Column("estimate", "number", "The figure"),
            Column("low", "number", "Lower end of its 95 % interval"),
            Column("high", "number", "Upper end of its 95 % interval"),
            Column("row_count", "integer", "Rows it was computed on"),
            Column("method", "text", "How the interval was computed"),
        ),
    ),
)
