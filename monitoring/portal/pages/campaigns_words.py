"""How the page about campaigns says what was measured: the same facts as the tables, in one language."""

from __future__ import annotations

import json
import re
from typing import Final

from monitoring.cells import MINIMUM_CELL, hidden
from monitoring.measurement.readable import is_large_enough
from monitoring.portal.pages.campaigns_asking import Row
from monitoring.portal.pages.campaigns_content import CampaignsContent, Seen
from monitoring.portal.parts import Cell, State
from monitoring.words import Words

CHECKS: Final = (
    "sample_ratio", "contamination", "reach", "independence", "missing_outcomes", "response_rate", "assignments",
    "data_reach", "design", "ledger",
)  # fmt: skip
METRICS: Final = (
    "churned", "save_rate", "incremental_margin", "margin", "value_kept", "revenue", "cost", "nps", "score", "roi",
    "expected_roi", "days_kept",
)  # fmt: skip
_EVIDENCE = re.compile(r"evidence ([\d,]+) to 1, limit ([\d,]+)")
_LARGEST: Final = 1_000_000  # evidence beyond it is only called more
_CAP = re.compile(r"^revenue capped at ([\d,.]+) per customer")
_STATES: Final[dict[str, State]] = {"better": "good", "worse": "bad", "open": "none"}


def metric(name: str, w: Words) -> str:
    """Name an outcome; those of the business file have the name that they have there."""
    return w(f"campaigns_metric_{name}") if name in METRICS else name.replace("_", " ")


def definition(name: str, w: Words) -> str:
    """Say how an outcome is computed."""
    return w(f"campaigns_means_{name}") if name in METRICS else w("campaigns_means_own")


def figure(name: str, value: float, content: CampaignsContent, w: Words) -> str:
    """Write an effect in its own unit with its sign: shares in points, money in the currency, both per customer."""
    unit = content.units.get(name, "number")
    if unit == "share":
        return w("campaigns_points", value=w.signed(100 * value, 2))
    if unit == "money":
        written = w.money(value / 100, content.business.currency)
        return f"+{written}" if value > 0 and any(digit in written for digit in "123456789") else written
    return w.signed(value, 2)


def interval(name: str, low: float, high: float, content: CampaignsContent, w: Words) -> str:
    """Write an interval; its unit stands once."""
    if content.units.get(name, "number") == "share":
        ends = (w.signed(100 * end, 2) for end in (low, high))
        return w("campaigns_points", value=w("interval", **dict(zip(("low", "high"), ends, strict=True))))
    return w("interval", low=figure(name, low, content, w), high=figure(name, high, content, w))


def found_cell(row: Row, seen: Seen, content: CampaignsContent, w: Words) -> Cell:
    """Write what was found with its interval; or why there is nothing to read, and from when on there is."""
    if row["estimate"] is None or seen.is_withheld or not is_large_enough(row):
        return Cell(w("nothing"), why(row, seen, w))
    name = row["metric"]
    written = figure(name, row["estimate"], content, w)
    if row["low"] == row["high"]:
        return Cell(written, w("campaigns_as_booked"))
    between = interval(name, row["low"], row["high"], content, w)
    said = w("campaigns_interval", interval=between, level=w.share(row["level"], 0))
    return Cell(written, " ".join(filter(None, (said, basis(row, seen, w)))))


def basis(row: Row, seen: Seen, w: Words) -> str:
    """Say on how many customers an effect rests; not where that and another count of the page leave a handful."""
    count = row["treatment_count"] + row["holdout_count"]
    others = [one["treatment_count"] + one["holdout_count"] for one in seen.figures if one["estimate"] is not None]
    others += [one[whole] or 0 for one in seen.figures for whole in ("assigned_count", "matured_count")]
    others += [seen.entered.all] if seen.entered is not None else []
    if any(0 < abs(count - other) < MINIMUM_CELL for other in others):
        return ""
    return w("campaigns_basis", n=w.count(count))


def planned_cell(row: Row, seen: Seen, content: CampaignsContent, w: Words) -> Cell:
    """Write what the launch promised of a figure, and whether it lies within what was found."""
    if row["planned"] is None:
        return Cell(w("nothing"))
    small = ""
    is_told = row["estimate"] is not None and row["low"] < row["high"] and is_large_enough(row)
    if is_told and not seen.is_withheld and row["reading"] != "exploratory":
        inside = row["low"] <= row["planned"] <= row["high"]
        small = w("campaigns_plan_inside") if inside else w("campaigns_plan_outside")
    return Cell(figure(row["metric"], row["planned"], content, w), small)


def side(row: Row, content: CampaignsContent) -> str:
    """Say on which side of zero the whole interval lies: ``better``, ``worse`` or, on both, ``open``."""
    low, high = row["low"], row["high"]
    if row["metric"] in content.lower_is_better:
        low, high = -high, -low
    return "better" if low > 0 else "worse" if high < 0 else "open"


def verdict_cell(row: Row, seen: Seen, content: CampaignsContent, w: Words) -> Cell:
    """Say in words what a figure says; what is exploratory decides nothing."""
    if row["estimate"] is None or seen.is_withheld or not is_large_enough(row) or row["low"] == row["high"]:
        return Cell(w("nothing"))
    if row["reading"] == "exploratory":
        return Cell(w("campaigns_asks_only"))
    what = side(row, content)
    return Cell(w(f"campaigns_verdict_{what}"), state=_STATES[what])


def notes(row: Row, content: CampaignsContent, w: Words) -> str:
    """Say what a reader must know of a figure."""
    found = []
    for note in json.loads(row["notes"] or "[]"):
        if cap := _CAP.match(note):
            amount = float(cap[1].replace(",", ""))
            found.append(w("campaigns_note_cap", amount=w.money(amount, content.business.currency)))
        elif note.startswith("approximate"):
            found.append(w("campaigns_note_approximate"))
    return " ".join(found)


def why(row: Row, seen: Seen, w: Words) -> str:
    """Say why a figure cannot be read; the words of the measurement are English, and may count a handful of people."""
    withheld = row["withheld"] or ""
    if seen.is_withheld or withheld.partition(": ")[0] in CHECKS:
        failed = next((check["check"] for check in seen.failed), withheld.partition(": ")[0])
        name = w(f"campaigns_check_{failed}") if failed in CHECKS else failed
        return w("campaigns_why_check", check=name)
    if row["knowable_on"] is not None:
        return w("campaigns_not_before", day=w.day(row["knowable_on"]))
    if row["estimate"] is not None:
        return w("campaigns_why_small", least=MINIMUM_CELL)
    if not withheld:
        return w("campaigns_why_no_day")
    for said, key in _WHY:
        if said in withheld:
            return w(key) if key != "campaigns_why_units" else w(key, least=250)
    return w("campaigns_why_few")


_WHY: Final = (
    ("the planned day has passed", "campaigns_why_waits"),
    ("the official reading was taken", "campaigns_why_taken"),
    ("the data reach", "campaigns_why_reach"),
    ("nobody has entered", "campaigns_why_nobody"),
    ("A daily interval of money needs", "campaigns_why_units"),
    ("does not vary", "campaigns_why_spread"),
    ("nobody held out has left yet", "campaigns_why_no_leavers"),
    ("cost nothing", "campaigns_why_free"),
)


def check_name(check: Row, w: Words) -> str:
    """Name a check; that of two drawings names the other campaign."""
    name = w(f"campaigns_check_{check['check']}") if check["check"] in CHECKS else check["check"].replace("_", " ")
    other, said, _ = check["finding"].partition(": ")
    return f"{name}: {other}" if check["check"] == "independence" and said and "/" in other else name


def check_means(check: Row, w: Words) -> str:
    """Say what a check looks at."""
    return w(f"campaigns_looks_{check['check']}") if check["check"] in CHECKS else ""


def check_says(check: Row, seen: Seen, w: Words) -> str:
    """Say what a check found, and what to do about it."""
    name, verdict = check["check"], check["verdict"]
    if verdict == "passed":
        return w("campaigns_check_fine")
    if verdict == "not checked":
        return w("campaigns_check_unknown")
    if name not in CHECKS:
        return w("campaigns_check_other", campaign=seen.name or "")
    if name == "design":  # of the business file alone: it counts nobody
        return w("campaigns_do_design", finding=check["finding"])
    return w(f"campaigns_do_{name}", campaign=seen.name or "")


def check_value(check: Row, seen: Seen, w: Words) -> str:
    """Write the figure that a check rests on beside its limit; none that could give away how large a few people are."""
    name, value, limit = check["check"], check["value"], check["limit"]
    if value is None or limit is None or name in ("assignments", "ledger"):
        return ""
    if name == "data_reach":  # of feeds: it counts nobody
        return w("campaigns_days_late", value=w.count(value), limit=w.count(limit))
    if _points_at_somebody(name, value, seen):
        return ""
    if name in ("contamination", "reach", "missing_outcomes"):
        key = "campaigns_at_least" if name == "reach" else "campaigns_at_most"
        return w(key, value=w.share(value), limit=w.share(limit))
    if limit >= 1:
        return w("campaigns_odds", value=w.number(value, 2 if value < 10 else 0), limit=w.count(limit))
    return w(
        "campaigns_p_value",
        value=w.number(value, 3) if value >= 0.001 else w.significant(value),
        limit=w.significant(limit),
    )


def _points_at_somebody(name: str, value: float, seen: Seen) -> bool:
    """True when the figure of a check would tell of fewer customers than may be shown.

    Of whatever a check computes from the groups their sizes can be found again, a Bayes factor and a p-value included.
    """
    treated, held = _sizes(seen)
    if min(treated, held) < MINIMUM_CELL:
        return True
    if name not in ("contamination", "reach"):
        return False
    size = held if name == "contamination" else treated
    return any(0 < part * size < MINIMUM_CELL for part in (value, 1 - value))


def _sizes(seen: Seen) -> tuple[int, int]:
    """Customers treated and held out: as assigned; of a campaign that was run elsewhere, as its figures count them."""
    if seen.entered is not None:
        return seen.entered.treated, seen.entered.held
    treated, held = (
        max((row[side] or 0 for row in seen.figures), default=0) for side in ("treatment_count", "holdout_count")
    )
    return treated, held


def reason(by: str | None, text: str | None, w: Words) -> str:
    """Say why a campaign was halted: a monitor's own words are English, and may count a handful of people."""
    if by == "harm monitor":
        evidence = _EVIDENCE.search(text or "")
        if evidence is None:
            return w("campaigns_harm")
        value, limit = (float(each.replace(",", "")) for each in evidence.groups())
        told = w.count(value) if value <= _LARGEST else w("campaigns_over", value=w.count(_LARGEST))
        return w("campaigns_harm_evidence", value=told, limit=w.count(limit))
    if by == "value monitor":
        return w("campaigns_retired")
    return text or ""


def who(by: str | None, w: Words) -> str:
    """Name who did something in the ledger."""
    if by is None:
        return w("nothing")
    return {"harm monitor": w("campaigns_by_harm"), "value monitor": w("campaigns_by_value")}.get(by, by)


def count(value: int, w: Words, *, beside: int | None = None) -> str:
    """Write a count of customers; too few of them, or of those beside them, are nobody's business.

    Args:
        value: The count.
        w: The language.
        beside: The rest of a whole that is shown too; None when there is none.
    """
    marks = hidden([value] if beside is None else [value, beside])
    return (
        w("fewer_than", least=MINIMUM_CELL)
        if 0 < value < MINIMUM_CELL
        else w("not_shown")
        if marks[0]
        else w.count(value)
    )


def counts(values: tuple[int, ...], w: Words) -> tuple[str, ...]:
    """Write the parts of a whole that is shown too."""
    small = w("fewer_than", least=MINIMUM_CELL)
    return tuple(
        (small if value < MINIMUM_CELL else w("not_shown")) if is_hidden else w.count(value)
        for value, is_hidden in zip(values, hidden(values), strict=True)
    )
