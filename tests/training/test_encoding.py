import numpy as np
import pandas as pd
import pytest

from training.encoding import KEPT_LEVELS, MISSING, OTHER, encoding_from, learn_encoding


def frame_with_cities(count: int) -> pd.DataFrame:
    cities = [f"city-{i:03d}" for i in range(count) for _ in range(count - i)]
    return pd.DataFrame({"tenure_days": np.arange(float(len(cities))), "city": pd.Series(cities, dtype="str")})


def test_up_to_64_levels_stand_for_themselves() -> None:
    encoding, _ = learn_encoding(frame_with_cities(64))
    assert encoding.kept == {}
    assert encoding.categories == ("city",)


def test_above_64_levels_the_32_commonest_are_kept_and_the_rest_is_other() -> None:
    frame = frame_with_cities(65)
    encoding, _ = learn_encoding(frame)
    assert len(encoding.kept["city"]) == KEPT_LEVELS
    applied = encoding.apply(frame)["city"]
    assert set(applied) == {*(f"city-{i:03d}" for i in range(32)), OTHER}


def test_an_unseen_level_of_a_folded_category_is_other_and_a_missing_one_is_missing() -> None:
    encoding, _ = learn_encoding(frame_with_cities(70))
    new = pd.DataFrame({"tenure_days": [1.0, 2.0], "city": pd.Series(["nowhere", None], dtype="str")})
    assert encoding.apply(new)["city"].tolist() == [OTHER, MISSING]


def test_columns_come_in_the_frozen_order_and_extra_ones_are_ignored() -> None:
    encoding, _ = learn_encoding(pd.DataFrame({"b": [1.0, 2.0], "a": ["x", "y"]}))
    applied = encoding.apply(pd.DataFrame({"extra": [0], "a": ["x"], "b": [3]}))
    assert list(applied.columns) == ["b", "a"]
    assert applied["b"].dtype == np.float64


def test_a_missing_column_is_named() -> None:
    encoding, _ = learn_encoding(pd.DataFrame({"b": [1.0, 2.0], "a": ["x", "y"]}))
    with pytest.raises(KeyError, match="needs the columns a, which are missing"):
        encoding.apply(pd.DataFrame({"b": [1.0]}))


def test_a_column_that_is_null_in_every_row_is_left_out_and_named() -> None:
    encoding, dropped = learn_encoding(pd.DataFrame({"a": [1.0, 2.0], "empty": [np.nan, np.nan]}))
    assert encoding.names == ("a",)
    assert dropped == ("empty",)


@pytest.mark.parametrize("column", [pd.array([1, None], "Int64"), pd.array([True, None], "boolean"), [1.5, np.nan]])
def test_numbers_of_any_kind_become_floats_with_gaps(column: object) -> None:
    encoding, _ = learn_encoding(pd.DataFrame({"x": [1.0, 2.0]}))
    applied = encoding.apply(pd.DataFrame({"x": column}))["x"]
    assert applied.dtype == np.float64
    assert bool(applied.isna()[1])


def test_the_encoding_survives_its_json() -> None:
    encoding, _ = learn_encoding(frame_with_cities(80))
    assert encoding_from(encoding.as_dict()) == encoding


def test_a_level_of_fewer_than_five_customers_is_never_kept_by_its_name() -> None:
    names = [f"name-{i:03d}" for i in range(100)]
    frame = pd.DataFrame(
        {"name": names * 6 + ["María"] * 5}
    )  # six snapshots of a hundred customers, and five customers
    customers = [*range(100)] * 6 + [*range(100, 105)]
    encoding, _ = learn_encoding(frame, np.array(customers))
    assert encoding.kept == {"name": ("María",)}
    assert set(encoding.apply(frame)["name"]) == {"María", OTHER}
    assert "name-" not in str(encoding.as_dict())
