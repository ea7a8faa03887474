"""The results as one SVG: no script, no outside reference, its own background,
light or dark as the reader's system is."""

import math
from xml.sax.saxutils import escape

from report import duration

WIDTH = 860
MARGIN = 24
BAR = 15                        # height of a bar
LABELS = 250                    # width of the names before the bars

STYLE = """\
.ground { fill: #ffffff } .ours { fill: #1f6feb } .theirs { fill: #b9c0c9 }
text { font: 12px -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328 }
.title { font-size: 15px; font-weight: 600 } .small { font-size: 11px; fill: #59636e }
.axis { stroke: #c4cad1; stroke-width: 1; fill: none }
.curve { stroke: #1f6feb; stroke-width: 2; fill: none } .dot { fill: #1f6feb }
.guide { stroke: #b9c0c9; stroke-width: 1.5; stroke-dasharray: 3 3; fill: none }
@media (prefers-color-scheme: dark) {
.ground { fill: #0d1117 } .ours, .dot { fill: #58a6ff } .theirs { fill: #484f58 }
text { fill: #e6edf3 } .small { fill: #9198a1 }
.axis { stroke: #3d444d } .guide { stroke: #656c76 } .curve { stroke: #58a6ff }
}"""


class Canvas:
    def __init__(self):
        self.parts = []

    def text(self, x, y, words, kind="", anchor="start"):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" '
                          f'text-anchor="{anchor}">{escape(words)}</text>')

    def bar(self, x, y, width, kind):
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 1.5):.1f}" '
                          f'height="{BAR}" rx="2" class="{kind}"/>')

    def path(self, points, kind):
        self.parts.append(f'<polyline points="'
                          f'{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}" class="{kind}"/>')

    def dot(self, x, y):
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" class="dot"/>')


def draw(results):
    canvas = Canvas()
    y = MARGIN + 8
    y = scans(canvas, y, results.scans)
    y = pairs(canvas, y, "From a table to a table of labels", "fit from the same start, at most "
              "20 passes; label every row into a new table", results.jobs,
              "COPY + scikit-learn + COPY")
    y = pairs(canvas, y, "One pass of k-means over the rows", "same start, same number of passes",
              results.passes, "scikit-learn")
    y = growth(canvas, y, results.growth)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y:.0f}" '
            f'width="{WIDTH}" height="{y:.0f}" role="img">\n<title>Results of make bench</title>\n'
            f'<style>\n{STYLE}\n</style>\n'
            f'<rect width="{WIDTH}" height="{y:.0f}" rx="6" class="ground"/>\n'
            + "\n".join(canvas.parts) + "\n</svg>\n")


def heading(canvas, y, title, note):
    canvas.text(MARGIN, y + 12, title, "title")
    canvas.text(MARGIN, y + 30, note, "small")
    return y + 42


def scans(canvas, y, times):
    """Bars of seconds, all on one scale."""
    y = heading(canvas, y, "A fit beside queries that read the same rows",
                "5 M rows x 4 float8, k = 8, to convergence")
    longest = max(seconds for _, seconds in times)
    for name, seconds in times:
        width = (WIDTH - LABELS - 2 * MARGIN - 80) * seconds / longest
        canvas.text(MARGIN + LABELS - 10, y + 12, name, anchor="end")
        canvas.bar(MARGIN + LABELS, y, width, "ours" if name.startswith("kmeans") else "theirs")
        canvas.text(MARGIN + LABELS + width + 6, y + 12, duration(seconds))
        y += BAR + 5
    return y + 22


def pairs(canvas, y, title, note, times, them):
    """For each data set two bars; the longer one is always of full length."""
    x = MARGIN + LABELS
    canvas.bar(x + 220, y, BAR, "ours")
    canvas.text(x + 242, y + 12, "kmeans")
    canvas.bar(x + 310, y, BAR, "theirs")
    canvas.text(x + 332, y + 12, them)
    y = heading(canvas, y, title, note)
    full = WIDTH - LABELS - 2 * MARGIN - 130
    for name, ours, theirs in times:
        canvas.text(x - 10, y + 20, name, anchor="end")
        for dy, seconds, kind in [(0, ours, "ours"), (BAR + 1, theirs, "theirs")]:
            width = full * seconds / max(ours, theirs)
            canvas.bar(x, y + dy, width, kind)
            canvas.text(x + width + 6, y + dy + 12, duration(seconds))
        canvas.text(WIDTH - MARGIN, y + 20, f"{theirs / ours:.1f} x", "title", "end")
        y += 2 * BAR + 9
    return y + 20


def growth(canvas, y, curves):
    """Small charts side by side, both axes logarithmic."""
    y = heading(canvas, y, "Growth", "time of a fit; both axes logarithmic; dashed: in proportion")
    gap = 62
    width = (WIDTH - 2 * MARGIN - 3 * gap - 40) / 4
    for number, (what, points) in enumerate(curves.items()):
        chart(canvas, MARGIN + 40 + number * (width + gap), y, width, 120, what, points)
    return y + 120 + 60


def chart(canvas, x, y, width, height, what, points):
    # a fit with w workers has w + 1 processes: fewer seconds, in proportion
    processes = what == "workers"
    values = [value + processes for value, _ in points]
    seconds = [time for _, time in points]
    low, high = power(min(seconds), math.floor), power(max(seconds), math.ceil)
    if processes:
        guide = [(value, max(seconds[0] / value, low)) for value in values]
    else:
        start = max(values[0], values[-1] * low / seconds[-1])
        guide = [(start, seconds[-1] * start / values[-1]), (values[-1], seconds[-1])]
    across = scale(values[0], values[-1], x, width)
    up = scale(low, high, y + height, -height)
    canvas.path([(x, y), (x, y + height), (x + width, y + height)], "axis")
    canvas.path([(across(value), up(time)) for value, time in guide], "guide")
    curve = [(across(value), up(time)) for value, time in zip(values, seconds)]
    canvas.path(curve, "curve")
    for place in curve:
        canvas.dot(*place)
    for tick in (low, high):
        canvas.text(x - 5, up(tick) + 4, duration(tick), "small", "end")
    canvas.text(x, y + height + 15, short(points[0][0]), "small")
    canvas.text(x + width, y + height + 15, short(points[-1][0]), "small", "end")
    canvas.text(x + width / 2, y + height + 33, what, anchor="middle")


def power(number, rounding):
    """The power of ten below or above a number."""
    return 10.0 ** rounding(math.log10(number))


def scale(low, high, start, length):
    """A logarithmic scale: from a number to its place."""
    return lambda number: start + length * math.log(number / low) / math.log(high / low)


def short(number):
    return f"{number / 1e6:g} M" if number >= 1e6 else f"{number / 1e3:g} k" if number >= 1e4 else str(number)
