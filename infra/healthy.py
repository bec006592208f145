"""Is the service in this container well? Exit code 0 when the address in HEALTH_URL answers 200, 1 when it does not.

For containers alone: it needs nothing but Python, and starts in a tenth of a second.
"""

import os
import sys
import urllib.error
import urllib.request


def main() -> int:
    """Ask once; say on standard error what is wrong."""
    url = os.environ.get("HEALTH_URL")
    if not url:
        return 0  # a container that serves nothing: a command, a deployment
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            status = int(answer.status)
    except (OSError, urllib.error.URLError) as error:
        sys.stderr.write(f"{url}: {error}\n")
        return 1
    return 0 if status == 200 else 1


if __name__ == "__main__":
    raise SystemExit(main())
