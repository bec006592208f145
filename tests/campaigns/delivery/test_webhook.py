"""Calls to a receiver that answers well, badly, late, twice or not at all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from campaigns.delivery.receipts import DEAD_LETTERS, RECEIPTS, Receipts
from campaigns.delivery.signing import Endpoint, endpoint_of, signature
from campaigns.delivery.webhook import Clock, Patience, WebhookResult, Window, send
from holdback.errors import BusinessFileError
from tests.campaigns.delivery.company import delivery, make_business
from tests.campaigns.delivery.receivers import (
    NOON,
    Answer,
    Pauses,
    Receiver,
    answer,
    answer_twice,
    hang_up,
    receiver,
    stay_silent,
    talk_nonsense,
)

OPEN = Window(NOON - timedelta(hours=3), NOON + timedelta(hours=9))
QUICK = Patience(attempts=3, timeout_seconds=5, longest_wait_seconds=60)
SHORT = Patience(attempts=2, timeout_seconds=0.2)


def contact(number: int) -> dict[str, Any]:
    return {"decision_id": f"d{number}", "customer_id": f"c{number}", "reason": "Ñandú"}


def address(url: str, tmp_path: Path) -> Endpoint:
    hook = {"url": "$HOOK", "secret": "$KEY"}
    business = make_business(tmp_path, delivery=delivery(webhook=hook))
    endpoint = endpoint_of(business, {"HOOK": url, "KEY": "secret-1"})
    assert endpoint is not None
    return endpoint


def call(
    server: Receiver,
    tmp_path: Path,
    count: int = 1,
    *,
    pauses: Pauses | None = None,
    patience: Patience = QUICK,
    window: Window = OPEN,
    again: bool = False,
) -> WebhookResult:
    clock = Clock(NOON, pauses if pauses is not None else Pauses())
    contacts = [contact(i) for i in range(count)]
    receipts = Receipts.read(tmp_path)
    return send(
        contacts,
        address(server.url, tmp_path),
        receipts,
        clock=clock,
        window=window,
        patience=patience,
        again=again,
    )


def dead_letters(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / DEAD_LETTERS).read_text().splitlines()]


def test_a_contact_is_sent_once_signed_and_with_its_key(tmp_path: Path) -> None:
    with receiver([]) as server:
        assert call(server, tmp_path) == WebhookResult(delivered=1)
    (seen,) = server.calls
    assert seen.path == "/hook?list=1"
    assert json.loads(seen.body) == contact(0)
    assert seen.headers["idempotency-key"] == "d0"
    sent_at = int(seen.headers["x-holdback-signature"].split(",")[0].removeprefix("t="))
    assert sent_at == datetime.fromisoformat("2026-03-02T11:00:00+00:00").timestamp()
    assert seen.headers["x-holdback-signature"] == signature("secret-1", sent_at, seen.body)


def test_the_signature_is_what_openssl_computes() -> None:
    # printf '1772449200.{"a":"ñ"}' | openssl dgst -sha256 -hmac clé
    assert signature("clé", 1772449200, '{"a":"ñ"}'.encode()) == (
        "t=1772449200,v1=0b7911777b6e2b7e69b4e56868fa2d58acb75208a9a3caaddc84828aafd6db2c"
    )


@pytest.mark.parametrize(
    "failures",
    [[answer(500)], [answer(503), answer(502)], [answer(429)], [hang_up], [hang_up, answer(500)], [talk_nonsense]],
)
def test_what_can_pass_is_tried_again_with_the_same_key(tmp_path: Path, failures: Sequence[Answer]) -> None:
    pauses = Pauses()
    with receiver(failures) as server:
        assert call(server, tmp_path, pauses=pauses) == WebhookResult(delivered=1)
    assert server.keys == ["d0"] * (len(failures) + 1)
    assert len({seen.body for seen in server.calls}) == 1
    assert len(pauses.seconds) == len(failures)


def test_silence_is_a_failure_that_can_pass(tmp_path: Path) -> None:
    with receiver([stay_silent]) as server:
        assert call(server, tmp_path, patience=SHORT) == WebhookResult(delivered=1)
    assert server.keys == ["d0", "d0"]


def test_pauses_double_and_are_spread_and_are_the_same_in_a_rerun(tmp_path: Path) -> None:
    patience = Patience(attempts=6, first_wait_seconds=1, longest_wait_seconds=5)
    seconds = []
    for run in ("a", "b"):
        pauses = Pauses()
        (tmp_path / run).mkdir()
        with receiver([], then=answer(500)) as server:
            call(server, tmp_path / run, pauses=pauses, patience=patience)
        seconds.append(pauses.seconds)
    first = seconds[0]
    assert first == seconds[1]
    assert all(0.75 * 2**i <= pause <= 1.25 * 2**i for i, pause in enumerate(first[:2]))
    assert max(first) <= 5
    assert len(set(first[:2])) == 2


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("7", 7.0),
        ("Mon, 02 Mar 2026 11:00:30 GMT", pytest.approx(30, abs=2)),
        ("Mon, 02 Mar 2026 10:00:00 GMT", 0.0),
        ("soon", pytest.approx(1, rel=0.26)),
        ("-5", pytest.approx(1, rel=0.26)),
    ],
)
def test_a_receiver_that_asks_for_patience_gets_it(tmp_path: Path, said: str, seconds: Any) -> None:
    pauses = Pauses()
    with receiver([answer(429, Retry_After=said)]) as server:
        assert call(server, tmp_path, pauses=pauses).delivered == 1
    assert pauses.seconds == [seconds]


def test_a_receiver_that_asks_for_too_much_patience_is_left_alone_until_the_next_run(tmp_path: Path) -> None:
    pauses = Pauses()
    with receiver([answer(429, Retry_After="3600")]) as server:
        result = call(server, tmp_path, 3, pauses=pauses)
        assert result == WebhookResult(waiting=3, waiting_because="the receiver asks for 3,600 seconds of patience")
        assert pauses.seconds == []
        assert call(server, tmp_path, 3) == WebhookResult(delivered=3)


@pytest.mark.parametrize("status", [400, 401, 404, 409, 410, 422])
def test_a_refusal_is_final_and_kept_as_a_dead_letter(tmp_path: Path, status: int) -> None:
    with receiver([answer(status)]) as server:
        assert call(server, tmp_path, 2) == WebhookResult(delivered=1, dead=1)
    assert server.keys == ["d0", "d1"]
    (letter,) = dead_letters(tmp_path)
    assert (letter["decision_id"], letter["status"], letter["reason"]) == ("d0", status, f"answered {status}")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirection_is_never_followed(tmp_path: Path, status: int) -> None:
    with receiver([]) as elsewhere, receiver([answer(status, Location=elsewhere.url)]) as server:
        assert call(server, tmp_path) == WebhookResult(dead=1)
    assert elsewhere.calls == []
    assert "not followed" in dead_letters(tmp_path)[0]["reason"]


@pytest.mark.parametrize(
    ("failing", "reason"),
    [
        (answer(500), "answered 500"),
        (answer(429), "answered 429"),
        (hang_up, "the connection failed (RemoteDisconnected)"),
        (talk_nonsense, "the connection failed (BadStatusLine)"),
        (stay_silent, "no answer within 0.2 seconds"),
    ],
)
def test_what_never_passes_is_given_up_after_a_few_calls_and_kept(tmp_path: Path, failing: Answer, reason: str) -> None:
    with receiver([], then=failing) as server:
        assert call(server, tmp_path, patience=SHORT) == WebhookResult(dead=1)
    assert server.keys == ["d0", "d0"]
    (letter,) = dead_letters(tmp_path)
    assert (letter["reason"], letter["attempts"]) == (reason, 2)
    assert (tmp_path / DEAD_LETTERS).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / RECEIPTS).stat().st_mode & 0o777 == 0o600


def test_a_receiver_that_answers_twice_is_heard_once(tmp_path: Path) -> None:
    with receiver([answer_twice, answer(200)]) as server:
        assert call(server, tmp_path, 2) == WebhookResult(delivered=2)
    assert server.keys == ["d0", "d1"]


def test_a_receiver_that_is_down_does_not_cost_a_night(tmp_path: Path) -> None:
    with receiver([]) as server:
        pass
    patience = Patience(attempts=2, failures_in_a_row=3)
    result = call(server, tmp_path, 10, patience=patience)
    assert (result.delivered, result.dead, result.waiting) == (0, 3, 7)
    assert result.waiting_because is not None
    assert "3 contacts in a row" in result.waiting_because


def test_nothing_is_sent_twice_by_a_rerun(tmp_path: Path) -> None:
    with receiver([answer(400)]) as server:
        assert call(server, tmp_path, 3) == WebhookResult(delivered=2, dead=1)
        assert call(server, tmp_path, 3) == WebhookResult(known=2, dead=1)
        assert call(server, tmp_path, 4) == WebhookResult(delivered=1, known=2, dead=1)
    assert server.keys == ["d0", "d1", "d2", "d3"]


def test_dead_letters_are_sent_again_when_somebody_asks(tmp_path: Path) -> None:
    with receiver([answer(400), answer(400)]) as server:
        assert call(server, tmp_path, 3).dead == 2
        assert call(server, tmp_path, 3, again=True) == WebhookResult(delivered=2, known=1)
    assert server.keys == ["d0", "d1", "d2", "d0", "d1"]
    assert dead_letters(tmp_path) == []


def test_a_run_that_was_killed_goes_on_where_it_ended(tmp_path: Path) -> None:
    with receiver([]) as server:
        call(server, tmp_path, 2)
        with (tmp_path / RECEIPTS).open("a") as file:
            file.write('{"decision_id": "d2", "verd')  # the last words of a killed process
        assert call(server, tmp_path, 4) == WebhookResult(delivered=2, known=2)
        assert call(server, tmp_path, 4) == WebhookResult(known=4)
    assert server.keys == ["d0", "d1", "d2", "d3"]


@pytest.mark.parametrize(
    ("window", "because"),
    [
        (Window(NOON + timedelta(hours=1), NOON + timedelta(hours=2)), "quiet hours until 2026-03-02T12:00 UTC"),
        (Window(NOON - timedelta(hours=2), NOON), "quiet hours since 2026-03-02T11:00 UTC"),
        (Window(NOON, NOON), "quiet hours since 2026-03-02T11:00 UTC"),
    ],
)
def test_nothing_is_sent_in_quiet_hours_and_the_result_says_when(tmp_path: Path, window: Window, because: str) -> None:
    with receiver([]) as server:
        assert call(server, tmp_path, 2, window=window) == WebhookResult(waiting=2, waiting_because=because)
    assert server.calls == []


def test_quiet_hours_that_begin_while_sending_end_it(tmp_path: Path) -> None:
    window = Window(NOON, NOON + timedelta(seconds=30))
    with receiver([answer(200), answer(503, Retry_After="40")]) as server:
        result = call(server, tmp_path, 3, window=window)
    assert (result.delivered, result.waiting) == (1, 2)
    assert server.keys == ["d0", "d1"]


@pytest.mark.parametrize(
    "url",
    [
        "http://crm.example.com/hook", "http://10.0.0.1/hook", "http://127.0.0.1.example.com/", "http://[2001:db8::1]/",
        "ftp://crm.example.com/", "crm.example.com/hook", "https://", "https://me:hunter2@crm.example.com/",
        "https://crm.example.com:none/", "https://crm.example.com/a b", "https://crm.example.com\\@evil.example/",
        "https://[::1", "https://crm.example.com/\r\nX-Evil: 1",
    ],
)  # fmt: skip
def test_an_address_to_which_nobody_may_send_contacts_is_refused_and_not_repeated(tmp_path: Path, url: str) -> None:
    with pytest.raises(BusinessFileError, match=r"delivery.webhook.url: the value of \$HOOK") as caught:
        address(url, tmp_path)
    assert "hunter2" not in str(caught.value)
    assert "example" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["http://localhost:8000/", "http://127.0.0.2/x", "http://[::1]:80/", "https://crm.example.com"]
)
def test_an_address_on_this_machine_or_encrypted_is_taken(tmp_path: Path, url: str) -> None:
    endpoint = address(url, tmp_path)
    assert endpoint.is_encrypted == url.startswith("https")
    assert endpoint.path.startswith("/")
    assert "secret-1" not in repr(endpoint)
    assert endpoint.host not in repr(endpoint)


@pytest.mark.parametrize("missing", ["HOOK", "KEY"])
def test_a_variable_that_is_not_set_is_named(tmp_path: Path, missing: str) -> None:
    business = make_business(tmp_path, delivery=delivery(webhook={"url": "$HOOK", "secret": "$KEY"}))
    environment = {"HOOK": "https://x.example", "KEY": "k"}
    for value in ("", " "):
        with pytest.raises(BusinessFileError, match=f"the environment variable {missing} is not set"):
            endpoint_of(business, {**environment, missing: value})
    assert endpoint_of(make_business(tmp_path), {}) is None
