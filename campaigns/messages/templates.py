"""What a template may do: put fields in place, choose with ``if``, and little else. The only door to Jinja here.

There is nothing in a message to loop over, to call or to look into, so none of that is possible: the template is read
as a tree and every kind of node that is not on the list is a fault. Without loops, assignments and arithmetic, time and
size are bounded by the template's own length. The sandbox stands behind that, should the list ever be wrong.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

from campaigns.messages.outputs import CannotBeFilled, as_written, unwritable, written

if TYPE_CHECKING:
    from jinja2 import nodes
    from jinja2.sandbox import ImmutableSandboxedEnvironment

#: Characters of a template, and of what becomes of it.
LONGEST_TEXT: Final = 20_000

FILTERS: Final = ("capitalize", "d", "default", "e", "escape", "lower", "title", "trim", "truncate", "upper")
TESTS: Final = ("defined", "none", "undefined")

_ALLOWED: Final = {
    "Template", "Output", "TemplateData", "Name", "Const", "If", "CondExpr", "Filter", "Test", "Compare", "Operand",
    "And", "Or", "Not", "Concat", "Keyword", "List", "Tuple",
}  # fmt: skip
_READS: Final = "read another template"
_INSIDE: Final = "look inside a value"
_ESCAPING: Final = "switch escaping on or off"
_CANNOT: Final = {
    "For": "loop (for)", "Call": "call anything", "Getattr": _INSIDE, "Getitem": _INSIDE, "Assign": "set variables",
    "AssignBlock": "set variables", "Include": _READS, "Import": _READS, "FromImport": _READS, "Extends": _READS,
    "Block": _READS, "Macro": "define macros", "CallBlock": "define macros", "FilterBlock": "filter whole blocks",
    "Scope": _ESCAPING, "ScopedEvalContextModifier": _ESCAPING,
}  # fmt: skip


class FieldMissing(Exception):
    """A field that the template asks for is not known of this customer; the message is its name."""


@dataclass(frozen=True)
class Template:
    """A template that may be filled.

    Attributes:
        fields: Names of the fields it asks for.
    """

    fields: frozenset[str]
    _compiled: Any
    _language: str

    def fill(self, values: Mapping[str, object]) -> str:
        """Return the text with the fields in their places; surrounding blanks are cut off.

        A field that is not among ``values`` may be asked about (``{% if first_name %}``, ``default``); writing it is
        what cannot be done.

        Raises:
            FieldMissing: a field that is to be written is not there.
            CannotBeFilled: the text grows too long, or the values are not what the template takes them for.
        """
        from jinja2 import UndefinedError

        try:
            text: str = self._compiled.render(as_written(values, self._language))
        except UndefinedError as error:
            raise FieldMissing(str(error)) from None
        except CannotBeFilled:
            raise
        except Exception as error:  # noqa: BLE001 - filters fail in many ways; one customer's values must stop nobody else
            raise CannotBeFilled(f"cannot be filled ({type(error).__name__})") from None
        if len(text) > LONGEST_TEXT:
            raise CannotBeFilled(f"is longer than {LONGEST_TEXT:,} characters")
        return text.strip()


def read_template(source: str, *, language: str, is_html: bool = False) -> Template:
    """Return a template ready to be filled.

    Args:
        source: The template.
        language: Numbers are written as it writes them.
        is_html: True to escape values for HTML.

    Raises:
        ValueError: the template has faults; the message has one per line.
    """
    tree, faults = _parsed(source)
    if tree is None or faults:
        raise ValueError("\n".join(faults))
    environment = _environment(language, is_html)
    try:
        compiled = environment.from_string(tree)
    except (SyntaxError, RecursionError, MemoryError):
        raise ValueError(_TOO_DEEP) from None
    return Template(frozenset(node.name for node in _named(tree)), compiled, language)


def template_faults(source: str, known: Mapping[str, str | None], *, flags: Collection[str] = ()) -> list[str]:
    """Return everything that is wrong with a template, one sentence each, with its line.

    Args:
        source: The template.
        known: By field that there could be: None when it can be used, else what to do so that it can.
        flags: Fields that hold yes or no: they may be asked about and not written.
    """
    tree, faults = _parsed(source, flags)
    if tree is None or faults:
        return faults
    usable = [name for name, remedy in known.items() if remedy is None]
    asked = {node.name: node.lineno for node in reversed(list(_named(tree)))}
    for name, line in sorted(asked.items(), key=lambda one: (one[1], one[0])):
        if name not in usable:
            faults.append(f"line {line}: {name}: {known.get(name) or _unknown_field(name, usable)}")
    if not faults:
        try:
            read_template(source, language="en")
        except ValueError as error:
            faults.append(str(error))
    return faults


_TOO_DEEP: Final = "is nested too deeply. Write it with fewer levels."


def _parsed(source: str, flags: Collection[str] = ()) -> tuple[nodes.Template | None, list[str]]:
    """Read a template without running or optimising any of it (constants are computed when it is compiled)."""
    from jinja2 import TemplateSyntaxError

    if len(source) > LONGEST_TEXT:
        return None, [f"has {len(source):,} characters. A message has at most {LONGEST_TEXT:,}. Shorten it."]
    try:
        tree = _environment("en", False).parse(source)
        outputs = [node for node in _nodes(tree) if type(node).__name__ == "Output"]
        return tree, list(dict.fromkeys([*_forbidden(tree), *unwritable(outputs, flags)]))
    except TemplateSyntaxError as error:
        return None, [f"line {error.lineno}: {error.message or 'is not a template'}"]
    except ValueError:  # Python reads no whole number of more than 4,300 digits
        return None, ["has a number that is too long. Shorten it."]
    except (RecursionError, MemoryError):
        return None, [_TOO_DEEP]


def _forbidden(tree: nodes.Node) -> Iterator[str]:
    for node in _nodes(tree):
        kind, at = type(node).__name__, f"line {node.lineno or 1}"
        name = getattr(node, "name", None)
        if kind not in _ALLOWED:
            what = _CANNOT.get(kind, f"calculate or the like ({kind.lower()})")
            yield f"{at}: a message cannot {what}. It can put fields in place, choose with if, and filter."
        elif kind == "Filter" and name not in FILTERS:
            yield f"{at}: filter {name!r} is not allowed.{_near(str(name), FILTERS)}"
        elif kind == "Test" and name not in TESTS:
            yield f"{at}: test {name!r} is not allowed.{_near(str(name), TESTS)}"
        elif kind == "Filter" and name == "truncate" and _cuts_too_short(node):
            yield f"{at}: truncate must leave room for its three dots. Let it keep at least 3 characters."
        elif kind == "CondExpr" and getattr(node, "expr2", None) is None:
            yield f"{at}: an if inside of {{{{ }}}} needs its else."


def _cuts_too_short(node: Any) -> bool:
    """True when a text that is cut must be shorter than the mark that says so: Jinja fails on that."""
    told = dict(zip(("length", "killwords", "end"), node.args, strict=False))
    told.update({keyword.key: keyword.value for keyword in node.kwargs})
    length, end = (getattr(told.get(name), "value", usual) for name, usual in (("length", 255), ("end", "...")))
    return isinstance(length, int | float) and length < len(str(end))


def _nodes(tree: nodes.Node) -> Iterator[nodes.Node]:
    yield tree
    for child in tree.iter_child_nodes():
        yield from _nodes(child)


def _named(tree: nodes.Node) -> Iterator[Any]:
    return (node for node in _nodes(tree) if type(node).__name__ == "Name")


def _unknown_field(name: str, usable: Collection[str]) -> str:
    return f"there is no such field.{_near(name, usable)}"


def _near(name: str, known: Collection[str]) -> str:
    near = get_close_matches(name, known, n=1)
    return f" Did you mean {near[0]!r}?" if near else f" Known: {', '.join(sorted(known))}."


def _environment(language: str, is_html: bool) -> ImmutableSandboxedEnvironment:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Missing(StrictUndefined):
        """Not known of this customer: may be asked about, and says its name when it is to be written."""

        __slots__ = ()

        def __init__(self, hint: str | None = None, obj: Any = None, name: str | None = None, **others: Any) -> None:  # noqa: ARG002 - Jinja passes it
            super().__init__(hint=name or hint, name=name, **others)

        def __bool__(self) -> bool:  # type: ignore[override]
            return False

    environment = ImmutableSandboxedEnvironment(
        autoescape=is_html,
        undefined=Missing,
        trim_blocks=True,
        lstrip_blocks=True,
        cache_size=0,
        finalize=lambda value: written(value, language),
    )
    environment.globals.clear()
    environment.filters = {name: environment.filters[name] for name in FILTERS}
    environment.tests = {name: environment.tests[name] for name in TESTS}
    return environment
