"""On what the expected margins of a day rest: a value model, or the company's own records; never one for the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import pyarrow as pa

FROM_RECORDS: Final = "from the records"

#: SQL of what a row of ``campaigns.values.values_in_force`` rests on, as everybody reads it.
VALUE_MODEL_SQL: Final = (
    "'value model version ' || model_version || ' (' || method || '), of ' || cast(valued_on as varchar)"
)


def value_bases(rows: pa.Table) -> dict[str, int]:
    """Count customers by what their V rests on, the most frequent first; empty when the rows do not say.

    Args:
        rows: Rows with ``value_model`` (null: the records), such as those of :func:`campaigns.fit.stored_fit`.
    """
    if "value_model" not in rows.column_names:
        return {}
    counts: Counter[str] = Counter()
    for counted in rows["value_model"].value_counts().to_pylist():
        counts[counted["values"] or FROM_RECORDS] += counted["counts"]
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def told(bases: Mapping[str, int]) -> str:
    """Say in one line what the values of a day rest on.

    Examples:
        >>> told({"value model version 3 (hazard), of 2026-11-15": 1950, "from the records": 50})
        'value: 1,950 customers by value model version 3 (hazard), of 2026-11-15; 50 from the records'
        >>> told({"from the records": 7})
        'value: 7 customers from the records'
    """
    parts = [
        f"{count:,}{' customers' if position == 0 else ''} {'' if basis == FROM_RECORDS else 'by '}{basis}"
        for position, (basis, count) in enumerate(bases.items())
    ]
    return f"value: {'; '.join(parts) or 'nobody'}"
