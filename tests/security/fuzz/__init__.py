"""Targets for atheris: ``python -m tests.security.fuzz.<name> -runs=N tests/security/fuzz/corpus/<name>``."""

from __future__ import annotations

import sys
from collections.abc import Callable

Target = Callable[[bytes], None]


def fuzz(target: Callable[[], Target]) -> None:
    """Run a target; what it imports of ours while it is made is watched for branches that were not taken yet."""
    import atheris  # type: ignore[import-untyped, unused-ignore]

    with atheris.instrument_imports(include=["holdback", "campaigns"]):
        one = target()
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
