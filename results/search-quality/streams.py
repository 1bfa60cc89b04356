#!/usr/bin/env python3
"""Compares hetmap's streams with two other ways to find a pipeline, which streams_benchmark has.

    streams.py build/streams_benchmark SECONDS OUT.csv [--no-peers]

Each of the three has so long for a case; with --no-peers hetmap alone, where OUT.csv has theirs.
Ends with an error where hetmap's period is above one of the others.
"""
import csv
import os
import subprocess
import sys
import tempfile

import streams_cases


def main():
    program, seconds, out = sys.argv[1:4]
    known = {}
    if sys.argv[4:] == ["--no-peers"]:
        with open(out, newline="") as file:
            known = {row["case"]: [row["stages_us"], row["annealing_us"]] for row in csv.DictReader(file)}
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        def ask(whom):
            return subprocess.run(
                [program, whom, os.path.join(folder, "model.yaml"), os.path.join(folder, "platform.yaml"), seconds],
                check=True, capture_output=True, text=True).stdout.split()

        for case in streams_cases.CASES:
            name = streams_cases.name_of(case)
            streams_cases.write(case, folder)
            hetmap, bound = ask("hetmap")
            peers = known[name] if name in known else ask("peers")
            ratio = float(hetmap) / min(map(float, peers))
            rows.append([name, hetmap, *peers, bound, f"{ratio:.3f}"])
            print(",".join(rows[-1]), flush=True)
    with open(out, "w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["case", "hetmap_us", "stages_us", "annealing_us", "bound_us", "ratio"])
        table.writerows(rows)
    worse = [row[0] for row in rows if float(row[1]) > min(map(float, row[2:4])) * (1 + 1e-9)]
    if worse:
        sys.exit(f"worse than another: {', '.join(worse)}")


if __name__ == "__main__":
    main()
