"""Sources as they are at three in the morning: gone, slow, half-written, replaced, cut, forbidden, crowded."""

from __future__ import annotations

import gzip
import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from holdback.errors import ContractBroken, HoldbackError, OperatorError
from holdback.ingest import ingest
from holdback.sources import Offer, SeenFiles, _copy_query, find_offers, incoming
from tests.holdback.shop import AS_OF, contents, make_business, make_workspace, order, orders, stored, write_csv
from tests.servers import postgres_server

NEXT = AS_OF + timedelta(days=1)
KEYED: dict[str, Any] = {"key": "order_id"}


@contextmanager
def while_reading(path: Path, change: Callable[[], None]) -> Iterator[None]:
    """Read a path slowly: it is a large file, and ``change`` happens as soon as our copy of it has begun."""
    landing, stop = path.parent.parent / "work" / "shop" / "landing", threading.Event()

    def watch() -> None:
        while not stop.is_set():
            if any(copy.stat().st_size for copy in landing.glob(".incoming-*/*")):
                change()
                return
            time.sleep(0.0002)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=30)


def large(count: int = 400_000) -> list[list[str]]:
    return [order(1)] * count


def grow(path: Path) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write("c9,2026-03-01 11:00:00,1.00,o9,book\r\n")


def replace(path: Path) -> None:
    write_csv(path.with_name(".new"), orders(3))
    path.with_name(".new").replace(path)


@pytest.mark.parametrize("change", [grow, replace, Path.unlink])
def test_a_file_that_changes_while_it_is_read_is_not_loaded_and_the_next_run_loads_it_whole(
    tmp_path: Path, change: Callable[[Path], None]
) -> None:
    """Seen before the mend: 400,000 rows of a file that had 400,001 by then were loaded as if they were all."""
    path = write_csv(tmp_path / "orders" / "a.csv", large())
    workspace = make_workspace(tmp_path)
    with while_reading(path, lambda: change(path)), pytest.raises(OperatorError) as caught:
        ingest(workspace, AS_OF)
    assert "changed while it was read" in str(caught.value) or "No such file" in str(caught.value)
    assert workspace.warehouse.version("orders") is None
    assert list(workspace.landing.iterdir()) == []
    if change is Path.unlink:
        return
    whole = write_csv(path, orders(5))
    assert ingest(workspace, AS_OF).clean == 5, whole


def test_a_file_that_is_gone_between_listing_and_reading_is_for_an_operator(tmp_path: Path) -> None:
    """Seen before the mend: a bare FileNotFoundError, which no flow repeats and no message explains."""
    path = tmp_path / "a.csv"
    path.write_text("a")
    seen = SeenFiles.load(tmp_path)
    seen.remember(path, "abc", path.stat())
    path.unlink()
    with pytest.raises(OperatorError, match=r"a\.csv: No such file or directory\..*The warehouse was not changed"):
        seen.content_of(path)


def test_half_a_file_is_corrected_by_the_whole_one(tmp_path: Path) -> None:
    """Nothing tells that a sender paused: half a line is kept aside, and the whole file corrects all of it."""
    path = tmp_path / "orders" / "a.csv"
    write_csv(path, orders(10))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    workspace = make_workspace(tmp_path, **KEYED)
    first = ingest(workspace, AS_OF)
    assert first.quarantined == 1
    path.write_bytes(whole)
    second = ingest(workspace, NEXT)
    assert second.offered == 10
    assert sorted(stored(workspace, "order_id")) == sorted((f"o{number}",) for number in range(1, 11))


def test_a_cut_archive_is_refused_with_what_it_is(tmp_path: Path) -> None:
    packed = gzip.compress(b"customer,at,amount,order,kind\r\n" * 100)
    path = tmp_path / "orders" / "a.csv"
    path.parent.mkdir()
    path.write_bytes(packed[: len(packed) // 2])
    workspace = make_workspace(tmp_path)
    with pytest.raises(ContractBroken, match=r"a\.csv: .*gzip.*Nothing was written"):
        ingest(workspace, AS_OF)
    assert workspace.warehouse.version("orders") is None


def test_a_pipe_is_no_file_and_nobody_waits_for_it(tmp_path: Path) -> None:
    (tmp_path / "orders").mkdir()
    os.mkfifo(tmp_path / "orders" / "a.csv")
    with pytest.raises(ContractBroken, match="orders: no file"):
        ingest(make_workspace(tmp_path), AS_OF)


def test_a_source_that_is_gone_is_said_and_yesterday_stands(tmp_path: Path) -> None:
    write_csv(tmp_path / "orders" / "a.csv", orders(3))
    workspace = make_workspace(tmp_path)
    ingest(workspace, AS_OF)
    before = contents(workspace)
    shutil.rmtree(tmp_path / "orders")
    with pytest.raises(ContractBroken, match="Nothing was written"):
        ingest(workspace, NEXT)
    assert contents(workspace) == before


def test_a_file_that_may_not_be_read_is_for_an_operator_and_names_the_file(tmp_path: Path) -> None:
    """As somebody without rights: root reads everything, so a child gives its rights up."""
    path = write_csv(tmp_path / "orders" / "a.csv", orders(3))
    path.chmod(0)
    if os.getuid() != 0:
        with pytest.raises(OperatorError, match=r"a\.csv: Permission denied"):
            ingest(make_workspace(tmp_path), AS_OF)
        return
    told, closed = os.pipe()
    for folder in (tmp_path, *list(tmp_path.parents)[:3]):
        folder.chmod(0o777)
    child = os.fork()
    if child == 0:
        os.setresuid(65534, 65534, 65534)
        try:
            with incoming(Offer("orders", "a.csv", path), tmp_path / "landing", SeenFiles.load(tmp_path)):
                pass
        except HoldbackError as error:
            os.write(closed, f"{type(error).__name__}: {error}".encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(closed)
    said = os.read(told, 10_000).decode()
    os.close(told)
    assert said.startswith("OperatorError")
    assert "a.csv: Permission denied. Check free space and permissions" in said


def test_a_folder_with_ten_thousand_other_files_is_looked_through_at_once(tmp_path: Path) -> None:
    (tmp_path / "orders").mkdir()
    for number in range(10_000):
        (tmp_path / "orders" / f"log-{number:05d}.csv").touch()
    write_csv(tmp_path / "orders" / "2026-03-01.csv", orders(3))
    business = make_business(tmp_path, source="orders/{date}.csv")
    from holdback.mapping import shape_of

    before = time.process_time()
    offers, _ = find_offers(shape_of(business, "orders"), folder=business.folder, environment={}, as_of=AS_OF)
    assert [offer.name for offer in offers] == ["2026-03-01.csv"]
    assert time.process_time() - before < 2


def test_ten_thousand_files_that_were_loaded_are_known_again_at_once(tmp_path: Path) -> None:
    """Asked as ingest asks: by size and time, then among ten thousand batches."""
    from holdback.batches import BatchRecord, History, batch_id_of

    seen = SeenFiles.load(tmp_path)
    day = AS_OF - timedelta(days=1)
    instant = make_business(tmp_path).instant(day)
    records = []
    for number in range(10_000):
        path = tmp_path / f"{number}.csv"
        path.touch()
        seen.remember(path, f"content {number}", path.stat())
        known: dict[str, Any] = dict.fromkeys(BatchRecord.__dataclass_fields__)
        known |= {"batch_id": batch_id_of("f", f"content {number}"), "feed": "orders", "source": path.name,
                  "as_of": day, "loaded_at": instant, "sequence": number, "content": f"content {number}"}  # fmt: skip
        records.append(BatchRecord(**known))
    history = History(records)
    before = time.process_time()
    for number in range(10_000):
        content = seen.content_of(tmp_path / f"{number}.csv")
        assert content is not None
        assert history.find(batch_id_of("f", content)) is not None
        assert history.latest_of_source("orders", f"{number}.csv") is not None
    assert time.process_time() - before < 3


@contextmanager
def trickling_server() -> Iterator[str]:
    """A server that says one byte a second, whatever it is asked."""
    server, stop = socket.create_server(("127.0.0.1", 0)), threading.Event()

    def serve() -> None:
        with server.accept()[0] as line:
            while not stop.wait(1.0):
                try:
                    line.sendall(b"N")
                except OSError:
                    return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"postgresql://shop:hunter2@127.0.0.1:{server.getsockname()[1]}/db?sslmode=disable"
    finally:
        stop.set()
        server.close()
        thread.join(timeout=5)


def test_a_server_that_talks_nonsense_slowly_is_not_waited_for(tmp_path: Path) -> None:
    before = time.monotonic()
    with trickling_server() as address, pytest.raises(OperatorError, match="cannot be reached") as caught:
        _copy_query(Offer("orders", "postgresql://$DB", None, connection=address, query="select 1"), tmp_path / "x.csv")
    assert "hunter2" not in str(caught.value)
    assert time.monotonic() - before < 60


@pytest.mark.postgres
def test_a_database_that_trickles_restarts_or_is_away_costs_a_bounded_time_and_a_clear_word(tmp_path: Path) -> None:
    import psycopg

    with postgres_server("shop") as address:
        trickle = Offer(
            "orders", "postgresql://$DB", None, connection=address,
            query="select i, pg_sleep(0.2) from generate_series(1, 100000) i",
        )  # fmt: skip
        before = time.monotonic()
        with pytest.raises(OperatorError, match=r"did not answer the query as a whole within 0\.025 minutes") as slow:
            _copy_query(trickle, tmp_path / "x.csv", most_seconds=1.5)
        assert time.monotonic() - before < 20
        assert "hunter2" not in str(slow.value)

        is_over = threading.Event()

        def end_it() -> None:
            with psycopg.connect(address, autocommit=True) as connection:
                while not is_over.wait(0.1):  # again and again: the first query's session may still be going down
                    connection.execute(
                        "select pg_terminate_backend(pid) from pg_stat_activity where query like 'copy%' and pid <>"
                        " pg_backend_pid() and state = 'active'"
                    )

        thread = threading.Thread(target=end_it)
        thread.start()
        try:
            with pytest.raises(OperatorError, match=r"cannot be reached.*Nothing was written"):
                _copy_query(trickle, tmp_path / "x.csv", most_seconds=60)
        finally:
            is_over.set()
            thread.join(timeout=30)

        workspace = make_workspace(
            tmp_path, source="postgresql://$SHOP_DB", environment={"SHOP_DB": address},
            query="select 'c' || i as customer, timestamptz '2026-03-01 10:00+00' as at, 1.00 as amount,"
            " 'o' || i as order, 'x' as kind from generate_series(1, 5) i",
        )  # fmt: skip
        assert ingest(workspace, AS_OF).clean == 5  # it is back
    with pytest.raises(OperatorError, match="cannot be reached"):
        ingest(workspace, NEXT)
    assert len(stored(workspace, "order_id")) == 5
