"""Whose data were erased, remembered without saying who: keyed hashes that only refuse who comes again.

A *tombstone* is ``SHA-256(key, id)``. The key is made at random for each business and lies in the workspace, for its
owner's eyes only; without it nobody can tell from the table ``forgotten`` whether an id is in it, not even by trying
all ids. Whoever has both can: that is what it is for. Nothing else of the person is kept with it.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from holdback.commits import rows_of
from holdback.errors import OperatorError
from holdback.sources import sync_folder
from holdback.sql import literal
from holdback.tables import TABLES

if TYPE_CHECKING:
    from holdback.workspace import Workspace

State = Literal["asked", "forgotten", "returned"]

#: What stands in the place of a forgotten customer's id in the ledger, followed by 32 random hexadecimal digits.
PSEUDONYM = "forgotten:"
#: What stands in the place of a row of a forgotten customer in a landed file, so that the others keep their numbers.
PLACEHOLDER = "forgotten:"

_KEY_VARIABLE = "HOLDBACK_TOMBSTONE_KEY"
_KEY = re.compile(r"[0-9a-f]{64}")


def is_pseudonym(column: str) -> str:
    """SQL condition: the column holds what stands for somebody forgotten.

    Examples:
        >>> is_pseudonym("customer_id")
        "coalesce(starts_with(customer_id, 'forgotten:'), false)"
    """
    return f"coalesce(starts_with({column}, {literal(PSEUDONYM)}), false)"


def new_pseudonym() -> str:
    """Return a name that says nothing and was never used."""
    return PSEUDONYM + os.urandom(16).hex()


@dataclass(frozen=True)
class Tombstones:
    """Who is forgotten, as keyed hashes.

    Args:
        key: 64 hexadecimal digits; shown nowhere.
        states: Newest state by tombstone.
    """

    key: str = field(repr=False)
    states: dict[str, State] = field(default_factory=dict)

    @classmethod
    def read(cls, workspace: Workspace) -> Tombstones:
        """Read who is forgotten.

        Raises:
            OperatorError: there are tombstones, and the key that made them is not here.
        """
        rows = workspace.warehouse.query("select tombstone, state, key_id from forgotten order by sequence").to_pylist()
        if not rows:
            return cls("")
        key = _key_of(workspace)
        if key is None or any(row["key_id"] != _key_id(key) for row in rows):
            raise OperatorError(
                f"{_key_path(workspace)}: the key with which people were forgotten is not there, or is another one: it"
                f" cannot be told who must not come back. Bring it back from a backup, or set {_KEY_VARIABLE}."
                " Nothing was written."
            )
        return cls(key, {row["tombstone"]: row["state"] for row in rows})

    @property
    def refused(self) -> frozenset[str]:
        """Tombstones of those who must not come in: asked to be forgotten, or forgotten, and did not return."""
        return frozenset(tombstone for tombstone, state in self.states.items() if state != "returned")

    @property
    def open(self) -> frozenset[str]:
        """Tombstones of those whose forgetting was begun and is not finished."""
        return frozenset(tombstone for tombstone, state in self.states.items() if state == "asked")

    def of(self, customer_id: str) -> str:
        """Return the tombstone of an id."""
        return hashlib.sha256(f"{self.key}:{customer_id}".encode()).hexdigest()

    def covers(self, customer_id: str) -> bool:
        """True when this id must not come in."""
        return bool(self.states) and self.of(customer_id) in self.refused

    def sql_of(self, column: str) -> str:
        """SQL of the tombstone of a text column (DuckDB)."""
        return f"sha256({literal(self.key + ':')} || {column})"


def mark(workspace: Workspace, customer_ids: Sequence[str], state: State, *, as_of: date, now: datetime) -> Tombstones:
    """Record a state of people; who has it already is left alone.

    Args:
        workspace: The company.
        customer_ids: Whom.
        state: ``asked``, ``forgotten`` or ``returned``.
        as_of: The day.
        now: The instant, naive UTC.

    Returns:
        The tombstones as they are now.
    """
    known = Tombstones.read(workspace)
    made = known if known.key else Tombstones(_key_of(workspace) or _make_key(workspace), {})
    wanted = dict.fromkeys(made.of(customer_id) for customer_id in customer_ids)
    changed = [tombstone for tombstone in wanted if made.states.get(tombstone) != state]
    if not changed:
        return made
    first = workspace.warehouse.query("select coalesce(max(sequence), 0) + 1 as n from forgotten")["n"][0].as_py()
    rows = [
        {
            "sequence": first + position, "tombstone": tombstone, "state": state, "as_of": as_of, "happened_at": now,
            "key_id": _key_id(made.key),
        }
        for position, tombstone in enumerate(changed)
    ]  # fmt: skip
    batch = hashlib.sha256("".join([state, str(first), *changed]).encode()).hexdigest()
    workspace.warehouse.append("forgotten", rows_of(TABLES["forgotten"], rows), batch=f"forgotten/{batch}")
    return Tombstones(made.key, {**made.states, **dict.fromkeys(changed, state)})


def tokens(text: str) -> Iterable[str]:
    """Return the parts of a line that could be an id: what separators of any kind stand between."""
    return [token for token in re.split(r"[\s,;|\t\"'{}\[\]()<>=&?]+", text) if token]


def _key_path(workspace: Workspace) -> Path:
    return workspace.folder / "keys" / "tombstones.key"


def _key_of(workspace: Workspace) -> str | None:
    given = workspace.environment.get(_KEY_VARIABLE)
    path = _key_path(workspace)
    try:
        key = given or (path.read_text(encoding="ascii").strip() if path.exists() else None)
    except (OSError, UnicodeDecodeError) as error:
        raise OperatorError(f"{path}: cannot be read ({type(error).__name__}). Check its permissions.") from error
    if key is not None and not _KEY.fullmatch(key):
        raise OperatorError(f"{path}: is not a key of 64 hexadecimal digits. Bring it back from a backup.")
    return key


def _make_key(workspace: Workspace) -> str:
    path = _key_path(workspace)
    key = os.urandom(32).hex()
    draft = path.with_suffix(f".{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(key + "\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise OperatorError(f"{path}: cannot be written ({error.strerror}). Nothing was forgotten yet.") from error
    return key


def _key_id(key: str) -> str:
    return hashlib.sha256(f"key:{key}".encode()).hexdigest()[:12]
