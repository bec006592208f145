"""Many worlds, and what they say: sums by quarter, shares of the oracle, and their intervals."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from bench.year.plan import Plan
from bench.year.platform import LIGHT, OUTER_FOLDS
from bench.year.world import NOBODY, ORACLE, PLATFORM, POLICIES, RISK, World

Summary = dict[str, Any]


def summary_of(world: World, plan: Plan) -> Summary:
    """Return what is kept of a world, as JSON values."""
    nobody = world.told[NOBODY]
    policies: dict[str, Any] = {}
    for name, told in world.told.items():
        policies[name] = {
            "earned_by_week": [round(each.earned_amount, 1) for each in told],
            "best_by_week": [round(each.best_amount, 1) for each in told],
            "contacts_by_week": [each.contacts for each in told],
            "kept_count": round(sum(each.kept_count for each in told), 1),
            "spent_amount": round(sum(each.spent_amount for each in told), 1),
            "margin_less_nobody": round(
                sum(each.margin_amount - none.margin_amount for each, none in zip(told, nobody, strict=True)), 1
            ),
            "customers_less_nobody": told[-1].active_count - nobody[-1].active_count,
            "book_less_nobody": round(told[-1].book_amount - nobody[-1].book_amount, 1),
        }
    return {
        "seed": world.seed,
        "customers": plan.customers,
        "design": design_of(plan),
        "policies": policies,
        "explorer_contacts_by_week": world.explorer_contacts,
        "lessons": [asdict(lesson) for lesson in world.lessons],
        "cpu_seconds": round(world.cpu_seconds, 1),
    }


def design_of(plan: Plan) -> str:
    """Name everything that a world follows from besides its seed: worlds of another design are other evidence."""
    content = json.dumps({"plan": asdict(plan), "recipe": asdict(LIGHT), "outer_folds": OUTER_FOLDS}, sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:12]


def load(path: Path) -> dict[str, list[Summary]]:
    """Return the worlds that were already played, by scenario."""
    if not path.exists():
        return {}
    found: dict[str, list[Summary]] = json.loads(path.read_text(encoding="utf-8"))["scenarios"]
    return found


def save(path: Path, scenarios: Mapping[str, Sequence[Summary]]) -> None:
    """Write the worlds: one line each, ordered by seed."""
    parts = []
    for name in sorted(scenarios):
        lines = ",\n".join(json.dumps(world) for world in sorted(scenarios[name], key=lambda world: int(world["seed"])))
        parts.append(f"{json.dumps(name)}: [\n{lines}\n]")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('{"scenarios": {\n' + ",\n".join(parts) + "\n}}\n", encoding="utf-8")


def quarter_sums(world: Summary, policy: str, field: str = "earned_by_week") -> list[float]:
    """Return the sums by quarter of something that is told by week."""
    weeks = np.asarray(world["policies"][policy][field], dtype=np.float64)
    return [float(weeks[13 * number : 13 * number + 13].sum()) for number in range(4)]


def mean_with_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the mean over worlds with its 95 % interval (Student); worlds are independent of each other."""
    given = np.asarray(values, dtype=np.float64)
    if len(given) < 2:
        return float(given.mean()), -math.inf, math.inf
    half = float(stats.t.ppf(0.975, len(given) - 1) * given.std(ddof=1) / math.sqrt(len(given)))
    return float(given.mean()), float(given.mean()) - half, float(given.mean()) + half


def ratio_with_interval(above: Sequence[float], below: Sequence[float]) -> tuple[float, float, float]:
    """Return the ratio of two means over the same worlds with its 95 % interval (delta method)."""
    top, bottom = np.asarray(above, dtype=np.float64), np.asarray(below, dtype=np.float64)
    ratio = float(top.mean() / bottom.mean())
    _, low, high = mean_with_interval((ratio + (top - ratio * bottom) / bottom.mean()).tolist())
    return ratio, low, high


def report(scenario: str, worlds: Sequence[Summary]) -> str:
    """Say what the worlds of a scenario show, as Markdown."""
    count, customers = len(worlds), int(worlds[0]["customers"])
    lines = [
        f"### {scenario}: {count} worlds of {customers:,} customers",
        "",
        "| policy | incremental margin of the year's decisions | first quarter | last quarter | contacts a year | "
        "customers more than with nobody, at the end |",
        "|---|---|---|---|---|---|",
    ]
    for policy in POLICIES:
        sums = [quarter_sums(world, policy) for world in worlds]
        contacts = [sum(world["policies"][policy]["contacts_by_week"]) for world in worlds]
        more = [float(world["policies"][policy]["customers_less_nobody"]) for world in worlds]
        cells = [
            _shown(mean_with_interval([sum(each) for each in sums])),
            _shown(mean_with_interval([each[0] for each in sums])),
            _shown(mean_with_interval([each[3] for each in sums])),
            f"{np.mean(contacts):,.0f}",
            _shown(mean_with_interval(more)),
        ]
        lines.append(f"| {policy} | {' | '.join(cells)} |")
    last = {policy: [quarter_sums(world, policy)[3] for world in worlds] for policy in POLICIES}
    above = sum(one > other for one, other in zip(last[PLATFORM], last[RISK], strict=True))
    contacts = [quarter_sums(world, PLATFORM, "contacts_by_week") for world in worlds]
    lines.append("")
    if np.mean(last[ORACLE]) > 0:
        whole = {policy: [sum(quarter_sums(world, policy)) for world in worlds] for policy in (PLATFORM, ORACLE)}
        share = ratio_with_interval(last[PLATFORM], last[ORACLE])
        best = [quarter_sums(world, PLATFORM, "best_by_week")[3] for world in worlds]
        lines += [
            f"- Platform against the oracle, last quarter: {_shown(share, '.1%')}.",
            "- The same against the best list of the platform's own candidates (the oracle has called the best of its "
            f"own for three quarters already): {_shown(ratio_with_interval(last[PLATFORM], best), '.1%')}.",
            "- Platform against the oracle, whole year, the half year of exploring included: "
            f"{_shown(ratio_with_interval(whole[PLATFORM], whole[ORACLE]), '.1%')}.",
        ]
    lines += [
        f"- Platform above risk ranking in the last quarter: {above} of {count} worlds.",
        f"- Platform's contacts, last quarter against first: {spending_share(worlds):.1%}; beyond exploration: "
        f"{beyond_exploration(worlds):.1%} ({np.mean([each[0] for each in contacts]):,.0f} and "
        f"{np.mean([each[3] for each in contacts]):,.0f} contacts).",
        f"- In office at the end: {', '.join(_offices(worlds))}.",
        f"- CPU seconds per world: {np.mean([world['cpu_seconds'] for world in worlds]):.0f}.",
        "",
    ]
    return "\n".join(lines)


def spending_share(worlds: Sequence[Summary]) -> float:
    """Return the platform's contacts in the last quarter as a share of those in the first."""
    sums = np.array([quarter_sums(world, PLATFORM, "contacts_by_week") for world in worlds])
    return float(sums[:, 3].sum() / sums[:, 0].sum())


def beyond_exploration(worlds: Sequence[Summary]) -> float:
    """Return the same of the contacts that were chosen, not drawn, in the last quarter."""
    last = np.sum([world["policies"][PLATFORM]["contacts_by_week"][39:] for world in worlds])
    drawn = np.sum([world["explorer_contacts_by_week"][39:] for world in worlds])
    first = np.sum([world["policies"][PLATFORM]["contacts_by_week"][:13] for world in worlds])
    return float((last - drawn) / first)


def _offices(worlds: Sequence[Summary]) -> list[str]:
    found: dict[str, int] = {}
    for world in worlds:
        name = (world["lessons"][-1]["in_office"] if world["lessons"] else None) or "nobody (by value)"
        found[name] = found.get(name, 0) + 1
    return [f"{name} in {count}" for name, count in sorted(found.items(), key=lambda item: -item[1])]


def _shown(figure: tuple[float, float, float], form: str = ",.0f") -> str:
    mean, low, high = (format(each, form) for each in figure)
    return f"{mean} ({low} to {high})" if math.isfinite(figure[1]) else f"{mean} (one world: no interval)"
