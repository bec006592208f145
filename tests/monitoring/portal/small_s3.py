"""As much of S3 as Arrow's own client asks for when a site is published: objects of one bucket, kept in memory.

Signatures are not checked; a bucket may be set to refuse writing, as a policy without s3:PutObject does.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase, BytesIO
from typing import BinaryIO
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree
from xml.sax.saxutils import escape

BUCKET = "acme"
REGION = "eu-west-1"


class SmallS3(ThreadingHTTPServer):
    """Attributes: ``objects`` by key, with content and headers; ``order`` of the keys written; ``is_read_only``."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, tuple[bytes, dict[str, str]]] = {}
        self.uploads: dict[str, tuple[dict[str, str], dict[int, bytes]]] = {}
        self.order: list[str] = []
        self.is_read_only = False

    def address(self, folder: str, bucket: str = BUCKET) -> str:
        return f"s3://{bucket}/{folder}?scheme=http&region={REGION}&endpoint_override=127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: SmallS3

    def do_HEAD(self) -> None:
        bucket, key, _ = self._asked()
        if bucket != BUCKET:
            self._answer(404)
        elif not key:
            self._answer(200, headers={"x-amz-bucket-region": REGION})
        elif key in self.server.objects:
            content, headers = self.server.objects[key]
            self._answer(200, length=len(content), headers={**headers, "ETag": '"1"', **_DATED})
        else:
            self._answer(404)

    def do_GET(self) -> None:
        bucket, key, asked = self._asked()
        if bucket != BUCKET:
            self._refuse(404, "NoSuchBucket")
        elif not key:
            self._list(asked)
        elif key in self.server.objects:
            content, headers = self.server.objects[key]
            self._answer(200, content, headers={**headers, **_DATED})
        else:
            self._refuse(404, "NoSuchKey")

    def do_PUT(self) -> None:
        bucket, key, asked = self._asked()
        content = self._body()
        if bucket != BUCKET:
            self._refuse(404, "NoSuchBucket")
        elif self.server.is_read_only:
            self._refuse(403, "AccessDenied")
        elif "uploadId" in asked:
            self.server.uploads[asked["uploadId"]][1][int(asked["partNumber"])] = content
            self._answer(200, headers={"ETag": '"1"'})
        else:
            self._keep(key, content, self._about())
            self._answer(200, headers={"ETag": '"1"'})

    def do_POST(self) -> None:
        bucket, key, asked = self._asked()
        body = self._body()
        if bucket != BUCKET:
            self._refuse(404, "NoSuchBucket")
        elif self.server.is_read_only:
            self._refuse(403, "AccessDenied")
        elif "uploads" in asked:
            number = f"u{len(self.server.uploads)}"
            self.server.uploads[number] = (self._about(), {})
            self._xml(f"<InitiateMultipartUploadResult><UploadId>{number}</UploadId></InitiateMultipartUploadResult>")
        elif "uploadId" in asked:
            about, parts = self.server.uploads.pop(asked["uploadId"])
            self._keep(key, b"".join(parts[number] for number in sorted(parts)), about)
            self._xml("<CompleteMultipartUploadResult><ETag>1</ETag></CompleteMultipartUploadResult>")
        else:  # ?delete: a list of keys
            for found in ElementTree.fromstring(body).iter():
                if found.tag.endswith("Key"):
                    self.server.objects.pop(found.text or "", None)
            self._xml("<DeleteResult></DeleteResult>")

    def do_DELETE(self) -> None:
        _, key, _ = self._asked()
        self.server.objects.pop(key, None)
        self._answer(204)

    def _list(self, asked: dict[str, str]) -> None:
        prefix, delimiter = asked.get("prefix", ""), asked.get("delimiter", "")
        keys = [key for key in sorted(self.server.objects) if key.startswith(prefix)]
        folders = sorted({
            prefix + rest.partition(delimiter)[0] + delimiter
            for rest in (key.removeprefix(prefix) for key in keys) if delimiter and delimiter in rest
        })  # fmt: skip
        own = [key for key in keys if not any(key.startswith(folder) for folder in folders)]
        contents = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(self.server.objects[key][0])}</Size>"
            "<LastModified>2025-10-01T00:00:00.000Z</LastModified></Contents>"
            for key in own
        )
        shared = "".join(f"<CommonPrefixes><Prefix>{escape(folder)}</Prefix></CommonPrefixes>" for folder in folders)
        count = len(own) + len(folders)
        self._xml(
            f"<ListBucketResult><Name>{BUCKET}</Name><IsTruncated>false</IsTruncated><KeyCount>{count}</KeyCount>"
            f"{contents}{shared}</ListBucketResult>"
        )

    def _asked(self) -> tuple[str, str, dict[str, str]]:
        parts = urlsplit(self.path)
        bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
        return bucket, key, {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            content = _chunks(self.rfile)
        else:
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        is_signed_in_chunks = "aws-chunked" in self.headers.get("Content-Encoding", "")
        return _chunks(BytesIO(content)) if is_signed_in_chunks else content

    def _about(self) -> dict[str, str]:
        return {name: self.headers[name] for name in ("Content-Type", "Cache-Control") if name in self.headers}

    def _keep(self, key: str, content: bytes, about: dict[str, str]) -> None:
        self.server.objects[key] = (content, about)
        self.server.order.append(key)

    def _xml(self, content: str) -> None:
        self._answer(200, f'<?xml version="1.0"?>{content}'.encode(), headers={"Content-Type": "application/xml"})

    def _refuse(self, status: int, code: str) -> None:
        said = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
        self._answer(status, said, headers={"Content-Type": "application/xml"})

    def _answer(
        self, status: int, content: bytes = b"", *, length: int | None = None, headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _chunks(stream: BinaryIO | BufferedIOBase) -> bytes:
    """Read what came as ``size, content`` until size 0, and the lines that follow it."""
    content = b""
    while size := int(stream.readline().split(b";")[0], 16):
        content += stream.read(size)
        stream.readline()
    while stream.readline().strip():
        pass
    return content


_DATED = {"Last-Modified": "Wed, 01 Oct 2025 00:00:00 GMT"}


@contextmanager
def small_s3() -> Iterator[SmallS3]:
    """Lend a bucket."""
    server = SmallS3()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
