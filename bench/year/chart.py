"""The picture of the study, written by hand as SVG: what each policy's decisions add up to over the year."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
from scipy import stats

from bench.year.study import Summary
from bench.year.world import EVERYBODY, NOBODY, ORACLE, PLATFORM, RISK

_WIDTH, _HEIGHT = 480, 430
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 144, 90, 40
#: Colours that remain different for the colour-blind (Okabe and Ito); only the platform is bold.
_LINES = (
    (ORACLE, "oracle", "#5c6b73", 2.0), (PLATFORM, "Holdback", "#0072b2", 4.0), (NOBODY, "nobody", "#8a8a8a", 1.5),
    (RISK, "by risk", "#d55e00", 2.5), (EVERYBODY, "everybody", "#a0522d", 2.5),
)  # fmt: skip
_MONTHS = ("Jan", "Apr", "Jul", "Oct", "Jan")


def draw_chart(worlds: Sequence[Summary]) -> str:
    """Return the picture: means over worlds with 95 % bands, in thousands of currency units.

    Lines that leave the picture downwards are cut there, and their label says where they end.
    """
    sums = {
        name: np.cumsum([world["policies"][name]["earned_by_week"] for world in worlds], axis=1) / 1000.0
        for name, *_ in _LINES
    }
    count = len(worlds)
    half = {
        name: stats.t.ppf(0.975, max(count - 1, 1)) * found.std(axis=0, ddof=1 if count > 1 else 0) / np.sqrt(count)
        for name, found in sums.items()
    }
    means = {name: np.concatenate([[0.0], found.mean(axis=0)]) for name, found in sums.items()}
    bands = {name: np.concatenate([[0.0], each]) for name, each in half.items()}
    top = max(float((means[name] + bands[name]).max()) for name in means)
    bottom = max(-top, min(float(means[name].min()) for name in (RISK, PLATFORM)) * 1.1)
    step = _step(top - bottom)
    weeks = len(means[ORACLE]) - 1

    def x(week: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * week / weeks

    def y(amount: float) -> float:
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (top - max(amount, bottom)) / (top - bottom)

    customers = int(worlds[0]["customers"])
    among = f"{count} simulated companies, 95 % bands" if count > 1 else "one simulated company"
    told = "; ".join(f"{label} {means[name][-1]:,.0f}" for name, label, *_ in _LINES)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        'aria-labelledby="title desc" font-family="system-ui, -apple-system, Segoe UI, sans-serif">',
        '<title id="title">What a year of decisions is worth, by who decides</title>',
        f'<desc id="desc">{escape(f"Incremental margin against contacting nobody after a year, in thousands: {told}.")}'
        f"{escape(f' Means of {among}.')}</desc>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
        '<text x="16" y="30" font-size="20" font-weight="700" fill="#1a1a1a">It learns whom a call keeps</text>',
        f'<text x="16" y="52" font-size="14" fill="#444">Incremental margin in thousands, {among}</text>',
        f'<text x="16" y="72" font-size="14" fill="#444">{customers:,} customers; '
        "risk is not what a call changes</text>",
    ]
    amounts = np.arange(np.ceil(bottom / step) * step, top, step)
    for amount in amounts.tolist():
        height, stroke = f"{y(amount):.1f}", "#555" if abs(amount) < 1e-9 else "#e4e4e4"
        parts.append(
            f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{height}" y2="{height}" stroke="{stroke}"/>'
            f'<text x="{_LEFT - 8}" y="{y(amount) + 5:.1f}" font-size="14" fill="#444" text-anchor="end">'
            f"{amount:,.0f}</text>"
        )
    for number, month in enumerate(_MONTHS):
        parts.append(
            f'<text x="{x(weeks * number / 4):.1f}" y="{_HEIGHT - 18}" font-size="14" fill="#444" '
            f'text-anchor="middle">{month}</text>'
        )
    for name, _, colour, width in _LINES:
        inside = means[name] >= bottom
        last = len(inside) if inside.all() else int(np.argmin(inside)) + 1
        across, mean, band = range(last), means[name][:last], bands[name][:last]
        upper = [f"{x(w):.1f},{y(a):.1f}" for w, a in zip(across, mean + band, strict=True)]
        lower = [f"{x(w):.1f},{y(a):.1f}" for w, a in zip(across, mean - band, strict=True)]
        path = " ".join(f"{x(w):.1f},{y(a):.1f}" for w, a in zip(across, mean, strict=True))
        parts.append(f'<polygon points="{" ".join(upper + lower[::-1])}" fill="{colour}" opacity="0.18"/>')
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}" stroke-linejoin="round"/>'
        )
    parts += _labels({name: (y(float(means[name][-1])), float(means[name][-1])) for name in means})
    return "\n".join([*parts, "</svg>", ""])


def _labels(ends: dict[str, tuple[float, float]]) -> list[str]:
    """Write each line's name and end beside it, far enough apart to be read."""
    found, lowest = [], -np.inf
    for name, label, colour, width in sorted(_LINES, key=lambda line: ends[line[0]]):
        place = max(ends[name][0] + 5, lowest + 19)
        lowest = place
        weight = 700 if width > 3 else 500
        found.append(
            f'<text x="{_WIDTH - _RIGHT + 7}" y="{place:.1f}" font-size="15" font-weight="{weight}" fill="{colour}">'
            f"{label} {ends[name][1]:+,.0f}</text>"
        )
    return found


def _step(span: float) -> float:
    """A round distance between lines: about six of them."""
    power = 10.0 ** np.floor(np.log10(span / 6))
    return float(next(power * each for each in (1, 2, 5, 10) if power * each >= span / 6))
