"""The section ``portal``: where the site that people read is published, and how long its days stay."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from holdback.business.sections import Section

#: Where a site can be published; a path without a scheme is a folder.
SCHEMES = ("file", "s3", "gs")
_VARIABLE = re.compile(r"\$[A-Z][A-Z0-9_]*")


def checked_target(target: str) -> str:
    """Return a place to publish to as it was written.

    Raises:
        ValueError: nothing can be published there.

    Examples:
        >>> checked_target("s3://acme-reports/holdback?region=eu-west-1")
        's3://acme-reports/holdback?region=eu-west-1'
    """
    scheme, has_scheme, rest = target.partition("://")
    if not target.strip() or target != target.strip():
        raise ValueError("must be a folder, or an address such as s3://bucket/folder or gs://bucket/folder")
    if target.startswith("$"):
        if not _VARIABLE.fullmatch(target):
            raise ValueError("must be the whole $NAME of an environment variable: $PORTAL, not $PORTAL/site")
        return target
    if has_scheme and scheme not in SCHEMES:
        raise ValueError("must be a folder, or start with file://, s3:// or gs://")
    if has_scheme and "@" in rest.partition("?")[0].partition("/")[0]:
        raise ValueError("must not hold keys: set them in the environment (AWS_ACCESS_KEY_ID, for example)")
    if has_scheme and scheme == "file" and not rest.startswith("/"):
        raise ValueError("must be file:///folder with three strokes, or the folder alone")
    if has_scheme and scheme != "file" and not rest.partition("?")[0].partition("/")[0]:
        raise ValueError(f"must name a bucket: {scheme}://bucket/folder")
    return target


class Portal(Section):
    """The site that people read: always built in the workspace, and published where this says."""

    publish_to: Annotated[str, AfterValidator(checked_target)] | None = Field(
        None,
        description="Folder (relative to this file), s3://bucket/folder, gs://bucket/folder or the $NAME of a variable "
        "that holds one; nothing is published if none",
    )
    keep_days: Annotated[int, Field(ge=1, le=3650)] = Field(
        30, description="How many days of the site stay readable; the newest always does"
    )
