"""The words of remarks that may be shown, in any script: none of few customers, no rare one written like a name.

Nothing is downloaded: a short list of words that say nothing in the languages of Western Europe, and what is too
common or too rare to be a theme.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import sparse

from monitoring.cells import MINIMUM_CELL
from training.texts import is_unspaced, split_words

#: A capital letter where no sentence begins, or all capitals among small letters, mark a name, unless this many
#: customers use the word.
NAME_CUSTOMERS: Final = 50

#: Addresses, and every stretch without a blank that holds a digit or an @: numbers, cards, orders, e-mail.
_POINTERS: Final = re.compile(r"\b(?:https?://|www\.)\S+|\S*[@\d]\S*")
_SENTENCE_END: Final = re.compile(r"[.!?…:;\n¡¿\"(«-]\s*$")

#: Articles, prepositions, pronouns, forms of to be and to have. What denies stays: "not fixed" is a theme, "fixed" not.
_SAY_NOTHING: Final = """
a al algo ante aquí así aunque bajo cada como con contra cual cuando de del desde donde durante e el ella ellos en
entre era es esa ese eso esta estaba están estar estas este esto estos estoy está fue ha había han hasta hay he la
las le les lo los me mi mis mucho muy más nos nosotros nuestra nuestro o os otra otro para pero por porque que
qué quien se sea ser si sido sobre son su sus sí también tan te tengo tiene tienen todo todos tu tus un una unas
unos uno usted ustedes y ya yo

about after all also am an and any are as at be because been before being but by can could did do does for from had
has have he her here him his how i if in into is it it's its just me more my of off on only or other our out
over own she so some such than that the their them then there these they this those to too up us very was we were
what when where which who will with would you your

amb als aquesta aquest els hi ho ls meu més però què sense són té

ao aos com da das do dos ele ela em eu foi isso já lhe mais mas meu minha muito na nas nem nos ou pela pelo seu sua
são também tem um uma

au aux avec c'est ce ces cette dans des du elle est et il ils j'ai je leur lui ma mais mes mon même nous on où par plus
pour qu qui sa ses sont sur très une vos votre vous à été

aber auch auf aus bei bin bis das dass dem den der des die doch durch ein eine einem einen einer er für hat habe haben
ich ihr im ist ja kann mehr mein meine mit nach noch nur oder sehr sich sie sind um und uns vom von vor war wenn wie
wir wird zu zum zur über

anche c'è che chi ci cosa dal dalla degli dei della di gli hanno ho io loro mia mio molto nel nella perché più quando
questa questo sei solo sono sua suo
"""
STOP_WORDS: Final = frozenset(_SAY_NOTHING.split())

Terms = list[str]


def words_of(remark: str) -> list[tuple[str, bool]]:
    """Return the words of a remark in small letters; true for those that look like a name where they stand.

    Numbers and addresses, and what hangs on them, are no words.

    Examples:
        >>> words_of("Bad service. Ana (ana@mail.com, 600 123 123) helped Luis")
        [('bad', False), ('service', False), ('ana', False), ('helped', False), ('luis', True)]
    """
    text = _POINTERS.sub(" ", unicodedata.normalize("NFC", remark))
    words = list(split_words(text))
    is_mixed = any(word.islower() for word, _ in words)
    return [
        (word.lower().replace("’", "'"), is_mixed if _is_shouted(word) else _is_capital(word, text[:start]))
        for word, start in words
    ]


def _is_shouted(word: str) -> bool:
    """True for a word of more than one letter, all of them capitals."""
    return len(word) > 1 and word.isupper()


def _is_capital(word: str, before: str) -> bool:
    """True for a capital where no sentence begins."""
    return word[:1].isupper() and bool(before.strip()) and not _SENTENCE_END.search(before[-3:])


def terms_of(words: Iterable[str]) -> Terms:
    """Return words and pairs of neighbouring words, without those that say nothing.

    Where a script has no blanks between words, a word is a pair of characters already.
    """
    kept = [word for word in words if len(word) > 1 and word not in STOP_WORDS]
    spaced = [not is_unspaced(word) for word in kept]
    pairs = zip(pairwise(kept), pairwise(spaced), strict=True)
    return [*kept, *(f"{first} {second}" for (first, second), are_words in pairs if all(are_words))]


def spoken_terms(remarks: Sequence[str]) -> list[Terms]:
    """Return the terms of each remark; words that are mostly names are left out, unless many customers use them.

    Which words are names is told by how they are written: with a capital where no sentence begins, or all in capitals
    in a remark that is not. A name that most write in small letters is not known for one.
    """
    spoken = [words_of(remark) for remark in remarks]
    said: Counter[str] = Counter()
    capital: Counter[str] = Counter()
    users: Counter[str] = Counter()
    for words in spoken:
        said.update(word for word, _ in words)
        capital.update(word for word, is_name in words if is_name)
        users.update({word for word, _ in words})
    names = {word for word, count in capital.items() if 2 * count >= said[word] and users[word] < NAME_CUSTOMERS}
    return [terms_of(word for word, _ in words if word not in names) for words in spoken]


def shown_terms(terms: Sequence[Terms], customers: Sequence[str], *, most_share: float) -> list[str]:
    """Return the terms that may stand for a theme, in alphabetical order.

    Those of at least :data:`monitoring.cells.MINIMUM_CELL` customers, and of no more than a share of all remarks.

    Args:
        terms: Of each remark.
        customers: Who wrote it.
        most_share: What more remarks than this share say tells no theme from another.
    """
    position = {term: i for i, term in enumerate(sorted({term for remark in terms for term in remark}))}
    people = {customer: i for i, customer in enumerate(dict.fromkeys(customers))}
    who, what, where = [], [], []
    for i, (remark, customer) in enumerate(zip(terms, customers, strict=True)):
        for term in set(remark):
            who.append(people[customer])
            what.append(position[term])
            where.append(i)
    by_customer = _distinct(who, what, (len(people), len(position)))
    by_remark = _distinct(where, what, (len(terms), len(position)))
    is_shown = (by_customer >= MINIMUM_CELL) & (by_remark <= max(most_share * len(terms), MINIMUM_CELL))
    return [term for term, shown in zip(position, is_shown.tolist(), strict=True) if shown]


def _distinct(rows: list[int], columns: list[int], shape: tuple[int, int]) -> npt.NDArray[np.int64]:
    """Count the different rows of each column."""
    marks = sparse.coo_matrix((np.ones(len(rows), dtype=np.int64), (rows, columns)), shape=shape).tocsc()
    marks.sum_duplicates()
    counts: npt.NDArray[np.int64] = np.diff(marks.indptr)
    return counts
