"""What a receiver of our calls believes: our own, just now, byte by byte; nothing else."""

from __future__ import annotations

import hashlib
import hmac
import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from campaigns.delivery.signing import LARGEST_BODY, REPLAY_SECONDS, NotOurs, signature, verified

SECRET, NOW, KEY = "a long secret of both sides", 1_764_000_000, "d-0001"
BODY = json.dumps({"business": "carrier", "decision_id": KEY, "customer_id": "c-7", "message": "¡Hola!"}).encode()
SIGNED = signature(SECRET, NOW, BODY)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x, max_size=3), max_leaves=5
)


def test_the_signature_is_hmac_sha256_of_instant_and_body() -> None:
    expected = hmac.new(SECRET.encode(), f"{NOW}.".encode() + BODY, hashlib.sha256).hexdigest()
    assert f"t={NOW},v1={expected}" == SIGNED


@given(
    content=st.dictionaries(st.text(), JSON),
    key=st.text(min_size=1),
    late=st.integers(-300, 300),
    secret=st.text(min_size=1),
)
def test_what_we_sign_is_believed_within_the_window(
    content: dict[str, object], key: str, late: int, secret: str
) -> None:
    body = json.dumps({**content, "decision_id": key}).encode()
    assert verified(secret, signature(secret, NOW, body), key, body, now=NOW + late)["decision_id"] == key


@given(at=st.integers(0, len(BODY) - 1), change=st.integers(1, 255))
def test_any_changed_byte_of_the_body_is_refused(at: int, change: int) -> None:
    forged = BODY[:at] + bytes([BODY[at] ^ change]) + BODY[at + 1 :]
    with pytest.raises(NotOurs, match="not ours"):
        verified(SECRET, SIGNED, KEY, forged, now=NOW)


@given(at=st.integers(0, len(SIGNED) - 1), to=st.characters())
def test_any_changed_character_of_the_header_is_refused(at: int, to: str) -> None:
    forged = SIGNED[:at] + to + SIGNED[at + 1 :]
    if forged != SIGNED:
        with pytest.raises(NotOurs):
            verified(SECRET, forged, KEY, BODY, now=NOW)


@given(late=st.integers(-(10**9), 10**9).filter(lambda s: abs(s) > REPLAY_SECONDS))
def test_a_recorded_call_is_refused_later_and_one_of_the_future_too(late: int) -> None:
    with pytest.raises(NotOurs, match="just now"):
        verified(SECRET, SIGNED, KEY, BODY, now=NOW + late)


@given(key=st.text().filter(lambda key: key != KEY))
def test_a_recorded_call_under_another_key_is_refused(key: str) -> None:
    with pytest.raises(NotOurs, match="key"):
        verified(SECRET, SIGNED, key, BODY, now=NOW)


@settings(max_examples=200)
@given(header=st.text(), body=st.binary(), key=st.text())
@example(header="t=٣,v1=" + "0" * 64, body=b"{}", key="")
@example(header=SIGNED + "\n", body=BODY, key=KEY)
@example(header=SIGNED.upper(), body=BODY, key=KEY)
def test_noise_is_refused_and_never_an_accident(header: str, body: bytes, key: str) -> None:
    with pytest.raises(NotOurs):
        verified(SECRET, header, key, body, now=NOW)


@pytest.mark.parametrize("body", [b"[]", b"null", b'"d-0001"', b"\xff", b"{", b"[" * 100_000, b"{}"])
def test_a_signed_body_that_is_no_call_is_refused(body: bytes) -> None:
    with pytest.raises(NotOurs):
        verified(SECRET, signature(SECRET, NOW, body), KEY, body, now=NOW)


def test_a_body_without_end_is_refused_before_it_is_hashed_or_parsed() -> None:
    body = b" " * (LARGEST_BODY + 1)
    with pytest.raises(NotOurs, match="too large"):
        verified(SECRET, signature(SECRET, NOW, body), KEY, body, now=NOW)


def test_another_secret_is_refused_and_none_is_no_secret() -> None:
    with pytest.raises(NotOurs, match="not ours"):
        verified(SECRET + "x", SIGNED, KEY, BODY, now=NOW)
    with pytest.raises(ValueError, match="without a secret"):
        verified("", signature("", NOW, BODY), KEY, BODY, now=NOW)


def test_signatures_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []
    real = hmac.compare_digest

    def noted(first: str, second: str) -> bool:
        asked.append((first, second))
        return real(first, second)

    monkeypatch.setattr(hmac, "compare_digest", noted)
    verified(SECRET, SIGNED, KEY, BODY, now=NOW)
    assert asked == [(SIGNED, SIGNED)]


def test_a_refusal_repeats_neither_the_secret_nor_the_call() -> None:
    with pytest.raises(NotOurs) as refused:
        verified("another", SIGNED, KEY, BODY, now=NOW)
    assert not any(word in str(refused.value) for word in (SECRET, "another", SIGNED, KEY, "c-7"))
