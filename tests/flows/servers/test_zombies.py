"""A run whose process died is known at once; a run that lives, of another machine or business, is left alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from flows.servers import zombies
from flows.servers.deployments import tag_of
from holdback.business import load_business
from holdback.workspace import Workspace
from tests.flows.shop import BUSINESS

RUNNER = """
import sys, time
from pathlib import Path
from uuid import UUID
from flows.servers import zombies
from holdback.business import load_business
from holdback.workspace import Workspace
zombies.stand_in_for(Workspace(Path(sys.argv[1]), load_business(sys.argv[2])), UUID(sys.argv[3]))
print("ready", flush=True)
time.sleep(120)
"""


@pytest.fixture
def business(tmp_path: Path) -> Path:
    path = tmp_path / "shop.yaml"
    path.write_text(BUSINESS.format(folder=tmp_path))
    return path


@pytest.fixture
def shop(tmp_path: Path, business: Path) -> Workspace:
    return Workspace(tmp_path / "home", load_business(business))


def runs(workspace: Workspace, business: Path, flow_run_id: UUID) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", RUNNER, str(workspace.root), str(business), str(flow_run_id)],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "ready"
    process.stdout.close()
    return process


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()


def test_a_run_lives_until_its_process_is_killed(shop: Workspace, business: Path) -> None:
    flow_run_id = uuid4()
    process = runs(shop, business, flow_run_id)
    try:
        assert (zombies.living_runs(shop), zombies.dead_runs(shop)) == ([flow_run_id], [])
    finally:
        kill(process)
    assert (zombies.living_runs(shop), zombies.dead_runs(shop)) == ([], [flow_run_id])


def test_a_run_that_ended_leaves_nothing_not_even_an_open_file(shop: Workspace) -> None:
    descriptors = len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 0
    for _ in range(5):
        flow_run_id = uuid4()
        zombies.stand_in_for(shop, flow_run_id)
        zombies.stand_in_for(shop, flow_run_id)
        assert zombies.living_runs(shop) == [flow_run_id]
        zombies.leave(flow_run_id)
        zombies.leave(flow_run_id)
    assert list((shop.folder / zombies.FOLDER).iterdir()) == []
    if descriptors:
        assert len(list(Path("/proc/self/fd").iterdir())) <= descriptors


def test_runs_of_other_machines_and_businesses_are_not_judged(shop: Workspace, business: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(business.read_text().replace("slug: shop", "slug: kiosk"))
    kiosk = Workspace(shop.root, load_business(other))
    for folder, host in ((shop.folder, "another-machine"), (kiosk.folder, zombies._machine())):
        (folder / zombies.FOLDER).mkdir(parents=True)
        (folder / zombies.FOLDER / f"{host}--{uuid4()}").touch()
    assert zombies.dead_runs(shop) == []
    assert len(zombies.dead_runs(kiosk)) == 1


def test_a_container_that_is_replaced_finds_its_runs_by_the_name_it_was_given(
    shop: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOLDBACK_MACHINE", "worker[1]/blue")
    flow_run_id = uuid4()
    (shop.folder / zombies.FOLDER).mkdir(parents=True)
    (shop.folder / zombies.FOLDER / f"worker[1]_blue--{flow_run_id}").touch()  # of the container before it
    (shop.folder / zombies.FOLDER / f"worker1_blue--{uuid4()}").touch()
    assert zombies.dead_runs(shop) == [flow_run_id]
    monkeypatch.setenv("HOLDBACK_MACHINE", "")
    assert zombies.dead_runs(shop) == []


def _flow_that_does_nothing(slot: UUID | None = None) -> None:
    """A flow's body."""


@pytest.mark.slow
def test_the_next_run_tells_prefect_and_frees_the_slot(
    shop: Workspace, business: Path, prefect_harness: None
) -> None:  # fmt: skip
    from prefect import flow
    from prefect.client.orchestration import get_client
    from prefect.states import Pending, Running, Scheduled

    idle = flow(_flow_that_does_nothing)
    with get_client(sync_client=True) as client:
        flow_id = client.create_flow(idle)
        deployment_id = client.create_deployment(flow_id, name=f"d-{uuid4()}", concurrency_limit=1)

        def made(*, tags: list[str], of_deployment: bool = True) -> UUID:
            if of_deployment:
                return client.create_flow_run_from_deployment(deployment_id, state=Scheduled(), tags=tags).id
            return client.create_flow_run(idle, state=Scheduled(), tags=tags).id

        def is_now(flow_run_id: UUID) -> str:
            return client.read_flow_run(flow_run_id).state_name or ""

        ours, others = [tag_of("shop")], [tag_of("kiosk")]
        killed, living, by_hand = made(tags=ours), made(tags=ours), made(tags=ours, of_deployment=False)
        kiosks = made(tags=others)
        for flow_run_id in (killed, living, by_hand, kiosks):
            client.set_flow_run_state(flow_run_id, Running(), force=True)
        submitted = made(tags=ours)
        client.set_flow_run_state(submitted, Pending(name="Submitting"), force=True)

        processes = [runs(shop, business, one) for one in (killed, living)]
        try:
            kill(processes[0])
            said = zombies.reap_runs(shop)
            assert len(said) == 1
            assert str(killed) in said[0]
            states = {one: is_now(one) for one in (killed, living, by_hand, kiosks, submitted)}
            assert states == {
                killed: "Crashed", living: "Running", by_hand: "Running", kiosks: "Running", submitted: "Submitting"
            }  # fmt: skip
            message = client.read_flow_run(killed).state.message or ""  # type: ignore[union-attr]  # just looked at
            assert "its process is dead" in message

            # The one worker of the deployment, before it starts: what was submitted is dead, too.
            zombies.reap_deployed_runs(shop)
            states = {one: is_now(one) for one in (living, by_hand, kiosks, submitted)}
            assert states == {living: "Running", by_hand: "Running", kiosks: "Running", submitted: "Crashed"}
            assert zombies.reap_runs(shop) == []
        finally:
            kill(processes[1])


@pytest.mark.slow
def test_with_a_companys_prefect_only_this_machines_own_runs_are_reaped(
    shop: Workspace, prefect_harness: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect import flow
    from prefect.client.orchestration import get_client
    from prefect.states import Running, Scheduled

    monkeypatch.setenv("HOLDBACK_PREFECT_IS_SHARED", "true")
    with get_client(sync_client=True) as client:
        flow_id = client.create_flow(flow(_flow_that_does_nothing))
        deployment_id = client.create_deployment(flow_id, name=f"d-{uuid4()}")
        elsewhere = client.create_flow_run_from_deployment(deployment_id, state=Scheduled(), tags=[tag_of("shop")]).id
        client.set_flow_run_state(elsewhere, Running(), force=True)
        assert zombies.reap_deployed_runs(shop) == []
        assert client.read_flow_run(elsewhere).state_name == "Running"
