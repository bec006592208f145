"""Where a process can die: before and after everything that lasts or leaves, counted in the process itself."""

from __future__ import annotations

import functools
import os
import shutil
import signal
from collections.abc import Callable
from typing import Any


class Moments:
    """Counts the moments at which something becomes lasting, visible or public; the process dies at the n-th.

    A moment lies before and after each rename, sync, removal, commit of a table, statement of the journal and call over
    HTTP.

    Args:
        deadly: Number of the moment to die at, from 1; 0 to live.
    """

    def __init__(self, deadly: int) -> None:
        self.deadly = deadly
        self.seen: list[str] = []

    def pass_one(self, name: str) -> None:
        """One moment goes by, unless it is the last one."""
        self.seen.append(name)
        if len(self.seen) == self.deadly:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        """Return ``original`` between two moments."""

        @functools.wraps(original)
        def counted(*arguments: Any, **named: Any) -> Any:
            self.pass_one(f"before {name}")
            done = original(*arguments, **named)
            self.pass_one(f"after {name}")
            return done

        return counted

    def watch(self) -> None:
        """Count from now on, in this process."""
        import http.client

        import deltalake

        from holdback.journal import Journal
        from monitoring.portal.published import Place

        watched = (
            (os, ("replace", "rename", "fsync")),
            (shutil, ("rmtree",)),
            (deltalake, ("write_deltalake",)),
            (Journal, ("_execute",)),
            (Place, ("put",)),
            (http.client.HTTPConnection, ("request", "getresponse")),
        )
        for owner, names in watched:
            for name in names:
                setattr(owner, name, self.around(name.strip("_"), getattr(owner, name)))
