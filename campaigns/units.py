"""Who is contacted together: the unit that is held out or treated, and counted, as one.

A unit is everybody who can be reached through each other: customers of one household, or with one contact key (the
hash of an address or number), and whoever they share the other one with. The union of both is taken, and followed to
its end, because a message is read by the household and arrives at the address: if A shares a household with B, and B
an address with C, then writing to C reaches B, and B tells A. So nobody who is held out is contacted through a shared
address or household; and outcomes within a unit, which depend on each other, are never counted as independent.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

#: What links customers. A link that is null or blank links nobody.
LINKS = ("household_id", "contact_key")

#: More customers than this behind one household or address are not a family: somebody typed a placeholder.
PLAUSIBLE_CUSTOMERS = 20


def contact_units(customers: pa.Table) -> pa.Table:
    """Return the unit of each customer.

    A pure function of the set of rows: their order does not matter. A link that changes (a new address) changes the
    unit from that day on; what was assigned before stays, because assignments are looked up by customer
    (:func:`campaigns.holdout.assign`).

    Args:
        customers: ``customer_id`` and, where known, ``household_id`` and ``contact_key`` (text; null, blank or the
            whole column absent: not known). Blanks around a value are ignored, as are capitals in a contact key. A
            customer may stand in several rows: all of its links count.

    Returns:
        ``customer_id, unit_id`` (text), one row per customer, ordered by customer. ``unit_id`` is the smallest
        ``customer_id`` of the unit.

    Examples:
        >>> family = pa.table({"customer_id": ["c", "a", "b"], "household_id": ["h1", "h1", " "]})
        >>> contact_units(family).to_pydict()
        {'customer_id': ['a', 'b', 'c'], 'unit_id': ['a', 'b', 'a']}
    """
    ids = pc.unique(customers["customer_id"].cast(pa.string()))
    ids = ids.take(pc.sort_indices(ids))
    position = _codes(pc.index_in(customers["customer_id"].cast(pa.string()), value_set=ids))
    ends, links, node_count = [position[:0]], [position[:0]], len(ids)
    for column in LINKS:
        if column not in customers.column_names:
            continue
        encoded = _link(customers, column).combine_chunks().dictionary_encode()
        known = _codes(encoded.indices, missing=-1)
        ends.append(position[known >= 0])
        links.append(known[known >= 0] + node_count)
        node_count += len(encoded.dictionary)
    components = _components(np.concatenate(ends), np.concatenate(links), node_count)[: len(ids)]
    smallest = np.zeros(node_count, dtype=np.int64)
    smallest[components[::-1]] = np.arange(len(ids))[::-1]  # the last one written is the first in order
    return pa.table({"customer_id": ids, "unit_id": ids.take(pa.array(smallest[components]))})


def largest_units(units: pa.Table, n: int) -> pa.Table:
    """Return the ``n`` units with the most customers, so that a person can look at them.

    Args:
        units: ``customer_id, unit_id``.
        n: How many.

    Returns:
        ``unit_id, customer_count``, the largest first.
    """
    counts = units.group_by("unit_id").aggregate([("customer_id", "count")])
    counts = counts.rename_columns({"customer_id_count": "customer_count"}).select(["unit_id", "customer_count"])
    return counts.sort_by([("customer_count", "descending"), ("unit_id", "ascending")]).slice(0, n)


def placeholder_keys(customers: pa.Table, *, more_than: int = PLAUSIBLE_CUSTOMERS) -> pa.Table:
    """Name the households and contact keys that link implausibly many customers, so that a person is told.

    They are linked all the same: the platform cannot know which of them share nothing, and one customer too many left
    alone is cheaper than a held-out one contacted. But one draw then decides for all of them; a default such as
    ``unknown@example.com`` should be mapped to null.

    Args:
        customers: As for :func:`contact_units`.
        more_than: Fewest customers that are still plausible.

    Returns:
        ``link`` (household_id or contact_key), ``value``, ``customer_count``; the most frequent first.
    """
    found = []
    for column in LINKS:
        if column not in customers.column_names:
            continue
        linked = pa.table({"value": _link(customers, column), "customer_id": customers["customer_id"]})
        counts = linked.group_by("value").aggregate([("customer_id", "count_distinct")])
        counts = counts.rename_columns({"customer_id_count_distinct": "customer_count"})
        large = counts.filter((pc.field("customer_count") > more_than) & pc.field("value").is_valid())
        found.append(large.add_column(0, "link", pa.array([column] * large.num_rows, pa.string())))
    columns = {"link": pa.string(), "value": pa.string(), "customer_count": pa.int64()}
    everything = pa.concat_tables([pa.schema(columns).empty_table(), *(table.select(list(columns)) for table in found)])
    return everything.sort_by([("customer_count", "descending"), ("link", "ascending"), ("value", "ascending")])


def _link(customers: pa.Table, column: str) -> pa.ChunkedArray:
    text = pc.utf8_trim_whitespace(customers[column].cast(pa.string()))
    text = pc.utf8_lower(text) if column == "contact_key" else text
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)


def _codes(indices: pa.Array | pa.ChunkedArray, missing: int = 0) -> npt.NDArray[np.int64]:
    codes: npt.NDArray[np.int64] = np.asarray(pc.fill_null(indices, missing), dtype=np.int64)
    return codes


def _components(ends: npt.NDArray[np.int64], links: npt.NDArray[np.int64], node_count: int) -> npt.NDArray[np.int32]:
    edges = (np.ones(len(ends), dtype=np.int8), (ends, links))
    labels: npt.NDArray[np.int32] = connected_components(coo_array(edges, shape=(node_count, node_count)), False)[1]
    return labels
