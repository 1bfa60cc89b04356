#!/usr/bin/env python3
"""The table of results/prediction from the JSON of `hetmap validate`, and a plot of all mappings.

    python3 summarize.py FOLDER

Reads FOLDER/<model>-b<batch>-run<run>.json, prints a table in Markdown, writes FOLDER/predicted-measured.svg.
"""
import glob
import json
import math
import os
import sys


def main(folder):
    results = []
    for path in sorted(glob.glob(os.path.join(folder, "*-b*-run*.json"))):
        with open(path) as file:
            results.append(json.load(file) | {"run": int(path[:-len(".json")].split("-run")[1])})
    order = ["vgg3-fashion", "vgg7-cifar10", "resnet18-imagenet"]
    results.sort(key=lambda r: (order.index(r["model"]), r["batch"], r["run"]))
    print("| network | batch | run | random mappings | median error [%] | p90 error [%] | tau-b | "
          "as it is now: median [%] | p90 [%] | tau-b | inside the interval | as it is now: inside | anchors | "
          "chosen: predicted [us] | measured [us] | error [%] | now [%] | regret [%] | outputs |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|--:|--:|--:|--:|--:|---|")
    for r in results:
        anchors = ", ".join(f'{a["name"].removeprefix("cpu, ")} {a["ratio"]:.2f}'
                            for a in r["anchors"])
        print(f'| {r["model"]} | {r["batch"]} | {r["run"]} | {len(r["sample"])} | '
              f'{r["median_error_percent"]:.2f} | {r["p90_error_percent"]:.2f} | '
              f'{r["rank_correlation"]:.3f} | {r["median_error_now_percent"]:.2f} | '
              f'{r["p90_error_now_percent"]:.2f} | {r["rank_correlation_now"]:.3f} | '
              f'{r["inside_interval"]} | {r["inside_interval_now"]} | {anchors} | {r["predicted_us"]:.2f} | '
              f'{r["measured_us"]["p50"]:.2f} | {r["error_percent"]:+.2f} | '
              f'{r["error_now_percent"]:+.2f} | {r["regret_percent"]:.2f} | '
              f'{"identical" if r["outputs_identical"] else "DIFFERENT"} |')
    with open(os.path.join(folder, "predicted-measured.svg"), "w") as file:
        file.write(plot(results))


def plot(results):
    """A log-log scatter: on the diagonal, prediction and measurement agree."""
    points = [(r["model"], m["predicted_us"], m["measured_us"]["p50"])
              for r in results for m in r["sample"] + [r]]
    low = 10 ** math.floor(math.log10(min(min(p[1:]) for p in points)))
    high = 10 ** math.ceil(math.log10(max(max(p[1:]) for p in points)))
    size, margin = 480, 60

    def at(value):
        return size * math.log(value / low) / math.log(high / low)

    colours = {"vgg3-fashion": "#1b6ca8", "vgg7-cifar10": "#c4622d", "resnet18-imagenet": "#3a7d44"}
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{size + 2 * margin}" '
           f'height="{size + 2 * margin}" font-family="sans-serif" font-size="12">',
           '<rect width="100%" height="100%" fill="white"/>',
           f'<g transform="translate({margin},{margin})">']
    tick = low
    while tick <= high * 1.001:
        x, y = at(tick), size - at(tick)
        label = f"{tick:g}"
        out.append(f'<path d="M{x:.1f} 0V{size}M0 {y:.1f}H{size}" stroke="#ddd"/>')
        out.append(f'<text x="{x:.1f}" y="{size + 16}" text-anchor="middle">{label}</text>')
        out.append(f'<text x="-6" y="{y + 4:.1f}" text-anchor="end">{label}</text>')
        tick *= 10
    out.append(f'<path d="M0 {size}L{size} 0" stroke="#888"/>')
    for model, predicted, measured in points:
        out.append(f'<circle cx="{at(predicted):.1f}" cy="{size - at(measured):.1f}" r="3" '
                   f'fill="{colours[model]}" fill-opacity="0.5"/>')
    for i, (model, colour) in enumerate(colours.items()):
        out.append(f'<circle cx="14" cy="{16 + 18 * i}" r="4" fill="{colour}"/>')
        out.append(f'<text x="24" y="{20 + 18 * i}">{model}</text>')
    out.append(f'<text x="{size / 2}" y="{size + 40}" text-anchor="middle">predicted [us]</text>')
    out.append(f'<text x="{-size / 2}" y="-42" text-anchor="middle" '
               'transform="rotate(-90)">measured [us]</text>')
    out.append("</g></svg>\n")
    return "\n".join(out)


if __name__ == "__main__":
    main(sys.argv[1])
