#!/usr/bin/env python3
"""Runs hetmap on Darkside and compares it with reference.py. `run` calls it.

    python3 experiment.py build/hetmap results/darkside

Prints summary.md's tables; writes layers.csv, best.csv, fronts.csv and fronts.svg. Ends with an
error where hetmap and the reference are further apart than a millionth, or something is not proven.
"""
import csv
import json
import os
import re
import subprocess
import sys
import tempfile

import reference
from plot import fronts_svg

MILLIONTH = 1e-6
NETWORKS = reference.NETWORKS
CLOCK = reference.CLOCK_MHZ
# By platform: how its file calls the implementations of a searchable layer, whole and divided.
WHOLE = {
    "darkside": {"cluster": "im2col_matmul, configuration: 8 cores",
                 "dwe": "depthwise, configuration: 16 channels"},
    "darkside-dws": {"cluster": "im2col_matmul, configuration: 8 cores",
                     "dwe": "depthwise_separable, configuration: 16 channels"},
    "darkside-as-coded": {"cluster": "im2col_matmul, configuration: 8 cores averaged",
                          "dwe": "depthwise, configuration: 16 channels averaged"},
}
PARTS = {
    "darkside": WHOLE["darkside"],
    "darkside-dws": {"cluster": "standard_and_pointwise, configuration: 8 cores",
                     "dwe": "depthwise_separable, configuration: 16 channels"},
    "darkside-as-coded": WHOLE["darkside"],
}


# ---- hetmap. ------------------------------------------------------------------------------------

class Hetmap:
    def __init__(self, program):
        self.program = program

    def __call__(self, *arguments):
        # In the static order, which is what these results are of.
        order = ["--order", "fixed"] if arguments[0] == "map" else []
        done = subprocess.run([self.program, *map(str, arguments), *order, "--json"], check=False,
                              capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{' '.join(done.args)}\n{done.stderr}")
        return json.loads(done.stdout)


def write_mapping(path, network, platform, policy):
    """A mapping file with the policy's standard channels in each searchable layer."""
    layers = {layer.name: layer for layer in NETWORKS[network]}
    lines = ["hetmap: mapping/1", f"model: {network}", f"platform: {platform}", "batch: 1",
             "entries:"]
    with open(f"models/{network}/model.yaml") as file:
        names = re.findall(r"^  - \{name: (\w+), ", file.read(), re.M)
    for name in names:
        layer = layers.get(name)
        standard = reference.POLICIES[policy](layer) if layer else 0
        if layer is None:
            device, how = "host", 'not_counted, configuration: "1"'
        elif not layer.searchable:
            device = "dwe" if layer.depthwise else "cluster"
            how = WHOLE["darkside"][device]
        elif standard in (0, layer.c_out):
            device = "cluster" if standard else "dwe"
            how = WHOLE[platform][device]
        else:
            shares = ", ".join(f"{{device: {d}, channels: {n}, variant: {PARTS[platform][d]}}}"
                               for d, n in (("cluster", standard),
                                            ("dwe", layer.c_out - standard)))
            lines.append(f"  - {{layers: [{name}], parts: [{shares}]}}")
            continue
        lines.append(f"  - {{layers: [{name}], device: {device}, variant: {how}}}")
    with open(path, "w") as file:
        file.write("\n".join(lines) + "\n")


def counting_model(network, folder):
    """The network's file with an `accuracy` that is none: the share of standard channels, each of
    the eight searchable layers an eighth. So a front can show time against it."""
    with open(f"models/{network}/model.yaml") as file:
        text = file.read()
    lost = "".join(f"      - {{layer: {layer.name}, precision: {precision}, points: 12.5}}\n"
                   for precision in ("depthwise", "depthwise separable")
                   for layer in reference.searchable(NETWORKS[network]))
    counted = ('accuracy:\n  metric: "standard channels [%], no accuracy"\n'
               "  reference_percent: 100\n  sensitivity:\n    points_lost:\n" + lost)
    path = f"{folder}/{network}.yaml"
    with open(path, "w") as file:
        file.write(text.replace("\nlayers:\n", f"\n{counted}layers:\n"))
    return path


def standard_channels(answer, network):
    """By searchable layer: output channels on the cluster."""
    entries = {entry["name"]: entry for entry in answer["layers"]}
    channels = {}
    for layer in reference.searchable(NETWORKS[network]):
        entry = entries[layer.name]
        on = {part["device"]: part["channels"] for part in entry.get("parts") or []}
        channels[layer.name] = on.get("cluster", 0) if on else (
            layer.c_out if entry["device"] == "cluster" else 0)
    return channels


def costs_of(answer, network, variant):
    """The reference's, of the answer's mapping: searchable layers, all layers."""
    standard = standard_channels(answer, network)
    searchable = [reference.VARIANTS[variant](layer, standard[layer.name])
                  for layer in reference.searchable(NETWORKS[network])]
    others = [reference.fixed(layer) for layer in NETWORKS[network] if not layer.searchable]
    return reference.total(searchable), reference.total(searchable + others)


# ---- Comparing. ---------------------------------------------------------------------------------

class Deviation:
    """The largest relative one, and where."""

    def __init__(self):
        self.largest, self.where, self.compared = 0.0, "nowhere", 0

    def add(self, value, expected, where):
        off = abs(value - expected) / abs(expected) if expected else abs(value)
        self.compared += 1
        if off > self.largest:
            self.largest, self.where = off, where
        if off > MILLIONTH:
            sys.exit(f"{where}: {value} from hetmap, {expected} from reference.py")
        return off


def write_csv(path, header, rows):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def table(header, alignment, rows):
    print("| " + " | ".join(header) + " |")
    print("|" + "|".join({"l": "---", "r": "--:"}[a] for a in alignment) + "|")
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |")
    print()


def microjoules(answer):
    if answer["energy_mj"] is None:
        sys.exit(f"no energy: {answer.get('energy_unknown')}")
    return answer["energy_mj"] * 1000


# ---- 1. The cycles. -----------------------------------------------------------------------------

def golden_rows(here):
    with open(f"{here}/golden.csv", newline="") as file:
        return {(r["network"], r["variant"], r["policy"]): r for r in csv.DictReader(file)}


def cycles(hetmap, here, work):
    golden, rows, shown = golden_rows(here), [], []
    deviation, of_golden = Deviation(), 0
    for network, layers in NETWORKS.items():
        for variant in reference.VARIANTS:
            for policy in reference.POLICIES:
                path = f"{work}/mapping.yaml"
                write_mapping(path, network, variant, policy)
                answer = hetmap("simulate", "--model", network, "--platform", variant,
                                "--mapping", path)
                where = f"{network} on {variant}, {policy}"
                searchable, everything = costs_of(answer, network, variant)
                off = [deviation.add(answer["makespan_us"] * CLOCK, everything.cycles, where),
                       deviation.add(microjoules(answer), everything.microjoules, where)]
                took = {}
                for entry in answer["layers"]:
                    took[entry["name"]] = (entry["end_us"] - entry["start_us"]) * CLOCK
                for layer in layers:
                    standard = reference.POLICIES[policy](layer)
                    c = reference.VARIANTS[variant](layer, standard) if layer.searchable else (
                        reference.fixed(layer))
                    off.append(deviation.add(took[layer.name], c.cycles, f"{where}, {layer.name}"))
                    rows.append([network, variant, policy, layer.name,
                                 standard if layer.searchable else "", f"{took[layer.name]:.4f}",
                                 f"{off[-1]:.1e}"])
                ours = sum(took[layer.name] for layer in layers if layer.searchable)
                rest = sum(took[layer.name] for layer in layers if not layer.searchable)
                known = golden.get((network, variant, policy))
                if known:
                    of_golden += 1
                    digits = len(known["cycles"].partition(".")[2])
                    if round(ours, digits) != float(known["cycles"]):
                        sys.exit(f"{where}: {ours}, but golden.csv has {known['cycles']}")
                if round(rest) != int(golden[network, "darkside", "fixed"]["cycles"]):
                    sys.exit(f"{where}: the fixed layers take {rest}")
                shown.append([network, variant, policy, f"{ours:,.1f}", f"{rest:,.0f}",
                              known["cycles"] if known else "", f"{searchable.microjoules:,.3f}",
                              f"{microjoules(answer):,.3f}", f"{max(off):.0e}"])
    write_csv(f"{here}/layers.csv",
              ["network", "platform", "policy", "layer", "standard_channels", "cycles",
               "relative_deviation"], rows)
    print("## Cycles\n")
    table(["network", "platform", "searchable layers", "their cycles", "fixed layers",
           "golden.csv", "their uJ (reference)", "all layers' uJ", "off by"], "lllrrrrrr", shown)
    print(f"Largest relative deviation from reference.py, in {deviation.compared} values (layers, "
          f"totals, energies): {deviation.largest:.1e} ({deviation.where}). {of_golden} sums and "
          f"the fixed layers equal golden.csv, digit by digit.\n")
    print("What a depthwise separable layer takes more than a depthwise one (pw in golden.csv):\n")
    extra = []
    for network, layers in NETWORKS.items():
        more = (reference.searchable_cost(layers, "darkside-dws", "dw").cycles -
                reference.searchable_cost(layers, "darkside", "dw").cycles)
        known = golden[network, "darkside-dws", "pw"]
        if more != int(known["cycles"]):
            sys.exit(f"{network}: pw {more}, but golden.csv has {known['cycles']}")
        extra.append([network, f"{more:,}", known["origin"]])
    table(["network", "cycles", "golden.csv's origin"], "lrl", extra)


# ---- 2. The best mapping, and the front with the share of standard channels. ---------------------

def best(hetmap, here):
    rows, shown = [], []
    for network in NETWORKS:
        for variant in reference.VARIANTS:
            for objective in ("latency", "energy"):
                answer = hetmap("map", "--model", network, "--platform", variant,
                                "--objective", objective)
                if not answer["proven_optimal"]:
                    sys.exit(f"{network} on {variant}: {objective} is not proven")
                channels = standard_channels(answer, network)
                searchable, everything = costs_of(answer, network, variant)
                Deviation().add(answer["makespan_us"] * CLOCK, everything.cycles,
                                f"{network} on {variant}, best {objective}")
                rows += [[network, variant, objective, layer.name, layer.c_out,
                          channels[layer.name]]
                         for layer in reference.searchable(NETWORKS[network])]
                conv = reference.searchable_cost(NETWORKS[network], variant, "conv")
                shown.append([network, variant, objective,
                              ", ".join(f"{n} {c}" for n, c in channels.items() if c) or "none",
                              f"{searchable.cycles:,.1f}",
                              f"{conv.cycles / searchable.cycles:,.1f}",
                              f"{searchable.microjoules:,.3f}",
                              "yes", f"{answer['seconds']:.2f}", f"{answer['evaluated']:,}"])
    write_csv(f"{here}/best.csv", ["network", "platform", "objective", "layer", "channels",
                                   "standard_channels"], rows)
    print("## The best split of every layer\n")
    print("The searchable layers' cycles and energy; how many times fewer cycles than if all were "
          "standard convolutions.\n")
    table(["network", "platform", "objective", "standard channels", "cycles", "x fewer", "uJ",
           "proven", "seconds", "nodes"], "llllrrrlrr", shown)


def at_least(points, share):
    """Of a front's points, the one with fewest cycles that has the share of standard channels."""
    return min((p for p in points if p[0] >= share - MILLIONTH), key=lambda p: p[1].cycles)


def fronts(hetmap, here, work):
    rows, shown, plots = [], [], {}
    for network, layers in NETWORKS.items():
        plots[network] = {}
        model = counting_model(network, work)
        for variant in ("darkside", "darkside-dws"):
            answer = hetmap("map", "--model", model, "--platform", variant,
                            "--pareto", "latency,accuracy", "--time-limit", "600s")
            if not answer["proven"]:
                sys.exit(f"{network} on {variant}: the front is not proven")
            deviation = Deviation()
            points = []
            for point in answer["points"]:
                standard = standard_channels(point, network)
                searchable, everything = costs_of(point, network, variant)
                share = 100 * sum(standard[layer.name] / layer.c_out
                                  for layer in reference.searchable(layers)) / 8
                where = f"{network} on {variant}, a point with {share:.2f} % standard"
                deviation.add(point["makespan_us"] * CLOCK, everything.cycles, where)
                # A layer's share is rounded to a millionth of a point.
                if abs(point["accuracy"]["percent"] - share) > 8 * MILLIONTH:
                    sys.exit(f"{where}, but hetmap says {point['accuracy']['percent']}")
                points.append((share, searchable, standard))
            plots[network][variant] = []
            for least in range(0, 101):
                share, c, standard = at_least(points, least)
                plots[network][variant].append((share, c.cycles))
                rows.append([network, variant, least, f"{share:.4f}", f"{c.cycles:.0f}",
                             f"{c.microjoules:.3f}",
                             *(standard[layer.name] for layer in reference.searchable(layers))])
            for least in (25, 50, 75):
                even = reference.total(
                    reference.VARIANTS[variant](layer, layer.c_out * least // 100)
                    for layer in reference.searchable(layers))
                chosen = at_least(points, least)
                shown.append([network, variant, len(points), f"{least} %",
                              f"{chosen[1].cycles:,.0f}", f"{even.cycles:,.0f}",
                              f"{100 * (1 - chosen[1].cycles / even.cycles):.1f}",
                              ", ".join(f"{n} {c}" for n, c in chosen[2].items() if c),
                              f"{answer['seconds']:.2f}", f"{answer['evaluated']:,}"])
    names = [layer.name for layer in reference.searchable(NETWORKS["darkside-cifar10"])]
    write_csv(f"{here}/fronts.csv", ["network", "platform", "at_least_percent", "standard_percent",
                                     "cycles", "microjoules", *names], rows)
    with open(f"{here}/fronts.svg", "w") as file:
        file.write(fronts_svg(plots))
    print("## Latency against standard channels\n")
    print("Fronts of latency and the share of standard channels (the mean over the searchable "
          "layers: a proxy, not an accuracy), all proven. At three shares: the least cycles of the "
          "searchable layers, and what the same share in every layer takes.\n")
    table(["network", "platform", "points", "standard", "cycles", "the same share everywhere",
           "fewer [%]", "standard channels", "seconds", "nodes"], "llrrrrrlrr", shown)


def main(program, here):
    hetmap = Hetmap(program)
    with tempfile.TemporaryDirectory() as work:
        cycles(hetmap, here, work)
        best(hetmap, here)
        fronts(hetmap, here, work)


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(__file__))
    main(sys.argv[1], sys.argv[2])
