# SPDX-License-Identifier: GPL-2.0-or-later
"""A picture of predictions as SVG: expected against real, both logarithmic"""

import math

SIZE, EDGE = 460, 56
LOW, HIGH = 10, 1_000_000
COLORS = {'stock': '#bc4c00', 'series': '#0969da', 'peer': '#1a7f37'}

STYLE = """\
svg { font: 13px system-ui, 'DejaVu Sans', sans-serif }
.paper { fill: #fff } .ink { fill: #1f2328 } .quiet { fill: #59636e }
.grid { stroke: #d1d9e0 } .right { fill: #818b98; fill-opacity: .22 }"""


def at(value):
    part = math.log(min(max(value, LOW), HIGH) / LOW) / math.log(HIGH / LOW)
    return part * (SIZE - 2 * EDGE)


def x(value):
    return EDGE + at(value)


def y(value):
    return SIZE - EDGE - at(value)


def draw(points, right):
    """
    POINTS: {column: [(real, expected)]} in ms; between the two lines expected
    is at most RIGHT off
    """
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIZE} '
           f'{SIZE}" width="{SIZE}" height="{SIZE}">',
           f'<style>{STYLE}</style>',
           f'<rect class="paper" width="{SIZE}" height="{SIZE}"/>']
    for power in range(1, 7):
        v = 10 ** power
        out += [f'<path class="grid" d="M{x(v):.1f} {y(LOW):.1f}V'
                f'{y(HIGH):.1f}M{x(LOW):.1f} {y(v):.1f}H{x(HIGH):.1f}"/>',
                f'<text class="quiet" x="{x(v):.1f}" y="{y(LOW) + 18:.1f}" '
                f'text-anchor="middle">{v / 1000:g}</text>',
                f'<text class="quiet" x="{x(LOW) - 6:.1f}" y="{y(v) + 4:.1f}" '
                f'text-anchor="end">{v / 1000:g}</text>']
    band = [(LOW, LOW * (1 - right)), (HIGH, HIGH * (1 - right)),
            (HIGH, HIGH * (1 + right)), (LOW, LOW * (1 + right))]
    out.append('<polygon class="right" points="' + ' '.join(
        f'{x(a):.1f},{y(b):.1f}' for a, b in band) + '"/>')
    for i, (column, values) in enumerate(points.items()):
        color = COLORS.get(column, '#000')
        out += [f'<circle cx="{x(real):.1f}" cy="{y(value):.1f}" r="3" '
                f'fill="{color}" fill-opacity=".6"/>'
                for real, value in values]
        out.append(f'<text x="{EDGE + 10}" y="{EDGE + 18 * i + 8}" '
                   f'fill="{color}">{column}</text>')
    out += [f'<text class="ink" x="{SIZE / 2}" y="{SIZE - 12}" '
            'text-anchor="middle">real downtime in s</text>',
            f'<text class="ink" x="{EDGE}" y="{EDGE - 14}" '
            'text-anchor="middle">expected, s</text>', '</svg>']
    return '\n'.join(out) + '\n'
