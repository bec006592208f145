"""The tables that tell how rows came in: batches, quarantine, corrections, verdicts of the contract, profiles."""

from __future__ import annotations

from holdback.tables.columns import Column, Table

LOADING: tuple[Table, ...] = (
    Table(
        "batches",
        "one accepted batch of one feed (a rejected one leaves only its validations)",
        (
            Column("sequence", "integer", "Order in which batches were accepted, from 1", required=True, minimum=1),
            Column("batch_id", "text", "SHA-256 of feed, mapping and content, shortened", required=True),
            Column("feed", "text", "Which feed it was offered to", required=True),
            Column("source", "text", "Name of the file or query it came from; never a password"),
            Column("content", "text", "SHA-256 of the original's bytes"),
            Column("covers_on", "date", "The day in the file's name, when the source has one"),
            Column("as_of", "date", "The day it was loaded for", required=True),
            Column("rows_offered", "integer", "Rows in the file", required=True),
            Column("rows_clean", "integer", "Rows that passed, unchanged ones included", required=True),
            Column("rows_quarantined", "integer", "Rows kept aside with their reasons", required=True),
            Column("rows_unchanged", "integer", "Clean rows equal to what was known: not stored again"),
            Column("rows_corrected", "integer", "Clean rows that replace an earlier version"),
            Column("first_event_at", "instant", "Earliest event in the batch", unit="UTC"),
            Column("last_event_at", "instant", "Latest event in the batch", unit="UTC"),
            Column("loaded_at", "instant", "From when on its rows were known", unit="UTC", required=True),
            Column(
                "is_load_time_assumed",
                "flag",
                "True for history: a row counts as known on the morning after it",
            ),
            Column("released_from", "text", "Batch in quarantine that this one was released from"),
            Column("replaces", "text", "Earlier batch of the same file, all of whose rows this one accounts for"),
        ),
        is_in_one_piece=True,
    ),
    Table(
        "quarantine",
        "one row that was offered and not let in, verbatim",
        (
            Column("batch_id", "text", "The batch it came with", required=True),
            Column("feed", "text", "The feed it was offered to", required=True),
            Column("row_number", "integer", "Line number in the file (1 is the first data row)", required=True),
            Column("raw", "text", "The row as it came: JSON of the source's columns, or the raw line", required=True),
            Column("is_parsed", "flag", "False when the line could not even be split into columns"),
            Column("failed_rules", "text", "JSON list of the rules that the row broke", required=True),
            Column("loaded_at", "instant", "When it would have been known", unit="UTC", required=True),
        ),
    ),
    Table(
        "releases",
        "one quarantined row that was later let in",
        (
            Column("batch_id", "text", "The batch it was quarantined with", required=True),
            Column("feed", "text", "The feed", required=True),
            Column("row_number", "integer", "Its line number", required=True),
            Column("released_batch_id", "text", "The batch that let it in", required=True),
        ),
    ),
    Table(
        "superseded",
        "one stored row that a later batch replaced (same key, other values)",
        (
            Column("feed", "text", "The table of the replaced row", required=True),
            Column("batch_id", "text", "Batch of the replaced row", required=True),
            Column("row_number", "integer", "Row number of the replaced row", required=True),
            Column("replaced_at", "instant", "From when on the newer row was known", unit="UTC", required=True),
            Column("replaced_by", "text", "Batch that brought the newer row", required=True),
        ),
    ),
    Table(
        "validations",
        "the verdict of one rule on one batch",
        (
            Column("batch_id", "text", "The batch", required=True),
            Column("feed", "text", "The feed", required=True),
            Column("as_of", "date", "The day it was loaded for", required=True),
            Column("rule", "text", "Name of the rule", required=True),
            Column("column_name", "text", "The column it is about; null for rules on the whole batch"),
            Column("severity", "text", "Weight of a failure", allowed=("critical", "warning", "info")),
            Column("scope", "text", "What the rule is about", allowed=("batch", "row")),
            Column("is_passed", "flag", "True when the rule held", required=True),
            Column("is_accepted", "flag", "False when the whole batch was refused: none of its rows was stored"),
            Column("unexpected_count", "integer", "Rows that broke it (row rules)"),
            Column("observed", "text", "What was seen (batch rules)"),
            Column("expected", "text", "What the rule asks, in words", required=True),
            Column("expectation", "text", "The Great Expectations expectation that judged it"),
        ),
        is_in_one_piece=True,
    ),
    Table(
        "profiles",
        "one statistic of one column of one accepted batch: the reference for the next",
        (
            Column("batch_id", "text", "The batch", required=True),
            Column("feed", "text", "The feed", required=True),
            Column("as_of", "date", "The day it was loaded for", required=True),
            Column("column_name", "text", "The column", required=True),
            Column("statistic", "text", "null_share, whole_share, negative_share, quantile, share, ...", required=True),
            Column("key", "text", "Which quantile or which value"),
            Column("value", "number", "The value", required=True),
            Column("row_count", "integer", "Rows it was computed from", required=True),
        ),
        is_in_one_piece=True,
    ),
    Table(
        "forgotten",
        "one step in the forgetting of one person, without saying who: only ever added",
        (
            Column("sequence", "integer", "Order of the rows, from 1", required=True, minimum=1),
            Column("tombstone", "text", "SHA-256 of a secret key and the customer's id", required=True),
            Column(
                "state",
                "text",
                "asked: begun; forgotten: finished, and refused from now on; returned: may come in again",
                required=True,
                allowed=("asked", "forgotten", "returned"),
            ),
            Column("as_of", "date", "The day", required=True),
            Column("happened_at", "instant", "When", unit="UTC", required=True),
            Column("key_id", "text", "Which key made the tombstone", required=True),
        ),
        is_in_one_piece=True,  # nearly every question is about all of its days
    ),
    Table(
        "do_not_contact",
        "one opt-out of somebody who was forgotten, as a keyed hash: only ever added, and read by every decision",
        (
            Column("hash", "text", "SHA-256 of a secret key and the customer's id or contact key", required=True),
            Column(
                "about",
                "text",
                "customer: holds if that person comes back; recipient: for everybody with that contact key",
                required=True,
                allowed=("customer", "recipient"),
            ),
            Column("as_of", "date", "The day on which it was kept", required=True),
        ),
        is_in_one_piece=True,
    ),
)
