#!/usr/bin/env python3
"""Runs hetmap on DIANA and compares it with reference.py. `run` calls it.

    python3 experiment.py build/hetmap results/diana

Prints summary.md's tables; writes totals.csv, layers.csv, splits.csv, fronts.csv, gains.csv,
accuracy.csv, streams.csv, fronts.svg and accuracy.svg. Ends with an error where hetmap and the
reference are further apart than a millionth, or where a front is not proven.
"""
import csv
import json
import os
import re
import subprocess
import sys
import tempfile
from fractions import Fraction

import reference
from plot import accuracy_svg, fronts_svg

MILLIONTH = 1e-6
NETWORKS = list(reference.NETWORKS)
CLOCK = reference.CLOCK_MHZ


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

    def conclusion(self, *arguments):
        """The last line of the text: of a front with very many points, all that is wanted."""
        done = subprocess.run([self.program, *map(str, arguments)], check=True,
                              capture_output=True, text=True)
        return done.stdout.rstrip().rpartition("\n")[2]


def layers_of_model(network):
    """Names and operations of all layers, as models/ has them."""
    with open(f"models/{network}/model.yaml") as file:
        return re.findall(r"^  - \{name: (\w+), operation: (\w+)", file.read(), re.M)


def write_mapping(path, network, platform, split):
    """A mapping file with so many digital channels of each of the reference's layers."""
    digital = {layer.name: (layer, d) for layer, d in zip(reference.NETWORKS[network], split)}
    parts = {"digital": "variant: pe_array, configuration: 16x16",
             "analog": "variant: in_memory, configuration: 1152x512"}
    lines = ["hetmap: mapping/1", f"model: {network}", f"platform: {platform}", "batch: 1",
             "entries:"]
    for name, _ in layers_of_model(network):
        layer, d = digital.get(name, (None, 0))
        if layer is None:
            lines.append(f'  - {{layers: [{name}], device: host, variant: not_counted, '
                         'configuration: "1"}')
        elif d in (0, layer.c_out):
            device = "digital" if d else "analog"
            lines.append(f"  - {{layers: [{name}], device: {device}, {parts[device]}}}")
        else:
            shares = ", ".join(f"{{device: {device}, channels: {n}, {parts[device]}}}"
                               for device, n in (("digital", d), ("analog", layer.c_out - d)))
            lines.append(f"  - {{layers: [{name}], parts: [{shares}]}}")
    with open(path, "w") as file:
        file.write("\n".join(lines) + "\n")


def digital_channels(layer_entry, c_out):
    """Of one of `layers` in hetmap's answer."""
    for part in layer_entry.get("parts") or []:
        if part["device"] == "digital":
            return part["channels"]
    return c_out if layer_entry["device"] == "digital" else 0


def split_of(answer, network):
    entries = {entry["name"]: entry for entry in answer["layers"]}
    return [digital_channels(entries[layer.name], layer.c_out)
            for layer in reference.NETWORKS[network]]


def microjoules(answer):
    if answer["energy_mj"] is None:
        sys.exit(f"no energy: {answer.get('energy_unknown')}")
    return answer["energy_mj"] * 1000


# ---- Comparing. ---------------------------------------------------------------------------------

class Deviation:
    """The largest relative one, and where."""

    def __init__(self):
        self.largest, self.where, self.compared = 0.0, "nowhere", 0

    def add(self, value, expected, where):
        expected = float(expected)
        off = abs(value - expected) / abs(expected) if expected else abs(value)
        self.compared += 1
        if off > self.largest:
            self.largest, self.where = off, where
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


def read_csv(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


# ---- 1. The policies. ---------------------------------------------------------------------------

def policies(hetmap, here, work):
    golden = {(row["network"], row["policy"]): row for row in read_csv(f"{here}/golden.csv")}
    totals, layers, shown = [], [], []
    against_reference, against_layers, equal = Deviation(), Deviation(), 0
    for network in NETWORKS:
        shapes = reference.NETWORKS[network]
        for policy, choose in reference.POLICIES.items():
            where = f"{network}, {policy}"
            split = choose(shapes)
            path = f"{work}/mapping.yaml"
            write_mapping(path, network, "diana", split)
            answer = hetmap("simulate", "--model", network, "--platform", "diana",
                            "--mapping", path)
            c = reference.network_cost(shapes, split)
            cycles = answer["makespan_us"] * CLOCK
            utilisation = {d: 100 * answer["devices"][d]["utilization"]
                           for d in ("digital", "analog")}
            off = max(
                against_reference.add(cycles, c.cycles, where),
                against_reference.add(answer["makespan_us"] / 1000, c.milliseconds, where),
                against_reference.add(microjoules(answer), c.microjoules, where),
                against_reference.add(utilisation["digital"], 100 * c.digital / c.cycles, where),
                against_reference.add(utilisation["analog"], 100 * c.analog / c.cycles, where))
            all_channels = sum(layer.c_out for layer in shapes)
            analog_share = 100 * (all_channels - sum(split)) / all_channels
            values = [cycles, answer["makespan_us"] / 1000, microjoules(answer),
                      utilisation["digital"], utilisation["analog"], analog_share]
            totals.append([network, policy, *(f"{v:.6f}" for v in values), float(c.cycles),
                           float(c.milliseconds), float(c.microjoules), f"{off:.1e}"])
            known = golden[network, policy]
            exact = [c.cycles, c.milliseconds, c.microjoules, 100 * c.digital / c.cycles,
                     100 * c.analog / c.cycles, Fraction(analog_share)]
            for value, column in zip(exact, list(known)[2:]):
                digit = Fraction(1, 10 ** len(known[column].partition(".")[2]))
                if abs(value - Fraction(known[column])) > digit / 2:
                    sys.exit(f"{where}: {column} {float(value)}, golden.csv has {known[column]}")
                equal += 1
            shown.append([network, policy, f"{cycles:,.2f}", f"{values[1]:.4f}",
                          f"{values[2]:.3f}", f"{values[3]:.1f}", f"{values[4]:.1f}",
                          f"{analog_share:.2f}", f"{off:.0e}"])
            layers += compare_layers(answer, network, policy, split, against_layers)
    write_csv(f"{here}/totals.csv",
              ["network", "policy", "cycles", "milliseconds", "microjoules", "digital_percent",
               "analog_percent", "analog_channels_percent", "reference_cycles",
               "reference_milliseconds", "reference_microjoules", "relative_deviation"], totals)
    write_csv(f"{here}/layers.csv",
              ["network", "policy", "layer", "digital_channels", "analog_channels", "cycles",
               "digital_cycles", "analog_cycles", "microjoules", "relative_deviation"], layers)
    print("## The policies\n")
    table(["network", "policy", "cycles", "ms", "uJ", "digital [%]", "analog [%]",
           "analog channels [%]", "off by"], "llrrrrrrr", shown)
    print(f"Largest relative deviation from reference.py: {against_reference.largest:.1e} in the "
          f"totals ({against_reference.where}; {against_reference.compared} values), "
          f"{against_layers.largest:.1e} in the layers ({against_layers.where}; "
          f"{against_layers.compared} values). reference.py, exact, rounds to all {equal} values "
          "of golden.csv.\n")
    if max(against_reference.largest, against_layers.largest) > MILLIONTH:
        sys.exit("hetmap and reference.py are further apart than a millionth")


def compare_layers(answer, network, policy, split, deviation):
    entries = {entry["name"]: entry for entry in answer["layers"]}
    rows = []
    for layer, d in zip(reference.NETWORKS[network], split):
        entry = entries[layer.name]
        where = f"{network}, {policy}, {layer.name}"
        c = reference.cost(layer, d)
        cycles = (entry["end_us"] - entry["start_us"]) * CLOCK
        busy = {"digital": 0.0, "analog": 0.0}
        for part in entry.get("parts") or [{"device": entry["device"], "busy_us": cycles / CLOCK}]:
            busy[part["device"]] += part["busy_us"] * CLOCK
        # An answer's layer has what work adds; the base power is the whole machine's.
        base = float(reference.DIGITAL_MW + reference.ANALOG_MW - reference.BOTH_MW)
        energy = entry["energy_mj"] * 1000 + base * cycles / CLOCK / 1000
        off = max(deviation.add(cycles, c.cycles, where),
                  deviation.add(busy["digital"], c.digital, where),
                  deviation.add(busy["analog"], c.analog, where),
                  deviation.add(energy, c.microjoules, where))
        rows.append([network, policy, layer.name, d, layer.c_out - d, f"{cycles:.4f}",
                     f"{busy['digital']:.4f}", f"{busy['analog']:.4f}", f"{energy:.7f}",
                     f"{off:.1e}"])
    return rows


# ---- 2. Min-Cost by hetmap's greedy search. -----------------------------------------------------

def why(layer, ours, theirs):
    """Two splits compared in words."""
    if ours == theirs:
        return "the same"
    a, b = reference.cost(layer, ours), reference.cost(layer, theirs)
    if a.cycles == b.cycles:
        return (f"as fast ({float(a.cycles):.2f} cycles, the analog side decides); "
                f"{ours - theirs:+d} channels at 8 bit")
    return (f"theirs is slower: {float(b.cycles):.2f} cycles against {float(a.cycles):.2f} "
            f"({float(100 * (b.cycles / a.cycles - 1)):+.2f} %)")


def min_cost(hetmap, here):
    theirs = {(row["network"], row["layer"]): int(row["digital_channels"])
              for row in read_csv(f"{here}/authors-splits.csv")}
    rows, shown, seconds = [], [], []
    for network in NETWORKS:
        answer = hetmap("map", "--model", network, "--platform", "diana", "--search", "greedy",
                        "--objective", "latency", "--prefer", "digital")
        shapes = reference.NETWORKS[network]
        ours, expected = split_of(answer, network), reference.min_cost(shapes)
        same, different = 0, []
        for layer, d, e in zip(shapes, ours, expected):
            # The authors list the layers with 8-bit channels; the others are ternary, and
            # depthwise layers digital.
            known = theirs.get((network, layer.name), layer.c_out if layer.depthwise else 0)
            rows.append([network, layer.name, layer.c_out, d, e, known, why(layer, d, known)])
            same += d == known
            if d != known:
                different.append(f"{layer.name}: {d} of {layer.c_out} here, {known} theirs; "
                                 + why(layer, d, known))
            if d != e:
                sys.exit(f"{network}, {layer.name}: greedy gives {d}, the reference {e}")
        shown.append([network, len(shapes), same, "<br>".join(different) or "none"])
        seconds.append(answer["seconds"])
    write_csv(f"{here}/splits.csv",
              ["network", "layer", "channels", "hetmap_digital", "reference_digital",
               "authors_digital", "comparison"], rows)
    print("## Min-Cost splits\n")
    print("`hetmap map --search greedy --objective latency --prefer digital`: equal to "
          "reference.py in every layer, and to the authors' lists in all but these:\n")
    table(["network", "layers", "as the authors'", "different"], "lrrl", shown)


# ---- 3. Fronts of latency and energy. -----------------------------------------------------------

def overlapped(network, answer):
    """Cycles and microjoules of a mapping on diana-overlap, scheduled once more: in the order of
    the answer's starts, each layer when its devices are free and its inputs are there."""
    shapes = {layer.name: (layer, d)
              for layer, d in zip(reference.NETWORKS[network], split_of(answer, network))}
    inputs = inputs_of(network)
    free, ready, costs = {"digital": 0, "analog": 0}, {"image": 0}, []
    entries = sorted(answer["layers"], key=lambda e: (e["start_us"], e["end_us"]))
    waiting = [name for entry in entries for name in entry["layers"] if name in inputs]
    while waiting:
        name = next(n for n in waiting if all(i in ready for i in inputs[n]))
        waiting.remove(name)
        start = max(ready[i] for i in inputs[name])
        if name not in shapes:
            ready[name] = start
            continue
        layer, d = shapes[name]
        c = reference.cost(layer, d)
        used = [device for device, n in (("digital", d), ("analog", layer.c_out - d)) if n]
        start = max([start] + [free[device] for device in used])
        ready[name] = start + c.cycles
        for device in used:
            free[device] = ready[name]
        costs.append(c)
    busy = reference.total(costs)
    cycles = max(ready.values())
    base = reference.DIGITAL_MW + reference.ANALOG_MW - reference.BOTH_MW
    milliwatt_cycles = (base * cycles + (reference.BOTH_MW - reference.ANALOG_MW) * busy.digital
                        + (reference.BOTH_MW - reference.DIGITAL_MW) * busy.analog)
    return cycles, milliwatt_cycles / CLOCK / 1000


def inputs_of(network):
    with open(f"models/{network}/model.yaml") as file:
        return {name: inputs.split(", ") for name, inputs in
                re.findall(r"^  - \{name: (\w+), .*inputs: \[([^\]]*)\]", file.read(), re.M)}


def gain(better, than):
    return 100 * (1 - better / than)


def fronts(hetmap, here):
    rows, gains, shown, plots = [], [], [], {}
    deviation = Deviation()
    for network in NETWORKS:
        shapes = reference.NETWORKS[network]
        policy_points = {name: reference.network_cost(shapes, choose(shapes))
                         for name, choose in reference.POLICIES.items()}
        plots[network] = {"policies": {name: (float(c.milliseconds), float(c.microjoules))
                                       for name, c in policy_points.items()}}
        for platform in ("diana", "diana-overlap"):
            answer = hetmap("map", "--model", network, "--platform", platform,
                            "--pareto", "latency,energy")
            if not answer["proven"]:
                sys.exit(f"{network} on {platform}: the front is not proven")
            points = answer["points"]
            everything = reference.front(shapes, overlap=platform == "diana-overlap")
            if len(points) != len(everything):
                sys.exit(f"{network} on {platform}: {len(points)} points, the reference has "
                         f"{len(everything)}")
            for point, (cycles, energy) in zip(points, everything):
                where = f"{network} on {platform}, against all splits"
                deviation.add(point["makespan_us"] * CLOCK, cycles, where)
                deviation.add(microjoules(point), energy, where)
            for i, point in enumerate(points, 1):
                cycles, energy = overlapped(network, point) if platform == "diana-overlap" else (
                    lambda c: (c.cycles, c.microjoules))(
                        reference.network_cost(shapes, split_of(point, network)))
                where = f"{network} on {platform}, point {i}"
                deviation.add(point["makespan_us"] * CLOCK, cycles, where)
                deviation.add(microjoules(point), energy, where)
                split = split_of(point, network)
                rows.append([network, platform, i, f"{point['makespan_us'] / 1000:.7f}",
                             f"{microjoules(point):.6f}",
                             " ".join(f"{layer.name}:{d}" for layer, d in zip(shapes, split) if d)])
            plots[network][platform] = [(p["makespan_us"] / 1000, microjoules(p)) for p in points]
            shown.append([network, platform, len(points),
                          f"{points[0]['makespan_us'] / 1000:.4f}", f"{microjoules(points[0]):.3f}",
                          f"{points[-1]['makespan_us'] / 1000:.4f}",
                          f"{microjoules(points[-1]):.3f}", "yes", f"{answer['seconds']:.2f}",
                          f"{answer['evaluated']:,}"])
            for policy in ("Min-Cost", "IO-8bit", "All-Ternary"):
                c = policy_points[policy]
                # Times are whole picoseconds, energies whole femtojoules: a millionth more at most.
                slack = 1 + MILLIONTH
                as_fast = [microjoules(p) for p in points
                           if p["makespan_us"] / 1000 <= float(c.milliseconds) * slack]
                as_low = [p["makespan_us"] / 1000 for p in points
                          if microjoules(p) <= float(c.microjoules) * slack]
                if not as_fast or not as_low:
                    sys.exit(f"{network} on {platform}: {policy} is not covered by the front")
                gains.append([network, platform, policy,
                              gain(min(as_fast), float(c.microjoules)),
                              gain(min(as_low), float(c.milliseconds))])
    if deviation.largest > MILLIONTH:
        sys.exit(f"a front's point is not what reference.py says: {deviation.where}")
    write_csv(f"{here}/fronts.csv",
              ["network", "platform", "point", "milliseconds", "microjoules", "digital_channels"],
              rows)
    write_csv(f"{here}/gains.csv",
              ["network", "platform", "policy", "energy_saved_at_its_latency_percent",
               "latency_saved_at_its_energy_percent"],
              [[*g[:3], f"{g[3]:.3f}", f"{g[4]:.3f}"] for g in gains])
    with open(f"{here}/fronts.svg", "w") as file:
        file.write(fronts_svg(plots))
    print("## Fronts of latency and energy\n")
    table(["network", "platform", "points", "fastest [ms]", "[uJ]", "least energy [ms]", "[uJ]",
           "proven", "seconds", "nodes"], "llrrrrrlrr", shown)
    print("reference.py goes through all splits of all layers, in every order of a block's layers, "
          "and finds the same points, no more and no fewer; it also computes every point's "
          f"mapping again: off by {deviation.largest:.1e} at most ({deviation.compared} values).\n")
    print("Saved against a policy of the authors: energy at its latency, latency at its energy, in "
          "percent.\n")
    table(["network", "platform", *(f"{p}: {what}" for p in ("Min-Cost", "IO-8bit", "All-Ternary")
                                    for what in ("energy", "latency"))], "ll" + 6 * "r",
          [[network, platform, *(f"{abs(value):.2f}" if abs(value) < 0.005 else f"{value:.2f}"
                                 for g in gains if g[0] == network and g[1] == platform
                                 for value in g[3:])]
           for network in NETWORKS for platform in ("diana", "diana-overlap")])


# ---- 4. Accuracy: measured for a few mappings, a proxy for the others. --------------------------

# Points below All-8bit that a mapping may lose, and the steps of accuracy.csv.
ALLOWED = {"resnet20-cifar10": (0.1, 0.25, 0.5, 1.0), "mobilenetv1-0.25-vww": (0.5, 1, 2, 5)}
STEP = {"resnet20-cifar10": 0.1, "mobilenetv1-0.25-vww": 0.5}


def front_with_accuracy(hetmap, network, axis):
    """Points (percent, milliseconds, microjoules, is it measured) of the front of `axis` and
    accuracy, and hetmap's answer."""
    answer = hetmap("map", "--model", network, "--platform", "diana", "--pareto",
                    f"{axis},accuracy", "--time-limit", "600s")
    if not answer["proven"]:
        sys.exit(f"{network}: the front of {axis} and accuracy is not proven")
    points = []
    deviation = Deviation()
    for point in answer["points"]:
        c = reference.network_cost(reference.NETWORKS[network], split_of(point, network))
        where = f"{network}, a point of {axis} and accuracy"
        deviation.add(point["makespan_us"] * CLOCK, c.cycles, where)
        deviation.add(microjoules(point), c.microjoules, where)
        points.append((point["accuracy"]["percent"], point["makespan_us"] / 1000,
                       microjoules(point), not point["accuracy"]["proxy"]))
    if deviation.largest > MILLIONTH:
        sys.exit(f"a front's point is not what reference.py says: {deviation.where}")
    return points, answer


def least(points, percent, column):
    """Of the points at least so accurate, that with the least of a column."""
    return min((p for p in points if p[0] >= percent - MILLIONTH), key=lambda p: p[column])


def measured_accuracies(network):
    """By policy, from the model's file."""
    with open(f"models/{network}/model.yaml") as file:
        return {name: float(percent) for name, percent in
                re.findall(r"- name: (\S+)\n +percent: ([\d.]+)", file.read())}


def accuracy(hetmap, here):
    rows, shown, plots = [], [], {}
    print("## Accuracy\n")
    for network, allowed in ALLOWED.items():
        fast, fast_answer = front_with_accuracy(hetmap, network, "latency")
        frugal, frugal_answer = front_with_accuracy(hetmap, network, "energy")
        measured = measured_accuracies(network)
        shapes = reference.NETWORKS[network]
        baseline = reference.network_cost(shapes, reference.all_8bit(shapes))
        for drop in allowed:
            percent = measured["All-8bit"] - drop
            ms, uj = least(fast, percent, 1)[1], least(frugal, percent, 2)[2]
            shown.append([network, f"{drop:g}", f"{percent:.2f}", f"{ms:.4f}",
                          f"{gain(ms, float(baseline.milliseconds)):.1f}", f"{uj:.3f}",
                          f"{gain(uj, float(baseline.microjoules)):.1f}"])
        lowest = min(p[0] for p in fast + frugal)
        steps = int((measured["All-8bit"] - lowest) / STEP[network]) + 1
        for i in range(steps):
            percent = measured["All-8bit"] - i * STEP[network]
            rows.append([network, f"{percent:.2f}", f"{least(fast, percent, 1)[1]:.6f}",
                         f"{least(frugal, percent, 2)[2]:.6f}"])
        print(f"{network}: a front of {len(fast):,} points for latency and accuracy (proven, "
              f"{fast_answer['seconds']:.1f} s, {fast_answer['evaluated']:,} nodes), of "
              f"{len(frugal):,} for energy and accuracy (proven, {frugal_answer['seconds']:.1f} s, "
              f"{frugal_answer['evaluated']:,} nodes).", end=" ")
        # What Min-Cost is meant to be: as fast as can be, and then as accurate.
        fastest = min(fast_answer["points"], key=lambda p: p["makespan_us"])
        c = reference.network_cost(shapes, reference.min_cost(shapes))
        is_min_cost = (abs(fastest["makespan_us"] * CLOCK / float(c.cycles) - 1) < MILLIONTH and
                       abs(microjoules(fastest) / float(c.microjoules) - 1) < MILLIONTH)
        print(f"The fastest point of the first is {'' if is_min_cost else 'NOT '}Min-Cost.\n")
        plots[network] = {
            "front": [(ms, percent) for percent, ms, _, _ in fast],
            "policies": {
                policy: (float(reference.network_cost(shapes, choose(shapes)).milliseconds),
                         measured[policy])
                for policy, choose in reference.POLICIES.items() if policy in measured}}
    write_csv(f"{here}/accuracy.csv", ["network", "proxy_percent_at_least", "least_milliseconds",
                                       "least_microjoules"], rows)
    with open(f"{here}/accuracy.svg", "w") as file:
        file.write(accuracy_svg(plots))
    print("Less accurate than All-8bit by so many points at most, by the proxy: the least latency "
          "and the least energy, and what they save against All-8bit.\n")
    table(["network", "points", "accuracy at least, by proxy [%]", "ms", "saved [%]", "uJ",
           "saved [%]"], "lrrrrrr", shown)

    network, percent = "resnet20-cifar10", 91
    answer = hetmap("map", "--model", network, "--platform", "diana", "--objective", "latency",
                    "--min-accuracy", f"{percent}%")
    kind = "a proxy" if answer["accuracy"]["proxy"] else "measured"
    proven = "proven" if answer["proven_optimal"] else "NOT PROVEN"
    print(f"`--min-accuracy {percent}%` for {network}: {answer['makespan_us'] / 1000:.4f} ms, "
          f"{answer['accuracy']['percent']:.3f} % ({kind}), "
          f"{proven} in {answer['seconds']:.2f} s.\n")
    print(f"Front of all three for {network}: " + hetmap.conclusion(
        "map", "--model", network, "--platform", "diana", "--pareto", "latency,energy,accuracy",
        "--time-limit", "600s") + "\n")


# ---- 5. What if: several frames in flight. ------------------------------------------------------

FRAMES = 4


def streams(hetmap, here):
    rows = []
    for network in NETWORKS:
        shapes = reference.NETWORKS[network]
        c = reference.network_cost(shapes, reference.min_cost(shapes))
        answer = hetmap("map", "--model", network, "--platform", "diana-overlap", "--objective",
                        "throughput", "--frames-in-flight", FRAMES, "--time-limit", "60s")
        stream = answer["throughput"]
        busiest = max(device["busy_us"] for device in answer["devices"].values())
        # Each device's own work, and the base power for as long as the next frame takes to come.
        base = float(reference.DIGITAL_MW + reference.ANALOG_MW - reference.BOTH_MW)
        energy = base * stream["period_us"] / 1000 + 1000 * sum(
            device["working_mj"] for device in answer["energy"]["devices"].values())
        known = answer["accuracy"]
        rows.append([network, f"{1e6 / (float(c.milliseconds) * 1000):,.1f}",
                     f"{1e6 / stream['period_us']:,.1f}",
                     f"{100 * (float(c.milliseconds) * 1000 / stream['period_us'] - 1):.1f}",
                     f"{stream['latency_us'] / 1000:.4f}",
                     f"{100 * busiest / stream['period_us']:.1f}",
                     f"{float(c.microjoules):.3f}", f"{energy:.3f}",
                     f"{known['percent']:.2f}" if known else "unknown",
                     "yes" if answer["proven_optimal"] else "no", f"{answer['seconds']:.1f}",
                     f"{answer['evaluated']:,}"])
    header = ["network", "Min-Cost [frames/s]", "frames/s", "more [%]", "latency of a frame [ms]",
              "busiest device [%]", "Min-Cost [uJ/frame]", "uJ/frame", "accuracy by proxy [%]",
              "proven", "seconds", "nodes"]
    write_csv(f"{here}/streams.csv", header, rows)
    print(f"## Frames a second, {FRAMES} in flight\n")
    print("`--objective throughput` on diana-overlap, against Min-Cost one frame after the "
          "other.\n")
    table(header, "lrrrrrrrrlrr", rows)


def main(program, here):
    hetmap = Hetmap(program)
    with tempfile.TemporaryDirectory() as work:
        policies(hetmap, here, work)
    min_cost(hetmap, here)
    fronts(hetmap, here)
    accuracy(hetmap, here)
    streams(hetmap, here)


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(__file__))
    main(sys.argv[1], sys.argv[2])
