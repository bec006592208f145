"""The chart of a run: how much of each promise is used up, as one SVG that any browser shows, 960 pixels wide."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from html import escape

from bench.reporting import Line

_WIDTH, _LEFT, _LIMIT, _TOP, _BOTTOM = 960, 448, 740, 40, 12
_CUT = 1.25
"""Shares beyond this are cut, and say so with an arrow."""
_CHARACTERS = 62
"""So many of a label's characters fit beside the bars in any usual sans serif of 13 pixels."""
_TEXT, _GAP, _TITLE = 17, 9, 31
_HELD, _MISSED, _INK, _PALE = "#0b7285", "#c92a2a", "#212529", "#868e96"


def draw_chart(groups: Mapping[str, Sequence[Line]]) -> str:
    """Draw one bar per line, in the order given and under the group's title, and the promise as a line at 100 %.

    A line that was not measured says so in place of its bar.

    Args:
        groups: The lines of each group by its title.
    """
    parts: list[str] = []
    y = _TOP
    for title, lines in groups.items():
        parts.append(f'<text x="12" y="{y + 20}" font-weight="600">{escape(title)}</text>')
        y += _TITLE
        for line in lines:
            drawn, height = _row(line, y)
            parts += drawn
            y += height
    height = y + _BOTTOM
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
            f'viewBox="0 0 {_WIDTH} {height}" role="img" font-family="system-ui, sans-serif" font-size="13" '
            f'fill="{_INK}">',
            "<title>How much of each promise is used up</title>",
            f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
            f'<text x="{_LIMIT}" y="20" text-anchor="middle">100 %: what was promised</text>',
            f'<line x1="{_LIMIT}" y1="28" x2="{_LIMIT}" y2="{y}" stroke="{_INK}" stroke-dasharray="4 3"/>',
            *parts,
            "</svg>\n",
        ]
    )


def _row(line: Line, top: int) -> tuple[list[str], int]:
    """Draw a line's label, its bar and what came out; return how high they are."""
    label = textwrap.wrap(line.what, _CHARACTERS, break_long_words=True)
    words = "".join(
        f'<tspan x="{_LEFT - 12}" y="{top + 13 + _TEXT * row}">{escape(text)}</tspan>' for row, text in enumerate(label)
    )
    middle = top + _TEXT * len(label) // 2
    told = f"<title>{escape(f'{line.what}: {line.measured}; goal: {line.goal}')}</title>"
    drawn = [f'<text text-anchor="end">{words}{told}</text>']
    if line.used is None:
        drawn.append(f'<text x="{_LEFT + 8}" y="{middle + 4}" fill="{_PALE}">not measured</text>')
    else:
        end = _LEFT + max(min(line.used, _CUT) * (_LIMIT - _LEFT), 1)
        arrow = " →" if line.used > _CUT else ""
        drawn += [
            f'<rect x="{_LEFT}" y="{middle - 9}" width="{end - _LEFT:.1f}" height="17" rx="2" '
            f'fill="{_HELD if line.used <= 1 else _MISSED}">{told}</rect>',
            f'<text x="{end + 7:.1f}" y="{middle + 4}" stroke="#ffffff" stroke-width="4" paint-order="stroke">'
            f"{line.used * 100:.{1 if line.used < 0.01 else 0}f} %{arrow}</text>",
        ]
    return drawn, _TEXT * len(label) + _GAP
