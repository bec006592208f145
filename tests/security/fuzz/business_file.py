"""Any bytes are a business file, or a file with faults."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.security.fuzz import Target, fuzz


def target() -> Target:
    """Load the bytes as a business file; only the one error may come."""
    from holdback.business import load_business
    from holdback.errors import BusinessFileError

    file = Path(tempfile.mkdtemp(prefix="holdback-fuzz-")) / "business.yaml"

    def one(data: bytes) -> None:
        file.write_bytes(data)
        try:
            load_business(file)
        except BusinessFileError as refused:
            said = str(refused)
            assert said

    return one


if __name__ == "__main__":
    fuzz(target)
