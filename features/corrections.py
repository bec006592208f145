"""Which tables hold rows that a later batch replaced: only those pay for leaving the replaced rows out."""

from __future__ import annotations

from holdback.warehouse import Warehouse


def corrected_tables(warehouse: Warehouse) -> frozenset[str]:
    """Return the tables with at least one replaced row, at whatever time it was replaced."""
    return warehouse.corrected()
