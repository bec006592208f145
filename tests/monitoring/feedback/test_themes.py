"""Themes: found in two languages at once, the same every time, and nothing in them that points at somebody."""

from __future__ import annotations

import unicodedata
from collections import Counter

import numpy as np
import pytest

from holdback.errors import BusinessFileError, NotKnowableYet
from monitoring.cells import MINIMUM_CELL
from monitoring.feedback import Themes, themes
from monitoring.feedback.terms import shown_terms, spoken_terms, words_of
from simulator.remarks import write_remarks
from tests.monitoring.feedback.company import AS_OF, Row, asked, company, warehouse

TOPICS = ("billing", "outage", "speed")


def simulated(count: int = 400, *, english: float = 0.4) -> list[Row]:
    """What the simulated customers write, in Spanish and English."""
    rng = np.random.default_rng(5)
    language = (rng.random(count) < english).astype(np.int64)
    scores = rng.integers(0, 11, count)
    remarks = write_remarks(language, scores, TOPICS, rng.integers(0, 3, count), rng.integers(0, 12, count))
    days = rng.uniform(0.1, 89, count)
    return [
        asked(f"c{i}", float(scores[i]), remark=remarks[i], days_ago=float(days[i]), row_number=i + 1)
        for i in range(count)
    ]


def found_in(rows: list[Row], **options: int | str | None) -> Themes:
    return themes(warehouse(survey=rows), company(), AS_OF, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def told() -> Themes:
    return found_in(simulated())


def test_simulated_remarks_give_the_themes_that_were_written_in_both_languages(told: Themes) -> None:
    """Each sentence of the simulator is a thing to say: its own words stand together in one theme."""
    sentences = [{"semanas", "esperando"}, {"llamadas", "fatal"}, {"leaving", "thinking"}, {"weeks", "disappointed"},
                 {"caro", "mal"}, {"perfecto", "gracias"}, {"bien", "precio sube"}]  # fmt: skip
    spoken = [{word for term in theme.words for word in (term, *term.split())} for theme in told.themes]
    together = [any(words <= one for one in spoken) for words in sentences]
    assert all(together), spoken
    assert told.other < 0.2 * told.remarks


def test_themes_know_how_their_customers_score(told: Themes) -> None:
    score = {word: theme.score.estimate for theme in told.themes if theme.score for word in theme.words}
    assert max(score.get("fatal", 0), score.get("semanas", 0)) < 0.5 < score["perfecto"]
    assert all(theme.score.low <= theme.score.estimate <= theme.score.high for theme in told.themes if theme.score)


def test_the_same_remarks_give_the_same_themes(told: Themes) -> None:
    assert found_in(simulated()) == told
    assert found_in(simulated()[::-1]) == told


def test_shares_add_up_and_examples_point_at_rows(told: Themes) -> None:
    assert sum(theme.remarks for theme in told.themes) + told.other == told.remarks == 400
    rows = {row["row_number"]: row["remark"].lower() for row in simulated()}
    for theme in told.themes:
        for one in theme.examples:
            assert any(set(term.split()) <= {w for w, _ in words_of(rows[one.row_number])} for term in theme.words)
        assert len({one.row_number for one in theme.examples}) == len(theme.examples)


def test_how_many_is_one_for_25_customers_or_as_asked() -> None:
    assert len(found_in(simulated(), count=3).themes) == 3
    assert 2 <= len(found_in(simulated(80)).themes) <= 3
    assert len(found_in(simulated()).themes) <= 15


def test_a_theme_that_comes_up_lately_shows_in_its_trend() -> None:
    old = [asked(f"o{i}", 8.0, remark="Todo perfecto, gracias" if i % 2 else "Muy contento, trato excelente",
                 days_ago=50) for i in range(80)]  # fmt: skip
    new = [asked(f"n{i}", 2.0, remark="El router nuevo se apaga solo", days_ago=5) for i in range(40)]
    rows = old + new + [asked(f"m{i}", 9.0, remark="Todo perfecto, gracias", days_ago=5) for i in range(20)]
    [router] = [theme for theme in found_in(rows).themes if "router" in " ".join(theme.words)]
    assert router.trend is not None
    assert router.trend.first.share == 0.0
    assert router.trend.second.share == pytest.approx(40 / 60)
    assert router.trend.low > 0.4


def test_nobody_can_be_recognised() -> None:
    rng = np.random.default_rng(1)
    rows = []
    for i in range(200):
        person = f"Zacarías Quijote{i % 60}" if i % 10 else f"Doña Eulalia Vandermeer, tel. 600 123 {100 + i}"
        text = f"Llamé y me atendió {person}, ana{i}@mail.com, pedido X{i}Z, www.foo{i}.es: factura mal, espera larga"
        rows.append(asked(f"c{i}", float(rng.integers(0, 10)), remark=text))
    rows += [asked(f"d{i}", 3.0, remark="Hablé con Eulalia y la factura sigue mal") for i in range(20)]
    words = " ".join(word for theme in found_in(rows).themes for word in theme.words)
    assert not any(part in words for part in ("zacar", "quijote", "eulalia", "vandermeer", "mail", "@", "www", "foo"))
    assert not any(letter.isdigit() for letter in words)
    assert "factura" in words


def test_a_name_in_capitals_is_one_among_small_letters_and_none_where_everything_is_shouted() -> None:
    assert words_of("Me atendió GARCÍA muy mal")[2] == ("garcía", True)
    assert words_of("GARCÍA me atendió")[0] == ("garcía", True)
    assert words_of("NO FUNCIONA NADA") == [("no", False), ("funciona", False), ("nada", False)]
    rows = [asked(f"c{i}", 3.0, remark="Me atendió GARCÍA, factura mal" if i % 5 else "Espera larga, FATAL")
            for i in range(50)]  # fmt: skip
    rows += [asked(f"d{i}", 3.0, remark="fatal, la espera es fatal, todo fatal") for i in range(20)]
    words = " ".join(word for theme in found_in(rows).themes for word in theme.words)
    assert "garcía" not in words
    assert "fatal" in words


def test_themes_of_scripts_without_blanks_and_with_marks_are_told_in_whole_words() -> None:
    hindi, chinese = ("सेवा बहुत खराब है", "बिल गलत आया"), ("服务很差", "价格太贵了")
    rows = [asked(f"c{i}", 3.0, remark=(*hindi, *chinese)[i % 4], row_number=i + 1) for i in range(200)]
    shown = {word for theme in found_in(rows, count=4).themes for term in theme.words for word in term.split()}
    assert shown <= {word for remark in (*hindi, *chinese) for word, _ in words_of(remark)}
    assert "खराब" in shown
    assert {"服务", "价格"} & shown
    assert spoken_terms(["服务很差"]) == [["服务", "务很", "很差"]]


def test_a_decomposed_accent_makes_no_other_word() -> None:
    assert words_of(unicodedata.normalize("NFD", "opinión")) == [("opinión", False)]


def test_a_word_of_few_customers_is_not_shown_however_often_they_write_it() -> None:
    terms = spoken_terms(["extraterrestre"] * 50 + ["factura"] * 50)
    people = [f"p{i % (MINIMUM_CELL - 1)}" for i in range(50)] + [f"q{i}" for i in range(50)]
    assert shown_terms(terms, people, most_share=0.9) == ["factura"]


def test_what_denies_stays_in_the_words() -> None:
    assert "not fixed" in spoken_terms(["It is still not fixed"])[0]


@pytest.mark.parametrize("count", [0, 5, 39])
def test_too_few_say_how_many_are_needed(count: int) -> None:
    with pytest.raises(NotKnowableYet, match=f"{count} customers wrote .* 40 are needed"):
        found_in(simulated(count) if count else [])


def test_one_customer_who_writes_all_the_time_is_no_theme() -> None:
    rows = [asked("loud", 1.0, remark="Otra vez la factura mal", row_number=i + 1) for i in range(500)]
    with pytest.raises(NotKnowableYet, match="1 customers wrote"):
        found_in(rows)


def test_remarks_without_a_common_word_are_no_themes() -> None:
    rng = np.random.default_rng(2)
    letters = np.array(list("abcdefghijklmnop"))
    rows = [asked(f"c{i}", 5.0, remark="".join(rng.choice(letters, 12))) for i in range(60)]
    with pytest.raises(NotKnowableYet, match="hardly a word"):
        found_in(rows)


def test_everybody_says_the_same() -> None:
    rows = [asked(f"c{i}", 5.0, remark="Todo correcto") for i in range(60)]
    with pytest.raises(NotKnowableYet, match="hardly a word"):
        found_in(rows)


def test_emoji_and_markup_break_nothing() -> None:
    rows = [{**row, "remark": f"<p>{row['remark']} 😡👩‍👩‍👧</p>\x00"} for row in simulated(200)]
    assert [theme.words for theme in found_in(rows).themes] == [
        theme.words for theme in found_in(simulated(200)).themes
    ]


def test_of_many_who_wrote_the_same_people_are_read_every_time() -> None:
    """All remarks of each of them count, and of how many they are is told; who asks for more reads everybody."""
    rows = simulated(400)
    whole, some = found_in(rows), found_in(rows, most_customers=150)
    assert (some.customers, some.writers) == (150, whole.customers)
    assert whole.customers == whole.writers > 150
    assert some == found_in(list(reversed(rows)), most_customers=150)
    assert any("150 of" in note for note in some.notes)
    assert found_in(rows, most_customers=whole.customers) == whole
    written = Counter(row["customer_id"] for row in rows if row["remark"])
    assert some.remarks <= sum(count for _, count in written.most_common(150))
    assert {theme.words[0] for theme in some.themes[:3]} & {word for theme in whole.themes for word in theme.words}


def test_only_one_kind_is_read_when_asked() -> None:
    calls = [asked(f"k{i}", remark="La línea se corta cada tarde" if i % 2 else "No puedo entrar en la web")
             for i in range(60)]  # fmt: skip
    lake = warehouse(survey=simulated(100), calls=calls)
    found = themes(lake, company(), AS_OF, kind="ticket")
    assert (found.remarks, found.customers) == (60, 60)
    assert all(theme.score is None for theme in found.themes)


def test_a_business_without_remarks_is_told_to_map_one() -> None:
    with pytest.raises(BusinessFileError, match="none maps a remark"):
        themes(warehouse(), company(survey=None, calls=None), AS_OF)
    with pytest.raises(BusinessFileError, match="at least one theme"):
        found_in(simulated(50), count=0)
