"""Probabilities straight from the table that the features come in: nothing is copied that a booster can read as it is.

The plain path (:meth:`training.churn.ChurnModel.probability` of :func:`training.datasets.feature_frame`) writes every
number twice and every category as a text per row, which costs more than all the trees. Here a number is the column
itself, and a category is looked at once per level. What the booster is told is the same, so is every bit it answers.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.declarations import FeatureSet
from training.churn import ChurnModel
from training.datasets import feature_frame
from training.encoding import MISSING, OTHER, Encoding

if TYPE_CHECKING:
    import pyarrow as pa

    from training.scoring.results import Floats

_THREADS = 1
"""A part takes some thirty milliseconds: a second thread costs a sixth of that to start and stop, and saves less."""


def probability_of(model: ChurnModel, described: pa.Table, declared: FeatureSet) -> Floats:
    """Calibrated probability of churn for each described customer, shape (n,); extra columns are ignored.

    Args:
        model: The calibrated model.
        described: Features, n rows.
        declared: What the columns are.

    Raises:
        DataError: a column of the model is missing.
    """
    if not described.num_rows or not _is_as_learned(model.encoding, described, declared):
        return model.probability(feature_frame(described, declared), threads=_THREADS)
    found = model.booster.predict_proba(_encoded(model.encoding, described), thread_count=_THREADS)
    return np.asarray(found[:, 1], dtype=np.float64)


def null_count(column: pa.ChunkedArray) -> int:
    """Rows without a value; a number that is none (NaN) has no value."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_floating(column.type):
        return int(column.null_count)
    return int(pc.sum(pc.is_null(column, nan_is_null=True)).as_py() or 0)


def _is_as_learned(encoding: Encoding, described: pa.Table, declared: FeatureSet) -> bool:
    """True when every column of the model is there, and of the kind that it was when the model learned."""
    import pyarrow.types as kinds

    said, stored = {feature.name: feature.kind for feature in declared}, dict(_types(described))
    for name in encoding.names:
        if name not in said or name not in stored:
            return False
        is_written = kinds.is_string(stored[name]) or kinds.is_large_string(stored[name])
        is_number = name not in encoding.categories and name not in encoding.texts
        if is_number is is_written or is_number is not (said[name] == "number"):
            return False
    return True


def _types(described: pa.Table) -> Iterable[tuple[str, pa.DataType]]:
    return zip(described.schema.names, described.schema.types, strict=True)


def _encoded(encoding: Encoding, described: pa.Table) -> pd.DataFrame:
    """What :meth:`Encoding.apply` returns, told in columns that are not copied and levels that are not repeated."""
    columns: dict[str, Any] = {}
    for name, column in zip(encoding.names, described.select(list(encoding.names)).itercolumns(), strict=True):
        if name in encoding.texts:
            columns[name] = encoding.texts[name].read(column.to_pandas().astype("str"))
        elif name in encoding.categories:
            columns[name] = _levels(column, encoding.kept.get(name))
        else:
            columns[name] = np.asarray(column.to_numpy(), dtype=np.float64)
    return pd.DataFrame(columns, copy=False)


def _levels(column: pa.ChunkedArray, kept: tuple[str, ...] | None) -> pd.Categorical[Any]:
    """A category by its levels; those that the model does not keep are one."""
    coded = column.fill_null(MISSING).dictionary_encode().combine_chunks()
    texts = coded.dictionary.to_pylist()
    if kept is not None:
        known = {*kept, MISSING}
        texts = [text if text in known else OTHER for text in texts]
    places: dict[str, int] = {}
    by_text = np.array([places.setdefault(text, len(places)) for text in texts], dtype=np.int64)
    codes: npt.NDArray[np.int64] = by_text[np.asarray(coded.indices.to_numpy())]
    return pd.Categorical.from_codes(codes, categories=pd.Index(list(places), dtype=object))
