"""Any call is refused by the verifier, or it is exactly what was signed."""

from __future__ import annotations

from contextlib import suppress

from tests.security.fuzz import Target, fuzz

SECRET, NOW, BODY = "a long secret of both sides", 1_764_000_000, b'{"decision_id":"d-1","customer_id":"c-7"}'


def target() -> Target:
    """Take the bytes as header, key and body of a call; and, signed by us, as a body alone."""
    from campaigns.delivery.signing import NotOurs, signature, verified

    signed = signature(SECRET, NOW, BODY)

    def one(data: bytes) -> None:
        header, _, rest = data.partition(b"\0")
        key, _, body = rest.partition(b"\0")
        said, named = header.decode("latin-1"), key.decode("utf-8", "replace")
        with suppress(NotOurs):
            verified(SECRET, said, named, body, now=NOW)
            assert (said, named, body) == (signed, "d-1", BODY), "a forged call was believed"
        with suppress(NotOurs):
            assert verified(SECRET, signature(SECRET, NOW, data), named, data, now=NOW)

    return one


if __name__ == "__main__":
    fuzz(target)
