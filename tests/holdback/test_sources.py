from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from holdback.errors import OperatorError
from holdback.mapping import shape_of
from holdback.sources import Offer, SeenFiles, find_offers, incoming, keep, write_atomically
from tests.holdback.shop import make_business

AS_OF = date(2026, 3, 2)


def found(folder: Path, pattern: str, *paths: str, **feed: Any) -> list[tuple[str, date | None]]:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("x")
    business = make_business(folder, source=pattern, **feed)
    offers, _ = find_offers(shape_of(business, "orders"), folder=business.folder, environment={}, as_of=AS_OF)
    return [(offer.name, offer.covers_on) for offer in offers]


def test_a_plain_path_is_one_file(tmp_path: Path) -> None:
    assert found(tmp_path, "in/a.csv", "in/a.csv", "in/b.csv") == [("a.csv", None)]


def test_a_glob_is_all_files_in_the_order_of_their_names_but_no_hidden_ones(tmp_path: Path) -> None:
    paths = ("in/2/b.csv", "in/1/b.csv", "in/1/a.csv", "in/1/.part.csv", "in/1/a.txt")
    assert found(tmp_path, "in/*/*.csv", *paths) == [("1/a.csv", None), ("1/b.csv", None), ("2/b.csv", None)]


def test_a_date_is_the_day_of_the_file_wherever_it_stands(tmp_path: Path) -> None:
    paths = ("in/2026-03-01/x-2026-03-01.csv", "in/2026-02-28/x-2026-02-28.csv", "in/2026-02-27/x-2026-02-26.csv",
             "in/2026-03-02/x-2026-03-02.csv", "in/2026-02-30/x-2026-02-30.csv", "in/soon/x-soon.csv")  # fmt: skip
    assert found(tmp_path, "in/{date}/x-{date}.csv", *paths) == [
        ("2026-02-28/x-2026-02-28.csv", date(2026, 2, 28)),
        ("2026-03-01/x-2026-03-01.csv", date(2026, 3, 1)),
    ]


def test_signs_of_regular_expressions_are_only_letters_in_a_path(tmp_path: Path) -> None:
    assert found(tmp_path, "in (1)+/x.{date}.csv", "in (1)+/x.2026-03-01.csv", "in (1)+/xy2026-02-01.csv") == [
        ("x.2026-03-01.csv", date(2026, 3, 1))
    ]


def test_a_folder_that_is_not_there_offers_nothing(tmp_path: Path) -> None:
    assert found(tmp_path, "nowhere/*/x.csv") == []


def test_a_landed_copy_is_what_was_hashed_and_is_gone_unless_kept(tmp_path: Path) -> None:
    source = tmp_path / "a.csv"
    source.write_bytes(b"a,b\n")
    landing = tmp_path / "landing"
    seen = SeenFiles.load(landing)
    offer = Offer("orders", "a.csv", source)
    with incoming(offer, landing, seen) as landed:
        source.write_bytes(b"changed meanwhile")
        assert landed.path.read_bytes() == b"a,b\n"
        assert landed.content == hashlib.sha256(b"a,b\n").hexdigest()
    assert list(landing.iterdir()) == []
    with incoming(offer, landing, seen) as landed:
        keep(landed, landing, "batch")
    assert (landing / "batch" / "a.csv").read_bytes() == b"changed meanwhile"
    with incoming(offer, landing, seen) as landed:
        assert keep(landed, landing, "batch") == landing / "batch" / "a.csv"
    assert [path.name for path in landing.iterdir()] == ["batch"]


def test_a_file_is_known_again_by_its_size_and_time(tmp_path: Path) -> None:
    source = tmp_path / "a.csv"
    source.write_bytes(b"a,b\n")
    seen = SeenFiles.load(tmp_path)
    assert seen.content_of(source) is None
    seen.remember(source, "abc", source.stat())
    seen.save()
    again = SeenFiles.load(tmp_path)
    assert again.content_of(source) == "abc"
    source.write_bytes(b"a,c\n!")
    assert again.content_of(source) is None


def test_a_source_that_cannot_be_read_is_for_an_operator(tmp_path: Path) -> None:
    with (
        pytest.raises(OperatorError, match=r"gone\.csv: No such file or directory.*The warehouse was not changed"),
        incoming(Offer("orders", "gone.csv", tmp_path / "gone.csv"), tmp_path / "landing", SeenFiles.load(tmp_path)),
    ):
        pass


def test_a_file_is_written_whole_or_not(tmp_path: Path) -> None:
    write_atomically(tmp_path / "f", b"one")
    write_atomically(tmp_path / "f", b"two")
    assert (tmp_path / "f").read_bytes() == b"two"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]
