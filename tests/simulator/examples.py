"""The example businesses, cut down to some of their feeds: whatever would speak of the other feeds stays away."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from holdback.business import load_business

#: Sections that speak of no other feed. A new section stays away until it is named here.
ALWAYS = ("slug", "name", "currency", "time_zone", "language", "customers", "churn", "value", "holdout", "budget")


def example_with(project_root: Path, kind: str, feeds: Collection[str]) -> dict[str, Any]:
    """Return the content of an example business file with these feeds alone, and no actions, campaigns or triggers."""
    full = load_business(project_root / "businesses" / f"{kind}.yaml")
    content: dict[str, Any] = full.model_dump(mode="json", exclude_none=True)
    kept = {name: content[name] for name in (*ALWAYS, "training") if name in content}
    kept["feeds"] = {name: content["feeds"][name] for name in feeds}
    return kept
