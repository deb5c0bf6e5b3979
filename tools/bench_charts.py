"""Drawings of how cost grows, for tools/bench.py: SVG with both axes logarithmic."""
import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 320, 64, 140, 36, 44
COLOURS = {"tidemark": "#1668c7", "prometheus": "#c4500c", "victoria-metrics": "#6b4fa0"}
STYLE = ("text{font:12px system-ui,sans-serif;fill:#222}.t{font-size:14px;font-weight:600}"
         ".g{stroke:#8884;stroke-width:1}.l{fill:none;stroke-width:2}"
         "@media(prefers-color-scheme:dark){text{fill:#ddd}}")


def short(n):
    """A number as one reads it at an axis."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if n >= size:
            return f"{n / size:.3g}{unit}"
    return f"{n:.3g}"


def decades(low, high):
    """The powers of ten around a range; at least one decade."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    return first, max(last, first + 1)


def apart(ys, least=13):
    """The same heights, pushed down where labels would cover each other."""
    out = dict(ys)
    last = -math.inf
    for name in sorted(ys, key=ys.get):
        out[name] = max(ys[name], last + least)
        last = out[name]
    return out


def drawing(title, across, lines):
    """lines: {name: [(x, y), …]}, all above zero. An SVG document."""
    lines = {n: sorted((x, max(y, 1e-6)) for x, y in points) for n, points in lines.items() if points}
    xs = [x for points in lines.values() for x, _ in points]
    ys = [y for points in lines.values() for _, y in points]
    (x0, x1), (y0, y1) = decades(min(xs), max(xs)), decades(min(ys), max(ys))
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def place(x, y):
        return (LEFT + (math.log10(x) - x0) / (x1 - x0) * wide,
                TOP + high - (math.log10(y) - y0) / (y1 - y0) * high)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
           f"<title>{escape(title)}</title><style>{STYLE}</style>",
           f'<text class="t" x="{LEFT}" y="20">{escape(title)}</text>']
    for e in range(x0, x1 + 1):
        x = place(10.0 ** e, 10.0 ** y0)[0]
        out.append(f'<path class="g" d="M{x:.1f} {TOP}V{TOP + high}"/>'
                   f'<text x="{x:.1f}" y="{TOP + high + 16}" text-anchor="middle">{short(10.0 ** e)}</text>')
    for e in range(y0, y1 + 1):
        y = place(10.0 ** x0, 10.0 ** e)[1]
        out.append(f'<path class="g" d="M{LEFT} {y:.1f}H{LEFT + wide}"/>'
                   f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{short(10.0 ** e)}</text>')
    out.append(f'<text x="{LEFT + wide / 2}" y="{HEIGHT - 8}" text-anchor="middle">{escape(across)}</text>')
    labels = apart({n: place(*points[-1])[1] + 4 for n, points in lines.items()})
    for name, points in lines.items():
        colour = COLOURS.get(name, "#888")
        spots = [place(x, y) for x, y in points]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in spots)
        out.append(f'<path class="l" stroke="{colour}" d="M{path}"/>')
        out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in spots]
        out.append(f'<text x="{spots[-1][0] + 8:.1f}" y="{labels[name]:.1f}">{escape(name)} '
                   f"{short(points[-1][1])}</text>")
    return "\n".join(out + ["</svg>", ""])
