"""What customers wrote becomes one number of the churn model; words of few people, and the texts themselves, do not."""

from __future__ import annotations

import string
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from scipy import special

from tests.training.worlds import logit_world
from training.churn import METADATA_KEY, Fit, Recipe, fit, load
from training.delong import auc_influence
from training.rows import Rows
from training.text_boosters import FEWEST_WHO_LEFT, TextRecipe, learned_words, read_texts
from training.texts import METADATA_KEY as TEXTS_KEY
from training.texts import MOST_WORDS, words_of

QUICK = Recipe(learning_rate=0.15, most_trees=200, patience=20, seed_count=2)
NAME = "feedback_remarks_365d"
CANARY = "zanahoriaperdida"
SPANISH = ("la", "factura", "de", "este", "mes", "gracias", "bien", "servicio", "precio", "llamada", "tienda", "línea")
ENGLISH = ("the", "bill", "this", "month", "thanks", "all", "well", "service", "price", "call", "shop", "line")


def ranked(churned: npt.NDArray[np.bool_], scores: npt.NDArray[np.float64]) -> float:
    """The AUC."""
    return auc_influence(churned, scores)[0]


def talking_world(seed: int, *, n: int = 3000, effect: float, days: int = 1) -> Rows:
    """Customers who write, six in ten, half of them in English.

    Fifteen in a hundred are fed up: their logit is ``effect`` higher, and if they write they say so with one word of
    their language. One customer writes the canary 500 times, on each of the days.
    """
    rng = np.random.default_rng(seed)
    rows, truth = logit_world(rng, n=n, intercept=-2.0, days=days)
    tongue, is_fed_up, writes = rng.random(n) < 0.5, rng.random(n) < 0.15, rng.random(n) < 0.6
    texts: list[str | None] = []
    for customer in range(n):
        words = rng.choice(SPANISH if tongue[customer] else ENGLISH, rng.integers(3, 12)).tolist()
        if is_fed_up[customer]:
            words.insert(1, "harto" if tongue[customer] else "leaving")
        texts.append(" ".join(words) if writes[customer] else None)
    texts[0] = f"{CANARY} " * 500
    churned = rng.random(len(rows)) < special.expit(special.logit(truth) + effect * np.tile(is_fed_up, days))
    written = pd.DataFrame({NAME: pd.Series(texts * days, dtype="str")})
    return replace(rows, churned=churned, texts=written)


@pytest.fixture(scope="module")
def world() -> Rows:
    return talking_world(1, effect=3.0)


@pytest.fixture(scope="module")
def read(world: Rows) -> Fit:
    return fit(world, threads=1, recipe=QUICK)


def test_a_word_that_tells_who_leaves_is_found_in_two_languages(world: Rows, read: Fit) -> None:
    later = talking_world(2, effect=3.0)
    deaf = fit(replace(world, texts=None), threads=1, recipe=QUICK)
    heard, unheard = (model.probability(later.described) for model in (read.model, deaf.model))
    # The fed up who write are 9 % of all and leave with a probability higher by about .5: that is worth more than .05.
    assert ranked(later.churned, heard) - ranked(later.churned, unheard) > 0.05
    assert abs(heard.mean() - later.churned.mean()) < 0.03
    said = later.texts
    assert said is not None
    for word, other in (("harto", "gracias"), ("leaving", "thanks")):
        loud, calm = (said[NAME].str.contains(w, na=False).to_numpy() for w in (word, other))
        assert heard[loud].mean() > heard[calm & ~loud].mean() + 0.2, word
    shares = read.model.importance()
    assert shares[NAME] > 0.2
    assert read.text_scores is not None
    assert world.texts is not None
    assert read.text_scores[NAME].isna().equals(world.texts[NAME].isna())


def test_words_that_tell_nothing_get_little_weight_and_do_no_harm() -> None:
    gains, shares = [], []
    for seed in (3, 4):
        noise, later = talking_world(seed, effect=0.0), talking_world(seed + 10, effect=0.0)
        read = fit(noise, threads=1, recipe=QUICK)
        deaf = fit(replace(noise, texts=None), threads=1, recipe=QUICK)
        heard, unheard = (model.probability(later.described) for model in (read.model, deaf.model))
        gains.append(ranked(later.churned, heard) - ranked(later.churned, unheard))
        shares.append(read.model.importance()[NAME] / max(read.model.importance()[f"noise_{i}"] for i in range(4)))
    # With 500 churners among 3,000 the AUC of one model has a standard error of .013; two fits of one world differ by
    # far less. The text is one more column of noise: it weighs like the four that are there.
    assert np.mean(gains) > -0.01
    assert np.mean(shares) < 2.5


def test_the_numbers_of_the_training_rows_come_from_boosters_that_did_not_see_the_customer() -> None:
    """On pure noise, a booster that had seen its rows would rank them; these do not."""
    noise = talking_world(6, effect=0.0, days=3)
    read = read_texts(noise, threads=1)
    assert read is not None
    scores = read.scores[NAME].to_numpy()
    known = ~np.isnan(scores)
    seen = read.readers[NAME].read(noise.texts[NAME]) if noise.texts is not None else scores
    # 3 x 1,800 rows of 1,800 customers: standard error of the AUC .02.
    assert abs(ranked(noise.churned[known], scores[known]) - 0.5) < 0.06
    assert ranked(noise.churned[known], seen[known]) > ranked(noise.churned[known], scores[known]) + 0.05


def test_the_file_answers_as_the_model_did_and_explains_exactly(world: Rows, read: Fit, tmp_path: Path) -> None:
    model = read.model
    model.save(tmp_path / "model.cbm")
    assert [path.name for path in tmp_path.iterdir()] == ["model.cbm"]
    again = load(tmp_path / "model.cbm")
    asked = world.described.iloc[:500]
    assert np.array_equal(again.probability(asked), model.probability(asked))
    contributions, base = again.contributions(asked, threads=1)
    assert np.allclose(special.expit(base + contributions.sum(axis=1)), model.probability(asked), atol=1e-12)
    assert again.encoding.names[-1] == NAME


def test_the_same_rows_give_the_same_probabilities_with_one_thread_or_two(world: Rows, read: Fit) -> None:
    again = fit(world, threads=2, recipe=QUICK)
    assert np.array_equal(again.model.probability(world.described), read.model.probability(world.described))
    assert np.array_equal(again.out_of_fold, read.out_of_fold)


def test_words_of_few_customers_are_not_learned_however_often_they_write_them(tmp_path: Path) -> None:
    rows = talking_world(7, effect=3.0, n=1500, days=3)
    model = fit(rows, threads=1, recipe=QUICK).model
    model.save(tmp_path / "model.cbm")
    reader = model.encoding.texts[NAME]
    unknown, rare, common, silent = reader.read(pd.Series(["qwertyuiop", CANARY, "harto", None]))
    assert rare == unknown
    assert common > unknown + 0.5
    assert np.isnan(silent)
    files = [(tmp_path / "model.cbm").read_bytes(), *(file for file, _ in reader.boosters)]  # type: ignore[attr-defined]
    for file in files:
        assert CANARY.encode() not in file
    assert rows.texts is not None
    written = rows.texts[NAME].notna().to_numpy()
    said = learned_words(rows.texts[NAME][written], rows.customer_ids[written], TextRecipe())
    assert {word for text in said for word in text.split()} == {*SPANISH, *ENGLISH, "harto", "leaving"}


def test_a_model_without_texts_has_the_file_and_the_recipe_that_it_always_had(world: Rows, tmp_path: Path) -> None:
    plain = replace(world, texts=None)
    model = fit(plain, threads=1, recipe=QUICK).model
    model.save(tmp_path / "model.cbm")
    again = load(tmp_path / "model.cbm")
    metadata = dict(again.booster.get_metadata().items())
    assert METADATA_KEY in metadata
    assert TEXTS_KEY not in metadata
    assert again.encoding.texts == {}
    names = tuple(map(str, plain.frame.columns))
    assert again.information["recipe"] == QUICK.digest(names)
    assert QUICK.digest(names, (NAME,)) != QUICK.digest(names)


def test_an_empty_column_of_texts_is_dropped_like_any_empty_column(world: Rows) -> None:
    silent = replace(world, texts=pd.DataFrame({NAME: pd.Series([None] * len(world), dtype="str")}))
    fitted = fit(silent, threads=1, recipe=QUICK)
    assert fitted.dropped == (NAME,)
    assert NAME not in fitted.model.encoding.names
    deaf = fit(replace(world, texts=None), threads=1, recipe=QUICK)
    assert np.array_equal(fitted.model.probability(world.described), deaf.model.probability(world.frame))


def test_too_few_who_wrote_are_said_and_not_learned_from(world: Rows) -> None:
    assert world.texts is not None
    few = world.texts[NAME].where(np.arange(len(world)) < 100)
    fitted = fit(replace(world, texts=few.to_frame()), threads=1, recipe=QUICK)
    assert NAME not in fitted.model.encoding.names
    assert f"at least {FEWEST_WHO_LEFT} of each are needed" in fitted.warnings[0]


def test_texts_in_which_nobody_shares_a_word_are_said_and_not_learned_from(world: Rows) -> None:
    letters = np.random.default_rng(0).choice(list(string.ascii_lowercase), (len(world), 12))
    fitted = fit(replace(world, texts=pd.DataFrame({NAME: ["".join(row) for row in letters]})), threads=1, recipe=QUICK)
    assert "no word is used by 20 customers" in fitted.warnings[0]
    assert NAME not in fitted.model.encoding.names


def test_strange_texts_are_read(world: Rows, read: Fit) -> None:
    strange = ["", " ", "😡😡😡", "12345", "\x00\ud7ff", "服务很差", "x" * 1_000_000, "harto " * 200_000, "ﷺ‮", None]
    frame = pd.concat(
        [world.frame.iloc[[0] * len(strange)].reset_index(drop=True), pd.Series(strange, name=NAME)], axis=1
    )
    found = read.model.probability(frame)
    assert np.isfinite(found).all()
    assert ((found > 0) & (found < 1)).all()


def test_words_are_split_in_any_alphabet() -> None:
    assert words_of("Llevo 3 SEMANAS, ¿eh?") == ["llevo", "semanas", "eh"]
    assert words_of("Не работает!") == ["не", "работает"]
    assert words_of("服务很差 ok") == ["服务", "务很", "很差", "ok"]
    assert words_of("👍👍fine") == ["👍", "👍", "fine"]
    assert len(words_of("a " * 10_000)) == MOST_WORDS
    assert words_of("12 - ...") == []


def test_marks_stay_with_their_letters_in_every_script() -> None:
    assert words_of("सेवा बहुत खराब है") == ["सेवा", "बहुत", "खराब", "है"]
    assert words_of("சேவை மோசம்") == ["சேவை", "மோசம்"]
    assert words_of("שֵׁרוּת גָּרוּעַ") == [unicodedata.normalize("NFC", word) for word in ("שֵׁרוּת", "גָּרוּעַ")]
    assert words_of("می‌خواهم بروم") == ["می‌خواهم", "بروم"]  # a sign keeps two letters apart within one word
    assert words_of("ខ្ញុំ") == ["ខ្", "្ញ", "ញុ", "ុំ"]
    assert words_of("ราคา ๑๒๓ แพง") == ["รา", "าค", "คา", "แพ", "พง"]
    assert words_of("❤️ don’t") == ["❤", "don't"]


@pytest.mark.parametrize("word", ["opinión", "größe", "niño", "Çağrı", "việt", "서비스", "й"])
def test_an_accent_may_be_a_character_of_its_own(word: str) -> None:
    decomposed = unicodedata.normalize("NFD", word)
    assert decomposed != unicodedata.normalize("NFC", word)
    assert words_of(decomposed) == words_of(word)
