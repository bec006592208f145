"""A worker that is killed in the middle of its first part, as by a machine that runs out of memory."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from flows.partitions import work_on_part


def dies_once(name: str, told: dict[str, Any], number: int) -> Any:
    marker = Path(told["root"]) / "died"
    if number == 1:
        try:
            marker.touch(exist_ok=False)
        except FileExistsError:
            pass
        else:
            os.kill(os.getpid(), signal.SIGKILL)
    return work_on_part(name, told, number)
