"""What was measured, as text: a table on the terminal, RESULTS.md."""

import os
import platform
import time


class Figure:
    """One measured number against what the design asks for.

    unit is 'x' (a ratio), '%', 's' or 'B' (bytes a row); more says whether
    more is better."""

    def __init__(self, part, what, detail, value, reach, hope, unit="x", more=False):
        self.part = part
        self.what = what
        self.detail = detail
        self.value = value
        self.reach = reach
        self.hope = hope
        self.unit = unit
        self.more = more

    def met(self, limit):
        return limit is not None and (
            self.value >= limit if self.more else self.value <= limit)

    def verdict(self):
        if self.met(self.hope):
            return "hoped for"
        return "reached" if self.met(self.reach) else "short"

    def show(self, number):
        return {"x": "{:.2f} x", "%": "{:.0f} %", "s": "{:.2f} s",
                "B": "{:.1f} B a row"}[self.unit].format(number)

    def limit(self, number):
        if number is None:
            return ""
        sign = ">=" if self.more else "<="
        return f"{sign} {number:g}{'' if self.unit == 'x' else ' ' + self.unit}"

    def cells(self):
        return [self.part, self.what, self.detail, self.show(self.value),
                self.limit(self.reach), self.limit(self.hope), self.verdict()]


HEAD = ["part", "what", "measured", "figure", "reach", "hope", ""]


def duration(seconds):
    if seconds < 1e-3:
        return f"{seconds * 1e6:.0f} us"
    return f"{seconds * 1000:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def plain(head, table):
    """Columns for a terminal."""
    widths = [max(len(line[i]) for line in [head] + table) for i in range(len(head))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip()
                     for line in [head, ["-" * width for width in widths]] + table)


def markdown(head, table):
    return "\n".join("| " + " | ".join(line) + " |"
                     for line in [head, ["---"] * len(head)] + table)


def machine(lab, rival, idle):
    """Where and what, one fact a line."""
    with open("/proc/cpuinfo") as file:
        model = next((line.split(":")[1].strip() for line in file
                      if line.startswith("model name")), platform.machine())
    with open("/proc/meminfo") as file:
        memory = int(file.readline().split()[1]) / 1048576
    return [
        f"Machine: {model}, {os.cpu_count()} cores, {memory:.0f} GB, {idle:.0f} % idle before the run; "
        f"Linux {platform.release()}",
        f"Server: PostgreSQL {lab.value('SHOW server_version')}, "
        f"{lab.value('SHOW max_parallel_maintenance_workers')} worker(s) beside the leader for "
        "every statement unless `serial` is said",
        f"Against: scikit-learn {rival.VERSION}, {os.environ['OMP_NUM_THREADS']} threads",
        f"Commit: {os.environ['BENCH_COMMIT']}; {time.strftime('%Y-%m-%d')}",
    ]


HOW = """\
Times are medians of five rounds. What a figure compares took turns in one run: ours, theirs, ours, theirs.
`reach` and `hope` are the figures that the design set itself; a figure that reaches neither is `short`.

- *fit*: `kmeans_fit` with its defaults (seeding, passes to convergence, statistics, storing the model), against `avg` of the same four columns.
- *load*: a serial fit with `on_null => 'error'` of a table whose last row has a NULL: it ends, with that error, at the moment when all rows are read.
- *passes*: from the same start centroids, 20 passes at most, until no label changes. Ours: the mean of the first 20 in
  `kmeans_iterations`, of which the very first must look at every row. scikit-learn's: the time of 20 passes less the time of one, over 19, so
  that its checking and copying of the input, and its labelling at the end, do not count.
  Both must end with the same inertia, or the benchmark stops.
- *job*: `model` is COPY BINARY through psycopg2, numpy.frombuffer, KMeans; ours one `kmeans_fit`. `labelled` copies the ids as well and
  copies ids and labels back into a new table; ours is `kmeans_fit` and `CREATE TABLE ... AS SELECT id, kmeans_predict(...)`. The table is
  unlogged for both; a logged one adds the same to both, about 0.1 s per 1 M rows here.
- *kernel*: `make -C test/core bench`, without a server, on one core: labelling every row from scratch, against fused multiply-adds in registers
  and against reading memory in order, both measured at its start.
- *predict*: serial. `join` is a hash join with a table of 1,000 models, rows of different models in turn, against the same join with one model by name.
- *clients*: pgbench, prepared, 8 clients on the machine of the server. `SELECT 1` is what a call costs that does nothing.
- *memory*: the largest anonymous resident memory of the backend during a serial fit, less that before, less 8 bytes a value.
- *sql*: one pass written in SQL (nearest centroid by ORDER BY ... LIMIT 1 of a subquery, then avg and GROUP BY), times the passes of our fit.
- *window*: default fits against an extension that offers k-means as a window function. Its seconds are not from this run: they were recorded on
  a machine of this kind, for data of the same size.
- JIT compilation is off for all (it hardly changes the queries compared with). Tables are in the page cache; fsync is off.
- *growth*: `rows` x 4, k 8, and `workers` with 5 M x 4, k 8: default fits. `features` of 50 k rows, k 16, and `clusters` of 1 M x 4: from given
  centroids, 10 passes at most.
"""


def write_results(file, lab, rival, results):
    """RESULTS.md: everything that a full run has measured."""
    sections = ["# Results", "Written by `make bench`; do not edit.",
                "\n".join("- " + fact for fact in machine(lab, rival, results.idle)),
                markdown(HEAD, [figure.cells() for figure in results.figures]),
                "![The same as a picture](results.svg)", "## What was measured", HOW.rstrip()]
    for title, head, table in results.tables:
        sections += ["## " + title, markdown(head, table)]
    for title, text in results.texts:
        sections += ["## " + title, "```\n" + text.rstrip() + "\n```"]
    file.write("\n\n".join(sections) + "\n")
