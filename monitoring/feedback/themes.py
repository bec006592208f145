"""What customers write about: themes found in their words, without a list of topics and without anybody's text.

Remarks are weighed by TF-IDF over words and pairs of words and taken apart by non-negative matrix factorisation. A
theme is told by its words, how often it comes up, how its customers score, and where examples stand; no remark is
printed.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from holdback.business import Business
from holdback.errors import BusinessFileError, NotKnowableYet
from holdback.warehouse import Warehouse
from monitoring.cells import MINIMUM_CELL
from monitoring.feedback.intervals import Figure, mean_score
from monitoring.feedback.terms import shown_terms, spoken_terms
from monitoring.feedback.voices import is_since, read_voices
from monitoring.proportions import ShareDifference, newcombe
from training.rows import hash_share

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]

#: Fewer customers who write are no themes.
FEWEST_CUSTOMERS: Final = 40
#: One theme for so many customers, at least two and at most fifteen.
CUSTOMERS_PER_THEME: Final = 25
MOST_THEMES: Final = 15
#: Of more remarks only the newest are read.
MOST_REMARKS: Final = 50_000
RECENT_DAYS: Final = 30
_MOST_SHARE: Final = 0.5
_WORDS_SHOWN: Final = 8
#: A word that weighs less than this share of the heaviest one says nothing of the theme.
_LIGHTEST: Final = 0.1
_EXAMPLES: Final = 3


@dataclass(frozen=True, slots=True)
class Example:
    """Where a remark stands: the row of a feed, not who wrote it."""

    feed: str
    batch_id: str
    row_number: int


@dataclass(frozen=True, slots=True)
class Theme:
    """One thing that customers write about.

    Attributes:
        words: Words and pairs of words, the heaviest first; each is used by at least five customers.
        remarks: Remarks that are mostly about it.
        customers: Who wrote them.
        share: Of all remarks that were read.
        score: Mean share of the scale, from 0 to 1, of the customers who scored too; None for fewer than five.
        trend: Share of customers who wrote of it, of those who wrote at all: before (first) and in the last 30 days
            (second), and the difference with its interval. None when fewer than five wrote in either time.
        examples: Where to read on.
    """

    words: tuple[str, ...]
    remarks: int
    customers: int
    share: float
    score: Figure | None
    trend: ShareDifference | None
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class Themes:
    """All themes of some days.

    Attributes:
        business: Slug.
        as_of: The day of knowledge.
        days: Days looked back on.
        kind: Only feedback of this kind; None for all.
        themes: The most frequent first.
        remarks: Remarks that were read.
        customers: Who wrote them.
        other: Remarks of no theme: they use none of its words.
        writers: All who wrote; more than :attr:`customers` when not everybody's remarks were read.
        notes: What a reader must know.
    """

    business: str
    as_of: date
    days: int
    kind: str | None
    themes: tuple[Theme, ...]
    remarks: int
    customers: int
    other: int
    writers: int
    notes: tuple[str, ...]


def themes(
    warehouse: Warehouse,
    business: Business,
    as_of: date,
    *,
    days: int = 90,
    kind: str | None = None,
    count: int | None = None,
    most_customers: int | None = None,
    seed: int = 0,
    level: float = 0.95,
) -> Themes:
    """Find what customers write about. The same remarks give the same themes.

    Any language, several at once: words are compared as they are written, so each language has themes of its own.
    Numbers, addresses, e-mail, words of fewer than five customers and rare words that are written like names are never
    shown.

    Args:
        warehouse: Where the feeds are.
        business: The company.
        as_of: The day of knowledge.
        days: How many days back.
        kind: nps, csat, ces, rating, review, remark or ticket; all by default.
        count: How many themes; one for every 25 customers who write by default, at least 2 and at most 15.
        most_customers: Of more who wrote, so many are read, chosen by the hash of their key; all by default.
        seed: Of the factorisation.
        level: Coverage of the intervals.

    Raises:
        BusinessFileError: no feed maps a remark, or ``count`` is not at least 1.
        NotKnowableYet: too few customers wrote; the message says how many are needed.

    Source: Lee and Seung, Nature 401 (1999) 788; start by Boutsidis and Gallopoulos, Pattern Recognition 41 (2008)
    1350 (``nndsvda``), as scikit-learn has them.
    """
    _check(business, count)
    frame = _written(warehouse, business, as_of, days, kind)
    everybody = frame["customer_id"].nunique()
    if most_customers is not None and everybody > most_customers:
        frame = _sample(frame, most_customers)
    writers = frame["customer_id"].nunique()
    needed = max(FEWEST_CUSTOMERS, (count or 0) * 2 * MINIMUM_CELL)
    if writers < needed:
        what = "remarks" if kind is None else f"remarks of kind {kind}"
        raise NotKnowableYet(
            f"{business.slug}: themes: {writers} customers wrote {what} in the {days} days before {as_of}; "
            f"{needed} are needed. Look back on more days, or come back when more have written. Nothing was computed."
        )
    terms = spoken_terms(frame["remark"].tolist())
    vocabulary = shown_terms(terms, frame["customer_id"].tolist(), most_share=_MOST_SHARE)
    chosen = count or min(MOST_THEMES, max(2, writers // CUSTOMERS_PER_THEME))
    if len(vocabulary) < 2:
        raise NotKnowableYet(
            f"{business.slug}: themes: {writers} customers wrote in the {days} days before {as_of}, but hardly a word "
            f"was used by {MINIMUM_CELL} of them. Look back on more days. Nothing was computed."
        )
    weights, heaviest = _factorised(terms, vocabulary, min(chosen, len(vocabulary), len(frame)), seed)
    words = [_top_words(vocabulary, heaviness) for heaviness in heaviest]
    weights = np.where(_uses(terms, words), weights, 0.0)
    theme_of = np.where(weights.max(axis=1) > 0, weights.argmax(axis=1), -1)
    recent = np.array(is_since(business, frame["event_at"], as_of, RECENT_DAYS), dtype=bool)
    found = [
        _theme(frame, weights[:, number], theme_of == number, recent, words[number], level)
        for number in range(len(words))
    ]
    told = sorted((one for one in found if one is not None), key=lambda one: (-one.remarks, one.words))
    notes = [f"one theme for {CUSTOMERS_PER_THEME} customers who wrote" if count is None else "as many as asked for"]
    if len(told) < len(words):
        notes.append(f"themes of fewer than {MINIMUM_CELL} customers are left out")
    if len(frame) == MOST_REMARKS:
        notes.append(f"only the newest {MOST_REMARKS:,} remarks were read")
    if writers < everybody:
        notes.append(f"what {writers:,} of {everybody:,} customers wrote was read, chosen by the hash of their key")
    other = len(frame) - sum(one.remarks for one in told)
    return Themes(business.slug, as_of, days, kind, tuple(told), len(frame), writers, other, everybody, tuple(notes))


def _check(business: Business, count: int | None) -> None:
    if count is not None and count < 1:
        raise BusinessFileError(f"{business.slug}: themes: at least one theme must be asked for (got {count}).")
    feeds = [feed for role in ("feedback", "interactions") for feed in business.feeds_with_role(role).values()]
    if not any(feed.has("remark") for feed in feeds):
        raise BusinessFileError(
            f"{business.slug}: feeds: none maps a remark. Map the column with the customers' words as remark in a feed "
            "of role feedback or interactions."
        )


def _written(warehouse: Warehouse, business: Business, as_of: date, days: int, kind: str | None) -> pd.DataFrame:
    """Return the rows with words, in the order of events."""
    import pyarrow.compute as pc

    columns = ("customer_id", "event_at", "feed", "kind", "score_share", "remark", "batch_id", "row_number")
    voices = read_voices(warehouse, business, as_of, days=days, columns=columns)
    frame: pd.DataFrame = voices.filter(pc.is_valid(voices["remark"])).to_pandas()
    if kind is not None:
        frame = frame[frame["kind"] == kind]
    return frame.tail(MOST_REMARKS).reset_index(drop=True)


def _sample(frame: pd.DataFrame, most_customers: int) -> pd.DataFrame:
    """Return all remarks of some customers: those whose keys have the smallest hashes, the same people every day."""
    ids = np.asarray(frame["customer_id"].unique(), dtype=object)
    chosen = ids[np.argsort(hash_share(ids, salt="themes"), kind="stable")[:most_customers]]
    return frame[frame["customer_id"].isin(chosen)].reset_index(drop=True)


def _factorised(terms: Sequence[list[str]], vocabulary: list[str], count: int, seed: int) -> tuple[Floats, Floats]:
    """Return how much each remark is about each theme, shape (n, k), and the weight of each term, shape (k, terms)."""
    from sklearn.decomposition import NMF
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectors = TfidfVectorizer(analyzer=_as_given, vocabulary=vocabulary, sublinear_tf=True)
    matrix = vectors.fit_transform(terms)
    # The start by singular values needs fewer themes than rows and columns; with as many, a drawn start does as well.
    start = "nndsvda" if count < min(matrix.shape) else "random"
    model = NMF(count, init=start, random_state=seed, max_iter=300)
    # A fit without a remainder can leave one that is rounded below zero: its root is asked for, and not needed.
    with warnings.catch_warnings(), np.errstate(invalid="ignore"):
        warnings.simplefilter("ignore", ConvergenceWarning)  # a theme's words have settled long before
        weights: Floats = model.fit_transform(matrix)
    # Each theme's terms add up to one, so that weights of different themes can be compared.
    size = model.components_.sum(axis=1)
    scaled: Floats = model.components_ / np.where(size > 0, size, 1.0)[:, None]
    return weights * size, scaled


def _as_given(terms: list[str]) -> list[str]:
    return terms


def _uses(terms: Sequence[list[str]], words: Sequence[tuple[str, ...]]) -> npt.NDArray[np.bool_]:
    """Say which remark uses a word of which theme, shape (n, k): one that uses none is not about it."""
    themes_of: dict[str, list[int]] = {}
    for number, own in enumerate(words):
        for word in own:
            themes_of.setdefault(word, []).append(number)
    found = np.zeros((len(terms), len(words)), dtype=bool)
    for row, remark in enumerate(terms):
        found[row, [number for term in remark for number in themes_of.get(term, ())]] = True
    return found


def _theme(
    frame: pd.DataFrame,
    weight: Floats,
    is_it: npt.NDArray[np.bool_],
    recent: npt.NDArray[np.bool_],
    words: tuple[str, ...],
    level: float,
) -> Theme | None:
    """Tell one theme; None when too few customers wrote of it."""
    rows = frame[is_it]
    customers = rows["customer_id"].nunique()
    if customers < MINIMUM_CELL or not words:
        return None
    scores = rows.groupby("customer_id", sort=True)["score_share"].last().dropna().to_numpy(dtype=np.float64)
    score = mean_score(scores, lowest=0.0, highest=1.0, level=level) if len(scores) >= MINIMUM_CELL else None
    return Theme(
        words,
        len(rows),
        customers,
        len(rows) / len(frame),
        score,
        _trend(frame, is_it, recent, level),
        _examples(rows, weight[is_it]),
    )


def _top_words(vocabulary: list[str], heaviness: Floats) -> tuple[str, ...]:
    """Return the heaviest terms; a pair whose words, or a word whose pair, stands there already adds nothing."""
    shown: list[str] = []
    for position in np.argsort(-heaviness, kind="stable"):
        if heaviness[position] <= _LIGHTEST * heaviness.max() or len(shown) == _WORDS_SHOWN:
            break
        term = vocabulary[position]
        said = {word for one in shown for word in one.split()}
        if not set(term.split()) <= said:
            shown.append(term)
    return tuple(shown)


def _trend(
    frame: pd.DataFrame, is_it: npt.NDArray[np.bool_], recent: npt.NDArray[np.bool_], level: float
) -> ShareDifference | None:
    counts = []
    for time in (~recent, recent):
        wrote = frame.loc[time, "customer_id"].nunique()
        if wrote < MINIMUM_CELL:
            return None
        counts.append((float(frame.loc[time & is_it, "customer_id"].nunique()), float(wrote)))
    return newcombe(*counts, level=level)


def _examples(rows: pd.DataFrame, weight: Floats) -> tuple[Example, ...]:
    """Return where the remarks stand that are most about it, one of each customer."""
    ordered = rows.iloc[np.argsort(-weight, kind="stable")].drop_duplicates("customer_id").head(_EXAMPLES)
    places: Any = ordered[["feed", "batch_id", "row_number"]].itertuples(index=False)
    return tuple(Example(str(feed), str(batch), int(number)) for feed, batch, number in places)
