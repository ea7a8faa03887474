"""The parts of the benchmark.  Each measures, and adds to the results."""

import contextlib
import os
import re
import subprocess
import threading
import time

import datasets
import rival
from datasets import Dataset
from lab import SCALE, Lab, rows, side_by_side, timed
from report import Figure, duration

JOBS = [datasets.BLOBS_1M, datasets.BLOBS_10M, datasets.BLOBS_16, datasets.LOGNORMAL,
        datasets.PLANE]
PASSES = [datasets.BLOBS_1M, datasets.LOGNORMAL, datasets.PLANE, datasets.NOISE,
          datasets.BLOBS_16, datasets.BLOBS_128, datasets.BLOBS_768]
MAX_ITER = 20


class Results:
    def __init__(self, idle):
        self.idle = idle        # percent of the processors, before the run
        self.figures = []
        self.tables = []        # title, head, lines of cells
        self.jobs = []          # for the picture: title, ours, theirs, to a labelled table
        self.passes = []        # title, ours, theirs
        self.scans = []         # title, seconds
        self.growth = {}        # what grows: [(value, seconds), ...]
        self.texts = []         # title, text

    def ratio(self, part, what, ours, theirs, reach, hope, more=False):
        """A figure from two times: theirs / ours where more is better, else
        ours / theirs."""
        self.figures.append(Figure(
            part, what, f"{duration(ours)} against {duration(theirs)}",
            theirs / ours if more else ours / theirs, reach, hope, more=more))


# ---------------------------------------------------------------------------
# fits

def fit_sql(source, k, more="", columns=None):
    """A statement that fits the model m, again and again."""
    listed = "" if columns is None else \
        ", ARRAY[" + ", ".join(f"'{column}'" for column in columns) + "]"
    return (f"SELECT n_iter, inertia FROM kmeans_fit('m', '{source}'{listed}, k => {k}, "
            f"replace => true{more})")


def passes_sql(data, max_iter=MAX_ITER):
    """The same from given centroids, to the last change of a label."""
    return fit_sql(data.table, data.k, f", max_iter => {max_iter}, tol => 0, init_centroids => %s",
                   data.columns)


def fit(lab, results):
    """The whole fit, against reading the same rows."""
    datasets.make_scan(lab)
    ours, avg, count = side_by_side(
        lambda: lab.time(fit_sql("scan", 8)),
        lambda: lab.time("SELECT avg(a), avg(b), avg(c), avg(d) FROM scan"),
        lambda: lab.time("SELECT count(*) FROM scan"))
    results.ratio("fit", "fit to convergence / avg of 4 columns", ours, avg, 1.0, 0.7)
    with lab.serial():
        serial, serial_avg = side_by_side(
            lambda: lab.time(fit_sql("scan", 8)),
            lambda: lab.time("SELECT avg(a), avg(b), avg(c), avg(d) FROM scan"))
    results.ratio("fit", "the same, both serial", serial, serial_avg, 1.0, 0.7)
    results.scans += [("count(*)", count), ("avg of 4 columns", avg), ("kmeans_fit", ours)]


def load(lab, results):
    """Reading and packing alone: a fit that must end at the last row."""
    datasets.make_scan(lab)
    with lab.serial():
        ours, count = side_by_side(
            lambda: lab.time_to_error(fit_sql("scan_null", 8, ", on_null => 'error'"), "22004"),
            lambda: lab.time("SELECT count(*) FROM scan_null"))
    results.ratio("load", "load alone / count(*), serial", ours, count, 1.6, 1.35)


def passes(lab, results):
    """Lloyd's passes alone, against scikit-learn's from the same start."""
    table = []
    for data in PASSES:
        data.make(lab)
        centroids = data.centroids(lab)
        matrix, _ = rival.fetch(lab, data)
        counts = check_agreement(lab, data, centroids, matrix)
        ours, first, theirs = side_by_side(
            lambda: our_pass(lab, data, centroids),
            lambda: lab.value("SELECT elapsed_ms / 1000 FROM kmeans_iterations('m') WHERE iteration = 1"),
            lambda: rival.seconds_a_pass(matrix, centroids, MAX_ITER))
        reach, hope = (8, 25) if data.d <= 8 else (5, 15) if data.d <= 64 else (2, 5)
        results.ratio("passes", data.title, ours, theirs, reach, hope, more=True)
        results.passes.append((data.title, ours, theirs))
        table.append([data.title, *counts, duration(ours), duration(first), duration(theirs)])
    results.tables.append((
        "Passes", ["data", "passes", "scikit-learn's", "inertia differs by", "ours a pass",
                   "our first", "scikit-learn's a pass"], table))


def our_pass(lab, data, centroids):
    """The mean seconds of our passes, the first included.  One more is asked for
    and not counted: the last one also labels the rows by the final centroids."""
    lab.run(passes_sql(data, MAX_ITER + 1), (centroids,))
    return lab.value("SELECT avg(elapsed_ms) / 1000 FROM kmeans_iterations('m') WHERE iteration <= %s",
                     (MAX_ITER,))


def check_agreement(lab, data, centroids, matrix):
    """Both must do the same work: passes of both, difference of inertias."""
    n_iter, inertia = lab.run(passes_sql(data), (centroids,))[0]
    model = rival.fit(matrix, centroids, MAX_ITER)
    difference = abs(inertia - model.inertia_) / model.inertia_
    if difference > 1e-3:
        raise RuntimeError(f"{data.title}: inertia {inertia}, scikit-learn's {model.inertia_}")
    return str(n_iter), str(model.n_iter_), f"{difference:.0e}"


def job(lab, results):
    """From the table to a model, and to a table of labels."""
    for data in JOBS:
        data.make(lab)
        centroids = data.centroids(lab)
        ours, theirs = side_by_side(lambda: lab.time(passes_sql(data), (centroids,)),
                                    lambda: timed(lambda: their_model(lab, data, centroids)))
        results.ratio("job", f"model: {data.title}", ours, theirs, 5, 10, more=True)
        ours, theirs = side_by_side(lambda: our_labels(lab, data, centroids),
                                    lambda: their_labels(lab, data, centroids))
        results.ratio("job", f"labelled: {data.title}", ours, theirs, 2.5, 4, more=True)
        results.jobs.append((data.title, ours, theirs))


def their_model(lab, data, centroids):
    rival.fit(rival.fetch(lab, data)[0], centroids, MAX_ITER)


def our_labels(lab, data, centroids):
    def work():
        lab.run(passes_sql(data), (centroids,))
        lab.run(f"CREATE UNLOGGED TABLE labels AS SELECT id, kmeans_predict('m', {', '.join(data.columns)})"
                f" AS cluster FROM {data.table}")

    return dropping(lab, work)


def their_labels(lab, data, centroids):
    def work():
        matrix, ids = rival.fetch(lab, data, with_id=True)
        rival.store(lab, "labels", ids, rival.fit(matrix, centroids, MAX_ITER).labels_)

    return dropping(lab, work)


def dropping(lab, work):
    """The seconds of a function that makes the table labels."""
    seconds = timed(work)
    lab.run("DROP TABLE labels")
    return seconds


# ---------------------------------------------------------------------------
# labels

def predict(lab, results):
    datasets.make_scan(lab)
    lab.run(fit_sql("scan", 8))
    with lab.serial():
        values, row, total = side_by_side(
            lambda: lab.time("SELECT sum(kmeans_predict('m', a, b, c, d)) FROM scan"),
            lambda: lab.time("SELECT sum(kmeans_predict('m', scan)) FROM scan"),
            lambda: lab.time("SELECT sum(a + b + c + d) FROM scan"))
        results.ratio("predict", "sum(kmeans_predict('m', a, b, c, d)) / sum(a + b + c + d)",
                      values, total, 1.6, 1.3)
        results.ratio("predict", "by row value / sum(a + b + c + d)", row, total, 2.5, None)

        make_groups(lab)
        join = "FROM grouped JOIN models USING (region)"
        many, one = side_by_side(
            lambda: lab.time(f"SELECT sum(kmeans_predict(model, x1, x2, x3, x4)) {join}"),
            lambda: lab.time(f"SELECT sum(kmeans_predict('m', x1, x2, x3, x4)) {join}"))
        results.ratio("predict", "join, 1,000 models / the same join, 1 model", many, one, 2, None)


def make_groups(lab):
    """Rows of 1,000 regions, and a model for each."""
    data = datasets.BLOBS_1M.make(lab)
    if lab.value("SELECT to_regclass('models') IS NULL"):
        lab.run(f"CREATE TABLE grouped AS SELECT id % 1000 AS region, x1, x2, x3, x4 FROM {data.table}")
        lab.run("CREATE TABLE models AS SELECT region, kmeans_agg(8, ARRAY[x1, x2, x3, x4],"
                " '{\"n_init\": 1}') AS model FROM grouped GROUP BY region")
        lab.run("VACUUM (FREEZE, ANALYZE) grouped")
        lab.run("VACUUM (FREEZE, ANALYZE) models")


def aggregate(lab, results):
    """Many small fits."""
    groups = rows(1000000) // 100
    lab.run(f"CREATE TABLE IF NOT EXISTS small AS SELECT id / 100 AS g, x[1] AS a, x[2] AS b"
            f" FROM kmeans_make_blobs({groups * 100}, 3)")
    lab.run("VACUUM (FREEZE, ANALYZE) small")
    ours, avg = side_by_side(
        lambda: lab.time("SELECT count(m) FROM (SELECT kmeans_agg(3, ARRAY[a, b]) AS m FROM small GROUP BY g) s"),
        lambda: lab.time("SELECT count(m) FROM (SELECT avg(a) + avg(b) AS m FROM small GROUP BY g) s"))
    results.figures.append(Figure(
        "aggregate", f"kmeans_agg of {groups:,} groups of 100 rows",
        f"avg of the same groups: {duration(avg)}", ours, 1.0, None, unit="s"))


# ---------------------------------------------------------------------------
# clients

CLIENTS = 8
RUN_SECONDS = 3
MANY_MODELS = 10000
PREDICT = """\\set a random(-10, 10)
SELECT kmeans_predict('m', :a::float8, 1.0, 2.0, 3.0)
"""


def clients(lab, results):
    """Many clients that predict: beside `SELECT 1`, while the model changes,
    and among many models."""
    data = datasets.BLOBS_1M.make(lab)
    lab.run(fit_sql(f"SELECT {', '.join(data.columns)} FROM {data.table} LIMIT 20000", data.k))
    alone, nothing = side_by_side(lambda: seconds_a_call(PREDICT), lambda: seconds_a_call("SELECT 1"))
    share(results, "predict by name, prepared / SELECT 1", alone, nothing, 60)
    with refreshing():
        refreshed = side_by_side(lambda: seconds_a_call(PREDICT))[0]
    share(results, "predict while the model is refreshed every second / predict", refreshed, alone, 80)

    lab.run("SELECT count(kmeans_save('many ' || i, kmeans_get('m')))"
            f" FROM generate_series(1, {MANY_MODELS}) i")
    listing = side_by_side(lambda: lab.time("SELECT count(*) FROM kmeans_models"))[0]
    results.figures.append(Figure("clients", f"listing {MANY_MODELS:,} models",
                                  duration(listing), listing, 0.05, None, unit="s"))
    among = side_by_side(lambda: seconds_a_call(PREDICT))[0]
    share(results, f"predict among {MANY_MODELS:,} models / predict", among, alone, 95)
    lab.run("SELECT count(kmeans_drop(model)) FROM kmeans_models WHERE model LIKE 'many %'")


def seconds_a_call(script):
    """The mean seconds between two calls of a script by CLIENTS clients; every
    call must succeed."""
    text = subprocess.run(
        ["pgbench", "-n", "-M", "prepared", "-c", str(CLIENTS), "-j", str(os.cpu_count()),
         "-T", str(RUN_SECONDS), "-f", "/dev/stdin", "postgres"],
        input=script, check=True, stdout=subprocess.PIPE, universal_newlines=True).stdout
    return 1 / float(re.search(r"^tps = (\S+)", text, re.MULTILINE).group(1))


def share(results, what, ours, theirs, reach):
    """A figure from the rates of two loads."""
    results.figures.append(Figure(
        "clients", what, f"{1 / ours:,.0f} against {1 / theirs:,.0f} calls a second",
        100 * theirs / ours, reach, None, unit="%", more=True))


@contextlib.contextmanager
def refreshing():
    """The model m refreshed every second, on a connection of its own."""
    own = Lab()
    done = threading.Event()

    def work():
        while not done.wait(1):
            own.run("SELECT * FROM kmeans_refresh('m')")

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        own.connection.close()


# ---------------------------------------------------------------------------
# memory

def memory(lab, results):
    """Memory of a serial fit beyond 8 bytes a value."""
    datasets.make_scan(lab)
    data = datasets.BLOBS_128.make(lab)
    for what, sql, n, d in [
            (f"{datasets.size(datasets.SCAN_ROWS)} x 4", fit_sql("scan", 8), datasets.SCAN_ROWS, 4),
            (data.title, fit_sql(data.table, data.k, ", max_iter => 3", data.columns), data.n, data.d)]:
        peak = peak_memory(lab, sql)
        packed = 8 * n * d
        results.figures.append(Figure(
            "memory", f"above the packed rows, {what}",
            f"{peak / 2**20:.0f} MB, rows {packed / 2**20:.0f} MB",
            (peak - packed) / n, 0.1 * 8 * d + 9, 5, unit="B"))


def peak_memory(lab, sql):
    """The most memory that a backend of its own adds while it runs a statement."""
    own = type(lab)()
    own.run("SET max_parallel_maintenance_workers = 0")
    own.run("SELECT * FROM kmeans_fit('warm', 'VALUES (1), (2)', k => 1, replace => true)")
    status = f"/proc/{own.value('SELECT pg_backend_pid()')}/status"
    before = resident(status)
    peak = before
    thread = threading.Thread(target=own.run, args=(sql,))
    thread.start()
    while thread.is_alive():
        peak = max(peak, resident(status))
        time.sleep(0.001)
    own.connection.close()
    return peak - before


def resident(status):
    with open(status) as file:
        return next(int(line.split()[1]) for line in file if line.startswith("RssAnon")) * 1024


# ---------------------------------------------------------------------------
# growth

def growth(lab, results):
    """Time against rows, features, clusters and workers.  Each grow_ function
    yields, one after the other, a value, the settings to hold, and what to
    time."""
    table = []
    for what, points in [("rows", grow_rows(lab)), ("features", grow_features(lab)),
                         ("clusters", grow_clusters(lab)), ("workers", grow_workers(lab))]:
        results.growth[what] = []
        for value, setup, run in points:
            with setup:
                seconds = side_by_side(run)[0]
            results.growth[what].append((value, seconds))
            table.append([what, f"{value:,}", duration(seconds)])
    results.tables.append(("Growth", ["what grows", "to", "time"], table))


def grow_rows(lab):
    """Default fits of ever more rows x 4, k 8."""
    data = datasets.BLOBS_10M.make(lab)
    for part in (100, 30, 10, 3, 1):
        n = data.n // part
        table = f"rows_{part}"
        if part > 1:
            lab.run(f"CREATE TABLE IF NOT EXISTS {table} AS SELECT * FROM {data.table} LIMIT {n}")
            lab.run(f"VACUUM (FREEZE, ANALYZE) {table}")
        else:
            table = data.table
        yield n, lab.setting(), lambda: lab.time(fit_sql(table, data.k, "", data.columns))


def grow_features(lab):
    """Ten passes over 50 k rows of ever more features, k 16."""
    for d in (2, 4, 8, 16, 32, 64, 128, 256, 512, 1024):
        data = Dataset(f"features_{d}", 50000, d, 16, wide=True,
                       select=datasets.blobs(1, -1, 1)).make(lab)
        centroids = data.centroids(lab)
        yield d, lab.setting(), lambda: lab.time(passes_sql(data, 10), (centroids,))


def grow_clusters(lab):
    """Ten passes over 1 M x 4 with ever more clusters."""
    for k in (2, 4, 8, 16, 32, 64, 128, 256, 512, 1024):
        data = Dataset(datasets.BLOBS_1M.table, 1000000, 4, k,
                       select=datasets.BLOBS_1M.select).make(lab)
        centroids = data.centroids(lab)
        yield k, lab.setting(), lambda: lab.time(passes_sql(data, 10), (centroids,))


def grow_workers(lab):
    """The fit of 5 M x 4 with ever more workers."""
    datasets.make_scan(lab)
    for workers in range(max(os.cpu_count(), 3)):
        yield (workers, lab.setting(max_parallel_maintenance_workers=workers),
               lambda: lab.time(fit_sql("scan", 8)))


# ---------------------------------------------------------------------------
# others

def sql(lab, results):
    """One pass of k-means as SQL can do it, times our passes."""
    data = datasets.BLOBS_1M.make(lab)
    centroids = data.centroids(lab)
    lab.run("DROP TABLE IF EXISTS centroids")
    lab.run("CREATE TABLE centroids (j int, x1 float8, x2 float8, x3 float8, x4 float8)")
    for j, centroid in enumerate(centroids):
        lab.run("INSERT INTO centroids VALUES (%s, %s, %s, %s, %s)", (j, *centroid))
    distance = " + ".join(f"(r.{x} - c.{x}) * (r.{x} - c.{x})" for x in data.columns)
    means = ", ".join(f"avg({x})" for x in data.columns)
    ours, theirs = side_by_side(
        lambda: lab.time(passes_sql(data), (centroids,)),
        lambda: lab.time(
            f"SELECT j, {means} FROM (SELECT r.*, (SELECT j FROM centroids c"
            f" ORDER BY {distance}, j LIMIT 1) AS j FROM {data.table} r) s GROUP BY j"))
    n_iter = lab.run(passes_sql(data), (centroids,))[0][0]
    results.ratio("sql", f"{data.title}, {n_iter} passes, against Lloyd in SQL",
                  ours, theirs * n_iter, 10, 20, more=True)


def window(lab, results):
    """Default fits against the recorded seconds of another extension, which
    has k-means as a window function."""
    for data, seconds, reach in [(datasets.BLOBS_1M, 1.07, 10), (datasets.BLOBS_10M, 54, 50),
                                 (datasets.BLOBS_16, 70, 100), (datasets.PLANE, 10, 70)]:
        data.make(lab)
        ours = side_by_side(lambda: lab.time(fit_sql(data.table, data.k, "", data.columns)))[0]
        results.ratio("window", f"{data.title}, default fit, against recorded seconds", ours, seconds * SCALE, reach,
                      2 * reach, more=True)


# a line of the core's benchmark
SHAPE = re.compile(r"(?P<n>\d+) x +(?P<d>\d+) k +(?P<k>\d+) spread (?P<spread>\S+) \| label +\S+ ns/row"
                   r" +(?P<gflops>\S+) GFLOP/s +(?P<peak>\d+) % of peak"
                   r" +(?P<gb>\S+) GB/s +(?P<reading>\d+) % of reading")


def kernel(lab, results):
    """The core's own benchmark, without a server: labelling all rows, on one
    core, beside what that core can do."""
    text = subprocess.run(["make", "-s", "-C", "test/core", "bench"], check=True,
                          stdout=subprocess.PIPE, universal_newlines=True).stdout
    results.texts.append(("Kernel", text))
    lines = [line for line in map(SHAPE.search, text.splitlines()) if line]
    if not lines:
        raise RuntimeError("unknown output of the core's benchmark:\n" + text)
    for line in lines:
        if line["spread"] == "0":
            continue
        d, k = int(line["d"]), int(line["k"])
        what = f"blobs {datasets.size(int(line['n']))} x {d}, k {k}"
        if k <= 10:
            results.figures.append(Figure(
                "kernel", f"share of memory bandwidth, {what}", line["gb"] + " GB/s",
                float(line["reading"]), 85, 95, unit="%", more=True))
        elif d == 16 or (d >= 128 and k >= 256):
            results.figures.append(Figure(
                "kernel", f"share of FMA peak, {what}", line["gflops"] + " GFLOP/s",
                float(line["peak"]), *((70, 80) if d == 16 else (85, 95)), unit="%", more=True))


PARTS = {part.__name__: part
         for part in (fit, load, passes, job, kernel, predict, aggregate, clients, memory, growth, sql, window)}
