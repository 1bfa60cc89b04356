#!/usr/bin/env python3
"""The table of results/opencl from the JSON of `hetmap validate`.

    python3 summarize.py FOLDER

Reads FOLDER/<model>-b<batch>.json, and what the same mappings took later from <model>-b<batch>-again.json where it is
there, and prints a table in Markdown. Ends with an error if an output was
wrong or if no mapping of some network used two devices.
"""
import glob
import json
import os
import sys

ORDER = ["vgg3-fashion", "vgg7-cifar10", "resnet18-imagenet"]


def changes(first, again):
    """How far the same mapping's second median is from its first one, in percent: the median and p90 of all."""
    def key(mapping):
        return tuple((layer["name"], layer["device"], layer["variant"], layer["configuration"]) for layer in mapping["layers"])

    medians = [{key(mapping): mapping["measured_us"]["p50"] for mapping in r["sample"]} for r in (first, again)]
    off = sorted(100 * abs(medians[1][key] / medians[0][key] - 1) for key in medians[0].keys() & medians[1].keys())
    return f"{off[len(off) // 2]:.1f} | {off[min(len(off) - 1, 9 * len(off) // 10)]:.1f}" if off else "- | -"


def main(folder):
    results = []
    for path in glob.glob(os.path.join(folder, "*-b*[0-9].json")):
        with open(path) as file:
            results.append(json.load(file))
        again = path.removesuffix(".json") + "-again.json"
        if os.path.exists(again):
            with open(again) as file:
                results[-1]["again"] = json.load(file)
    results.sort(key=lambda r: (ORDER.index(r["model"]), r["batch"]))
    print("| network | batch | chosen: predicted [us] | measured [us] | all on the device [us] | "
          "mappings run | of them mixed | median error [%] | p90 [%] | tau-b | "
          "the same again: median change [%] | p90 [%] | outputs |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|")
    for r in results:
        alone = [b["measured_us"]["p50"] for b in r["baselines"] if b["name"].startswith("only ") and b["name"] != "only cpu"]
        print(f'| {r["model"]} | {r["batch"]} | {r["predicted_us"]:.1f} | '
              f'{r["measured_us"]["p50"]:.1f} | {f"{alone[0]:.1f}" if alone else "-"} | '
              f'{1 + len(r["baselines"]) + len(r["sample"])} | {r["mixed_mappings"]} | '
              f'{r["median_error_percent"]:.1f} | {r["p90_error_percent"]:.1f} | '
              f'{r["rank_correlation"]:.2f} | {changes(r, r["again"]) if "again" in r else "- | -"} | '
              f'{"identical" if r["outputs_identical"] else "DIFFERENT"} |')
    if len(results) != 6:
        sys.exit(f"{len(results)} of 6 validations have results")
    if not all(r["outputs_identical"] and r["mixed_mappings"] > 0 for r in results):
        sys.exit("an output was wrong, or nothing mixed was run")


if __name__ == "__main__":
    main(sys.argv[1])
