#!/usr/bin/env python3
"""FPGA and GPU against the GPU alone: SqueezeNet, MobileNetV2, ShuffleNetV2 under every assumption.

    explore.py --program build/hetmap --platform PROFILE.yaml --out FOLDER --machine TEXT [--short]

For each set of assumptions (assumptions.py) writes a profile into a temporary folder and lets hetmap
find the exact front of latency and energy on it, to be compared with the GPU alone. Writes
assumptions.csv, mappings.csv, plot.svg, Gantt charts of the calibrated set and summary.md into
FOLDER. Start at `main`.
"""
import argparse
import concurrent.futures
import csv
import itertools
import json
import os
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True

import assumptions
import picture
import report
from cases import BANDS, CALIBRATED, CALIBRATED_BOUNDARY, NETWORKS, STEPS


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--platform", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--machine", required=True)
    parser.add_argument("--short", action="store_true", help="the calibrated set only")
    options = parser.parse_args()
    with open(options.platform) as file:
        base = file.read()
    with tempfile.TemporaryDirectory() as folder:
        mapper = Mapper(options.program, folder, base)
        rows = grid_rows(mapper, options.short) + other_rows(mapper)
        steps = step_rows(mapper, options.out, "2s" if options.short else "30s")
    with open(os.path.join(options.out, "assumptions.csv"), "w", newline="") as file:
        write_csv(file, rows)
    with open(os.path.join(options.out, "mappings.csv"), "w", newline="") as file:
        write_csv(file, [{"network": network, "may_use": name, "least": objective,
                          "makespan_ms": answer["makespan_us"] / 1000,
                          "energy_mj": answer["energy_mj"], "proven": answer["proven_optimal"],
                          "layers_on_fpga": layers, "channels_on_fpga": share}
                         for network, name, objective, answer, _ in steps
                         for layers, share in report.on_fpga(answer)])
    with open(os.path.join(options.out, "plot.svg"), "w") as file:
        file.write(picture.draw(rows))
    with open(os.path.join(options.out, "summary.md"), "w") as file:
        file.write(report.summary(rows, steps, options.machine))


# ---- Asking hetmap. ---------------------------------------------------------------------------

class Mapper:
    """Runs hetmap on profiles that it writes."""

    def __init__(self, program, folder, base):
        self.program, self.folder, self.base = program, folder, base
        self.number = itertools.count()
        self.alone = {}

    def map(self, text, network, *more, time_limit="4s"):
        path = os.path.join(self.folder, f"profile{next(self.number)}.yaml")
        with open(path, "w") as file:
            file.write(text)
        command = [self.program, "map", "--model", network, "--platform", path, "--time-limit",
                   time_limit, "--order", "fixed", "--json", "--quiet", *more]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}\n{done.stderr}")
        os.remove(path)
        return json.loads(done.stdout)

    def gpu_alone(self, network, chosen, boundary):
        text = assumptions.of_gpu(self.base, network, chosen, boundary)
        if (network, text) not in self.alone:
            self.alone[network, text] = self.map(text, network, "--only", "gpu")
        return self.alone[network, text]


def reductions(point, alone):
    """Latency and energy saved against the GPU alone, in percent."""
    return (100 * (1 - point["makespan_us"] / alone["makespan_us"]),
            100 * (1 - point["energy_mj"] / alone["energy_mj"]))


def row_of(mapper, network, chosen, boundary, varied):
    """One network under one set of assumptions: the ends of the front, and what is in the band."""
    text = assumptions.profile(mapper.base, network, chosen, boundary)
    alone = mapper.gpu_alone(network, chosen, boundary)
    front = mapper.map(text, network, "--only", "gpu", "fpga", "--pareto", "latency,energy")
    points = [reductions(point, alone) for point in front["points"]]
    band = BANDS[network]
    ranges = (band["latency"], band["energy"])
    inside = [point for point in points
              if all(low <= value <= high for value, (low, high) in zip(point, ranges))]
    middle = [(low + high) / 2 for low, high in ranges]
    inside.sort(key=lambda point: sum((v - m) ** 2 for v, m in zip(point, middle)))
    fastest, thriftiest = points[0], points[-1]
    return {
        "network": network, "varied": varied,
        **{axis: chosen.get(axis, default) for axis, default in assumptions.DEFAULTS.items()},
        "boundary": boundary,
        "gpu_only_ms": alone["makespan_us"] / 1000, "gpu_only_mj": alone["energy_mj"],
        "fastest_latency_percent": fastest[0], "fastest_energy_percent": fastest[1],
        "thriftiest_latency_percent": thriftiest[0], "thriftiest_energy_percent": thriftiest[1],
        "in_band": bool(inside),
        "band_latency_percent": inside[0][0] if inside else "",
        "band_energy_percent": inside[0][1] if inside else "",
        "at_least_band": any(value[0] >= ranges[0][0] and value[1] >= ranges[1][0]
                             for value in points),
        "front_points": len(points), "proven": front["proven"] and alone["proven_optimal"],
        "nodes": front["evaluated"], "seconds": front["seconds"],
    }


# ---- Sets of assumptions. ---------------------------------------------------------------------

def sets_of_grid(network):
    axes = assumptions.GRID
    for values in itertools.product(*axes.values()):
        chosen = dict(zip(axes, values))
        # SqueezeNet has no depthwise convolutions. Divided layers in one bitstream are a knapsack
        # that takes longer: see STEPS.
        if network == "squeezenet-1.1" and chosen["depthwise"] != "1":
            continue
        if (chosen["bitstream"], chosen["split"]) == ("one", "yes"):
            continue
        yield chosen


def grid_rows(mapper, short):
    cases = [(mapper, network, chosen, boundary, "grid")
             for network in NETWORKS for chosen in sets_of_grid(network)
             if not short or chosen == CALIBRATED for boundary in assumptions.BOUNDARIES]
    rows = []
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for row in pool.map(lambda case: row_of(*case), cases):
            rows.append(row)
            if len(rows) % 100 == 0:
                print(f"{len(rows)} of {len(cases)} fronts", file=sys.stderr)
    return rows


def other_rows(mapper):
    """The calibrated set with one assumption of OTHERS changed."""
    return [row_of(mapper, network, {**CALIBRATED, axis: value}, CALIBRATED_BOUNDARY, axis)
            for network in NETWORKS
            for axis, values in assumptions.OTHERS.items() for value in values]


def step_rows(mapper, out, time_limit):
    """What the mapper finds when it may do more and more: (network, step, objective, answer, alone)."""
    rows = []
    for network in NETWORKS:
        for step, (name, change) in enumerate(STEPS.items()):
            chosen = {**CALIBRATED, **change}
            text = assumptions.profile(mapper.base, network, chosen, CALIBRATED_BOUNDARY)
            alone = mapper.gpu_alone(network, chosen, CALIBRATED_BOUNDARY)
            for objective in ("latency", "energy"):
                more = ["--only", "gpu", "fpga", "--objective", objective]
                if chosen == CALIBRATED and objective == "latency":
                    more += ["--gantt", os.path.join(out, f"gantt-{network}.svg")]
                print(f"{network}: {name}, least {objective}", file=sys.stderr)
                answer = mapper.map(text, network, *more, time_limit=time_limit)
                rows.append((network, name, objective, answer, alone))
    return rows


def write_csv(file, rows):
    writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: f"{value:.3f}" if isinstance(value, float) else value
                         for key, value in row.items()})


if __name__ == "__main__":
    main()
