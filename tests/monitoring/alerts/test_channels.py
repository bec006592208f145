"""The ways to people: real servers on this machine, what they took, and why they did not."""

import email
import email.policy
import json
import stat
import subprocess
from datetime import UTC
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from campaigns.delivery.signing import signature
from monitoring.alerts import try_channels
from tests.campaigns.delivery.receivers import answer, hang_up, receiver
from tests.monitoring.alerts.world import MONDAY, alerted, company, late, lines, mail_server, noon
from tests.servers import free_port


def _mail(port: int, **changes: Any) -> dict[str, Any]:
    return {
        "name": "mail", "kind": "email", "host": "localhost", "port": port, "encryption": "none",
        "from": "holdback@example.com", "to": ["ana@example.com", "bo@example.com"], **changes,
    }  # fmt: skip


def _read(mail: str) -> EmailMessage:
    found = email.message_from_string(mail, policy=email.policy.default)
    assert isinstance(found, EmailMessage)
    return found


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of localhost, signed by itself, and its key."""
    folder = tmp_path_factory.mktemp("certificate")
    paths = folder / "cert.pem", folder / "key.pem"
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-out", str(paths[0]), "-keyout", str(paths[1])],
        capture_output=True, text=True,
    )  # fmt: skip
    if made.returncode != 0:
        pytest.skip(f"openssl cannot make a certificate here ({made.stderr[-100:]})")
    return paths


def test_an_e_mail_has_a_line_a_text_and_a_name_that_stays(tmp_path: Path) -> None:
    with mail_server() as server:
        shop = company(tmp_path, [_mail(server.port)], repeat_after_days=1)
        late(shop, MONDAY, 4)
        assert alerted(shop, MONDAY).told == {"mail": 1}
    [mail] = map(_read, server.mails)
    assert mail["subject"] == "[Holdback] Shop: 1 warning (2025-09-01)"
    assert mail["to"] == "ana@example.com, bo@example.com"
    assert mail["date"] == "Mon, 01 Sep 2025 10:00:00 +0000"
    assert mail["message-id"].endswith("@holdback.invalid>")
    text = mail.get_content()
    assert "The newest event (tills) is 4 days old." in text
    assert "holdback alerts ack ID --by NAME" in text


def test_an_e_mail_is_encrypted_before_the_password_leaves(
    tmp_path: Path, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))  # trusted, as a company's own would be
    with mail_server(certificate=certificate, password="right") as server:
        signed = _mail(server.port, encryption="starttls", user="shop", password="$PASS")
        shop = company(tmp_path, [signed])
        late(shop, MONDAY, 4)
        assert alerted(shop, MONDAY, PASS="right").told == {"mail": 1}
    assert (server.sign_ins, server.was_encrypted) == (1, [True])


def test_a_server_whose_certificate_is_not_trusted_gets_no_password(
    tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    with mail_server(certificate=certificate, password="right") as server:
        shop = company(tmp_path, [_mail(server.port, encryption="starttls", user="shop", password="$PASS")])
        late(shop, MONDAY, 4)
        found = alerted(shop, MONDAY, PASS="right")
    assert found.unreached == {"mail": "its certificate is not trusted, or it does not speak TLS (1 try)."}
    assert server.sign_ins == 0


def test_a_server_without_encryption_gets_no_mail_that_must_be_encrypted(tmp_path: Path) -> None:
    with mail_server() as server:
        shop = company(tmp_path, [_mail(server.port, encryption="starttls")])
        late(shop, MONDAY, 4)
        found = alerted(shop, MONDAY)
    assert "it offers no encryption" in found.unreached["mail"]
    assert server.mails == []


@pytest.mark.parametrize(
    ("greeting", "reason"),
    [("421 busy", "it answered 421 (2 tries)."), ("554 never SECRET", "it answered 554 (1 try).")],
)
def test_what_a_mail_server_says_is_told_as_a_number(tmp_path: Path, greeting: str, reason: str) -> None:
    with mail_server(greets_with=greeting) as server:
        shop = company(tmp_path, [_mail(server.port)])
        late(shop, MONDAY, 4)
        assert alerted(shop, MONDAY).unreached == {"mail": reason}


def test_one_wrong_address_keeps_the_mail_from_nobody_else_and_is_said(tmp_path: Path) -> None:
    with mail_server(refuses=["bo@"]) as server:
        shop = company(tmp_path, [_mail(server.port)])
        late(shop, MONDAY, 4)
        found = alerted(shop, MONDAY)
        assert alerted(shop, MONDAY).did_nothing
    assert found.notes == ("mail: 1 of 2 recipients were refused by the server",)
    assert [len(to) for to in server.recipients] == [1]


def test_when_every_address_is_wrong_the_channel_is_not_reached(tmp_path: Path) -> None:
    with mail_server(refuses=["@"]) as server:
        shop = company(tmp_path, [_mail(server.port)])
        late(shop, MONDAY, 4)
        assert alerted(shop, MONDAY).unreached == {"mail": "it refuses 2 of the recipients (1 try)."}


def test_a_mail_server_that_is_not_there_is_said(tmp_path: Path) -> None:
    shop = company(tmp_path, [_mail(free_port())])
    late(shop, MONDAY, 4)
    assert alerted(shop, MONDAY).unreached == {"mail": "the connection failed (ConnectionRefusedError) (2 tries)."}


def test_a_channel_with_an_odd_value_stops_no_other_and_repeats_nothing(tmp_path: Path) -> None:
    host = f"{'a' * 64}.example.com"
    with mail_server(password="right") as server:
        shop = company(
            tmp_path,
            [_mail(server.port, user="shop", password="$PASS"),
             {"name": "hook", "kind": "webhook", "url": "$HOOK", "secret": "$KEY"},
             {"name": "team", "kind": "slack", "url": "$SLACK"},
             {"name": "book", "kind": "file"}],
        )  # fmt: skip
        late(shop, MONDAY, 4)
        told = {"PASS": "contraseña", "HOOK": f"https://{host}/x", "KEY": "k", "SLACK": "https://mail..example.com/x"}
        found = alerted(shop, MONDAY, **told)
    assert found.told == {"book": 4}
    assert found.unreached == {
        "mail": "it cannot be used as it is declared (UnicodeEncodeError).",
        "hook": "its address is not one of the internet (1 try).",
        "team": "its address is not one of the internet (1 try).",
    }


def test_a_call_is_signed_as_contacts_are(tmp_path: Path) -> None:
    with receiver([hang_up, answer(503)]) as hook:
        shop = company(tmp_path, [{"name": "hook", "kind": "webhook", "url": "$HOOK", "secret": "$KEY"}])
        late(shop, MONDAY, 4)
        alerted(shop, MONDAY, HOOK=hook.url, KEY="k")
        assert alerted(shop, MONDAY, HOOK=hook.url, KEY="k").told == {"hook": 1}
    call = hook.calls[-1]
    sent_at = int(noon(MONDAY).replace(tzinfo=UTC).timestamp())
    assert call.headers["x-holdback-signature"] == signature("k", sent_at, call.body)
    told = json.loads(call.body)
    [item] = told["alerts"]
    assert {name: item[name] for name in ("rule", "about", "metric", "value", "line", "crossed_when", "state")} == {
        "rule": "feed_too_old", "about": "tills", "metric": "feed_age_days", "value": 4.0, "line": 3.0,
        "crossed_when": "above", "state": "new",
    }  # fmt: skip
    assert item["runbook"] == "docs/runbook.md#feed-too-old"


def test_slack_gets_a_text_whose_special_characters_are_written_out(tmp_path: Path) -> None:
    with receiver([]) as team:
        shop = company(tmp_path, [{"name": "team", "kind": "slack", "url": "$SLACK"}])
        object.__setattr__(shop, "business", shop.business.model_copy(update={"name": "A & B <*>"}))
        late(shop, MONDAY, 4)
        alerted(shop, MONDAY, SLACK=team.url)
    [call] = team.calls
    assert json.loads(call.body)["text"].startswith("*[Holdback] A &amp; B &lt;∗&gt;: 1 warning")
    assert "x-holdback-signature" not in call.headers


def test_addresses_outside_this_machine_must_be_encrypted(tmp_path: Path) -> None:
    shop = company(tmp_path, [{"name": "team", "kind": "slack", "url": "$SLACK"}])
    late(shop, MONDAY, 4)
    found = alerted(shop, MONDAY, SLACK="http://hooks.example.com/T0/SECRET")
    assert "Alerts travel encrypted unless they stay on this machine" in found.unreached["team"]
    assert "SECRET" not in found.unreached["team"]


def test_the_file_is_for_its_owner_alone_and_only_grows(tmp_path: Path) -> None:
    shop = company(tmp_path, [{"name": "book", "kind": "file", "path": "log/alerts.jsonl"}])
    late(shop, MONDAY, 4)
    alerted(shop, MONDAY)
    path = shop.folder / "log" / "alerts.jsonl"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(lines(shop, "log/alerts.jsonl")) == 1


def test_a_file_that_leads_out_of_the_workspace_is_not_written(tmp_path: Path) -> None:
    shop = company(tmp_path / "shop", [{"name": "book", "kind": "file", "path": "log/alerts.jsonl"}])
    (tmp_path / "elsewhere").mkdir()
    shop.folder.mkdir(parents=True, exist_ok=True)
    (shop.folder / "log").symlink_to(tmp_path / "elsewhere")
    found = try_channels(shop, MONDAY, now=noon(MONDAY), environment={})
    assert "leads out of the workspace" in (found["book"] or "")
    assert list((tmp_path / "elsewhere").iterdir()) == []
