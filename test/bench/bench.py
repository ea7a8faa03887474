"""The benchmark of kmeans: see run.sh.  The argument is a directory to write to."""

import os
import pathlib
import sys
import time

import picture
import rival
from lab import SCALE, Lab, idle_share
from parts import PARTS, Results
from report import HEAD, machine, plain, write_results


def main(directory):
    chosen = os.environ.get("BENCH", "").split() or list(PARTS)
    for name in chosen:
        if name not in PARTS:
            sys.exit(f"there is no part {name}: {', '.join(PARTS)}")

    results = Results(idle_share())
    if results.idle < 90:
        print(f"the machine is busy, {results.idle:.0f} % idle: expect noise", flush=True)
    lab = Lab()
    lab.run("CREATE EXTENSION kmeans")
    start = time.time()
    for name in chosen:
        print(f"{name} ({time.time() - start:.0f} s)", flush=True)
        PARTS[name](lab, results)

    show(lab, results)
    if chosen == list(PARTS) and SCALE == 1:
        with open(directory / "RESULTS.md", "w") as file:
            write_results(file, lab, rival, results)
        (directory / "results.svg").write_text(picture.draw(results))
        print("written: test/bench/RESULTS.md, test/bench/results.svg")
    else:
        print("RESULTS.md is written by a full run only")


def show(lab, results):
    print()
    print("\n".join(machine(lab, rival, results.idle)))
    print()
    if results.figures:
        print(plain(HEAD, [figure.cells() for figure in results.figures]))
    for title, head, table in results.tables:
        print(f"\n{title}\n{plain(head, table)}")
    for title, text in results.texts:
        print(f"\n{title}\n{text}")


main(pathlib.Path(sys.argv[1]))
