"""The two languages of the pages: their words, and how they write numbers, money, shares and days.

The words stand in gettext catalogues, ``monitoring/words/<language>/<part>.po``, one part per page; a key is the
catalogue's ``msgid``, and both languages have the same keys (a test says so). They are read as they are: there is no
compiled form that could be forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Literal

from babel.messages.pofile import read_po
from babel.numbers import format_currency, get_currency_precision

Language = Literal["en", "es"]
LANGUAGES: tuple[Language, ...] = ("en", "es")


@cache
def catalogue(language: Language) -> dict[str, str]:
    """Return the words of all parts of one language by their key.

    Raises:
        ValueError: two parts declare the same key.
    """
    words: dict[str, str] = {}
    for path in sorted((Path(__file__).parent / language).glob("*.po")):
        with path.open("rb") as file:
            own = {str(message.id): str(message.string) for message in read_po(file, locale=language) if message.id}
        if twice := own.keys() & words.keys():
            raise ValueError(f"{path}: {', '.join(sorted(twice))}: another part of the catalogue has these keys.")
        words |= own
    return words


_MONTHS: dict[Language, str] = {
    "en": "January February March April May June July August September October November December",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
}
_HARD = "\u00a0"  # a number and its sign are never parted at the end of a line
_MINUS = "\u2212"


@dataclass(frozen=True, slots=True)
class Words:
    """One language.

    Examples:
        >>> es = Words("es")
        >>> es.number(1234.5, 1), es.day(date(2026, 3, 1))
        ('1.234,5', '1 de marzo de 2026')
    """

    language: Language

    def __call__(self, key: str, **values: object) -> str:
        """Return the words of a key with its values put in; an unknown key is a mistake of ours: ``KeyError``."""
        return catalogue(self.language)[key].format(**values)

    def known(self, prefix: str, name: str) -> str:
        """Return the words of ``prefix + name``, or the bare name when the catalogue does not know it."""
        return catalogue(self.language).get(f"{prefix}{name}", name.replace("_", " "))

    def number(self, value: float, digits: int = 0) -> str:
        """Write a number with the language's separators."""
        written = f"{value:,.{digits}f}"
        if float(written.replace(",", "")) == 0:
            written = written.removeprefix("-")
        if self.language == "es":
            written = written.translate(str.maketrans(",.", ".,"))
        return written.replace("-", _MINUS)

    def count(self, value: float) -> str:
        """Write a whole number."""
        return self.number(round(value))

    def share(self, value: float, digits: int = 1) -> str:
        """Write a share in [0, 1] as a percentage."""
        return self.number(value * 100, digits) + ("%" if self.language == "en" else f"{_HARD}%")

    def money(self, amount: float, currency: str, digits: int | None = None) -> str:
        """Write an amount in currency units; ``digits`` decimals, else as many as the currency has (JPY has none).

        A currency that nobody knows (an invented code) is written with its code.
        """
        places = get_currency_precision(currency) if digits is None else digits
        figure = "#,##0" + ("." + "0" * places if places else "")
        pattern = f"\u00a4{figure}" if self.language == "en" else f"{figure}{_HARD}\u00a4"
        rounded = round(amount, places) + 0.0  # never "-0"
        written = format_currency(rounded, currency, pattern, locale=self.language, currency_digits=False)
        return written.replace("-", _MINUS)

    def signed(self, value: float, digits: int = 3) -> str:
        """Write a number with its sign."""
        written = self.number(value, digits)
        return written if written.startswith(_MINUS) else f"+{written}"

    def significant(self, value: float) -> str:
        """Write a value of unknown size in at most four significant digits."""
        if value != value or value in (float("inf"), float("-inf")):
            return "∞" if value > 0 else f"{_MINUS}∞"
        if abs(value) >= 1000 or value == int(value):
            return self.number(value)
        places = len(f"{value:.4g}".partition(".")[2]) if "e" not in f"{value:.4g}" else 4
        return self.number(value, places)

    def day(self, day: date) -> str:
        """Write a day in full."""
        name = _MONTHS[self.language].split()[day.month - 1]
        between = " de " if self.language == "es" else " "
        return f"{day.day}{between}{name}{between}{day.year}".replace(" ", _HARD if self.language == "en" else " ")

    def short_day(self, day: date) -> str:
        """Write a day for a table: ISO 8601, which both languages read."""
        return day.isoformat()

    def brief_day(self, day: date) -> str:
        """Write a day for a table that people read: ``28 nov 2025``; its CSV file has it in ISO 8601."""
        return f"{day.day}{_HARD}{self._brief_month(day)}{_HARD}{day.year}"

    def day_of(self, text: str) -> date | None:
        """Read a day back that :meth:`brief_day` wrote; None where it is none."""
        parts = text.split(_HARD)
        briefs = [self._brief_month(date(2000, month, 1)) for month in range(1, 13)]
        if len(parts) != 3 or parts[1] not in briefs or not (parts[0].isdigit() and parts[2].isdigit()):
            return None
        return date(int(parts[2]), briefs.index(parts[1]) + 1, int(parts[0]))

    def _brief_month(self, day: date) -> str:
        name = _MONTHS[self.language].split()[day.month - 1]
        return name[: 4 if day.month == 9 else 3]

    def moment(self, instant: datetime) -> str:
        """Write an instant, which is UTC everywhere in the warehouse."""
        return f"{instant:%Y-%m-%d %H:%M} UTC"

    def month(self, day: date) -> str:
        """Write a month and year, shortened."""
        return f"{_MONTHS[self.language].split()[day.month - 1][:3]}{_HARD}{day.year}"

    def full_month(self, day: date) -> str:
        """Write a month and year in a sentence: ``mayo de 2025``."""
        name = _MONTHS[self.language].split()[day.month - 1]
        return f"{name}{_HARD}{'de ' if self.language == 'es' else ''}{day.year}"

    def interval(self, value: str, low: str, high: str) -> str:
        """Write an estimate with its interval."""
        return self("with_interval", value=value, low=low, high=high)
