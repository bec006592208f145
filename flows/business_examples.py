"""The business files that travel with Holdback, and a first file of one's own that is written like one of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path

from flows.business_templates import quoted, write_checked
from holdback.errors import BusinessFileError

FOLDER = Path(__file__).resolve().parents[1] / "businesses"

#: What `holdback init --like` can be told, and what it is an example of.
EXAMPLES: Mapping[str, str] = {
    "bank": "transfers, balances, tickets, NPS; nobody cancels: savings leave, then nothing moves (simulated)",
    "dealer": "cars, services, mileage: who goes to another workshop, whose car is due (simulated)",
    "groceries": "a grocery chain's purchases and coupons: who lapses, who breaks a rhythm (real)",
    "hillstrom": "an e-mail experiment that was run elsewhere, to be measured (real)",
    "online-retail": "a wholesaler's invoice lines and nothing else (real)",
    "resort": "stays that come back in their own season, or do not (simulated)",
    "savings-bank": "one snapshot of customers with month-end balances and a churn column (real)",
    "telco": "one snapshot of customers with contracts and a churn column (real)",
    "telecom": "contracts, tickets, usage, NPS: who cancels, calls and offers (simulated)",
}

#: Answers that replace a line at the top of the example; the others stay as they are.
_HEADS = ("slug", "name", "currency", "time_zone", "language")


def write_like(path: Path, example: str, answers: Mapping[str, str]) -> tuple[str, ...]:
    """Write the example as a company's own file: its comments stay, its name and its sources are replaced.

    Args:
        path: Where; an existing file is never overwritten.
        example: A key of :data:`EXAMPLES`.
        answers: slug, name, currency, time_zone, language; what is left out stays as in the example.

    Returns:
        The files that the business file reads, relative to it.

    Raises:
        BusinessFileError: the file exists, there is no such example, or an answer breaks a rule of the business file.
        OperatorError: the file cannot be written.

    Examples:
        >>> write_like(Path("business.yaml"), "bank", {"slug": "acme", "name": "Acme"})  # doctest: +SKIP
        ('landing/customers/{date}.csv', 'landing/transfers/{date}.csv', ...)
    """
    text, sources = as_own(example_text(example), named(example), answers)
    write_checked(path, text)
    return sources


def named(example: str) -> str:
    """Return the example's name as the list has it.

    Raises:
        BusinessFileError: there is none of this name; the message has the nearest one and the list.
    """
    name = example.strip().lower().replace("_", "-")
    if name in EXAMPLES:
        return name
    near = get_close_matches(name, EXAMPLES, n=1)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    lines = "\n".join(f"  {known:<14} {meaning}" for known, meaning in EXAMPLES.items())
    raise BusinessFileError(f"--like: there is no example {example!r}. {hint}Choose one of:\n{lines}")


def example_path(example: str) -> Path:
    """Return the file of an example.

    Raises:
        BusinessFileError: as :func:`named`.
    """
    return FOLDER / f"{named(example).replace('-', '_')}.yaml"


def example_text(example: str) -> str:
    """Return an example as it is shipped.

    Raises:
        BusinessFileError: as :func:`named`.
    """
    return example_path(example).read_text(encoding="utf-8")


def as_own(text: str, example: str, answers: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """Return an example's text with a company's own name and sources, and those sources.

    A source such as ``$BANK_DAYS/transfers/{date}.csv`` becomes ``landing/transfers/{date}.csv``; one that is a file of
    its own keeps its name: ``landing/customers/Telco-Customer-Churn.csv``.
    """
    sources: list[str] = []
    lines: list[str] = []
    section = feed = ""
    for line in _body(text):
        if found := re.match(r"([a-z_]+):", line):
            section = feed = found[1]
        elif section == "feeds" and (found := re.match(r"  ([a-z_]+):", line)):
            feed = found[1]
        if found := _SOURCE.match(line):
            source = f"landing/{feed}/{found['file']}"
            sources.append(source)
            line = f"{found['key']}{source}" + (f"   {found['comment']}" if found["comment"] else "")
        elif section in _HEADS and section in answers:
            comment = re.search(r"\s+#.*$", line)
            line = f"{section}: {quoted(answers[section])}" + (comment[0] if comment else "")
        lines.append(line)
    return "\n".join([*_head(text, example), *lines]) + "\n", tuple(sources)


#: A source that the environment names: what is written of it in a file of one's own.
_SOURCE = re.compile(r"(?P<key>\s+source: )\$\w+/(?:\S*/)?(?P<file>[^/\s]+)(?:\s+(?P<comment>#.*))?$")

#: The part of an example's head that says where the example's own files are.
_FILES = "# Files: "


def _body(text: str) -> list[str]:
    lines = text.splitlines()
    first = next(number for number, line in enumerate(lines) if not line.startswith("#"))
    return lines[first:]


def _head(text: str, example: str) -> list[str]:
    """The comment at the top: what to do, then what the example says of itself, without where its own files are."""
    own = text.splitlines()[: -len(_body(text))]
    files = next((number for number, line in enumerate(own) if line.startswith(_FILES)), len(own))
    return [
        f"# Written by `holdback init --like {example}`. Ours stands on the left, yours on the right: put your column",
        "# names, your words and your amounts there, and your files where `source:` says (beside this file; {date} is",
        "# the day of a file). Check it with `holdback business check`.",
        "#",
        f"# Of the example ({example}):",
        *own[:files],
    ]
