"""Two revisions of search_speed_benchmark that took turns, beside each other.

compare.py FOLDER OUT.csv    reads other-*.csv and this-*.csv there, prints Markdown

Of each number the median over the turns counts.
"""

import csv
import glob
import statistics
import sys

MORE_IS_BETTER = {"M/s", "M mappings/s"}


def read(pattern):
    """By question, problem and unit; how many proofs there were is no part of that."""
    values = {}
    for path in sorted(glob.glob(pattern)):
        with open(path, newline="") as file:
            for row in csv.DictReader(file):
                key = (row["question"], row["problem"],
                       "" if row["question"] == "prove optimal" else row["variant"], row["unit"])
                values.setdefault(key, []).append(float(row["median"]))
    return {key: statistics.median(all_) for key, all_ in values.items()}


def main(folder, out):
    other, this = read(f"{folder}/other-*.csv"), read(f"{folder}/this-*.csv")
    rows = []
    for key in this:
        if key in other and key[3] != "k nodes":
            ratio = this[key] / other[key]
            rows.append([*key, f"{other[key]:.4g}", f"{this[key]:.4g}",
                         f"{ratio if key[3] in MORE_IS_BETTER else 1 / ratio:.3f}"])
    with open(out, "w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["question", "problem", "variant", "unit", "other", "this", "times_as_fast"])
        table.writerows(rows)
    print("\nBeside another revision, in turn, medians of three:\n")
    print("| question | problem | unit | other | this | times as fast |")
    print("|---|---|---|---|---|---|")
    for question, problem, _, unit, before, now, ratio in rows:
        print(f"| {question} | {problem} | {unit} | {before} | {now} | {ratio} |")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
