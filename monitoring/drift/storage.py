"""A drift reference as rows of the table ``profiles``, and back, without losing a bit."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date

from monitoring.drift.bins import ColumnBins, Reference


def to_rows(reference: Reference, *, batch_id: str, feed: str, as_of: date) -> list[dict[str, object]]:
    """Return the reference as rows of ``profiles``: per column its ``bins`` (JSON in ``key``) and ``bin_rows``."""
    load = {"batch_id": batch_id, "feed": feed, "as_of": as_of, "row_count": reference.row_count}
    about = {"as_of_from": reference.as_of_from, "as_of_to": reference.as_of_to}
    rows: list[dict[str, object]] = [
        {
            **load,
            "column_name": "*",
            "statistic": "customers",
            "key": json.dumps(about),
            "value": reference.customer_count,
        }
    ]
    for column in reference.columns:
        shape = {
            "kind": column.kind,
            "edges": column.edges,
            "atoms": column.atoms,
            "values": column.values,
            "tail": column.tail,
            "is_tail_complete": column.is_tail_complete,
            "singleton_count": column.singleton_count,
        }
        own = {**load, "column_name": column.name}
        rows.append({**own, "statistic": "bins", "key": json.dumps(shape), "value": float(column.bin_count)})
        rows += [
            {**own, "statistic": "bin_rows", "key": str(i), "value": float(n)} for i, n in enumerate(column.counts)
        ]
    return rows


def from_rows(rows: Iterable[Mapping[str, object]]) -> Reference | None:
    """Rebuild a reference from its rows in ``profiles``; None when there are none."""
    about: Mapping[str, str] = {}
    customers = size = 0
    shapes: dict[str, dict[str, object]] = {}
    counts: dict[str, dict[int, int]] = {}
    for row in rows:
        column, key, value = str(row["column_name"]), str(row["key"]), row["value"]
        assert isinstance(value, (int, float))
        if row["statistic"] == "customers":
            about, customers, size = json.loads(key), int(value), int(str(row["row_count"]))
        elif row["statistic"] == "bins":
            shapes[column] = json.loads(key)
        else:
            counts.setdefault(column, {})[int(key)] = int(value)
    if not about:
        return None
    return Reference(
        columns=tuple(
            ColumnBins(
                name=name,
                kind="number" if shape["kind"] == "number" else "category",
                counts=tuple(n for _, n in sorted(counts.get(name, {}).items())),
                edges=tuple(float(str(edge)) for edge in _sequence(shape["edges"])),
                atoms=tuple(float(str(atom)) for atom in _sequence(shape["atoms"])),
                values=tuple(str(value) for value in _sequence(shape["values"])),
                tail=tuple(str(value) for value in _sequence(shape["tail"])),
                is_tail_complete=bool(shape["is_tail_complete"]),
                singleton_count=int(str(shape["singleton_count"])),
            )
            for name, shape in shapes.items()
        ),
        row_count=size,
        customer_count=customers,
        as_of_from=about["as_of_from"],
        as_of_to=about["as_of_to"],
    )


def _sequence(value: object) -> list[object]:
    assert isinstance(value, list)
    return value
