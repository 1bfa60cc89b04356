"""The table of summary.md, from mpi-search.csv."""

import csv
import statistics
import sys

rows = list(csv.DictReader(open(sys.argv[1])))


def of(problem, ranks, value):
    return statistics.median(value(row) for row in rows if (row["problem"], row["ranks"]) == (problem, ranks))


def per_second(row):
    return int(row["nodes"]) / float(row["wall_s"])


def per_processor_second(row):
    """A second of each rank's processor."""
    return int(row["nodes"]) / float(row["processor_s"]) * int(row["ranks"])


print("| problem | ranks | nodes | bound [us] | best [us] | proven | wall [s] | processors [s] | nodes a second | nodes a second of each processor |")
print("|---|---|---|---|---|---|---|---|---|---|")
for problem in ("proof", "hard"):
    for ranks in ("1", "2"):
        proven = {row["proven"] for row in rows if (row["problem"], row["ranks"]) == (problem, ranks)}
        print("|", " | ".join([
            problem, ranks,
            f"{of(problem, ranks, lambda row: int(row['nodes'])):,.0f}",
            f"{of(problem, ranks, lambda row: float(row['lower_bound_us'])):.2f}",
            f"{of(problem, ranks, lambda row: float(row['makespan_us'])):.2f}",
            "yes" if proven == {"True"} else "no" if proven == {"False"} else "sometimes",
            f"{of(problem, ranks, lambda row: float(row['wall_s'])):.1f}",
            f"{of(problem, ranks, lambda row: float(row['processor_s'])):.1f}",
            f"{of(problem, ranks, per_second):,.0f}",
            f"{of(problem, ranks, per_processor_second):,.0f}"]), "|")
print()
for problem in ("proof", "hard"):
    ratio = of(problem, "2", per_second) / of(problem, "1", per_second)
    of_processors = of(problem, "2", per_processor_second) / of(problem, "1", per_processor_second)
    print(f"{problem}: two ranks visit {ratio:.2f} times the nodes a second of wall time, "
          f"{of_processors:.2f} times those of a second of each processor (medians).")
    print()
