"""The data: made inside the server, the same for everybody.

Blobs are kmeans_make_blobs, with a spread that lets neighbours overlap: half
the distance between two typical centres is about three standard deviations.
Far-apart blobs would converge in a handful of passes and be pruned at once.
Where several columns are wanted they are x1, x2, ...; wide rows are one
column v of type real[].
"""

from lab import rows

# numbers in [0, 1) from a row's id and a feature: no state, no libm
UNIFORM = "(hashint8extended(i, {t}) & 9007199254740991) / 9007199254740992.0::float8"


def size(n):
    """A number of rows, short."""
    return f"{n / 1e6:g} M" if n >= 1e6 else f"{n / 1e3:g} k"


class Dataset:
    def __init__(self, table, n, d, k, wide=False, title="blobs", select=None):
        self.table = table
        self.n = rows(n)
        self.d = d
        self.k = k
        self.wide = wide
        self.columns = ["v"] if wide else [f"x{t}" for t in range(1, d + 1)]
        self.title = f"{title} {size(self.n)} x {d}{' real[]' if wide else ''}, k {k}"
        self.select = select

    def make(self, lab):
        """Create the table, unless it is there."""
        if lab.value("SELECT to_regclass(%s) IS NULL", (self.table,)):
            print(f"making {self.table}: {self.n} rows", flush=True)
            lab.run(f"CREATE TABLE {self.table} AS {self.select(self)}")
            lab.run(f"VACUUM (FREEZE, ANALYZE) {self.table}")
        return self

    def centroids(self, lab):
        """k rows to start from, as one list per row."""
        array = "v" if self.wide else f"ARRAY[{', '.join(self.columns)}]"
        return [row[0] for row in lab.run(
            f"SELECT {array}::float8[] FROM {self.table} WHERE id <= %s ORDER BY id LIMIT %s",
            (2 * self.k, self.k))]


def blobs(std, low=-10, high=10):
    def select(data):
        x = ", ".join(f"x[{t}] AS x{t}" for t in range(1, data.d + 1))
        return (f"SELECT id, {'x::real[] AS v' if data.wide else x} FROM kmeans_make_blobs("
                f"{data.n}, {data.k}, {data.d}, {std}, {low}, {high})")
    return select


def lognormal(data):
    x = ", ".join(f"exp(x[{t}]) AS x{t}" for t in range(1, data.d + 1))
    return f"SELECT id, {x} FROM kmeans_make_blobs({data.n}, 1, {data.d}, 1, 0, 0)"


def noise(data):
    x = ", ".join(f"{UNIFORM.format(t=t)} AS x{t}" for t in range(1, data.d + 1))
    return f"SELECT i::int AS id, {x} FROM generate_series(0, {data.n} - 1) AS i"


BLOBS_1M = Dataset("blobs_1m", 1000000, 4, 8, select=blobs(2.5))
BLOBS_10M = Dataset("blobs_10m", 10000000, 4, 8, select=blobs(2.5))
BLOBS_16 = Dataset("blobs_16", 1000000, 16, 64, select=blobs(5))
BLOBS_128 = Dataset("blobs_128", 200000, 128, 256, wide=True, select=blobs(1, -0.6, 0.6))
BLOBS_768 = Dataset("blobs_768", 100000, 768, 100, wide=True, select=blobs(1, -0.3, 0.3))
LOGNORMAL = Dataset("lognormal", 2000000, 6, 12, title="lognormal", select=lognormal)
PLANE = Dataset("plane", 1000000, 2, 50, select=blobs(1))
NOISE = Dataset("noise", 1000000, 8, 20, title="uniform noise", select=noise)

SCAN_ROWS = rows(5000000)


def make_scan(lab):
    """5 M x 4 float8 and nothing else, to be read against count and avg; and
    the same rows with a NULL behind the last one."""
    if lab.value("SELECT to_regclass('scan') IS NULL"):
        print(f"making scan: {SCAN_ROWS} rows", flush=True)
        for table in ("scan", "scan_null"):
            lab.run(f"CREATE TABLE {table} AS SELECT x[1] AS a, x[2] AS b, x[3] AS c, x[4] AS d"
                    f" FROM kmeans_make_blobs({SCAN_ROWS}, 8, 4, 2.5)")
            lab.run(f"VACUUM (FREEZE, ANALYZE) {table}")
        lab.run("INSERT INTO scan_null VALUES (NULL, 0, 0, 0)")
        lab.run("VACUUM (FREEZE, ANALYZE) scan_null")
