#!/usr/bin/env python3
"""Compares hetmap's streams with two other ways to find a pipeline, which streams_benchmark has.

    streams.py build/streams_benchmark SECONDS OUT.csv     each of the three has so long for a case

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
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for case in streams_cases.CASES:
            streams_cases.write(case, folder)
            values = subprocess.run(
                [program, os.path.join(folder, "model.yaml"), os.path.join(folder, "platform.yaml"), seconds],
                check=True, capture_output=True, text=True).stdout.split()
            hetmap, stages, annealing, bound = map(float, values)
            rows.append([streams_cases.name_of(case), *values, f"{hetmap / min(stages, annealing):.3f}"])
            print(",".join(rows[-1]), flush=True)
    with open(out, "w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["case", "hetmap_us", "stages_us", "annealing_us", "bound_us", "ratio"])
        table.writerows(rows)
    worse = [row[0] for row in rows if float(row[1]) > min(float(row[2]), float(row[3])) * (1 + 1e-9)]
    if worse:
        sys.exit(f"worse than another: {', '.join(worse)}")


if __name__ == "__main__":
    main()
