"""Drawings of how cost grows, for tools/bench.py: SVG with both axes logarithmic."""
import math
from xml.sax.saxutils import escape

from bench_common import number

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 320, 76, 150, 40, 48
COLOURS = {"prometheus": "#d0600f", "victoria-metrics": "#8a63d2"}
FIRST, SECOND = "#2f81d6", "#2da070"
# A card of its own, so that it can be read on whatever it stands.
STYLE = ("text{font:12px system-ui,sans-serif;fill:#222}.t{font-size:14px;font-weight:600}"
         ".b{fill:#fff;stroke:#8886}.g{stroke:#8885;stroke-width:1}.m{stroke:#8882}"
         ".l{fill:none;stroke-width:2}"
         "@media(prefers-color-scheme:dark){text{fill:#ddd}.b{fill:#14171c}}")


def short(n):
    """A number as one reads it at an axis."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if n >= 0.9995 * size:
            return f"{number(n / size)}{unit}"
    return number(n)


def bounds(low, high):
    """Where an axis begins and ends: 1, 2 or 5 times a power of ten; at least a decade between."""
    steps = [m * 10.0 ** e for e in range(-7, 13) for m in (1, 2, 5)]
    first = max(s for s in steps if s <= low * 1.001)
    last = min(s for s in steps if s >= high * 0.999)
    return (first, last) if last >= 10 * first else (first, 10 * first)


def ticks(low, high):
    """(where, is it a power of ten); fewer where there are many decades."""
    few = high / low > 1000
    for e in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1):
        for m in (1,) if few else (1, 2, 5):
            if low * 0.999 <= m * 10.0 ** e <= high * 1.001:
                yield m * 10.0 ** e, m == 1


def apart(ys, least=13):
    """The same heights, pushed down where labels would cover each other."""
    out = dict(ys)
    last = -math.inf
    for name in sorted(ys, key=ys.get):
        out[name] = max(ys[name], last + least)
        last = out[name]
    return out


def axes(place, xs, ys):
    (x0, x1), (y0, y1) = xs, ys
    for x, whole in ticks(x0, x1):
        at, low = place(x, y0)
        yield (f'<path class="{"g" if whole else "m"}" d="M{at:.1f} {TOP}V{low:.1f}"/>'
               f'<text x="{at:.1f}" y="{low + 16:.1f}" text-anchor="middle">{short(x)}</text>')
    for y, whole in ticks(y0, y1):
        left, at = place(x0, y)
        yield (f'<path class="{"g" if whole else "m"}" d="M{left:.1f} {at:.1f}H{place(x1, y)[0]:.1f}"/>'
               f'<text x="{left - 6:.1f}" y="{at + 4:.1f}" text-anchor="end">{short(y)}</text>')


def drawing(title, across, up, lines):
    """lines: {name: [(x, y), …]}, all above zero; up: the unit of y. An SVG document."""
    lines = {n: sorted((x, max(y, 1e-6)) for x, y in points) for n, points in lines.items() if points}
    (x0, x1), (y0, y1) = (bounds(min(p[i] for points in lines.values() for p in points),
                                 max(p[i] for points in lines.values() for p in points)) for i in (0, 1))
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def place(x, y):
        return (LEFT + math.log(x / x0) / math.log(x1 / x0) * wide,
                TOP + high - math.log(y / y0) / math.log(y1 / y0) * high)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
           f"<title>{escape(title)}, {escape(up)}, by {escape(across)}</title><style>{STYLE}</style>",
           f'<rect class="b" x=".5" y=".5" width="{WIDTH - 1}" height="{HEIGHT - 1}" rx="6"/>',
           f'<text class="t" x="{LEFT}" y="24">{escape(title)}</text>',
           *axes(place, (x0, x1), (y0, y1)),
           f'<text x="{LEFT + wide / 2}" y="{HEIGHT - 10}" text-anchor="middle">{escape(across)}</text>',
           f'<text transform="translate(20 {TOP + high / 2}) rotate(-90)" text-anchor="middle">{escape(up)}</text>']
    labels = apart({n: place(*points[-1])[1] + 4 for n, points in lines.items()})
    others = iter((FIRST, SECOND))
    for name, points in lines.items():
        colour = COLOURS.get(name) or next(others)
        spots = [place(x, y) for x, y in points]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in spots)
        out.append(f'<path class="l" stroke="{colour}" d="M{path}"/>')
        out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in spots]
        out.append(f'<text x="{spots[-1][0] + 8:.1f}" y="{labels[name]:.1f}">{escape(name)} '
                   f"{short(points[-1][1])}</text>")
    return "\n".join(out + ["</svg>", ""])
