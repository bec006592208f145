"""Who is contacted together."""

import time

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.units import contact_units, largest_units, placeholder_keys

Row = tuple[str, str | None, str | None]


def customers(*rows: Row) -> pa.Table:
    ids, households, keys = zip(*rows, strict=True) if rows else ((), (), ())
    columns = {"customer_id": ids, "household_id": households, "contact_key": keys}
    return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})


def unit_of(*rows: Row) -> dict[str, str]:
    units = contact_units(customers(*rows))
    return dict(zip(units["customer_id"].to_pylist(), units["unit_id"].to_pylist(), strict=True))


def test_customers_of_one_household_are_one_unit_named_after_the_smallest_id() -> None:
    assert unit_of(("10", "h", None), ("9", "h", None)) == {"10": "10", "9": "10"}  # as text, 10 comes first


def test_customers_with_one_address_are_one_unit() -> None:
    assert unit_of(("a", None, "k"), ("b", None, "k"), ("c", None, "other")) == {"a": "a", "b": "a", "c": "c"}


def test_links_are_followed_from_household_to_address_to_household() -> None:
    chain = unit_of(("a", "h1", None), ("b", "h1", "k1"), ("c", "h2", "k1"), ("d", "h2", "k2"), ("e", "h3", "k3"))
    assert chain == {"a": "a", "b": "a", "c": "a", "d": "a", "e": "e"}


def test_what_is_null_or_blank_links_nobody() -> None:
    assert unit_of(("a", "", " "), ("b", "", " "), ("c", None, None)) == {"a": "a", "b": "b", "c": "c"}


def test_a_household_and_an_address_of_the_same_name_do_not_link() -> None:
    assert unit_of(("a", "7", None), ("b", None, "7")) == {"a": "a", "b": "b"}


def test_an_address_is_the_same_in_capitals_and_with_blanks() -> None:
    assert unit_of(("a", None, "AB12 "), ("b", None, "ab12")) == {"a": "a", "b": "a"}


def test_a_column_that_is_not_there_links_nobody() -> None:
    units = contact_units(pa.table({"customer_id": ["b", "a"]}))
    assert units.to_pydict() == {"customer_id": ["a", "b"], "unit_id": ["a", "b"]}


def test_a_customer_in_two_rows_has_the_links_of_both() -> None:
    assert unit_of(("a", "h1", None), ("a", "h2", None), ("b", "h2", None)) == {"a": "a", "b": "a"}


def test_nobody_makes_no_unit() -> None:
    assert contact_units(customers()).num_rows == 0
    assert placeholder_keys(customers()).num_rows == 0


_NAMES = st.sampled_from([None, "", "1", "2", "3", "4"])
_ROWS = st.lists(st.tuples(st.integers(0, 15).map(str), _NAMES, _NAMES), max_size=14)


@given(_ROWS, st.randoms(use_true_random=False))
def test_whoever_shares_a_link_shares_a_unit_and_nobody_else_does(rows: list[Row], chance: object) -> None:
    units = unit_of(*rows)
    # The same by the plainest way: join whoever shares anything until nothing changes.
    plain = {customer: {customer} for customer, _, _ in rows}
    for _ in rows:
        for a, *links_a in rows:
            for b, *links_b in rows:
                if a == b or any(x and x == y for x, y in zip(links_a, links_b, strict=True)):
                    plain[a] |= plain[b]
                    plain[b] |= plain[a]
    assert units == {customer: min(members) for customer, members in plain.items()}
    shuffled = list(rows)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert unit_of(*shuffled) == units


def test_the_largest_units_come_first() -> None:
    units = contact_units(customers(("a", "h", None), ("b", "h", None), ("c", None, None)))
    assert largest_units(units, 1).to_pylist() == [{"unit_id": "a", "customer_count": 2}]


def test_a_placeholder_is_named_so_that_a_person_is_told() -> None:
    families = [(f"c{i}", f"h{i // 2}", "unknown" if i < 30 else f"k{i}") for i in range(60)]
    found = placeholder_keys(customers(*families)).to_pylist()
    assert found == [{"link": "contact_key", "value": "unknown", "customer_count": 30}]


@settings(deadline=None)
@given(st.integers(1, 4))
def test_the_number_of_customers_behind_a_key_that_is_plausible_can_be_set(size: int) -> None:
    found = placeholder_keys(customers(*[(str(i), "h", None) for i in range(size)]), more_than=2)
    assert found.num_rows == (1 if size > 2 else 0)


def test_a_million_customers_take_seconds() -> None:
    rng = np.random.default_rng(1)
    n = 1_000_000
    table = pa.table(
        {
            "customer_id": pa.array(rng.permutation(n)).cast(pa.string()),
            "household_id": pa.array(rng.integers(0, n, n)).cast(pa.string()),
            "contact_key": pa.array(rng.integers(0, 2 * n, n)).cast(pa.string()),
        }
    )
    started = time.process_time()
    units = contact_units(table)
    assert units.num_rows == n
    assert time.process_time() - started < 15  # takes about 2.5 s; 15 catches a loop over customers
