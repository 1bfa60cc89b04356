#!/usr/bin/env python3
"""The table of results/opencl from the JSON of `hetmap validate`.

    python3 summarize.py FOLDER

Reads FOLDER/<model>-b<batch>.json and prints a table in Markdown. Ends with an error if an output was
wrong or if no mapping of some network used two devices.
"""
import glob
import json
import os
import sys

ORDER = ["vgg3-fashion", "vgg7-cifar10", "resnet18-imagenet"]


def main(folder):
    results = []
    for path in glob.glob(os.path.join(folder, "*-b*.json")):
        with open(path) as file:
            results.append(json.load(file))
    results.sort(key=lambda r: (ORDER.index(r["model"]), r["batch"]))
    print("| network | batch | chosen: predicted [us] | measured [us] | all on the device [us] | "
          "mappings run | of them mixed | median error [%] | p90 [%] | tau-b | outputs |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|")
    for r in results:
        alone = [b["measured_us"]["p50"] for b in r["baselines"] if b["name"].startswith("only ") and b["name"] != "only cpu"]
        print(f'| {r["model"]} | {r["batch"]} | {r["predicted_us"]:.1f} | '
              f'{r["measured_us"]["p50"]:.1f} | {f"{alone[0]:.1f}" if alone else "-"} | '
              f'{1 + len(r["baselines"]) + len(r["sample"])} | {r["mixed_mappings"]} | '
              f'{r["median_error_percent"]:.1f} | {r["p90_error_percent"]:.1f} | '
              f'{r["rank_correlation"]:.2f} | '
              f'{"identical" if r["outputs_identical"] else "DIFFERENT"} |')
    if len(results) != 6:
        sys.exit(f"{len(results)} of 6 validations have results")
    if not all(r["outputs_identical"] and r["mixed_mappings"] > 0 for r in results):
        sys.exit("an output was wrong, or nothing mixed was run")


if __name__ == "__main__":
    main(sys.argv[1])
