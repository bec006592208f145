"""Small charts as inline SVG: no script, no file beside the page, light and dark by the page's own colours.

Every chart is 360 units wide, so that its text is as large as the page's on a telephone; has a title and a description
for those who listen to it; and never says anything by colour alone. The numbers stand in a table beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from markupsafe import Markup

WIDTH = 360
Format = Callable[[float], str]


@dataclass(frozen=True, slots=True)
class Dot:
    """One estimate with its interval. ``is_main`` marks the one that the chart is about."""

    label: str
    estimate: float
    low: float
    high: float
    is_main: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a whole, with the CSS class that colours it."""

    label: str
    share: float
    css: str


class Canvas:
    """Collects the shapes of one chart; everything written into it is escaped."""

    def __init__(self, height: float, title: str, description: str) -> None:
        self.height, self.title, self.description = height, title, description
        self._shapes: list[Markup] = []

    def line(self, x1: float, y1: float, x2: float, y2: float, css: str) -> None:
        """A line between two points."""
        self._add('<line x1="{}" y1="{}" x2="{}" y2="{}" class="{}"/>', _n(x1), _n(y1), _n(x2), _n(y2), css)

    def box(self, x: float, y: float, width: float, height: float, css: str, hint: str = "") -> None:
        """A rectangle; ``hint`` shows when it is pointed at."""
        shape = '<rect x="{}" y="{}" width="{}" height="{}" rx="1.5" class="{}"><title>{}</title></rect>'
        self._add(shape, _n(x), _n(y), _n(max(width, 0)), _n(max(height, 0)), css, hint)

    def dot(self, x: float, y: float, css: str, hint: str = "", radius: float = 4) -> None:
        """A filled circle."""
        self._add(
            '<circle cx="{}" cy="{}" r="{}" class="{}"><title>{}</title></circle>', _n(x), _n(y), radius, css, hint
        )

    def text(self, x: float, y: float, words: str, *, anchor: str = "start", css: str = "label") -> None:
        """Words at a point."""
        self._add('<text x="{}" y="{}" text-anchor="{}" class="{}">{}</text>', _n(x), _n(y), anchor, css, words)

    def path(self, points: Sequence[tuple[float, float]], css: str) -> None:
        """A line through points."""
        steps = " ".join(f"{'L' if i else 'M'}{_n(x)} {_n(y)}" for i, (x, y) in enumerate(points))
        self._add('<path d="{}" class="{}"/>', steps, css)

    def markup(self, name: str) -> Markup:
        """Return the chart; ``name`` must be unique on its page."""
        head = Markup(
            '<svg class="chart" viewBox="0 0 {w} {h}" role="img" aria-labelledby="{n}-t {n}-d" '
            'xmlns="http://www.w3.org/2000/svg"><title id="{n}-t">{t}</title><desc id="{n}-d">{d}</desc>'
        ).format(w=WIDTH, h=_n(self.height), n=name, t=self.title, d=self.description)
        return head + Markup("").join(self._shapes) + Markup("</svg>")

    def _add(self, template: str, *values: object) -> None:
        self._shapes.append(Markup(template).format(*values))


def dots(name: str, title: str, rows: Sequence[Dot], *, show: Format, reference: float | None = None) -> Markup:
    """Draw estimates with their intervals, one row each; ``reference`` is a line to compare with (chance, one)."""
    low = min([row.low for row in rows] + ([reference] if reference is not None else []))
    high = max([row.high for row in rows] + ([reference] if reference is not None else []))
    pad = (high - low) * 0.08 or 0.05
    left, right, top, step = 12.0, WIDTH - 12.0, 8.0, 44.0
    place = _scale(low - pad, high + pad, left, right)
    height = top + step * len(rows) + 26
    canvas = Canvas(
        height, title, "; ".join(f"{r.label}: {show(r.estimate)} ({show(r.low)} – {show(r.high)})" for r in rows)
    )
    for tick in ticks(low - pad, high + pad):
        canvas.line(place(tick), top, place(tick), height - 20, "grid")
        canvas.text(place(tick), height - 6, show(tick), anchor="middle", css="tick")
    if reference is not None:
        canvas.line(place(reference), top, place(reference), height - 20, "reference")
    for i, row in enumerate(rows):
        y = top + step * i + 30
        css = "main" if row.is_main else "other"
        canvas.text(left, y - 14, row.label, css="label strong" if row.is_main else "label")
        canvas.text(right, y - 14, show(row.estimate), anchor="end", css="label strong" if row.is_main else "label")
        canvas.line(place(row.low), y, place(row.high), y, f"whisker {css}")
        canvas.dot(place(row.estimate), y, css, f"{row.label}: {show(row.estimate)}", 5 if row.is_main else 4)
    return canvas.markup(name)


def pairs(
    name: str, title: str, labels: Sequence[str], before: Sequence[float], today: Sequence[float], *, show: Format
) -> Markup:
    """Draw two distributions over the same bins as horizontal bars, the reference's thin beside today's."""
    top, step, left = 4.0, 26.0, 96.0
    largest = max([*before, *today, 1e-9])
    place = _scale(0, largest, left, WIDTH - 44)
    spoken = "; ".join(f"{label}: {show(b)} → {show(t)}" for label, b, t in zip(labels, before, today, strict=True))
    canvas = Canvas(top + step * len(labels) + 2, title, spoken)
    for i, (label, b, t) in enumerate(zip(labels, before, today, strict=True)):
        y = top + step * i
        canvas.text(left - 6, y + 15, shortened(label, 15), anchor="end")
        canvas.box(left, y + 2, place(b) - left, 8, "before", f"{label}: {show(b)}")
        canvas.box(left, y + 11, place(t) - left, 10, "today", f"{label}: {show(t)}")
        canvas.text(max(place(b), place(t)) + 5, y + 15, show(t), css="tick")
    return canvas.markup(name)


def reliability(
    name: str, title: str, points: Sequence[tuple[float, float, float, float]], *, show: Format, axes: tuple[str, str]
) -> Markup:
    """Draw predicted against observed: ``(predicted, observed, low, high)`` per point; on the diagonal all is well."""
    top, bottom, left, right = 10.0, 250.0, 44.0, WIDTH - 12.0
    largest = max([max(p, high) for p, _, _, high in points] + [0.05])
    edge = ticks(0, largest)[-1] if ticks(0, largest)[-1] >= largest else largest
    across, up = _scale(0, edge, left, right), _scale(0, edge, bottom, top)
    spoken = "; ".join(f"{show(p)} → {show(o)} ({show(low)} – {show(high)})" for p, o, low, high in points)
    canvas = Canvas(bottom + 38, title, spoken)
    for tick in ticks(0, edge):
        canvas.line(left, up(tick), right, up(tick), "grid")
        canvas.text(left - 6, up(tick) + 4, show(tick), anchor="end", css="tick")
        canvas.text(across(tick), bottom + 16, show(tick), anchor="middle", css="tick")
    canvas.line(across(0), up(0), across(edge), up(edge), "reference")
    canvas.text((left + right) / 2, bottom + 33, axes[0], anchor="middle")
    canvas.text(left + 4, top + 12, axes[1])
    canvas.path([(across(p), up(o)) for p, o, _, _ in points], "trace")
    for p, o, low, high in points:
        canvas.line(across(p), up(low), across(p), up(min(high, edge)), "whisker main")
        canvas.dot(across(p), up(o), "main", f"{show(p)} → {show(o)}")
    return canvas.markup(name)


def history(
    name: str,
    title: str,
    points: Sequence[tuple[str, float, float, float]],
    *,
    show: Format,
    reference: float | None = None,
) -> Markup:
    """Draw ``(label, value, low, high)`` over time, oldest first, with intervals; ``reference`` as in :func:`dots`."""
    top, bottom, left, right = 10.0, 190.0, 44.0, WIDTH - 14.0
    extra = [reference] if reference is not None else []
    low, high = min([p[2] for p in points] + extra), max([p[3] for p in points] + extra)
    pad = (high - low) * 0.08 or 0.02
    low, high = (max(low - pad, 0.0) if low >= 0 else low - pad), high + pad
    up = _scale(low, high, bottom, top)
    across = _scale(0, max(len(points) - 1, 1), left + 8, right - 8)
    spoken = "; ".join(f"{label}: {show(v)} ({show(lo)} – {show(hi)})" for label, v, lo, hi in points)
    canvas = Canvas(bottom + 26, title, spoken)
    for tick in ticks(low, high):
        canvas.line(left, up(tick), right, up(tick), "grid")
        canvas.text(left - 6, up(tick) + 4, show(tick), anchor="end", css="tick")
    if reference is not None:
        canvas.line(left, up(reference), right, up(reference), "reference")
    canvas.path([(across(i), up(p[1])) for i, p in enumerate(points)], "trace")
    every = ceil(len(points) / 4)
    for i, (label, value, lo, hi) in enumerate(points):
        canvas.line(across(i), up(lo), across(i), up(hi), "whisker main")
        canvas.dot(across(i), up(value), "main", f"{label}: {show(value)}")
        if (len(points) - 1 - i) % every == 0:
            anchor = "middle" if 0 < i < len(points) - 1 else ("start" if i == 0 and len(points) > 1 else "end")
            canvas.text(across(i) + (8 if anchor == "end" else -8 if anchor == "start" else 0), bottom + 18, label,
                        anchor=anchor, css="tick")  # fmt: skip
    return canvas.markup(name)


def split(name: str, title: str, parts: Sequence[Part], *, show: Format) -> Markup:
    """Draw a whole as one bar of parts; each is named below with its share."""
    canvas = Canvas(34 + 20 * len(parts), title, "; ".join(f"{p.label}: {show(p.share)}" for p in parts))
    total = sum(p.share for p in parts) or 1.0
    x = 0.0
    for i, part in enumerate(parts):
        width = WIDTH * part.share / total
        canvas.box(x, 0, max(width - 1.5, 0), 22, part.css, f"{part.label}: {show(part.share)}")
        canvas.box(0, 33 + 20 * i, 11, 11, part.css)
        canvas.text(18, 43 + 20 * i, part.label)
        canvas.text(WIDTH, 43 + 20 * i, show(part.share), anchor="end")
        x += width
    return canvas.markup(name)


def columns(name: str, title: str, counts: Sequence[tuple[str, float, float]], *, show: Format) -> Markup:
    """Draw ``(label, clean, quarantined)`` per batch as small columns, oldest first: a glance, not a reading."""
    width, height = 120.0, 28.0
    largest = max([clean + bad for _, clean, bad in counts] + [1.0])
    step = width / max(len(counts), 6)
    spoken = "; ".join(f"{label}: {show(clean)} + {show(bad)}" for label, clean, bad in counts)
    shapes = Canvas(height, title, spoken)
    for i, (label, clean, bad) in enumerate(counts):
        tall, low = height * (clean + bad) / largest, height * bad / largest
        hint = f"{label}: {show(clean)} + {show(bad)}"
        shapes.box(i * step, height - tall, step - 1.5, tall - low, "today", hint)
        shapes.box(i * step, height - low, step - 1.5, low, "bad", hint)
    whole = shapes.markup(name)
    return Markup(
        str(whole).replace(f'viewBox="0 0 {WIDTH} ', f'viewBox="0 0 {_n(width)} ', 1).replace("chart", "spark", 1)
    )


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Return round numbers between two ends.

    Examples:
        >>> ticks(0.0, 1.0)
        [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    span = high - low
    if span <= 0:
        return [low]
    raw = span / wanted
    size = 10.0 ** floor(log10(raw))
    step = next(size * m for m in (1, 2, 5, 10) if size * m >= raw * 0.999)
    return [round(step * i, 10) for i in range(ceil(low / step - 1e-9), floor(high / step + 1e-9) + 1)]


def shortened(words: str, length: int) -> str:
    """Return words cut to a length, with an ellipsis."""
    return words if len(words) <= length else words[: length - 1] + "…"


def _scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    span = (high - low) or 1.0
    return lambda value: start + (value - low) / span * (end - start)


def _n(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".")
