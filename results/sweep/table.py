"""The tables of results/sweep/summary.md.

    table.py CSV                  how long each crew took
    table.py --same STORE STORE...  whether stores are the same, but for what differs from time to time
    table.py --cells STORE        how long its cells took
    table.py --count STORE        how many there are
"""
import csv
import pathlib
import sqlite3
import statistics
import sys


def rows(path, query):
    with sqlite3.connect(path) as store:
        return store.execute(query).fetchall()


def crews(path):
    times = {}
    with open(path, encoding="utf-8") as file:
        for row in csv.DictReader(file):
            times.setdefault((row["kind"], int(row["count"])), []).append((int(row["cells"]), float(row["seconds"])))
    one = statistics.median(seconds for _, seconds in times["processes", 1])
    print("| crew | cells | seconds, each round | median | cells a second | times one process |")
    print("|---|---|---|---|---|---|")
    for (kind, count), measured in times.items():
        seconds = [one for _, one in measured]
        median = statistics.median(seconds)
        print(f"| {count} {kind if count > 1 else 'process'} | {measured[0][0]} | {', '.join(f'{s:.1f}' for s in seconds)} "
              f"| {median:.1f} | {measured[0][0] / median:.1f} | {one / median:.2f} |")


def answers(path):
    return {key: rest for key, *rest in rows(path, "SELECT key, status, unit, value, bound FROM cells")}


def same(paths):
    first = answers(paths[0])
    count = {status: sum(row[0] == status for row in first.values()) for status in ("proven", "unproven", "refused")}
    print(f"{len(first)} cells, of which {count['proven']} are proven, {count['unproven']} not within the time limit, "
          f"{count['refused']} refused. Each store beside that of one process:\n")
    print("| store | cells missing | done twice | proven values that differ | proven in one alone |")
    print("|---|---|---|---|---|")
    for path in paths[1:]:
        other = answers(path)
        both = first.keys() & other.keys()
        differ = sum(first[key][0] == other[key][0] == "proven" and
                     abs(other[key][2] / first[key][2] - 1) > 1e-9 for key in both)
        alone = sum((first[key][0] == "proven") != (other[key][0] == "proven") for key in both)
        twice = rows(path, "SELECT count(*) - count(DISTINCT key) FROM cells")[0][0]
        print(f"| {pathlib.Path(path).stem} | {len(first.keys() ^ other.keys())} | {twice} | {differ} | {alone} |")


def cells(path):
    seconds = [row[0] for row in rows(path, "SELECT seconds FROM cells")]
    print(f"{pathlib.Path(path).stem}.yaml: {len(seconds):,} cells took {sum(seconds):.1f} s in all, {1e3 * statistics.median(seconds):.2f} ms "
          f"in the median, {1e3 * max(seconds):.0f} ms at most. What crews would make of them, handed out by one process:")


if sys.argv[1] == "--same":
    same(sys.argv[2:])
elif sys.argv[1] == "--cells":
    cells(sys.argv[2])
elif sys.argv[1] == "--count":
    print(rows(sys.argv[2], "SELECT count(*) FROM cells")[0][0])
else:
    crews(sys.argv[1])
