# SPDX-License-Identifier: GPL-2.0-or-later
"""
A picture of a migration as SVG: expected downtime and downtime limit above,
remaining bytes below, over the same time
"""

import math
from typing import Sequence, Tuple
from xml.sax.saxutils import escape

import units

from .run import Run

WIDTH, HEIGHT = 760, 440
LEFT, RIGHT = 70, 740
TOP, MIDDLE, LOWER, BOTTOM = 84, 256, 300, 396
MAX_SAMPLES = 400

STYLE = """\
svg { font: 13px system-ui, 'DejaVu Sans', sans-serif }
.paper { fill: #fff } .ink { fill: #1f2328 } .quiet { fill: #59636e }
.title { font-size: 15px; font-weight: 600 }
.grid { stroke: #d1d9e0 } .band { fill: #818b98; fill-opacity: .22 }
.line { fill: none; stroke-width: 2; stroke-linejoin: round }
.dash { stroke-dasharray: 6 4 }
.s-expected { stroke: #0969da } .s-limit { stroke: #bc4c00 }
.s-remaining { stroke: #1a7f37 }
.f-expected { fill: #0969da } .f-limit { fill: #bc4c00 }
.f-remaining { fill: #1a7f37 }
@media (prefers-color-scheme: dark) {
.paper { fill: #0d1117 } .ink { fill: #f0f6fc } .quiet { fill: #9198a1 }
.grid { stroke: #3d444d }
.s-expected { stroke: #58a6ff } .s-limit { stroke: #f0883e }
.s-remaining { stroke: #3fb950 }
.f-expected { fill: #58a6ff } .f-limit { fill: #f0883e }
.f-remaining { fill: #3fb950 }
}"""


def step(top: float, about: int) -> float:
    """A round step (1, 2 or 5 times a power of ten) for ABOUT grid lines"""
    size = 10.0 ** math.floor(math.log10(top / about))
    for factor in (1, 2, 5):
        if size * factor * about >= top:
            return size * factor
    return size * 10


class Axis:
    """Values 0 to TOP on pixels FIRST to LAST"""

    def __init__(self, top, first, last):
        self.top = top or 1
        self.first, self.last = first, last

    def at(self, value):
        part = min(max(value / self.top, 0), 1)
        return self.first + part * (self.last - self.first)

    def ticks(self, about):
        size = step(self.top, about)
        n = 0
        while n * size <= self.top * 1.0001:
            yield n * size
            n += 1


def number(x: float) -> str:
    return f'{x:.1f}'.rstrip('0').rstrip('.')


def path(points: Sequence[Tuple[float, float]]) -> str:
    """A path of horizontal and vertical steps, without repeated points"""
    out, last, end = [], '', ''
    for point in points:
        x, y = map(number, point)
        if not last:
            out.append(f'M{x} {y}')
        elif y != last:
            out.append(f'H{x}V{y}')
        last, end = y, x
    return ''.join(out) + f'H{end}' if out else ''


class Chart:
    """Collects the elements of the picture"""

    def __init__(self):
        self.parts = []

    def text(self, x, y, content, kind='quiet', anchor='start'):
        at = '' if anchor == 'start' else f' text-anchor="{anchor}"'
        self.parts.append(f'<text x="{number(x)}" y="{number(y)}" '
                          f'class="{kind}"{at}>{escape(content)}</text>')

    def line(self, x1, y1, x2, y2, kind='grid'):
        self.parts.append(f'<path class="{kind}" d="M{number(x1)} {number(y1)}'
                          f'L{number(x2)} {number(y2)}"/>')

    def rectangle(self, x1, y1, x2, y2, kind):
        self.parts.append(
            f'<rect x="{number(x1)}" y="{number(y1)}" '
            f'width="{number(max(x2 - x1, 1))}" height="{number(y2 - y1)}" '
            f'class="{kind}"/>')

    def curve(self, points, name, dashed=False):
        self.parts.append(f'<path class="line s-{name}'
                          + (' dash' if dashed else '')
                          + f'" d="{path(points)}"/>')

    def svg(self, title):
        return '\n'.join([
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" '
            f'height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
            f'<title>{escape(title)}</title>', f'<style>{STYLE}</style>',
            f'<rect width="{WIDTH}" height="{HEIGHT}" class="paper"/>',
            *self.parts, '</svg>', ''])


def bytes_scale(top):
    """A unit for all numbers of an axis"""
    for name, size in (('GiB', 1 << 30), ('MiB', 1 << 20), ('KiB', 1 << 10)):
        if top >= size:
            return name, size
    return 'B', 1


def draw(run: Run, title: str, note: str) -> str:
    """The picture of RUN"""
    samples = run.samples[::len(run.samples) // MAX_SAMPLES + 1]
    if run.samples[-1] is not samples[-1]:
        samples.append(run.samples[-1])
    real = run.downtime['silent']
    time = Axis(run.resumed * 1.03, LEFT, RIGHT)
    ms = Axis(1.25 * max([s.limit for s in samples]
                         + [s.expected or 0 for s in samples]), MIDDLE, TOP)
    unit, scale = bytes_scale(max(s.remaining or 0 for s in samples))
    size = Axis(1.2 * max(s.remaining or 0 for s in samples) / scale,
                BOTTOM, LOWER)
    chart = Chart()
    chart.text(LEFT, 24, title, 'ink title')
    chart.text(LEFT, 44, note)

    for axis, format_, about in ((ms, '{:,.0f}', 4), (size, '{:g}', 3)):
        for tick in axis.ticks(about):
            y = axis.at(tick)
            chart.line(LEFT, y, RIGHT, y)
            chart.text(LEFT - 8, y + 4, format_.format(tick), 'quiet', 'end')
    for tick in time.ticks(8):
        chart.text(time.at(tick), BOTTOM + 20, f'{tick:g}', 'quiet', 'middle')
    chart.text(RIGHT, BOTTOM + 36, 'seconds since the start of the migration',
               'quiet', 'end')
    stop, resume = time.at(run.stopped), time.at(run.resumed)
    for first, last in ((TOP, MIDDLE), (LOWER, BOTTOM)):
        chart.rectangle(stop, first, resume, last, 'band')

    end = samples[-1]
    for axis, name, dashed, points in (
            (ms, 'limit', True, [(s.seconds, s.limit) for s in samples]
             + [(run.stopped, run.limit)]),
            (ms, 'expected', False,
             [(s.seconds, s.expected) for s in samples
              if s.expected is not None] + [(run.stopped, end.expected)]),
            (size, 'remaining', False,
             [(s.seconds, s.remaining / scale) for s in samples
              if s.remaining is not None]
             + [(run.stopped, (end.remaining or 0) / scale)])):
        chart.curve([(time.at(x), axis.at(y)) for x, y in points], name,
                    dashed)

    # Names of the curves, above the panels, where no curve is
    chart.text(LEFT, TOP - 10, 'ms', 'quiet')
    chart.text(LEFT + 30, TOP - 10, 'expected downtime: '
               + units.ms(run.expected), 'f-expected')
    chart.text(LEFT + 250, TOP - 10, f'downtime limit: {limits(run)} ms',
               'f-limit')
    chart.text(LEFT, LOWER - 10, unit, 'quiet')
    chart.text(LEFT + 30, LOWER - 10,
               f'remaining: {units.size(end.remaining)}', 'f-remaining')
    chart.text(RIGHT, LOWER - 10, f'guest stopped: {units.ms(real)}', 'ink',
               'end')
    return chart.svg(f'{title}. {note}')


def limits(run):
    """The limits in their order, '300, then 1930, then 2200'"""
    values = [s.limit for s in run.samples] + [run.limit]
    return ', then '.join(str(v) for i, v in enumerate(values)
                     if i == 0 or v != values[i - 1])
