"""Read a business file and say everything that is wrong with it at once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from holdback.business.model import Business
from holdback.errors import BusinessFileError

Position = tuple[str | int, ...]

#: Far above what any company needs, and read in a moment.
LARGEST_BYTES = 250_000
#: Values of the file once every alias (``*name``) stands for what its anchor holds.
MOST_VALUES = 100_000
MOST_FAULTS = 100


class _StrictLoader(yaml.SafeLoader):
    """YAML without its silent surprises: a key that stands twice is a fault."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key is a word, not a list", key_node.start_mark)
            if key_node.tag == "tag:yaml.org,2002:merge":
                raise yaml.constructor.ConstructorError(
                    None, None, "merge keys (<<) are not read; write the keys out", key_node.start_mark
                )
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def load_business(path: Path | str) -> Business:
    """Read, check and return the business file at ``path``.

    Raises:
        BusinessFileError: the file is missing, is not YAML, or breaks a rule; the message has one line per fault:
            ``bank.yaml: churn[0].outcome_days: must be at least 1 (got -3).``
    """
    path = Path(path)
    content = _read_yaml(path)
    try:
        business = Business.model_validate(content)
    except ValidationError as error:
        raise BusinessFileError("\n".join(_fault_lines(path.name, content, error))) from error
    business._folder = path.resolve().parent
    return business


def check_business(path: Path | str) -> list[str]:
    """Return every fault of the business file, one line each; an empty list when it is right."""
    try:
        load_business(path)
    except BusinessFileError as error:
        return str(error).splitlines()
    return []


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            content_bytes = file.read(LARGEST_BYTES + 1)
        if len(content_bytes) > LARGEST_BYTES:
            raise BusinessFileError(
                f"{path.name}: is larger than {LARGEST_BYTES:,} bytes. A business file describes data, and holds none."
            )
        text = content_bytes.decode("utf-8")
    except FileNotFoundError as error:
        raise BusinessFileError(
            f"{path}: there is no such file. Write one with `holdback init`, or name it with --business."
        ) from error
    except UnicodeDecodeError as error:
        raise BusinessFileError(f"{path.name}: is not UTF-8 (byte {error.start}). Save it as UTF-8.") from error
    except OSError as error:
        raise BusinessFileError(f"{path}: cannot be read ({error.strerror}).") from error
    try:
        content = yaml.load(text, Loader=_StrictLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error)
        raise BusinessFileError(f"{path.name}:{line} is not valid YAML: {problem}.") from error
    except RecursionError:
        raise BusinessFileError(f"{path.name}: is nested too deeply. Write it with fewer levels.") from None
    except ValueError as error:  # a number of 5,000 digits, the 31st of February
        raise BusinessFileError(f"{path.name}: holds a number or a date that is none ({error}).") from error
    if not isinstance(content, dict):
        raise BusinessFileError(f"{path.name}: must be a mapping of keys to values (got {type(content).__name__}).")
    if _value_count(content, {}) > MOST_VALUES:
        raise BusinessFileError(
            f"{path.name}: has more than {MOST_VALUES:,} values, or an anchor (&) that holds itself. Use fewer (*)."
        )
    return content


def _value_count(value: Any, known: dict[int, int]) -> int:
    """Count the values that come of a value when it is written out; what aliases share is counted each time."""
    if not isinstance(value, dict | list):
        return 1
    if id(value) not in known:
        known[id(value)] = MOST_VALUES + 1  # until it is counted: what holds itself has no end
        parts = value.values() if isinstance(value, dict) else value
        known[id(value)] = min(1 + sum(_value_count(part, known) for part in parts), MOST_VALUES + 1)
    return known[id(value)]


def _fault_lines(file_name: str, content: Any, error: ValidationError) -> Iterator[str]:
    listed = error.errors()
    faults = [(fault, _position_in_file(content, fault)) for fault in listed[:MOST_FAULTS]]
    if len(listed) > MOST_FAULTS:
        yield f"{file_name}: {len(listed):,} faults; the first {MOST_FAULTS} are:"
    for fault, position in faults:
        if fault["type"] == "too_short" and any(other[: len(position)] == position != other for _, other in faults):
            continue  # pydantic counts only the valid items of a list
        where = _written(position)
        yield f"{file_name}: {where + ': ' if where else ''}{_sentence(fault, position)}"


def _position_in_file(content: Any, fault: ErrorDetails) -> Position:
    """Drop from pydantic's location what does not stand in the file (the tags of unions)."""
    position: list[str | int] = []
    here = content
    location = fault["loc"]
    for index, step in enumerate(location):
        inside = (isinstance(here, dict) and step in here) or (isinstance(here, list) and isinstance(step, int))
        if inside:
            position.append(step)
            here = here[step]
        elif index == len(location) - 1 and fault["type"] == "missing":
            position.append(step)
    return tuple(position)


def _written(position: Position) -> str:
    text = ""
    for step in position:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text


_RULES = {
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be more than {gt}",
    "less_than_equal": "must be at most {le}",
    "less_than": "must be less than {lt}",
    "literal_error": "must be one of {expected}",
    "union_tag_invalid": "kind must be one of {expected_tags}",
    "union_tag_not_found": "needs a kind; write kind: and what it is",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "string_type": "must be text (put it in quotes)",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "date_type": "must be a date such as 2026-11-21",
    "date_from_datetime_parsing": "must be a date such as 2026-11-21",
    "dict_type": "must be a mapping of keys to values",
    "model_type": "must be a mapping of keys to values",
    "model_attributes_type": "must be a mapping of keys to values",
    "tuple_type": "must be a list",
    "too_short": "needs at least {min_length}",
    "string_pattern_mismatch": "must match {pattern}",
}


#: Patterns of what stands in an environment variable, with what comes before its name.
_NAMES_A_VARIABLE = {r"^\$[A-Z][A-Z0-9_]*$": "", r"^postgresql://\$[A-Z][A-Z0-9_]*$": "postgresql://"}
_NO_SECRETS = (
    "write {prefix}$NAME, where the environment variable NAME holds it; secrets never stand in a business file. "
    "What stands there now must be changed at its source: others may have read it."
)
#: An address with a user or a password in it, as far as can be told from a text.
_LONGEST_SEEN = 200
_WITH_PASSWORD = re.compile(r"://[^/\s]*@")


def _sentence(fault: ErrorDetails, position: Position) -> str:
    kind = fault["type"]
    if kind == "missing":
        return "is missing. Add it."
    if kind == "extra_forbidden":
        return f"unknown key.{_nearest(position)}"
    context = fault.get("ctx", {})
    if kind == "string_pattern_mismatch" and context["pattern"] in _NAMES_A_VARIABLE:
        return _NO_SECRETS.format(prefix=_NAMES_A_VARIABLE[context["pattern"]])
    if kind == "value_error":
        return f"{context['error']}{_seen(fault['input'])}."
    rule = _RULES.get(kind)
    text = rule.format(**context) if rule else fault["msg"]
    return f"{text}{_seen(fault['input'])}."


def _seen(value: Any) -> str:
    if isinstance(value, dict | list | tuple | BaseModel) or _WITH_PASSWORD.search(str(value)):
        return ""
    said = repr(value) if isinstance(value, str) else str(value)
    return f" (got {said if len(said) <= _LONGEST_SEEN else said[:_LONGEST_SEEN] + '...'})"


def _nearest(position: Position) -> str:
    unknown = str(position[-1])
    known = _known_keys(Business, position[:-1])
    near = get_close_matches(unknown, known, n=1, cutoff=0.5)
    return f" Did you mean {near[0]!r}?" if near else f" Known keys: {', '.join(sorted(known))}."


def _known_keys(annotation: Any, position: Position) -> set[str]:
    """Return the keys that may stand at ``position``, following the models' annotations."""
    models = list(_models_in(annotation))
    if not position:
        return {key for model in models for key in model.model_fields}
    step, rest = position[0], position[1:]
    known: set[str] = set()
    for model in models:
        if isinstance(step, str) and step in model.model_fields:
            field = model.model_fields[step].annotation
            skip = 1 if rest and (isinstance(rest[0], int) or _is_mapping(field)) else 0
            known |= _known_keys(field, rest[skip:])
    return known


def _is_mapping(annotation: Any) -> bool:
    return getattr(annotation, "__origin__", None) is dict


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
