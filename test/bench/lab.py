"""The server, the stopwatch, and what a measurement is."""

import os
import statistics
import time

import psycopg2

ROUNDS = 5
SCALE = float(os.environ.get("BENCH_SCALE") or 1)


class Lab:
    """One connection; every statement commits by itself."""

    def __init__(self):
        self.connection = psycopg2.connect(dbname="postgres")
        self.connection.autocommit = True
        self.cursor = self.connection.cursor()
        self.run("SET client_min_messages = error")

    def run(self, sql, args=None):
        """Run a statement; its rows."""
        self.cursor.execute(sql, args)
        return self.cursor.fetchall() if self.cursor.description else []

    def value(self, sql, args=None):
        """The first column of the first row."""
        return self.run(sql, args)[0][0]

    def time(self, sql, args=None):
        """The seconds a statement takes, its answer on the client's side included."""
        return timed(lambda: self.run(sql, args))

    def time_to_error(self, sql, sqlstate):
        """The seconds until a statement ends in the error it must end in."""
        start = time.perf_counter()
        try:
            self.run(sql)
        except psycopg2.Error as error:
            if error.pgcode != sqlstate:
                raise
            return time.perf_counter() - start
        raise RuntimeError("no error: " + sql)

    def copy_out(self, what, file):
        self.cursor.copy_expert(f"COPY {what} TO STDOUT (FORMAT binary)", file)

    def copy_in(self, what, file):
        self.cursor.copy_expert(f"COPY {what} FROM STDIN (FORMAT binary)", file)

    def serial(self):
        return Setting(self, max_parallel_workers_per_gather=0,
                       max_parallel_maintenance_workers=0)

    def setting(self, **values):
        return Setting(self, **values)


class Setting:
    """Settings that hold for the length of a `with`."""

    def __init__(self, lab, **values):
        self.lab = lab
        self.values = values

    def __enter__(self):
        for name, value in self.values.items():
            self.lab.run(f"SET {name} = {value}")

    def __exit__(self, *error):
        for name in self.values:
            self.lab.run(f"RESET {name}")


def idle_share():
    """The share of the processors, in percent, that nobody uses for three seconds."""
    def ticks():
        with open("/proc/stat") as file:
            numbers = [int(number) for number in file.readline().split()[1:9]]
        return numbers[3] + numbers[4], sum(numbers)

    idle, total = ticks()
    time.sleep(3)
    idle_then, total_then = ticks()
    return 100 * (idle_then - idle) / (total_then - total)


def timed(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def side_by_side(*contestants):
    """The median seconds of each contestant, a function that returns its
    seconds.  They take turns, so that a slow minute of the machine is a slow
    minute for all; a first round that fills the caches does not count."""
    rounds = [[contestant() for contestant in contestants]
              for _ in range(ROUNDS + 1)]
    return [statistics.median(times) for times in zip(*rounds[1:])]


def rows(n):
    """A number of rows at the scale of this run."""
    return max(int(n * SCALE), 1000)
