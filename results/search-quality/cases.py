#!/usr/bin/env python3
"""Small inputs of kinds that were hard once, and what hetmap has to find for them, and when.

    cases.py build/hetmap OUT.csv     asks for each; cases/ has their models and platforms

Ends with an error where an answer is not what it has to be.
"""
import csv
import json
import os
import subprocess
import sys

STREAM = ["--objective", "throughput"]
AT_MOST, EXACTLY = "at most", "exactly"
# Name, platform, what to ask for, how its value compares with which (in us), and whether it is to be proven.
CASES = [
    ("throughput", "platform", [*STREAM, "--frames-in-flight", "4"], EXACTLY, 200, False),
    ("throughput", "platform2", [*STREAM, "--frames-in-flight", "4"], EXACTLY, 199, True),
    ("throughput-32", "platform", [*STREAM, "--frames-in-flight", "16", "--time-limit", "2s"], AT_MOST, 37.43, False),
    ("throughput-60", "platform", [*STREAM, "--time-limit", "5s"], EXACTLY, 2000, True),
    ("throughput-19", "platform", [*STREAM, "--time-limit", "10s"], AT_MOST, 138, False),
    ("throughput-122", "platform", [*STREAM, "--time-limit", "10s"], AT_MOST, 317.7, False),
    ("capacity-24", "platform", ["--time-limit", "2s"], AT_MOST, 244.017, True),
    ("capacity-gpus", "platform", ["--time-limit", "5s"], AT_MOST, 7700, False),
    ("heft-ties", "platform", ["--search", "heft"], EXACTLY, 10, False),
    ("order", "platform", ["--time-limit", "10s"], AT_MOST, 4630, False),
    ("order-8", "platform", ["--time-limit", "10s"], AT_MOST, 103.6, False),
    ("order-20", "platform", ["--time-limit", "10s"], AT_MOST, 247.5, False),
    ("bound-rounding", "platform", ["--time-limit", "10s"], EXACTLY, 262, True),
    ("states-31", "platform", ["--time-limit", "30s"], None, None, True),
]
HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "cases")


def main():
    program, out = sys.argv[1:3]
    rows, wrong = [], []
    for name, platform, options, how, wanted, to_prove in CASES:
        answer = json.loads(subprocess.run(
            [program, "map", "--model", os.path.join(HERE, name, "model.yaml"),
             "--platform", os.path.join(HERE, name, f"{platform}.yaml"), *options, "--json", "--quiet"],
            check=True, capture_output=True, text=True).stdout)
        value, proven = answer["value"], answer["proven_optimal"]
        is_right = (proven or not to_prove) and (
            how is None or value <= wanted * (1 + 1e-6) and (how == AT_MOST or value >= wanted * (1 - 1e-6)))
        asked = " ".join(filter(None, [how and f"{how} {wanted}", "proven" if to_prove else ""]))
        rows.append([name if platform == "platform" else f"{name}, {platform}", " ".join(options), asked,
                     f"{value:.3f}", f"in {answer['proven_for']}" if proven else "no",
                     f"{answer['seconds']:.2f}", "yes" if is_right else "no"])
        print(",".join(rows[-1]), flush=True)
        if not is_right:
            wrong.append(rows[-1][0])
    with open(out, "w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["case", "options", "asked", "given_us", "proven", "seconds", "right"])
        table.writerows(rows)
    if wrong:
        sys.exit(f"not as they have to be: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
