"""The tables of search-quality: hetmap's answers beside the best of the peers'.

compare.py BENCHMARK FOLDER    reads the CSV files there, prints Markdown
"""

import csv
import subprocess
import sys

REACH = {
    "branches": "mean within 0.5 %, none above 2 %",
    "task graphs": "mean below 1 %, none above 5 %",
    "transformers": "never worse",
}


def read(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def print_streams(rows):
    ratios = [float(row["hetmap_us"]) / min(float(row["stages_us"]), float(row["annealing_us"])) for row in rows]
    worse = sum(ratio > 1 for ratio in ratios)
    print(f"\nStreams: {sum(ratio < 1 for ratio in ratios)} of {len(rows)} better than the better peer, "
          f"{worse} worse; median {sorted(ratios)[len(ratios) // 2]:.3f}, most {max(ratios):.3f} of its period.\n")
    print("| stream | hetmap [us] | lower bound [us] | stages [us] | annealing [us] | difference |")
    print("|---|---|---|---|---|---|")
    for row, ratio in zip(rows, ratios):
        peers = [f"{float(row[peer]):.2f}" if row[peer] != "inf" else "none fits"
                 for peer in ("stages_us", "annealing_us")]
        print(f"| {row['case']} | {float(row['hetmap_us']):.2f} | {float(row['bound_us']):.2f} "
              f"| {peers[0]} | {peers[1]} | {100 * (ratio - 1):+.2f} % |")


def print_cases(rows):
    right = sum(row["right"] == "yes" for row in rows)
    print(f"\nCases: {right} of {len(rows)} as they have to be.\n")
    print("| case | options | asked [us] | given [us] | proven | seconds |")
    print("|---|---|---|---|---|---|")
    for row in rows:
        options = f"`{row['options']}`" if row["options"] else ""
        print(f"| {row['case']} | {options} | {row['asked']} | {row['given_us']} | {row['proven']} "
              f"| {row['seconds']} |")


def main(benchmark, folder):
    listed = subprocess.check_output([benchmark, "list"], text=True).splitlines()
    groups = {}
    for line in listed:
        group, name = line.split(",")
        groups.setdefault(group, []).append(name)
    peers = {}
    for row in read(f"{folder}/peers.csv"):
        if int(row["makespan_ps"]) > 0:
            peers.setdefault(row["instance"], []).append(row)
    ours = {row["instance"]: row for row in read(f"{folder}/search-quality.csv")}

    def excess(name):
        least = min(int(row["makespan_ps"]) for row in peers[name])
        return 100 * (int(ours[name]["makespan_ps"]) / least - 1)

    print("| instances | compared | mean | most | better, equal, worse | proven in any order | to reach |")
    print("|---|---|---|---|---|---|---|")
    for group, names in groups.items():
        known = [name for name in names if name in peers and name in ours]
        if not known:
            print(f"| {group} | 0 of {len(names)} | | | | | {REACH[group]} |")
            continue
        all_ = [excess(name) for name in known]
        closed = sum(ours[name]["proven"] == "in any order" for name in known)
        print(
            f"| {group} | {len(known)} of {len(names)} | {sum(all_) / len(all_):+.2f} % | {max(all_):+.2f} % "
            f"| {sum(e < 0 for e in all_)}, {sum(e == 0 for e in all_)}, {sum(e > 0 for e in all_)} "
            f"| {closed} | {REACH[group]} |"
        )
    print("\n| instance | hetmap [us] | lower bound [us] | proven | annealing [us] | CP-SAT [us] | difference |")
    print("|---|---|---|---|---|---|---|")
    for names in groups.values():
        for name in names:
            if name not in peers or name not in ours:
                continue
            by_peer = {row["search"]: f"{int(row['makespan_ps']) / 1e6:.2f}" for row in peers[name]}
            row = ours[name]
            print(
                f"| {name} | {int(row['makespan_ps']) / 1e6:.2f} | {int(row['bound_ps']) / 1e6:.2f} "
                f"| {row['proven']} | {by_peer.get('annealing', '')} | {by_peer.get('cp-sat', '')} "
                f"| {excess(name):+.2f} % |"
            )
    print_streams(read(f"{folder}/streams.csv"))
    print_cases(read(f"{folder}/cases.csv"))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
