"""A whole day's delivery: files, calls, and what happens when it is interrupted, repeated or cannot be done."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from campaigns.delivery import Patience, contacts, deliver, resend
from campaigns.delivery.contact_list import MANIFEST
from holdback.errors import BusinessFileError, Busy, DataError, OperatorError
from holdback.workspace import Workspace
from tests.campaigns.delivery.company import (
    AS_OF,
    NOON,
    TOMORROW,
    customer,
    delivery,
    make_workspace,
    put,
    stock,
)
from tests.campaigns.delivery.receivers import Pauses, answer, receiver

HOOK = {"url": "$HOOK", "secret": "$KEY"}
NIGHT = datetime(2026, 3, 2, 21)


def with_hook(folder: Path, url: str) -> Workspace:
    return make_workspace(folder, delivery=delivery(webhook=HOOK), environment={"HOOK": url, "KEY": "k"})


def test_a_day_is_delivered_as_files_and_calls_and_told_in_numbers(tmp_path: Path) -> None:
    with receiver([]) as server:
        workspace = with_hook(tmp_path, server.url)
        stock(workspace, "ana", "bea")
        put(workspace, "customers", customer("bea", has_consent=False))
        done = deliver(workspace, AS_OF, now=NOON.replace(tzinfo=UTC), wait=Pauses())
    assert (done.contact_count, dict(done.contacts)) == (1, {"email": 0, "phone": 1})
    assert dict(done.refused) == {"no consent": 1}
    assert done.webhook is not None
    assert done.webhook.delivered == 1
    assert done.paths[-1].name == MANIFEST
    assert all(path.is_file() for path in done.paths)
    body = json.loads(server.calls[0].body)
    assert (body["business"], body["as_of"], body["customer_id"]) == ("carrier", "2026-03-02", "ana")
    assert body["incentive_amount"] == 30
    assert body["contact_from"] == "2026-03-02T09:00:00+01:00"
    told = f"{done}{done!r}"
    assert "1 contacts, 1 refused" in told
    assert "ana" not in told
    assert "bea" not in told


def test_a_call_carries_only_what_its_channel_needs(tmp_path: Path) -> None:
    with receiver([]) as server:
        workspace = with_hook(tmp_path, server.url)
        stock(workspace, "ana", action="mail")
        deliver(workspace, AS_OF, now=NOON, wait=Pauses())
    body = json.loads(server.calls[0].body)
    assert "city" in body
    assert not {"age", "vip", "unit_id", "version", "gender"} & set(body)


def test_a_second_delivery_changes_no_byte_and_calls_nobody(tmp_path: Path) -> None:
    with receiver([]) as server:
        workspace = with_hook(tmp_path, server.url)
        stock(workspace, "ana", "bea")
        first = deliver(workspace, AS_OF, now=NOON, wait=Pauses())
        before = {path: path.read_bytes() for path in first.paths}
        second = deliver(workspace, AS_OF, now=NOON + timedelta(hours=1), wait=Pauses())
    assert {path: path.read_bytes() for path in second.paths} == before
    assert second.webhook is not None
    assert (second.webhook.delivered, second.webhook.known) == (0, 2)
    assert len(server.calls) == 2


def test_in_quiet_hours_the_list_is_written_and_nobody_is_called(tmp_path: Path) -> None:
    with receiver([]) as server:
        workspace = with_hook(tmp_path, server.url)
        stock(workspace, "ana")
        early = deliver(workspace, AS_OF, now=datetime(2026, 3, 2, 5), wait=Pauses()).webhook
        late = deliver(workspace, AS_OF, now=NIGHT, wait=Pauses()).webhook
        next_day = deliver(workspace, AS_OF, now=NOON + timedelta(days=1), wait=Pauses()).webhook
        assert server.calls == []
    assert [result.waiting_because for result in (early, late, next_day) if result] == [
        "quiet hours until 2026-03-02T08:00 UTC",
        "quiet hours since 2026-03-02T20:00 UTC",
        "quiet hours since 2026-03-02T20:00 UTC",
    ]


def test_what_was_given_up_can_be_sent_again_on_the_next_day_to_those_who_still_may_be_contacted(
    tmp_path: Path,
) -> None:
    with receiver([answer(422)] * 3) as server:
        workspace = with_hook(tmp_path, server.url)
        stock(workspace, "ana", "bea", "eva")
        first = deliver(workspace, AS_OF, now=NOON, wait=Pauses()).webhook
        assert first is not None
        assert first.dead == 3
        put(workspace, "customers", customer("bea", no_mail=True, loaded_at=workspace.business.instant(TOMORROW)))
        asleep = resend(workspace, AS_OF, now=NIGHT, wait=Pauses())
        assert (asleep.delivered, asleep.waiting) == (0, 2)
        again = resend(workspace, AS_OF, now=NOON + timedelta(days=1), wait=Pauses())
    assert (again.delivered, again.dead) == (2, 0)
    assert server.keys[3:] == [f"d-ana-{AS_OF}", f"d-eva-{AS_OF}"]


def test_nothing_can_be_sent_again_without_a_webhook_or_before_the_day_was_delivered(tmp_path: Path) -> None:
    with pytest.raises(BusinessFileError, match=r"delivery\.webhook"):
        resend(make_workspace(tmp_path), AS_OF, now=NOON, wait=Pauses())
    with pytest.raises(DataError, match="was not delivered yet"):
        resend(with_hook(tmp_path, "https://x.example"), AS_OF, now=NOON, wait=Pauses())


@pytest.mark.parametrize(
    ("sections", "name"),
    [
        ({"webhook": HOOK}, "HOOK"),
        ({"postgres": {"url": "postgresql://$CRM_DB"}}, "CRM_DB"),
    ],
)
def test_an_unset_variable_stops_the_delivery_before_anything_is_written(
    tmp_path: Path, sections: dict[str, Any], name: str
) -> None:
    workspace = make_workspace(tmp_path, delivery=delivery(**sections))
    stock(workspace, "ana")
    with pytest.raises(BusinessFileError, match=f"the environment variable {name} is not set"):
        deliver(workspace, AS_OF, now=NOON, wait=Pauses())
    assert not workspace.outbox.exists()


def test_two_deliveries_at_once_do_not_meet(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    with workspace.lock("delivery"), pytest.raises(Busy):
        deliver(workspace, AS_OF, now=NOON, wait=Pauses())


def test_an_outbox_that_cannot_be_written_is_for_an_operator(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    stock(workspace, "ana")
    workspace.outbox.write_text("a file where a folder must be")  # fails for root too
    with pytest.raises(OperatorError, match=r"outbox.*Check free space and permissions"):
        deliver(workspace, AS_OF, now=NOON, wait=Pauses())


def test_a_full_disk_leaves_whole_files_and_a_later_run_completes_them(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    stock(workspace, *(f"customer-{i:05}" for i in range(300)))
    folder = workspace.outbox / AS_OF.isoformat()
    folder.mkdir(parents=True)
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24k", "tmpfs", str(folder)], capture_output=True, text=True
    )
    if made.returncode != 0:
        pytest.skip(f"cannot mount a small disk here ({made.stderr.strip()}); needs root")
    try:
        with pytest.raises(OperatorError, match="space"):
            deliver(workspace, AS_OF, now=NOON, wait=Pauses())
        left = {path.name for path in folder.iterdir()}
        assert MANIFEST not in left
        assert not [name for name in left if name.startswith(".")]
        subprocess.run(["mount", "-o", "remount,size=8m", str(folder)], check=True)
        assert deliver(workspace, AS_OF, now=NOON, wait=Pauses()).contact_count == 300
        assert (folder / MANIFEST).is_file()
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.slow
def test_killed_at_any_moment_a_delivery_ends_like_one_that_was_not(tmp_path: Path) -> None:
    names = ("ana", "bea", "eva")
    with receiver([]) as server:
        undisturbed = with_hook(tmp_path / "undisturbed", server.url)
        stock(undisturbed, *names)
        wanted = {p.name: p.read_bytes() for p in deliver(undisturbed, AS_OF, now=NOON, wait=Pauses()).paths}
    for moment in range(1, 40, 2):
        folder = tmp_path / str(moment)
        with receiver([]) as server:
            workspace = with_hook(folder, server.url)
            stock(workspace, *names)
            program = [sys.executable, "-m", "tests.campaigns.delivery.killed_delivery"]
            ended = subprocess.run(
                [*program, str(folder), server.url, str(moment)],
                env={**os.environ, "PYTHONPATH": str(Path.cwd())}, capture_output=True, text=True,
            )  # fmt: skip
            assert ended.returncode in (0, -signal.SIGKILL), ended.stderr
            done = deliver(workspace, AS_OF, now=NOON, wait=Pauses())
        assert {path.name: path.read_bytes() for path in done.paths} == wanted
        assert not list(done.paths[0].parent.glob(".draft-*"))
        assert set(server.keys) == set(contacts(workspace, AS_OF)["decision_id"].to_pylist())
        # Only the one call whose answer was not written down yet can come twice, with its key.
        assert len(server.keys) <= len(names) + 1
        if ended.returncode == 0:
            assert moment > 20
            return
    pytest.fail("the delivery never came to its end")


def test_nothing_is_waited_for_in_earnest(tmp_path: Path) -> None:
    pauses = Pauses()
    with receiver([answer(503, Retry_After="100")]) as server:
        workspace = with_hook(tmp_path, server.url)
        stock(workspace, "ana")
        done = deliver(workspace, AS_OF, now=NOON, wait=pauses, patience=Patience(attempts=2))
    assert done.webhook is not None
    assert done.webhook.delivered == 1
    assert pauses.total == timedelta(seconds=100)
