"""Find marks in everything that was written: also inside archives, base64, Parquet and a database's log."""

from __future__ import annotations

import base64
import binascii
import gzip
import io
import re
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq

_BASE64 = re.compile(rb"[A-Za-z0-9+/]{200,}={0,2}")
_DEEPEST = 3


def found(root: Path, marks: tuple[str, ...]) -> dict[str, set[str]]:
    """Return which marks stand in which file below a folder, in any case of letters."""
    wanted = re.compile(b"|".join(mark.encode() for mark in marks), re.IGNORECASE)
    files: dict[str, set[str]] = defaultdict(set)
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        files[name] |= {hit[0].decode().upper() for hit in wanted.finditer(name.encode())}
        if path.is_file():
            for content in contents(path.read_bytes()):
                files[name] |= {hit[0].decode().upper() for hit in wanted.finditer(content)}
    return {name: hits for name, hits in files.items() if hits}


def contents(content: bytes, depth: int = 0) -> Iterator[bytes]:
    """Yield the bytes of a file, and of whatever they hold in another form."""
    if content[:4] == b"PAR1":
        table = pq.read_table(io.BytesIO(content), partitioning=None)
        yield "\n".join(str(value) for column in table.columns for value in column.to_pylist()).encode()
        yield str(table.schema.metadata).encode()
        return
    yield content
    if depth == _DEEPEST:
        return
    if content[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in archive.namelist():
                yield from contents(archive.read(name), depth + 1)
    elif content[:2] == b"\x1f\x8b":
        yield from contents(gzip.decompress(content), depth + 1)
    for run in _BASE64.finditer(content):
        try:
            yield from contents(base64.b64decode(run[0]), depth + 1)
        except (binascii.Error, OSError, zipfile.BadZipFile):
            continue
