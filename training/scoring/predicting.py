"""Probabilities straight from the table that the features come in, without a frame and without a text per row.

The plain path (:meth:`training.churn.ChurnModel.probability` of :func:`training.datasets.feature_frame`) writes every
number twice and every category as a text per row, which costs more than all the trees. Here a number is the column
itself, or a copy half as wide where it has gaps or lies in several chunks, and a category is looked at once per level.
A booster compares numbers by their float32, so what it is told is the same, and so is every bit it answers.
"""

from __future__ import annotations

from collections.abc import Iterator
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
_MOST_ROWS = 100_000
"""A call costs as much as some 3,000 rows, however few it is of: so it is of many, four bytes for each value."""
_BLANKS = np.where(np.arange(256)[:, None] >> np.arange(8) & 1, 0, -1).astype(np.int32)
"""What to set in eight float32 for each byte of Arrow's validity bits: nothing, or all bits, which is a NaN."""


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
    columns = described.select(list(model.encoding.names))
    found = [
        model.booster.predict_proba(_encoded(model.encoding, columns.slice(start, _MOST_ROWS)), thread_count=_THREADS)[
            :, 1
        ]
        for start in range(0, columns.num_rows, _MOST_ROWS)
    ]
    return np.asarray(np.concatenate(found), dtype=np.float64)


def null_count(column: pa.ChunkedArray) -> int:
    """Rows without a value; a number that is none (NaN) has no value."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_floating(column.type):
        return int(column.null_count)
    return int(pc.sum(pc.is_null(column, nan_is_null=True)).as_py() or 0)


def _is_as_learned(encoding: Encoding, described: pa.Table, declared: FeatureSet) -> bool:
    """True when every column of the model is there, and of the kind that it was when the model learned."""
    import pyarrow as pa

    columns, texts = described.schema, (pa.string().id, pa.large_string().id)
    written = {name for name, kind in zip(columns.names, columns.types, strict=True) if kind.id in texts}
    numbers = {feature.name for feature in declared if feature.kind == "number"}
    learned = {*encoding.categories, *encoding.texts}
    return (
        {*columns.names} & {feature.name for feature in declared} >= {*encoding.names}
        and written & {*encoding.names} == learned
        and numbers & {*encoding.names} == {*encoding.names} - learned
    )


def _encoded(encoding: Encoding, rows: pa.Table) -> pd.DataFrame:
    """What :meth:`Encoding.apply` returns, told in columns as they lie and levels that are not repeated.

    CatBoost reads float32: what has gaps or lies in several chunks is written so, once; the rest it converts itself.
    """
    import pyarrow as pa

    columns: dict[str, Any] = dict(zip(encoding.names, rows.columns, strict=True))
    written = [
        name
        for name, column in columns.items()
        if column.type == pa.float64() and (column.num_chunks > 1 or column.null_count)
    ]
    for name, row in zip(written, np.empty((len(written), rows.num_rows), dtype=np.float32), strict=True):
        _fill(row, columns[name])
        columns[name] = row
    for name, column in columns.items():
        if name in encoding.texts:
            columns[name] = encoding.texts[name].read(column.to_pandas().astype("str"))
        elif name in encoding.categories:
            columns[name] = _levels(column, encoding.kept.get(name))
        elif isinstance(column, pa.ChunkedArray):
            columns[name] = np.asarray(column.to_numpy(), dtype=np.float64)
    return _Frame.of(columns, rows.num_rows)


def _fill(row: npt.NDArray[np.float32], column: pa.ChunkedArray) -> None:
    """Write numbers into a row, NaN where there is none; several times as fast as Arrow's own conversion."""
    end = 0
    for chunk in column.chunks:
        bits, values = chunk.buffers()
        start, stop = chunk.offset, chunk.offset + len(chunk)
        own = row[end : end + len(chunk)]
        end += len(chunk)
        with np.errstate(over="ignore", invalid="ignore"):  # CatBoost says nothing either; and gaps hold anything
            own[:] = np.frombuffer(values, np.float64, count=len(chunk), offset=8 * start)
        if chunk.null_count:
            blanks = _BLANKS.take(np.frombuffer(bits, np.uint8)[start // 8 : -(-stop // 8)], axis=0).ravel()
            whole = own.view(np.int32)
            whole |= blanks[start % 8 :][: len(chunk)]


def _levels(column: pa.ChunkedArray, kept: tuple[str, ...] | None) -> pd.Categorical[Any]:
    """A category by its levels; those that the model does not keep are one."""
    coded = column.combine_chunks().dictionary_encode(null_encoding="encode")
    texts = [MISSING if text is None else text for text in coded.dictionary.to_pylist()]
    if kept is not None:
        known = {*kept, MISSING}
        texts = [text if text in known else OTHER for text in texts]
    places: dict[str, int] = {}
    by_text = np.array([places.setdefault(text, len(places)) for text in texts], dtype=np.int32)
    codes = coded.indices.to_numpy()
    if len(places) < len(texts):  # several texts are one level
        codes = by_text[codes]
    return pd.Categorical.from_codes(codes, categories=pd.Index(list(places), dtype=object), validate=False)


class _Frame(pd.DataFrame):
    """As much of a frame as CatBoost asks for, which walks over ``items()``: blocks and Series would cost 3 ms a part.

    Whoever asks for more finds a value that is neither a number nor a text, and says so.
    """

    came: dict[str, Any] = {}  # noqa: RUF012 - pandas takes what no class declares for a column

    @classmethod
    def of(cls, columns: dict[str, Any], rows: int) -> _Frame:
        """Make a frame of columns that nobody writes into."""
        nothing = np.broadcast_to(np.array(..., dtype=object), (rows, len(columns)))
        frame = cls(nothing, columns=pd.Index(list(columns), dtype=object), dtype=object, copy=False)
        frame.came = columns
        return frame

    def items(self) -> Iterator[tuple[Any, Any]]:
        """The columns by name."""
        return ((name, _Column(values)) for name, values in self.came.items())


class _Column:
    """As much of a Series as CatBoost looks at."""

    __slots__ = ("dtype", "values")

    def __init__(self, values: Any) -> None:
        self.values = values
        self.dtype = values.dtype

    def to_numpy(self) -> Any:
        """The values."""
        return self.values
