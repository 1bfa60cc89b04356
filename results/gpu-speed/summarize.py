#!/usr/bin/env python3
"""The table of results/gpu-speed from the CSV that gpu_speed_benchmark writes.

    python3 summarize.py FILE.csv
"""
import csv
import re
import sys

VARIANTS = ["tensor_core", "int8_tensor_core", "popc", "naive"]


def main(path):
    with open(path) as file:
        rows = list(csv.DictReader(file))
    convolutions, batches = {}, {}
    for row in rows:
        if row["layers"] == "all":
            batches.setdefault(int(row["batch"]), {})[row["variant"]] = float(row["us"])
        else:
            key = (row["network"], re.match(r"conv2d binary (\S+) (\d+) k\dx\d s(\d)", row["layers"]).groups())
            convolutions.setdefault(key, {})[row["variant"]] = row
    batch = next(row["batch"] for row in rows if row["layers"] != "all")

    print(f"Convolution and threshold, batch {batch}, the fastest configuration of each variant: microseconds, and "
          "the share of the peak that was measured beside it.\n")
    print("| network | input | channels, stride | peak [TOPS] | tensor_core [TOPS] | "
          + " | ".join(f"{v} [us]" for v in VARIANTS) + " |")
    print("|---|---|---|--:|--:|" + "--:|" * len(VARIANTS))
    for (network, (shape, channels, stride)), by_variant in convolutions.items():
        cells = []
        for variant in VARIANTS:
            row = by_variant.get(variant)
            share = float(row["share_of_peak_percent"]) if row else 0
            cells.append("" if row is None else f'{float(row["us"]):,.1f} ({share:.1f} %)')
        peak = by_variant.get("peak")
        best = by_variant.get("tensor_core")
        tops = [f'{float(r["tera_operations_per_s"]):,.0f}' if r else "" for r in (peak, best)]
        print(f"| {network} | {shape} | {channels}, {stride} | " + " | ".join(tops + cells) + " |")

    if batches:
        print("\nkhan-vehicle, all layers, each in its fastest implementation, against our float kernel:\n")
        print("| batch | binary [us] | float [us] | ratio |\n|--:|--:|--:|--:|")
        for number, times in sorted(batches.items()):
            if len(times) == 2:
                print(f'| {number} | {times["binary"]:.2f} | {times["float"]:.2f} | '
                      f'{times["float"] / times["binary"]:.2f} |')


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
