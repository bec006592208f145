"""Answers that need not be asked again: kept in the workspace as long as what they depend on is the same.

They are about all customers together and name nobody; whoever removes the folder loses nothing but time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from typing import Any, TypeVar

from pydantic import TypeAdapter
from pydantic_core import PydanticSerializationError

from holdback.errors import OperatorError
from holdback.workspace import Workspace
from monitoring.pages import write_page

T = TypeVar("T")


def key_of(*parts: object) -> str:
    """Return a digest of what an answer depends on, our own version among it; ``parts`` are told by their ``repr``.

    Examples:
        >>> key_of("complaints", 7) == key_of("complaints", 7), key_of("complaints", 7) == key_of("complaints", 8)
        (True, False)
    """
    return hashlib.sha256(repr((version("holdback"), parts)).encode()).hexdigest()


def kept(workspace: Workspace, name: str, key: str, kind: Any, ask: Callable[[], T]) -> T:
    """Return what was kept under a name, or ask, and keep it in place of what was kept before.

    What is returned was read back in either case, so that the first answer is the same as all others.

    Args:
        workspace: The business.
        name: What is asked; names a file.
        key: What the answer depends on (:func:`key_of`); another key asks anew.
        kind: The answer's type: dataclasses of plain values, tuples of them, or None.
        ask: Gives the answer. What it raises is raised, and not kept.
    """
    path = workspace.folder / "kept" / f"{name}.json"
    adapter: TypeAdapter[T] = TypeAdapter(kind)
    with suppress(OSError, ValueError, KeyError, TypeError):  # not there, or nothing of ours: it is asked
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored["key"] == key:
            return adapter.validate_python(stored["answer"])
    answer = ask()
    try:
        said = json.dumps({"key": key, "answer": adapter.dump_python(answer, mode="json")})
    except PydanticSerializationError:  # it holds what JSON cannot say
        return answer
    with suppress(OperatorError):  # a full disk costs time, not the page
        write_page(path, said)
    return adapter.validate_python(json.loads(said)["answer"])
