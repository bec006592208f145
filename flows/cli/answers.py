"""What a flow found, told on a screen: one short block per step, from the same receipt that ``--json`` prints."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from flows.cli.alerts import tell_alerts
from flows.cli.decisions import why
from flows.cli.learned import tell_learn, tell_train_value, tell_uplift, tell_value
from flows.cli.options import bold, interval, print_json, show, table_of
from flows.cli.signals import tell_segments, tell_triggers
from flows.runs import Outcome

Receipt = Any  # a receipt is JSON: each teller below knows the keys of its own flow

_MOST_FINDINGS = 3
_MOST_REFUSALS = 4
_LARGE_UNIT = 20
_MODEL_NAMES = {
    "catboost": "CatBoost",
    "rule": "one rule",
    "rfm_logistic": "RFM logistic",
    "spline_logistic": "spline logistic",
}


def print_outcomes(outcomes: list[Outcome], *, as_json: bool) -> None:
    """Print what runs found: JSON for machines, tables for people."""
    if as_json:
        print_json(outcomes)
        return
    for outcome in outcomes:
        done = "  (was done already; nothing changed)" if outcome.was_done_already else ""
        show(bold(f"{outcome.flow} {outcome.business} as of {outcome.as_of}{done}"))
        show(*_TELLERS[outcome.flow](outcome.receipt), "")


def tell_ingest(receipt: Receipt) -> Iterator[Any]:
    """Rows in, clean, quarantined with reasons."""
    batches = receipt["batches"]
    new = [batch for batch in batches if not batch["was_known_already"]]
    if len(new) < len(batches):
        yield f"{len(batches) - len(new)} of {len(batches)} batches were loaded before and left as they are."
    yield from _rows_by_feed(new)
    findings = [f"{batch['feed']} {batch['source']}: {finding}" for batch in new for finding in batch["findings"]]
    yield from (f"worth a look: {finding}" for finding in findings[:_MOST_FINDINGS])
    if len(findings) > _MOST_FINDINGS:
        yield f"and {len(findings) - _MOST_FINDINGS} more: the pages of the validation's results show all"
    yield from (f"note: {note}" for note in receipt.get("notes", ()))
    if receipt.get("pages"):
        yield f"validation results: {receipt['pages'][-1]}"


def _rows_by_feed(batches: list[Receipt]) -> Iterator[Any]:
    if not batches:
        return
    table = table_of("", "feed", "#batches", "#rows offered", "#clean", "#quarantined", "why")
    for feed in dict.fromkeys(batch["feed"] for batch in batches):
        own = [batch for batch in batches if batch["feed"] == feed]
        reasons: dict[str, int] = {}
        for batch in own:
            for rule, count in batch["reasons"].items():
                reasons[rule] = reasons.get(rule, 0) + count
        counts = [sum(batch[name] for batch in own) for name in ("offered", "clean", "quarantined")]
        why = ", ".join(f"{rule} {count:,}" for rule, count in sorted(reasons.items(), key=lambda item: -item[1]))
        table.add_row(feed, str(len(own)), *(f"{count:,}" for count in counts), why)
    yield table


def tell_retrain(receipt: Receipt) -> Iterator[Any]:
    """Why it was trained, the model beside its baselines, and the gate's verdict."""
    if "waits" in receipt:
        yield receipt["waits"]
        return
    if "evidence" in receipt:
        yield receipt["evidence"]
    learned, judged = receipt["learned_on"], receipt["judged_on"]
    yield (
        f"learned from {receipt['training_row_count']:,} rows ({receipt['training_churner_count']:,} churned), "
        f"{receipt['feature_count']} features, {learned[0]} to {learned[-1]}; judged on {', '.join(judged)}"
    )
    table = table_of("", "model", "#AUC", "#log-loss", "#CatBoost's AUC gain")
    models: list[tuple[str, Receipt, Receipt]] = [("catboost", receipt["evaluation"], None)]
    models += [(b["name"], b["evaluation"], b["auc_gain"]) for b in receipt["baselines"]]
    for name, figures, gain in models:
        table.add_row(
            _MODEL_NAMES.get(name, name),
            *(interval(figures[metric]) for metric in ("auc", "log_loss")),
            interval(gain, signed=True) if gain else "",
        )
    yield table
    unproven = [_MODEL_NAMES.get(b["name"], b["name"]) for b in receipt["baselines"] if b["auc_gain"]["low"] <= 0]
    yield (
        f"No evidence that CatBoost ranks better than: {', '.join(unproven)}."
        if unproven
        else "CatBoost ranks better than each of them: every interval of its gain lies above zero."
    )
    yield bold(f"verdict: {receipt['decision']}")
    yield " ".join(receipt["reasons"])
    champion = receipt["champion_version"]
    yield f"version {receipt['version']} of {receipt['model']}; champion is version {champion or 'none yet'}"


def tell_score(receipt: Receipt) -> Iterator[Any]:
    """How many are at risk, and the main reasons."""
    if "waits" in receipt:
        yield receipt["waits"]
        return
    at_risk = receipt["high_count"] + receipt["medium_count"]
    count, leaving = receipt["customer_count"], receipt["expected_churner_count"]
    yield (
        f"{count:,} customers scored by version {receipt['model_version']}: {at_risk:,} at risk "
        f"({receipt['high_count']:,} high, {receipt['medium_count']:,} medium); "
        f"{leaving:,.0f} are expected to leave ({leaving / count:.1%})"
    )
    line = receipt["line_probability"]
    if line is not None:
        yield f"the team reaches {receipt['above_capacity_count']:,} a day: those at {line:.0%} and above"
        table = table_of("", "main reason (an association, not a cause)", "#customers above the line")
        for reason in receipt["main_reasons"][:5]:
            table.add_row(reason["meaning"], f"{reason['customer_count']:,}")
        yield table


def tell_reconcile(receipt: Receipt) -> Iterator[Any]:
    """What was really sent, and what does not fit."""
    if "waits" in receipt:
        yield receipt["waits"]
        return
    if not receipt["is_reported"]:
        yield "no feed of role campaign_contacts: nobody knows what was really sent"
        return
    recorded = ", ".join(f"{count:,} {kind}" for kind, count in receipt["recorded"].items())
    yield f"entered in the ledger: {recorded or 'nothing new'}"
    for finding in receipt["findings"]:
        if finding["count"]:
            examples = f" (such as {', '.join(finding['examples'])})" if finding["examples"] else ""
            yield f"{finding['kind']}: {finding['count']:,}{examples}"


def tell_measure(receipt: Receipt) -> Iterator[Any]:
    """What was read officially, halted or withheld; the figures themselves are many."""
    if receipt["was_measured_already"]:
        yield "the day was measured already"
        return
    yield f"measured: {receipt['campaign_count']:,} against their holdouts; `holdback campaign measure` shows them"
    yield from (f"planned reading taken: {name}" for name in receipt["official"])
    yield from (bold(f"withheld, because a check failed: {name}") for name in receipt["failed"])
    yield from (
        bold(f"HALTED: {name}: contacting makes customers leave; see `holdback campaign list`")
        for name in receipt["halted"]
    )
    yield from (
        bold(f"RETIRED: {name}: its trigger earned nothing; see `holdback campaign list`")
        for name in receipt.get("retired", ())  # older receipts have none
    )


def tell_decide(receipt: Receipt) -> Iterator[Any]:
    """Whom the day contacts, who is held back, what it costs."""
    if "waits" in receipt:
        yield receipt["waits"]
        return
    count, held = receipt["customer_count"], receipt["globally_held_count"]
    yield f"{held:,} of {count:,} customers are never contacted: the global holdout"
    if receipt["largest_unit_count"] > _LARGE_UNIT:
        yield bold(
            f"worth a look: {receipt['largest_unit_count']:,} customers count as one, because they share an address or "
            "a household: is it a placeholder?"
        )
    yield from (bold(f"worth a look: {note}") for note in receipt.get("notes", ()))  # older receipts have none
    if not receipt["campaigns"]:
        yield "no campaign is in force: launch one with `holdback campaign launch NAME`"
        return
    table = table_of(
        "", "campaign", "#audience", "#contacted", "#of them by chance", "#entered today", "#of them held back", "#cost"
    )
    for one in receipt["campaigns"]:
        table.add_row(
            f"{one['name']}/{one['version']}",
            *(
                f"{one[name]:,}"
                for name in ("audience_count", "contact_count", "explored_count", "entered_count", "held_back_count")
            ),
            f"{one['spent_cents'] / 100:,.2f}",
        )
    yield table
    budget = receipt["budget_cents"]
    limit = f" of {budget / 100:,.2f}" if budget is not None else ""
    yield f"to be spent today: {receipt['spent_cents'] / 100:,.2f}{limit}"
    refused = [f"{why(code)} {n:,}" for code, n in list(receipt["refused_counts"].items())[:_MOST_REFUSALS]]
    if refused:
        yield f"not contacted: {'; '.join(refused)}"
    yield from (
        bold(f"groups of {one['layer']}: {one['verdict']}") for one in receipt["balances"] if not one["is_sound"]
    )


def tell_deliver(receipt: Receipt) -> Iterator[Any]:
    """Where the lists lie, and what became of the calls."""
    if "waits" in receipt:
        yield receipt["waits"]
        return
    listed = ", ".join(f"{channel} {count:,}" for channel, count in receipt["contacts"].items())
    yield f"contact lists: {listed or 'nobody today'}"
    yield from (f"refused at the door, {reason}: {count:,}" for reason, count in receipt["refused"].items())
    lacking = receipt.get("withheld", {})
    yield from (f"withheld, the message lacks {field}: {count:,}" for field, count in lacking.items())
    if receipt["paths"]:
        yield f"outbox: {Path(receipt['paths'][-1]).parent}"
    if receipt["table_rows"] is not None:
        yield f"PostgreSQL table: {receipt['table_rows']:,} rows"
    if receipt["webhook"] is not None:
        counts = ", ".join(f"{name} {value}" for name, value in receipt["webhook"].items() if isinstance(value, int))
        yield f"webhook: {counts}"


def tell_record(receipt: Receipt) -> Iterator[Any]:
    """How many of the day's figures are kept, and which were not knowable."""
    yield f"{receipt['known_count']:,} figures of the day are kept: holdback metrics list"
    if receipt["not_known"]:
        yield f"not knowable yet: {len(receipt['not_known'])}, each with its reason: holdback metrics show NAME"


def tell_report(receipt: Receipt) -> Iterator[Any]:
    """Where the report lies."""
    yield f"report: {receipt['path']}"
    if receipt.get("campaigns_path"):
        yield f"campaigns: {receipt['campaigns_path']}"


def tell_portal(receipt: Receipt) -> Iterator[Any]:
    """Where the site lies, what failed in it, where it was published."""
    yield f"site: {receipt['first_page']} ({len(receipt['pages'])} pages, {receipt['size_bytes'] / 1e6:.1f} MB)"
    for page in receipt["failed"]:
        language = f" in {page['language']}" if page["language"] else ""
        yield bold(f"worth a look: page {page['name']} could not be built{language}: {page['error']}")
    if not receipt["is_newest"]:
        yield "a later day stands already: the site opens with that one"
    published = receipt["published"]
    if published is not None:
        yield (
            f"published: {published['index']} ({published['uploaded_count']:,} files written, "
            f"{published['uploaded_bytes'] / 1e6:.1f} MB)"
        )
    notes = (*receipt["notes"], *(published["notes"] if published is not None else ()))
    yield from (bold(f"worth a look: {note}") for note in notes)


def tell_catch_up(receipt: Receipt) -> Iterator[Any]:
    """Which days were missed, which were made good, and which were not."""
    good = [day for day in receipt["days"] if day not in receipt["not_done"]]
    if good:
        yield f"nobody worked after {receipt['since']}; made good, oldest first, nothing decided: {', '.join(good)}"
    yield from (bold(f"{day} could not be made good: {why}") for day, why in receipt["not_done"].items())
    if receipt["left_out_count"]:
        yield bold(
            f"{receipt['left_out_count']:,} days after {receipt['since']} were left out, because they are more than "
            "HOLDBACK_CATCH_UP_DAYS back: `holdback backfill --from DAY --to DAY` does them"
        )


def tell_retention(receipt: Receipt) -> Iterator[Any]:
    """What was older than its period, and is gone."""
    removed = ", ".join(f"{count:,} of {what}" for what, count in receipt["removed"].items())
    if removed:
        yield f"older than their periods, and removed: {removed}"
    elif receipt.get("left"):
        yield "nothing was removed"
    elif any(days is not None for days in receipt["periods"].values()):
        yield "nothing is older than its period"
    else:
        yield "everything is kept for ever: the business file sets no period (`holdback retention show`)"
    if receipt.get("to_do"):
        yield receipt["to_do"]
    if receipt.get("record"):
        yield f"record of what was done by hand: {receipt['record']}"


_TELLERS: dict[str, Callable[[Receipt], Iterator[Any]]] = {
    "ingest_daily": tell_ingest,
    "retrain": tell_retrain,
    "score_daily": tell_score,
    "reconcile": tell_reconcile,
    "measure": tell_measure,
    "decide_daily": tell_decide,
    "deliver": tell_deliver,
    "record_daily": tell_record,
    "report": tell_report,
    "portal": tell_portal,
    "train_value": tell_train_value,
    "value_daily": tell_value,
    "learn": tell_learn,
    "uplift_daily": tell_uplift,
    "triggers": tell_triggers,
    "segments": tell_segments,
    "alerts": tell_alerts,
    "catch_up": tell_catch_up,
    "retention": tell_retention,
}
