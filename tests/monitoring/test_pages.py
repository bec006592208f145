"""The look of the pages, and how they are written."""

import os
import re
from pathlib import Path

import pytest

from holdback.errors import OperatorError
from monitoring.pages import write_page


def colours(css: str) -> dict[str, dict[str, str]]:
    light, dark = re.findall(r":root \{(.*?)\}", css, re.S)
    return {
        "light": dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", light)),
        "dark": dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", dark)),
    }


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(a: str, b: str) -> float:
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_computed_as_the_standard_says():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)  # the well-known lightest grey that passes


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_can_be_read_and_shapes_be_seen(pages_folder, scheme):
    c = colours((pages_folder / "style.css").read_text())[scheme]
    words = [(text, ground) for text in ("ink", "muted", "accent") for ground in ("paper", "card", "none-soft")]
    words += [(state, ground) for state in ("good", "look", "bad") for ground in (f"{state}-soft", "card")]
    words += [("ink", f"{state}-soft") for state in ("good", "look", "bad")] + [("muted", "none-soft")]
    assert {
        pair: round(contrast(c[pair[0]], c[pair[1]]), 2) for pair in words if contrast(c[pair[0]], c[pair[1]]) < 4.5
    } == {}
    shapes = [("today", "card"), ("high", "card"), ("bad", "card")]
    assert {pair for pair in shapes if contrast(c[pair[0]], c[pair[1]]) < 3} == set()


def test_both_schemes_name_the_same_colours(pages_folder):
    found = colours((pages_folder / "style.css").read_text())
    assert set(found["light"]) == set(found["dark"])


def test_a_page_is_replaced_whole(tmp_path):
    path = tmp_path / "reports" / "page.html"
    write_page(path, "one")
    write_page(path, "two")
    assert path.read_text() == "two"
    assert [p.name for p in path.parent.iterdir()] == ["page.html"]


def test_a_page_that_cannot_be_written_leaves_the_old_one(tmp_path):
    path = tmp_path / "page.html"
    path.mkdir()  # nothing can replace a folder that is not empty
    (path / "inside").touch()
    with pytest.raises(OperatorError, match="Nothing was changed"):
        write_page(path, "new")
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]


def test_what_a_killed_writer_left_is_swept_and_a_living_one_goes_on(tmp_path: Path) -> None:
    page = tmp_path / "day.html"
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    dead, living = (tmp_path / f".day.html.{process}.part" for process in (child, os.getppid()))
    for part in (dead, living):
        part.write_text("half")
    write_page(page, "<p>whole</p>")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([living.name, "day.html"])
