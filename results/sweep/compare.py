"""Are stores the same, but for what differs from one time to the next?

    compare.py STORE STORE...      compares each with the first
    compare.py --hand-out STORE    says how long its cells took
"""
import sqlite3
import statistics
import sys


def rows(path, query):
    with sqlite3.connect(path) as store:
        return store.execute(query).fetchall()


def answers(path):
    return {key: rest for key, *rest in rows(path, "SELECT key, status, unit, value, bound FROM cells")}


def compare(paths):
    first = answers(paths[0])
    finished = [key for key, (status, *_) in first.items() if status == "proven"]
    print(f"{len(first)} cells, {len(finished)} of them proven, "
          f"{sum(status == 'unproven' for status, *_ in first.values())} unproven (time limit), "
          f"{sum(status == 'refused' for status, *_ in first.values())} refused")
    for path in paths[1:]:
        other = answers(path)
        missing = first.keys() ^ other.keys()
        differ = [key for key in finished if key in other and other[key][0] == "proven" and
                  (other[key][1] != first[key][1] or abs(other[key][2] / first[key][2] - 1) > 1e-9)]
        proofs = sum(first[key][0] != other[key][0] for key in first.keys() & other.keys())
        doubled = rows(path, "SELECT count(*) - count(DISTINCT key) FROM cells")[0][0]
        name = path.rsplit("/", 1)[-1]
        print(f"{name}: {len(missing)} missing, {doubled} twice, {len(differ)} proven values that differ, "
              f"{proofs} proven in one and not in the other")


def say_seconds(path):
    seconds = [s for s, in rows(path, "SELECT seconds FROM cells")]
    print(f"{len(seconds)} cells took {sum(seconds):.1f} s: median {1e3 * statistics.median(seconds):.2f} ms, "
          f"longest {1e3 * max(seconds):.0f} ms")


if sys.argv[1] == "--hand-out":
    say_seconds(sys.argv[2])
else:
    compare(sys.argv[1:])
