"""Who acts, as this machine knows: the name in the record of what was done by hand (:mod:`holdback.audit`).

| variable | means | default |
|---|---|---|
| ``HOLDBACK_OPERATOR`` | who acts, where an account is shared by several people or machines | the system's user |
"""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from flows import settings
from holdback.audit import Actor, recorded
from holdback.workspace import Workspace

VARIABLE = "HOLDBACK_OPERATOR"


def actor(command: str) -> Actor:
    """Return who acts now.

    Args:
        command: The command and the names of its options, without their values: they may be secrets or customers.
    """
    given = os.environ.get(VARIABLE, "").strip()
    user = "unknown"
    with suppress(OSError, KeyError, ImportError):  # a container's user may have no name
        user = getpass.getuser()
    who = f"{given} (as {user})" if given else user
    return Actor(who, socket.gethostname(), command, os.environ.get("PREFECT__FLOW_RUN_ID", ""))


@contextmanager
def acting(workspace: Workspace, what: str, command: str, *, about: str = "", why: str = "") -> Iterator[None]:
    """Record what is done in the block: that it began, and how it ended."""
    with recorded(workspace, actor(command), what, now=settings.now, about=about, why=why):
        yield
