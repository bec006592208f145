import numpy as np
import pandas as pd
import pytest

from holdback.errors import DataError
from tests.training.worlds import logit_world
from training.rows import folds_by_customer, hash_share, rows_sorted


def test_rows_are_sorted_by_day_and_customer_whatever_their_order() -> None:
    frame = pd.DataFrame({"x": [1.0, 2.0, 3.0]})
    rows = rows_sorted(
        frame,
        customer_ids=["b", "a", "a"],
        as_ofs=["2025-02-01", "2025-03-01", "2025-02-01"],
        churned=[True, False, True],
        value_amounts=[10.0, 20.0, 30.0],
    )
    assert rows.customer_ids.tolist() == ["a", "b", "a"]
    assert rows.frame["x"].tolist() == [3.0, 1.0, 2.0]
    assert rows.churned.tolist() == [True, True, False]
    assert rows.value_amounts is not None
    assert rows.value_amounts.tolist() == [30.0, 10.0, 20.0]


def test_a_customer_twice_on_one_day_is_refused() -> None:
    with pytest.raises(DataError, match="One row per customer and day"):
        rows_sorted(
            pd.DataFrame({"x": [1.0, 2.0]}),
            customer_ids=["a", "a"],
            as_ofs=["2025-02-01", "2025-02-01"],
            churned=[True, False],
        )


def test_no_customer_stands_in_two_folds() -> None:
    rows, _ = logit_world(np.random.default_rng(1), n=300, days=3)
    folds = folds_by_customer(rows, fold_count=5)
    for customer in np.unique(rows.customer_ids):
        assert np.unique(folds[rows.customer_ids == customer]).size == 1


def test_every_fold_has_its_share_of_churners_even_when_they_are_few() -> None:
    rng = np.random.default_rng(2)
    churned = np.zeros(500, bool)
    churned[:10] = True
    rows = rows_sorted(
        pd.DataFrame({"x": rng.normal(size=500)}),
        customer_ids=[f"c{i}" for i in range(500)],
        as_ofs=np.full(500, np.datetime64("2025-01-01")),
        churned=churned,
    )
    folds = folds_by_customer(rows, fold_count=5)
    assert [int(rows.churned[folds == fold].sum()) for fold in range(5)] == [2, 2, 2, 2, 2]


def test_folds_do_not_depend_on_who_else_is_there_in_which_order() -> None:
    rows, _ = logit_world(np.random.default_rng(3), n=200)
    shuffled = np.random.default_rng(4).permutation(200)
    again = rows_sorted(
        rows.frame.iloc[shuffled],
        customer_ids=rows.customer_ids[shuffled],
        as_ofs=rows.as_ofs[shuffled],
        churned=rows.churned[shuffled],
    )
    assert np.array_equal(folds_by_customer(rows, fold_count=5), folds_by_customer(again, fold_count=5))


def test_hash_shares_are_uniform_and_the_same_for_ever() -> None:
    keys = np.array([f"c-{i}" for i in range(20_000)])
    shares = hash_share(keys, salt="holdout")
    # Standard error of a share of .25 among 20,000 is .0031; four of them.
    assert (shares < 0.25).mean() == pytest.approx(0.25, abs=0.0125)
    # BLAKE2b-64 of "holdout/c-0": python -c "import hashlib;print(int.from_bytes(hashlib.blake2b(b'holdout/c-0',
    # digest_size=8).digest(),'big')/2**64)"
    import hashlib

    digest = hashlib.blake2b(b"holdout/c-0", digest_size=8).digest()
    assert shares[0] == int.from_bytes(digest, "big") / 2**64
    assert not np.array_equal(shares, hash_share(keys, salt="folds"))
