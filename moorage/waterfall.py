"""Where the seconds of a deploy went: one bar for each step on one time axis, as text and as a picture (pure)."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

_WIDTH: Final = 32
# Of the picture, in pixels: the names, the axis, the seconds.
_NAMES, _AXIS, _SECONDS, _ROW = 190, 460, 70, 24
_BARS: Final = {True: "#2f7ed8", False: "#c42525"}
# Readable on light and dark pages alike.
_TEXT: Final = "#7a8190"


@dataclass(frozen=True)
class StepTiming:
    """One step: seconds from the deploy's start to its own, seconds it took, whether it went well."""

    name: str
    began_s: float
    took_s: float
    ok: bool = True
    detail: str = ""


def waterfall(steps: Iterable[StepTiming], width: int = _WIDTH) -> list[tuple[str, str, str]]:
    """Name, bar and seconds of each step; the bars share one time axis of `width` characters."""
    steps = list(steps)
    total = _total(steps)
    rows = []
    for step in steps:
        begin = min(width - 1, round(step.began_s / total * width))
        length = max(1, min(width - begin, round(step.took_s / total * width)))
        bar = " " * begin + ("█" if step.ok else "▒") * length
        rows.append((step.name, bar.ljust(width), f"{step.took_s:.2f} s"))
    return rows


def waterfall_svg(steps: Iterable[StepTiming]) -> str:
    """The same as a picture: SVG, without anything from elsewhere."""
    steps = list(steps)
    total, height = _total(steps), _ROW * len(steps) + 8
    shapes = [shape for index, step in enumerate(steps) for shape in _shapes(step, index * _ROW, total)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_NAMES + _AXIS + _SECONDS}" height="{height}" '
        f'font-family="sans-serif" font-size="13" role="img">{"".join(shapes)}</svg>'
    )


def as_image(svg: str) -> str:
    """The picture as a URL that holds it."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


def _shapes(step: StepTiming, top: int, total: float) -> Sequence[str]:
    left = _NAMES + step.began_s / total * _AXIS
    length = max(2.0, step.took_s / total * _AXIS)
    base = top + _ROW - 7
    return (
        f'<text x="0" y="{base}" fill="{_TEXT}">{escape(step.name)}</text>',
        f'<rect x="{left:.1f}" y="{top + 5}" width="{length:.1f}" height="{_ROW - 8}" rx="2" fill="{_BARS[step.ok]}"/>',
        f'<text x="{_NAMES + _AXIS + _SECONDS}" y="{base}" text-anchor="end" fill="{_TEXT}">{step.took_s:.2f} s</text>',
    )


def _total(steps: Iterable[StepTiming]) -> float:
    return max((step.began_s + step.took_s for step in steps), default=0) or 1
