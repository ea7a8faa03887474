"""scikit-learn, as an analyst with the rows in a database uses it: COPY the
rows out, KMeans, COPY the labels back."""

import io
import time
import warnings

import numpy
import sklearn
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

VERSION = sklearn.__version__
HEADER = 19                     # bytes before the first row of COPY BINARY

warnings.simplefilter("ignore", ConvergenceWarning)


def fetch(lab, data, with_id=False):
    """The rows of a data set as a matrix, and their ids if wanted."""
    file = io.BytesIO()
    columns = (["id"] if with_id else []) + data.columns
    lab.copy_out(f"{data.table} ({', '.join(columns)})", file)
    fields = [("fields", ">i2")]
    if with_id:
        fields += [("id_length", ">i4"), ("id", ">i4")]
    if data.wide:
        # a length and 20 bytes of dimensions, then a length before each element
        fields += [("array", "V24"),
                   ("v", [("length", ">i4"), ("value", ">f4")], (data.d,))]
    else:
        for column in data.columns:
            fields += [("length_" + column, ">i4"), (column, ">f8")]
    table = numpy.frombuffer(file.getbuffer(), numpy.dtype(fields), data.n, HEADER)
    if data.wide:
        matrix = table["v"]["value"].astype(numpy.float32)
    else:
        matrix = numpy.empty((data.n, data.d))
        for t, column in enumerate(data.columns):
            matrix[:, t] = table[column]
    return matrix, table["id"] if with_id else None


def fit(matrix, centroids, max_iter):
    """Lloyd's algorithm from these centroids, to the last change of a label."""
    start = numpy.array(centroids, dtype=matrix.dtype)
    return KMeans(len(start), init=start, n_init=1, max_iter=max_iter, tol=0,
                  algorithm="lloyd").fit(matrix)


def store(lab, table, ids, labels):
    """Ids and labels into a new, unlogged table."""
    pairs = numpy.empty(len(ids), numpy.dtype([
        ("fields", ">i2"), ("id_length", ">i4"), ("id", ">i4"),
        ("label_length", ">i4"), ("label", ">i4")]))
    pairs["fields"] = 2
    pairs["id_length"] = pairs["label_length"] = 4
    pairs["id"] = ids
    pairs["label"] = labels
    file = io.BytesIO(b"PGCOPY\n\xff\r\n\0" + bytes(8) + pairs.tobytes() + b"\xff\xff")
    lab.run(f"CREATE UNLOGGED TABLE {table} (id int, cluster int)")
    lab.copy_in(table, file)


def seconds_a_pass(matrix, centroids, max_iter):
    """The seconds of one pass: those of max_iter passes less those of one, so
    that checking and copying the input, which every fit does, is left out."""
    start = time.perf_counter()
    fit(matrix, centroids, 1)
    one = time.perf_counter() - start
    start = time.perf_counter()
    passes = fit(matrix, centroids, max_iter).n_iter_
    many = time.perf_counter() - start
    return (many - one) / (passes - 1)
