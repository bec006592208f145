"""Pages that a test writes itself: a site is made of whatever pages it is given."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from monitoring.portal.parts import Notice, Page, Section
from monitoring.portal.source import Source
from monitoring.words import Words


def rows_of_tills(source: Source) -> str:
    """What the pages say unless a test says otherwise: it is read from the warehouse."""
    [counted] = source.warehouse.query("select count(*) as n from tills").to_pylist()
    return f"{counted['n']} rows as of {source.as_of}"


def said(content: str, words: Words, *, name: str = "today") -> Page:
    text = {"en": f"In English: {content}", "es": f"En español: {content}"}[words.language]
    return Page(name, name.capitalize(), text, (Section("all", "All", (Notice(text),)),))


def page_module(
    name: str,
    *,
    read: Callable[[Source], Any] = rows_of_tills,
    page: Callable[[Any, Words], Page] | None = None,
) -> ModuleType:
    """A page module as those of `monitoring.portal.pages`."""
    module = ModuleType(f"pages.{name}")
    module.read = read  # type: ignore[attr-defined]
    module.page = page or (lambda content, words: said(content, words, name=name))  # type: ignore[attr-defined]
    return module


TWO = (page_module("today"), page_module("churn"))
