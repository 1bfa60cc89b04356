"""Maps imported networks on made-up machines: map.py FOLDER OUT.csv

The times are a model's, not measurements: a start, multiply-accumulates over a rate and bytes over a bandwidth, times a
factor between 0.7 and 1.4 for each layer and implementation, drawn with a seed. Machine `four`: a CPU, a GPU with a
memory of its own, an NPU that only multiplies and a DSP. Machine `ten`: four ways to run a layer on the CPU, six on
the GPU. Prints a table.
"""

import csv
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import time

LIMIT = 10
MACHINES = {
    # device, variant: start [us], multiply-accumulates a us, bytes a us, only products
    "four": {("cpu", "v"): (1, 5e4, 1e4, False), ("gpu", "v"): (4, 2e6, 3e5, False),
             ("npu", "v"): (3, 3e6, 5e4, True), ("dsp", "v"): (2, 2e5, 2e4, False)},
    "ten": {**{("cpu", f"c{i}"): (1 + i / 4, (3 + i) * 1e4, 1e4, False) for i in range(4)},
            **{("gpu", f"g{i}"): (3 + i / 2, (1 + i / 2) * 1e6, 3e5, False) for i in range(6)}},
}
CASES = [("vit_b_16", "four"), ("bert", "four"), ("swin_t", "four"), ("densenet121", "ten"), ("googlenet", "ten"),
         ("inception_v3", "ten"), ("resnet50", "four"), ("mobilenet_v3_large", "ten")]


def hetmap(*arguments):
    done = subprocess.run(["build/hetmap", *arguments, "--json"], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"hetmap {' '.join(map(str, arguments))}: {done.stderr}")
    return json.loads(done.stdout)


def times(model, machine, path):
    draw = random.Random(1)
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["layer", "device", "variant", "us"])
        for layer in model["layers"]:
            if layer["operation"] in ("input", "result", "constant"):
                continue
            sides, _ = layer["output"].split()
            size = 4
            for side in sides.split("x"):
                size *= int(side)
            for (device, variant), (start, rate, bandwidth, only_products) in MACHINES[machine].items():
                if only_products and layer["macs"] == 0:
                    continue
                us = start + layer["macs"] / rate + (2 * size + layer["weight_bytes"]) / bandwidth
                writer.writerow([layer["name"], device, variant, f"{us * draw.uniform(0.7, 1.4):.3f}"])


def main():
    folder, out = pathlib.Path(sys.argv[1]), sys.argv[2]
    rows = []
    for network, machine in CASES:
        with tempfile.TemporaryDirectory() as temporary:
            work = pathlib.Path(temporary)
            hetmap("import", str(folder / f"{network}-torchscript.onnx"), "--out", str(work / "model"))
            model = hetmap("show", "model", str(work / "model"))
            times(model, machine, work / "times.csv")
            hetmap("import-profile", str(work / "times.csv"), "--model", str(work / "model"), "--out",
                   str(work / "machine.yaml"), "--bandwidth", "12", "--latency-us", "4", "--submit-us", "5")
            start = time.perf_counter()
            answer = hetmap("map", "--model", str(work / "model"), "--platform", str(work / "machine.yaml"),
                            "--time-limit", f"{LIMIT}s")
            wall = time.perf_counter() - start
            bound = answer["lower_bound_us"] or 0
            rows.append({"network": network, "layers": sum(layer["operation"] not in ("input", "result", "constant") for layer in
                                                           model["layers"]),
                         "machine": machine, "us": round(answer["makespan_us"], 2),
                         "best_baseline_us": round(min(v for v in answer["baselines"].values() if v), 2),
                         "proven": answer["proven_for"] or "no", "gap_percent": round(
                             100 * (1 - bound / answer["makespan_us"]), 3), "seconds": round(wall, 2)})
    with open(out, "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    print("| network | layers | machine | found [us] | best baseline [us] | proven | gap to the bound | seconds in all |")
    print("|---|---|---|---|---|---|---|---|")
    for row in rows:
        print(f"| {row['network']} | {row['layers']} | {row['machine']} | {row['us']} | {row['best_baseline_us']} | "
              f"{row['proven']} | {row['gap_percent']} % | {row['seconds']} |")


if __name__ == "__main__":
    main()
