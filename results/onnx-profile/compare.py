"""Predicted against measured time of a run: compare.py FOLDER OUT.csv

For every network below: `hetmap import`, ONNX Runtime's times of its layers on two threads and on one, `hetmap
import-profile`, and `hetmap map` on one device alone, whose time is the sum of the layers. That is held against the
median of whole runs, which were made in turn with those that were profiled. Prints a table.
"""

import csv
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

NETWORKS = ["squeezenet1_1", "shufflenet_v2_x1_0", "mobilenet_v2", "mobilenet_v3_large", "resnet18", "googlenet",
            "efficientnet_b0", "densenet121", "inception_v3", "vit_b_16", "detector", "unet"]


def hetmap(*arguments):
    start = time.perf_counter()
    done = subprocess.run(["build/hetmap", *arguments, "--json"], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"hetmap {' '.join(map(str, arguments))}: {done.stderr}")
    return json.loads(done.stdout), time.perf_counter() - start


def main():
    folder, out = pathlib.Path(sys.argv[1]), sys.argv[2]
    here = pathlib.Path(__file__).parent
    rows, left_out = [], []
    for network in NETWORKS:
        files = sorted(folder.glob(f"{network}*-torchscript.onnx"))
        if not files:
            print(f"{network}: no file in {folder}", file=sys.stderr)
            continue
        with tempfile.TemporaryDirectory() as temporary:
            work = pathlib.Path(temporary)
            imported, import_s = hetmap("import", str(files[0]), "--out", str(work / "model"))
            made = subprocess.run(
                [sys.executable, str(here / "profile_onnx.py"), str(files[0]), str(work / "times.csv")],
                capture_output=True, text=True, check=True)
            runs = {run["device"]: run["run_us"] for run in map(json.loads, made.stdout.splitlines())}
            profile, profile_s = hetmap("import-profile", str(work / "times.csv"), "--model", str(work / "model"),
                                        "--out", str(work / "machine.yaml"))
            if profile["untimed_layers"]:
                # Functions such as HardSwish: ONNX Runtime spells them out, under names of its own.
                left_out.append(f"{network}: {len(profile['untimed_layers'])} layers without a time, such as "
                                f"{profile['untimed_layers'][0]}")
                continue
            for device, measured in runs.items():
                answer, map_s = hetmap("map", "--model", str(work / "model"), "--platform",
                                       str(work / "machine.yaml"), "--only", device, "--time-limit", "10s")
                predicted = answer["makespan_us"]
                rows.append({
                    "network": network, "layers": imported["layers"], "opaque": imported["opaque"],
                    "unknown": len(profile["unknown"]), "device": device,
                    "predicted_us": round(predicted, 1), "measured_us": measured,
                    "error_percent": round(100 * (predicted / measured - 1), 2),
                    "import_s": round(import_s, 2), "map_s": round(map_s, 2)})
    with open(out, "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    print("| network | layers | opaque | device | predicted [ms] | measured [ms] | error | import, map [s] |")
    print("|---|---|---|---|---|---|---|---|")
    for row in rows:
        print(f"| {row['network']} | {row['layers']} | {row['opaque']} | {row['device']} "
              f"| {row['predicted_us'] / 1e3:.2f} | {row['measured_us'] / 1e3:.2f} | {row['error_percent']:+.1f} % "
              f"| {row['import_s']:.1f}, {row['map_s']:.1f} |")
    for line in left_out:
        print(f"\nLeft out, {line}")
    print(f"\nMedian of the errors' sizes: {statistics.median(abs(row['error_percent']) for row in rows):.1f} %")


if __name__ == "__main__":
    main()
