#!/usr/bin/env python3
"""HEP-BNN's results recomputed by hetmap: tables, CSV files and a plot. Start at `main`.

    python3 reproduce.py HETMAP FOLDER

Reads FOLDER/published.csv and FOLDER/measured.csv, runs HETMAP on the profiles hep-bnn-*, writes
FOLDER/mappings.csv, prediction.csv, prediction-layers.csv, speed-up.csv, what-if.csv and
hep-bnn.svg, and prints Markdown. Ends with an error if a recomputed mapping or total is not the
published one. Times are seconds for the 10,000 test images.
"""
import collections
import csv
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile

CONFIGURATIONS = ["cpu", "x", "xy", "xyz", "xz", "y", "yz", "z"]
PAIRS = [("server", "vgg3-fashion"), ("server", "vgg7-cifar10"), ("tx2", "vgg3-fashion"),
         ("tx2", "vgg7-cifar10"), ("laptop", "vgg7-cifar10")]
PAPER = "2x, 2.6x and 11.8x"

# ---- hetmap. -------------------------------------------------------------------------------------


def hetmap(program, *arguments):
    done = subprocess.run([program, *map(str, arguments), "--json"],
                          stdout=subprocess.PIPE,
                          check=True)
    return json.loads(done.stdout)


def mapped(program, network, platform, batch, search="branch-and-bound", only=()):
    options = [word for name in only for word in ("--only", name)]
    return hetmap(program, "map", "--model", network, "--platform", platform, "--batch", batch,
                  "--search", search, "--order", "fixed", *options)


def seconds(answer):
    """For 10,000 images, of a makespan of one batch."""
    return answer["makespan_us"] / answer["batch"] / 100


def choices(answer):
    """HEP-BNN's configuration for every layer. Its layer 1 is not timed: the first of equals."""
    chosen = ["cpu"]
    for task in answer["layers"]:
        parts = task["configuration"].split(" + ")
        chosen += parts if len(parts) == len(task["layers"]) else parts * len(task["layers"])
    return chosen


def simulated_with_medians(program, network, platform, answer):
    """The same mapping, where thresholds, always on the CPU, take the median of their times."""
    lines = [
        "hetmap: mapping/1", f"model: {network}", f"platform: hep-bnn-{platform}-median",
        f'batch: {answer["batch"]}', "entries:"
    ]
    for task in answer["layers"]:
        entry = {key: task[key] for key in ("device", "variant", "configuration")}
        if task["layers"][0].startswith("threshold"):
            last = choices({"layers": [task]})[-1]
            pool = last if len(task["layers"]) > 1 else "cpu"
            entry = {
                "device": "cpu" if pool == "cpu" else "gpu",
                "variant": "median",
                "configuration": pool
            }
        text = ", ".join(f'{key}: "{value}"' for key, value in entry.items())
        lines.append(f'  - {{layers: [{", ".join(task["layers"])}], {text}}}')
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write("\n".join(lines) + "\n")
        file.flush()
        return hetmap(program, "simulate", "--model", network, "--platform",
                      f"hep-bnn-{platform}-median", "--mapping", file.name)


# ---- Tables. -------------------------------------------------------------------------------------


def write_csv(path, header, rows):
    with open(path, "w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(header)
        out.writerows(rows)


def table(header, rows, left=2):
    print("| " + " | ".join(header) + " |")
    print("|" + "|".join("---" if i < left else "--:" for i in range(len(header))) + "|")
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |")
    print()


def tied_layers(text):
    """Layer -> configurations that are equally fast."""
    return {
        int(layer): names.split("=")
        for layer, names in (item.split(":") for item in text.split())
    }


# ---- 1. What HEP-BNN chose. ----------------------------------------------------------------------


def recompute(program, published, folder):
    """Greedy and two proofs for every (platform, network, batch) -> greedy's answer."""
    answers, rows, wrong = {}, [], []
    worst = collections.Counter()
    for fact in published:
        key = (fact["platform"], fact["network"], int(fact["batch"]))
        platform = "hep-bnn-" + key[0]
        greedy = mapped(program, key[1], platform, key[2], "greedy")
        answers[key] = greedy
        chosen, ties = fact["chosen"].split(), tied_layers(fact["ties"])
        same = choices(greedy) == chosen and f"{seconds(greedy):.2f}" == fact["predicted_s"]
        proofs = [
            mapped(program, key[1], platform, key[2], search)
            for search in ("branch-and-bound", "dynamic-programming")
        ]
        for proof in proofs:
            # Its own choice may differ where configurations are equally fast, and nowhere else.
            differ = [n + 1 for n, (a, b) in enumerate(zip(choices(proof), chosen)) if a != b]
            same &= proof["proven_optimal"] and proof["makespan_us"] == greedy["makespan_us"]
            same &= all(choices(proof)[n - 1] in ties.get(n, []) for n in differ)
            worst[proof["search"]] = max(worst[proof["search"]], proof["seconds"])
        if not same:
            wrong.append(key)
        real = [n for n in ties if n > 1]
        rows.append([
            *key, " ".join(choices(greedy)), f"{seconds(greedy):.2f}", fact["predicted_s"],
            "yes" if same else "NO", fact["ties"],
            len(real),
            *(cell for proof in proofs for cell in (proof["evaluated"], f'{proof["seconds"]:.6f}'))
        ])
    write_csv(os.path.join(folder, "mappings.csv"), [
        "platform", "network", "batch", "chosen", "predicted_s", "published_predicted_s", "equal",
        "ties", "tied_layers", "branch_and_bound_nodes", "branch_and_bound_seconds",
        "dynamic_programming_steps", "dynamic_programming_seconds"
    ], rows)
    print("## Its choices, recomputed\n")
    print(
        f"{len(rows) - len(wrong)} of {len(rows)} (platform, network, batch) have the published "
        "mapping and total; all proven optimal twice, the slowest in "
        f"{1e6 * worst['branch-and-bound']:.0f} us (branch and bound) and "
        f"{1e6 * worst['dynamic-programming']:.0f} us (dynamic programming). Best batch of each:\n"
    )
    best = []
    for platform, network in PAIRS:
        mine = [r for r in rows if r[:2] == [platform, network]]
        r = min(mine, key=lambda row: float(row[4]))
        layers = [f"{n}:{c}" for n, c in enumerate(r[3].split(), 1) if c != "cpu"]
        best.append([platform, network, r[2], r[4], r[5], r[8], r[9], r[11], ", ".join(layers)])
    table([
        "platform", "network", "batch", "predicted [s]", "published [s]", "tied layers",
        "branch-and-bound nodes", "dynamic-programming steps", "layers that are not cpu"
    ], best)
    if wrong:
        sys.exit(f"not as published: {wrong}")
    return answers


# ---- 2. Its measured mappings, predicted. --------------------------------------------------------


def read_measured(path):
    """(platform, network, run, batch) -> layer -> what; configuration -> total, host's [0.01 s]."""
    runs = collections.defaultdict(dict)
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            key = (row["platform"], row["network"], row["run"], int(row["batch"]))
            _, totals, hosts = runs[key].setdefault(int(row["layer"]), (row["what"], {}, {}))
            hosts[row["configuration"]] = round(100 * float(row["host_s"]))
            totals[row["configuration"]] = round(100 *
                                                 (float(row["host_s"]) + float(row["kernel_s"])))
    return runs


def predictions(layers):
    """For each layer of the mapping that HEP-BNN's rule chooses: measured, and three predictions.

    additive: its own. median: of a threshold's times in all builds, as they are the same code.
    context: of a threshold's times in the CPU build if the layer that it follows runs on the CPU,
    else of those in the GPU builds.
    """
    found = []
    product = "cpu"  # where the last convolution or linear layer ran
    for layer, (what, totals, hosts) in sorted(layers.items()):
        sweep = [c for c in CONFIGURATIONS if c in totals]
        chosen = min(sweep, key=lambda c: totals[c])
        is_step = what == "step"
        on_gpu = chosen != "cpu" and any(word in what for word in ("conv", "pool", "gemm"))
        if "conv" in what or "gemm" in what:
            product = chosen
        builds = [c for c in sweep if (c == "cpu") == (product == "cpu")]
        behind = statistics.median(totals[c] for c in builds or sweep)
        # Where it was measured to run is where this says that it runs, if its kernel can be seen.
        kernel = {c: totals[c] - hosts[c] for c in (chosen, "automatic")}
        if (kernel["automatic"] > 0) != (kernel[chosen] > 0) and max(kernel.values()) > 2:
            sys.exit(f"layer {layer} was not measured where it is chosen to run: {kernel}")
        found.append({
            "layer": layer, "what": what, "chosen": chosen, "measured": totals["automatic"],
            "additive": totals[chosen],
            "median": statistics.median(totals[c] for c in sweep) if is_step else totals[chosen],
            "context": behind if is_step else totals[chosen],
            "overhead": (hosts["automatic"], hosts[chosen]) if on_gpu else None
        })
    return found


METHODS = ("additive", "median", "context")
CORRECTED = ("context_and_first_call", "leave_one_out", "leave_platform_out")


def predict(program, folder, published, answers):
    runs = read_measured(os.path.join(folder, "measured.csv"))
    in_profile = {(f["platform"], f["network"], f["run"], int(f["batch"])): f for f in published}
    rows, layer_rows, left, once, ratios, first_more, ours = [], [], [], [], {}, {}, {}
    for key, layers in sorted(runs.items()):
        found = predictions(layers)
        measured = sum(one["measured"] for one in found)
        sums = {m: sum(one[m] for one in found) for m in METHODS}
        apart = {m: sum(abs(one["measured"] - one[m]) for one in found) / measured for m in METHODS}
        ratios[key] = measured / sums["additive"]
        by_hetmap = ""
        if key in in_profile:
            answer = answers[key[0], key[1], key[3]]
            medians = seconds(simulated_with_medians(program, key[1], key[0], answer))
            by_hetmap = f"{medians:.3f}"
            ours[key[0], key[1], key[3]] = medians
            for mine, rows_sum in ((medians, sums["median"]), (seconds(answer), sums["additive"])):
                if abs(100 * mine - rows_sum) > 0.001:
                    sys.exit(f"{key}: hetmap and the sum of the rows differ")
        rows.append([key, measured, sums, apart, by_hetmap])
        if by_hetmap:
            for one in sorted(found, key=lambda one: -abs(one["measured"] - one["median"]))[:2]:
                left.append([key[0], key[1], key[3], one["layer"], one["what"], one["chosen"]] +
                            [f"{one[m] / 100:.2f}" for m in ("measured", ) + METHODS])
        on_gpu = [one for one in found if one["overhead"]]
        if on_gpu[0]["layer"] > 2:  # layer 2 is the first in its sweep too
            more = [a - b for a, b in (one["overhead"] for one in on_gpu)]
            first_more[key] = more[0]
            once.append([*key, on_gpu[0]["layer"]] +
                        [f"{value / 100:.2f}" for value in on_gpu[0]["overhead"]] +
                        [f"{more[0] / 100:+.2f}", f"{sum(more[1:]) / 100:+.2f} ({len(more) - 1})"])
        for one in found:
            layer_rows.append([*key, one["layer"], one["what"], one["chosen"]] +
                              [f"{one[m] / 100:.3f}" for m in ("measured", ) + METHODS])
    write_csv(os.path.join(folder, "prediction-layers.csv"),
              ["platform", "network", "run", "batch", "layer", "what", "chosen", "measured_s"] +
              [f"{m}_s" for m in METHODS], layer_rows)

    def corrected(key, others):
        """Additive, times the geometric mean of measured / additive over other runs."""
        mean = statistics.fmean(math.log(ratios[other]) for other in others)
        return ratios[key] / math.exp(mean)

    def with_first_call(key, in_context):
        """In context, and what the first GPU layer took more in the platform's other runs."""
        others = [more for other, more in first_more.items() if other[0] == key[0] and other != key]
        return measured_of[key] / (
            in_context + (statistics.median(others) if key in first_more else 0))

    measured_of = {key: measured for key, measured, *_ in rows}
    out, shown = [], []
    for key, measured, sums, apart, by_hetmap in rows:
        factors = [measured / sums[m] for m in METHODS]
        factors.append(with_first_call(key, sums["context"]))
        factors.append(corrected(key, [o for o in ratios if o != key]))
        factors.append(corrected(key, [o for o in ratios if o[0] != key[0]]))
        out.append([*key, "yes" if by_hetmap else "no", f"{measured / 100:.2f}"] +
                   [f"{sums[m] / 100:.3f}" for m in METHODS] +
                   [f"{f:.4f}" for f in factors] + [f"{apart[m]:.4f}" for m in METHODS])
        shown.append([
            key[0], key[1] + (" *" if by_hetmap else ""), key[2].replace("HEAD_", ""), key[3],
            f"{measured / 100:.2f}"
        ] + [f"{f:.3f}" for f in factors] + [f"{100 * apart[m]:.1f}" for m in METHODS])
    write_csv(os.path.join(folder, "prediction.csv"),
              ["platform", "network", "run", "batch", "in_profile", "measured_s"] +
              [f"{m}_s" for m in METHODS] +
              [f"measured_per_{m}" for m in METHODS + CORRECTED] +
              [f"layers_apart_{m}" for m in METHODS], out)

    print("## Its measured mappings, predicted\n")
    print(
        "Measured / predicted of the same mapping, and how far the layers are apart (sum of the "
        "layers' absolute errors / measured). * in the profiles: hetmap's own simulations, the "
        "others the same arithmetic.\n"
    )
    table([
        "platform", "network", "run", "batch", "measured [s]", "additive", "median", "in context",
        "in context, first call", "leave one out", "leave platform out", "layers: additive [%]",
        "median [%]",
        "in context [%]"
    ], shown)
    summary = []
    mine = [r for r in out if r[4] == "yes"]
    for name, chosen in (("the profiles' runs (*)", mine), ("all runs", out)):
        for place, method in enumerate(METHODS + CORRECTED):
            errors = [abs(float(r[9 + place]) - 1) for r in chosen]
            summary.append([
                name,
                method.replace("_", " "),
                len(errors), f"{100 * statistics.fmean(errors):.1f}", f"{100 * max(errors):.1f}",
                sum(abs(float(r[9 + place]) - 1) < abs(float(r[9]) - 1) for r in chosen)
            ])
    table(["of", "method", "runs", "mean error [%]", "worst [%]", "runs better than additive"],
          summary)
    print("The two layers of each that are furthest from the median's prediction [s]:\n")
    table([
        "platform", "network", "batch", "layer", "what", "chosen", "measured", "additive", "median",
        "in context"
    ], left)
    again = collections.defaultdict(list)
    for (platform, network, run, batch), measured, *_ in rows:
        again[platform, network, batch].append(measured / 100)
    print(
        "Measured on two days, the same network, machine and batch (the mappings differ in "
        "thresholds at most): "
        "" + "; ".join(f"{key[1]} on {key[0]} {values[0]:.2f} s and {values[1]:.2f} s"
                              for key, values in again.items() if len(values) == 2) + ".\n")
    print("Overhead (total - kernel) of the first layer on the GPU, where the first use of a GPU "
          "would show, and of the others [s]. A layer that is the first in its sweep too is left "
          "out:\n")
    table(["platform", "network", "run", "batch", "layer", "measured", "in its sweep", "more",
           "others: more (layers)"], once)
    gap = [(key, sum(o["measured"] - o["additive"] for o in predictions(layers)),
            sum(o["median"] - o["additive"] for o in predictions(layers)))
           for key, layers in sorted(runs.items())]
    shares = sorted(lucky / missing for _, missing, lucky in gap)
    print(
        "The thresholds' luckiest measurement instead of their median makes up "
        f"{100 * shares[0]:.0f} % to {100 * shares[-1]:.0f} % of what the additive model misses "
        f"(median of the runs: {100 * statistics.median(shares):.0f} %).\n")
    return ours


# ---- 3. The headline. ----------------------------------------------------------------------------


def speed_up(published, folder):
    rows, shown = [], []
    for platform, network in PAIRS:
        facts = [f for f in published if (f["platform"], f["network"]) == (platform, network)]

        def extreme(column, pick):
            f = pick((f for f in facts if f[column]), key=lambda f: float(f[column]))
            return float(f[column]), int(f["batch"]), f

        best_xyz, worst_xyz = extreme("xyz_s", min), extreme("xyz_s", max)
        cpu, gpu = extreme("cpu_s", min), extreme("best_gpu_s", min)
        for fact in facts:
            if not fact["measured_s"]:
                continue
            measured = float(fact["measured_s"])
            same = float(fact["xyz_s"])
            row = [
                platform, network,
                int(fact["batch"]), f"{measured:.2f}", f"{same:.2f}", f"{same / measured:.2f}"
            ]
            for value, batch, _ in (best_xyz, worst_xyz, cpu):
                row += [f"{value:.2f}", batch, f"{value / measured:.2f}"]
            row += [
                f"{gpu[0]:.2f}", gpu[1], gpu[2]["best_gpu_configuration"],
                f"{gpu[0] / measured:.2f}", f"{min(gpu[0], cpu[0]) / measured:.2f}"
            ]
            rows.append(row)
            shown.append([
                platform, network, row[2], row[3], row[5], f"{row[8]} ({row[7]})",
                f"{row[11]} ({row[10]})", f"{row[14]} ({row[13]})",
                f"{row[18]} ({row[17]}, {row[16]})", row[19]
            ])
    write_csv(os.path.join(folder, "speed-up.csv"), [
        "platform", "network", "batch", "measured_s", "xyz_same_batch_s", "over_xyz_same_batch",
        "xyz_best_s", "xyz_best_batch", "over_xyz_best", "xyz_worst_s", "xyz_worst_batch",
        "over_xyz_worst", "cpu_best_s", "cpu_best_batch", "over_cpu_best", "gpu_best_s",
        "gpu_best_batch", "gpu_best_configuration", "over_gpu_best",
        "over_best_build"
    ], rows)
    print("## Speed-up of its measured mapping\n")
    print(
        f"The paper says up to {PAPER} over the fully parallel GPU (XYZ) on its three machines. In "
        "brackets the batch of what is compared with.\n")
    table([
        "platform", "network", "batch", "measured [s]", "over XYZ, same batch",
        "over XYZ, best batch", "over XYZ, worst batch", "over CPU, best batch",
        "over best GPU configuration", "over the best of both"
    ], shown)


# ---- 4. What more the hardware could do. ---------------------------------------------------------


def fitted_share(answer):
    """How much of a makespan rests on the fit of the overhead: copies and submissions."""
    parts = answer["copies"] + answer["submissions"]
    return sum(p["end_us"] - p["start_us"] for p in parts) / answer["makespan_us"]


def what_if(program, published, folder):
    rows, shown, best = [], [], {}
    for platform, network in PAIRS:
        facts = [f for f in published if (f["platform"], f["network"]) == (platform, network)]
        batches = [int(f["batch"]) for f in facts if f["xyz_s"]]
        measured = min((float(f["measured_s"]), int(f["batch"])) for f in facts if f["measured_s"])
        line = [platform, network, f"{measured[0]:.2f} ({measured[1]})"]
        rule = None
        for name, profile, only in (
            ("its rule", f"hep-bnn-{platform}-median", ()),
            ("resident", f"hep-bnn-{platform}-resident", ("cpu", "gpu/generated")),
            ("resident and fused", f"hep-bnn-{platform}-resident", ())):
            answers = [mapped(program, network, profile, batch, only=only) for batch in batches]
            for a in answers:
                if not a["proven_optimal"]:
                    sys.exit(f"{network} on {profile}, batch {a['batch']}: not proven")
                rows.append([
                    platform, network, name, a["batch"], f"{seconds(a):.3f}",
                    f"{fitted_share(a):.3f}", a["evaluated"], f'{a["seconds"]:.6f}', " ".join(
                        f'{"+".join(t["layers"])}={t["device"]}/{t["variant"]}/{t["configuration"]}'
                        for t in a["layers"])
                ])
            winner = min(answers, key=seconds)
            best[platform, network, name] = winner
            rule = rule or seconds(winner)
            line.append(f'{seconds(winner):.2f} ({winner["batch"]})')
            if name != "its rule":
                line += [f"{rule / seconds(winner):.2f}", f"{100 * fitted_share(winner):.0f}"]
        fused = best[platform, network, "resident and fused"]
        line.append(f'{max(int(r[6]) for r in rows if r[:2] == [platform, network])}, '
                    f'{max(float(r[7]) for r in rows if r[:2] == [platform, network]):.4f}')
        line.append(", ".join("+".join(t["layers"])
                              for t in fused["layers"] if t["device"] == "gpu") or "none")
        shown.append(line)
    write_csv(os.path.join(folder, "what-if.csv"), [
        "platform", "network", "what_if", "batch", "predicted_s", "share_that_is_fitted", "nodes",
        "seconds", "mapping"
    ], rows)
    print("## What more the same hardware could do (a what-if)\n")
    print(
        "Best batch in brackets; faster than: against the best prediction under HEP-BNN's rule; "
        "fitted: share of the time that rests on the fit of the overhead. Every mapping is "
        "proven.\n")
    table([
        "platform", "network", "measured [s]", "its rule, predicted [s]", "resident [s]", "faster",
        "fitted [%]", "resident and fused [s]", "faster", "fitted [%]", "most nodes, seconds",
        "tasks on the GPU (fused)"
    ], shown)
    print("The fits of the overhead of a GPU call (from the profiles):\n")
    for platform in ("server", "tx2", "laptop"):
        shown_platform = hetmap(program, "show", "platform", f"hep-bnn-{platform}-resident")
        print(f'- {platform}: {shown_platform["provenance"]["fit"]}')
    print()
    return best


# ---- The plot. -----------------------------------------------------------------------------------


def plot(published, ours, best):
    """One panel for each platform and network: horizontal bars of milliseconds an image."""
    width, row, gap, label, bars = 560, 20, 56, 190, 300
    panels = []
    for platform, network in PAIRS:
        facts = [f for f in published if (f["platform"], f["network"]) == (platform, network)]

        def least(column):
            return min((float(f[column]), int(f["batch"])) for f in facts if f[column])

        value, batch = least("measured_s")
        predicted = next(float(f["predicted_s"]) for f in facts if int(f["batch"]) == batch)
        lines = [("CPU only", *least("cpu_s"), "#8a8a8a"),
                 ("GPU only, XYZ", *least("xyz_s"), "#8a8a8a"),
                 ("GPU only, best configuration", *least("best_gpu_s"), "#8a8a8a"),
                 ("HEP-BNN, predicted", predicted, batch, "#c9a27e"),
                 ("HEP-BNN, measured", value, batch, "#c4622d"),
                 ("the same, by hetmap", ours[platform, network, batch], batch, "#1b6ca8")]
        for name in ("resident", "resident and fused"):
            answer = best[platform, network, name]
            lines.append((f"what if: {name}", seconds(answer), answer["batch"], "#7fb58a"))
        panels.append((f"{network} on {platform}", lines))
    height = len(panels[0][1]) * row + gap
    total = (len(panels) + 1) // 2 * height + 30
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{2 * width + 20}" height="{total}" '
        'font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>'
    ]
    for i, (title, lines) in enumerate(panels):
        out.append(f'<g transform="translate({10 + i % 2 * width},{10 + i // 2 * height})">')
        out.append(
            f'<text x="{label}" y="16" font-weight="bold">{title}: ms an image (batch)</text>')
        most = max(value for _, value, _, _ in lines)
        for j, (name, value, batch, colour) in enumerate(lines):
            y = 26 + j * row
            out.append(f'<text x="{label - 8}" y="{y + 13}" text-anchor="end">{name}</text>')
            out.append(
                f'<rect x="{label}" y="{y}" width="{bars * value / most:.1f}" height="{row - 4}" '
                f'fill="{colour}"/>')
            out.append(
                f'<text x="{label + bars * value / most + 6:.1f}" y="{y + 13}">{value / 10:.3g} '
                f'({batch})</text>')
        out.append("</g>")
    out.append("</svg>\n")
    return "\n".join(out)


def main(program, folder):
    with open(os.path.join(folder, "published.csv"), newline="") as file:
        published = list(csv.DictReader(file))
    answers = recompute(program, published, folder)
    ours = predict(program, folder, published, answers)
    speed_up(published, folder)
    best = what_if(program, published, folder)
    with open(os.path.join(folder, "hep-bnn.svg"), "w") as file:
        file.write(plot(published, ours, best))


if __name__ == "__main__":
    main(*sys.argv[1:])
