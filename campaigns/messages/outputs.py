"""What of a template reaches the customer's eyes: numbers as his language writes them, and no yes-or-no or list."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any


class CannotBeFilled(Exception):
    """The template fails on these values; the message says how, without any of them."""


class _Number(float):
    """A number to compare with, which is written as a language writes it wherever it becomes text: ``~``, filters."""

    __slots__ = ("_text",)
    _text: str

    def __new__(cls, value: float, language: str) -> _Number:
        number = super().__new__(cls, value)
        text = f"{value:z.2f}".rstrip("0").rstrip(".")
        number._text = text if language == "en" else text.replace(".", ",")
        return number

    def __str__(self) -> str:
        return self._text


def as_written(values: Mapping[str, object], language: str) -> dict[str, object]:
    """Return the values of a template; numbers with decimals know how the language writes them.

    At most two places, with a comma where the language is not English.

    Examples:
        >>> values = as_written({"amount": 12.5}, "es")
        >>> str(values["amount"]), values["amount"] > 12
        ('12,5', True)
    """
    return {name: _Number(value, language) if isinstance(value, float) else value for name, value in values.items()}


def written(value: object, language: str) -> object:
    """Return what stands for a value that a template writes by itself.

    Raises:
        CannotBeFilled: it is a yes or no, a list, or nothing: no words for a customer.
    """
    if value is None or isinstance(value, bool | list | tuple):
        raise CannotBeFilled("would write yes or no, a list, or nothing, not words")
    return str(_Number(value, language)) if isinstance(value, float) else value


def unwritable(outputs: Iterable[Any], flags: Collection[str]) -> Iterator[str]:
    """Say which parts of a template would write ``True``, ``None`` or a list, whatever the customer.

    Args:
        outputs: Nodes of the template's tree that write (Jinja's ``Output``).
        flags: Names of the fields that hold yes or no.
    """
    for output in outputs:
        for part in output.nodes:
            for node in _writes(part):
                what = _no_words(node, flags)
                if what:
                    yield f"line {node.lineno}: {what} cannot be written. Choose words with if."


def _writes(node: Any) -> Iterator[Any]:
    """Return the nodes of an expression that can become its text; what is only asked about is not among them."""
    kind = type(node).__name__
    if kind == "CondExpr":
        parts = [node.expr1, node.expr2]
    elif kind in ("And", "Or"):
        parts = [node.left, node.right]
    elif kind == "Concat":
        parts = node.nodes
    elif kind == "Filter":
        replaced = [pair.value for pair in node.kwargs if pair.key == "default_value"] or node.args[:1]
        parts = [node.node, *(replaced if node.name in ("d", "default") else [])]
    else:
        yield node
        return
    for part in parts:
        yield from _writes(part)


def _no_words(node: Any, flags: Collection[str]) -> str | None:
    kind = type(node).__name__
    if kind == "Name":
        return f"{node.name}: yes or no" if node.name in flags else None
    if kind in ("List", "Tuple"):
        return "a list"
    if kind in ("Compare", "Not", "Test"):
        return "a comparison (yes or no)"
    if kind == "Const" and (node.value is None or isinstance(node.value, bool)):
        return "yes or no" if isinstance(node.value, bool) else "none"
    return None
