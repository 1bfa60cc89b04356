#!/usr/bin/env python3
"""The tables of results/gpu-networks, and a plot of all mappings.

    python3 tables.py FOLDER PROFILE OUT

Reads FOLDER/validate-<model>-b<batch>.json (hetmap validate --json), FOLDER/peer-tcbnn.txt and
FOLDER/peer-pytorch.txt; writes OUT/mappings.csv, OUT/peers.csv, OUT/summary.md and
OUT/predicted-measured.svg. PROFILE says when, where and with what.
"""
import csv
import glob
import importlib.util
import json
import os
import re
import sys

MODELS = ["vgg3-fashion", "vgg7-cifar10", "resnet18-imagenet"]

# What the peers call the networks.
TCBNN = {"vgg_cifar10": "vgg7-cifar10", "resnet18_imagenet": "resnet18-imagenet"}
PYTORCH = {"vgg7": "vgg7-cifar10", "resnet18": "resnet18-imagenet"}


def validations(folder):
    results = []
    for path in glob.glob(os.path.join(folder, "validate-*-b*.json")):
        with open(path) as file:
            results.append(json.load(file))
    return sorted(results, key=lambda r: (MODELS.index(r["model"]), r["batch"]))


def mappings_of(result):
    return [result] + result["baselines"] + result["sample"]


def devices_of(mapping):
    return "+".join(sorted({layer["device"] for layer in mapping["layers"]}))


def peers(folder):
    """Rows: network, batch, program, device_us, host_us (input and output stay on the GPU)."""
    rows = []
    with open(os.path.join(folder, "peer-tcbnn.txt")) as file:
        for line in file:
            m = re.match(r"TCBNN net=(\S+) variant=(\S+) batch=(\d+) median_us=(\S+) .*"
                         r"host_median_us=(\S+)", line)
            if m and m[1] in TCBNN:
                rows.append([TCBNN[m[1]], int(m[3]), f"TCBNN {m[2]}", float(m[4]), float(m[5])])
    with open(os.path.join(folder, "peer-pytorch.txt")) as file:
        for line in file.read().split("== networks", 1)[1].splitlines():
            m = re.match(r"(\S+) +(\S.*?) +(fp16|fp32|tf32) +(N\S+) +(\d+) +(\S+) +(\S+) +(\S+) +\d+$",
                         line)
            if m and m[1] in PYTORCH:
                rows.append([PYTORCH[m[1]], int(m[5]), f"PyTorch {m[2]} {m[3]}",
                             float(m[6]), float(m[8])])
    return sorted(rows, key=lambda r: (MODELS.index(r[0]), r[1], r[2]))


def provenance(profile):
    found = {}
    with open(profile) as file:
        for line in file:
            m = re.match(r'  (\w+): "(.*)"$', line)
            if m:
                found.setdefault(m[1], m[2])
            if line.startswith("memories:"):
                return found
    sys.exit(f"{profile}: no provenance")


def plot_of():
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../prediction/summarize.py")
    spec = importlib.util.spec_from_file_location("prediction", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.plot


def table(header, rows):
    right = ["--:" if i else "---" for i in range(len(header))]
    lines = ["| " + " | ".join(header) + " |", "|" + "|".join(right) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def main(folder, profile, out):
    results, others, about = validations(folder), peers(folder), provenance(profile)

    with open(os.path.join(out, "mappings.csv"), "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["network", "batch", "mapping", "devices", "predicted_us", "p05_us", "p50_us",
                         "p95_us", "samples", "output"])
        for r in results:
            for m in mappings_of(r):
                t = m["measured_us"]
                writer.writerow([r["model"], r["batch"], m["name"], devices_of(m),
                                 f'{m["predicted_us"]:.3f}', f'{t["p05"]:.3f}', f'{t["p50"]:.3f}',
                                 f'{t["p95"]:.3f}', t["samples"],
                                 "identical" if m["output_identical"] else "DIFFERENT"])
    with open(os.path.join(out, "peers.csv"), "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["network", "batch", "program", "device_us", "host_us"])
        writer.writerows(others)

    def peer(network, batch, programs, column):
        times = [r[column] for r in others if r[:2] == [network, batch] and r[2] in programs]
        return min(times) if times else None

    def us(time):
        return "" if time is None else f"{time:.1f}" if time < 1000 else f"{time:,.0f}"

    columns = [["TCBNN xor"], ["TCBNN and"],
               ["PyTorch cudnn-fused fp16", "PyTorch bn-folded cudnn-fused fp16"],
               ["PyTorch bn-folded torch.compile fp16"]]
    speed = []
    for r in results:
        if r["model"] not in TCBNN.values():
            continue
        cpu = [m for m in mappings_of(r) if m["name"] == "cpu-only"]
        speed.append([r["model"], str(r["batch"]), us(r["measured_us"]["p50"]),
                      us(cpu[0]["measured_us"]["p50"]) if cpu else ""]
                     + [us(peer(r["model"], r["batch"], c, 3)) for c in columns])
    for network, batch in sorted({(r[0], r[1]) for r in others}, key=lambda k: (MODELS.index(k[0]), k[1])):
        if not any(r["model"] == network and r["batch"] == batch for r in results):
            speed.append([network, str(batch), "", ""]
                         + [us(peer(network, batch, c, 3)) for c in columns])
    speed.sort(key=lambda row: (MODELS.index(row[0]), int(row[1])))

    quality = []
    for r in results:
        rest = [m for m in mappings_of(r)[1:]]
        best = min(rest, key=lambda m: m["measured_us"]["p50"])
        quality.append([r["model"], str(r["batch"]), str(len(r["sample"])),
                        f'{r["median_error_percent"]:.1f}', f'{r["p90_error_percent"]:.1f}',
                        f'{r["rank_correlation"]:.3f}', devices_of(r), f'{r["predicted_us"]:.2f}',
                        f'{r["measured_us"]["p50"]:.2f}', f'{r["error_percent"]:+.1f}',
                        f'{best["name"]} {best["measured_us"]["p50"]:.2f}',
                        f'{r["regret_percent"]:.1f}',
                        "identical" if r["outputs_identical"] else "DIFFERENT"])

    with open(os.path.join(out, "summary.md"), "w") as file:
        file.write(f'On {about["cuda0"]}, {about["cores"]} cores of {about["cpu"]} (virtual: {about["virtual"]}), driver '
                   f'{about["cuda0_driver"]}, {about["date"]}, revision {about["revision"]}; profile `{profile}`.\n\n'
                   "Microseconds for a batch, medians. hetmap from host memory to host memory; the others "
                   "the GPU's time alone, input and output on it.\n\n")
        file.write(table(["network", "batch", "hetmap, chosen", "hetmap, CPU only", "TCBNN, xor",
                          "TCBNN, and", "cuDNN fused, fp16", "torch.compile, fp16"], speed))
        file.write("\n\nRandom mappings (errors of predictions), the chosen mapping, and the fastest of all "
                   "others that ran.\n\n")
        file.write(table(["network", "batch", "random mappings", "median error [%]", "p90 error [%]",
                          "tau-b", "chosen on", "predicted [us]", "measured [us]", "error [%]",
                          "fastest of the others [us]", "regret [%]", "outputs"], quality))
        file.write("\n")
    with open(os.path.join(out, "predicted-measured.svg"), "w") as file:
        file.write(plot_of()(results))


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
