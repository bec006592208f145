"""Where the site is published is checked before anything is built."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from holdback.business import check_business, load_business
from tests.holdback.shop import FILE


def written(folder: Path, **portal: Any) -> Path:
    path = folder / "shop.yaml"
    path.write_text(yaml.safe_dump({**FILE, "portal": portal}), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "target",
    [
        "site",
        "/srv/www/holdback",
        "file:///srv/www/holdback",
        "s3://acme/holdback?region=eu-west-1",
        "gs://acme",
        "$SITE",
    ],
)
def test_a_folder_or_a_bucket_is_a_place_to_publish_to(tmp_path: Path, target: str) -> None:
    assert load_business(written(tmp_path, publish_to=target)).portal.publish_to == target


def test_without_the_section_nothing_is_published_and_thirty_days_stay(tmp_path: Path) -> None:
    portal = load_business(written(tmp_path)).portal
    assert (portal.publish_to, portal.keep_days) == (None, 30)


@pytest.mark.parametrize(
    ("portal", "fault"),
    [
        ({"publish_to": "https://acme.example/site"},
         "shop.yaml: portal.publish_to: must be a folder, or start with file://, s3:// or gs:// "
         "(got 'https://acme.example/site')."),
        ({"publish_to": "s3://AKIA:secret@acme/site"}, "must not hold keys"),
        ({"publish_to": "s3:///site"}, "must name a bucket: s3://bucket/folder"),
        ({"publish_to": "file://site"}, "must be file:///folder with three strokes"),
        ({"publish_to": " site"}, "must be a folder, or an address"),
        ({"publish_to": ""}, "must be a folder, or an address"),
        ({"publish_to": "$SITE/today"}, "must be the whole $NAME of an environment variable"),
        ({"publish_to": 3}, "portal.publish_to: must be text"),
        ({"publsh_to": "site"}, "portal.publsh_to: unknown key. Did you mean 'publish_to'?"),
        ({"keep_days": 0}, "portal.keep_days: must be at least 1 (got 0)."),
    ],
    ids=lambda value: next(iter(value.values())) if isinstance(value, dict) else "",
)  # fmt: skip
def test_a_fault_names_its_path_and_its_rule(tmp_path: Path, portal: dict[str, Any], fault: str) -> None:
    [found] = check_business(written(tmp_path, **portal))
    assert fault in found
