#!/usr/bin/env python3
"""HEP-BNN's published measurements as platform files for hetmap. Start at `main`.

    python3 convert.py PROFILES.csv [--platforms FOLDER] [--results FOLDER]

PROFILES.csv holds what the repository LeonardDavid/hep-bnn (MIT licence) has measured of every
layer: platform, run, dataset_net, batch, layer, layer_desc, config, host_s_per_10k_images,
kernel_s_per_10k_images, total_s_per_10k_images. From it come, for each platform,

    hep-bnn-<platform>.yaml           its measurements and its rule, as they are
    hep-bnn-<platform>-median.yaml    the same, but thresholds cost the median of their measurements
    hep-bnn-<platform>-resident.yaml  a what-if: data stay on the GPU, thresholds are fused

and for results/hep-bnn: published.csv (what HEP-BNN chooses and what it comes to) and measured.csv
(the runs that measured a chosen mapping layer by layer, with the sweeps that it was chosen from).
"""
import argparse
import collections
import csv
import os
import sys

SOURCE = "https://github.com/LeonardDavid/hep-bnn"
COMMIT = "519eb6d and its history (tables: 0c560d2)"
PAPER = "HEP-BNN, arXiv 2301.05126"

# The order in which HEP-BNN's stable sort leaves equal times.
CONFIGURATIONS = ["cpu", "x", "xy", "xyz", "xz", "y", "yz", "z"]

# The runs that the profiles are made of: platform -> (name in the CSV, {network: run}).
RUNS = {
    "server": ("server", {
        "vgg3-fashion": "24-11-22_10-57-23",
        "vgg7-cifar10": "23-11-22_10-18-30"
    }),
    "tx2": ("tx2", {
        "vgg3-fashion": "24-11-22_10-59-03",
        "vgg7-cifar10": "23-11-22_10-17-28"
    }),
    "laptop": ("laptop_xps", {
        "vgg7-cifar10": "HEAD_24-11-22"
    }),
}
MACHINE = {
    "server": "x86-64 server, CUDA 10.1, gcc 7.5; its processor and GPU are not named",
    "tx2": "NVIDIA Jetson TX2",
    "laptop": "laptop under WSL2, CUDA 11.4, gcc 9.3; its processor and GPU are not named",
}
NETWORKS = {
    "fashion_vgg3": "vgg3-fashion",
    "cifar10_vgg7": "vgg7-cifar10",
    "cifar10_vgg7_oldorder": "vgg7-cifar10-old-order",
    "mnist_cnn32": "mnist-cnn32"
}

# One layer of a network: HEP-BNN's number, hetmap's signature, what HEP-BNN copies to and from the
# GPU for every image, and its weights for every call [bytes]. Binary data are copied as int32.
Layer = collections.namedtuple("Layer", "number kind signature into weights out")


def layers_of(network):
    """The layers in order. HEP-BNN's layer 1, a reshape, is not timed and no layer of the model."""
    if network == "vgg3-fashion":
        size, channels, dense = 28, 1, [64, 10]
        plan = [64, "pool", 64, "pool"]
    else:
        size, channels, dense = 32, 3, [512, 10]
        plan = [128, 128, "pool", 256, 256, "pool", 512, 512, "pool"]
    found = []

    def add(kind, signature, into=0, weights=0, out=0):
        found.append(Layer(2 + len(found), kind, signature, into, weights, out))

    for step in plan:
        here = f"{size}x{size}x{channels}"
        pixels = size * size
        if step == "pool":
            add("pool", f"max_pool2d binary {here} k2x2 s2", 4 * pixels * channels, 0,
                pixels * channels)
            size //= 2
            continue
        first = not found
        add("conv", f"conv2d {'u8' if first else 'binary'} {here} {step} k3x3 s1 p1 v0",
            4 * pixels * channels, 9 * channels * step // (1 if first else 8), 4 * pixels * step)
        channels = step
        add("step", f"threshold int32 {size}x{size}x{channels}")
    add("flatten", f"flatten binary {size}x{size}x{channels}")
    inputs = size * size * channels
    for i, outputs in enumerate(dense):
        add("linear", f"linear binary 1x1x{inputs} {outputs}", 4 * inputs, inputs * outputs // 8,
            4 * outputs)
        if i + 1 < len(dense):
            add("step", f"threshold int32 1x1x{outputs}")
        inputs = outputs
    return found


# ---- Reading. ------------------------------------------------------------------------------------

Cell = collections.namedtuple("Cell", "host kernel total")  # microseconds an image, whole numbers


def microseconds(text):
    """Seconds for 10,000 images, printed with two digits: 0.01 s is 1 us an image."""
    value = round(float(text) * 100)
    if abs(value / 100 - float(text)) > 1e-9:
        sys.exit(f"expected seconds with two digits, got '{text}'")
    return value


def read(path):
    """(platform, run, network) -> batch -> layer -> configuration -> Cell; and what layers are."""
    runs = collections.defaultdict(
        lambda: collections.defaultdict(lambda: collections.defaultdict(dict)))
    text = {}
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            network = NETWORKS[row["dataset_net"]]
            cells = runs[row["platform"], row["run"], network][int(row["batch"])][int(row["layer"])]
            if row["config"] in cells:
                sys.exit(f"{path}: two rows for {row}")
            cells[row["config"]] = Cell(*(microseconds(row[key + "_s_per_10k_images"])
                                          for key in ("host", "kernel", "total")))
            text[network, int(row["layer"])] = row["layer_desc"]
    return runs, text


def swept(cells):
    """The configurations of a layer, in order, without the run of the chosen mapping."""
    return [c for c in CONFIGURATIONS if c in cells]


# ---- Numbers. ------------------------------------------------------------------------------------


def quantile(values, share):
    values = sorted(values)
    place = share * (len(values) - 1)
    low = int(place)
    high = min(low + 1, len(values) - 1)
    return values[low] + (place - low) * (values[high] - values[low])


def solve(matrix, right):
    """Gauss-Jordan with pivoting, for the few unknowns of a fit."""
    size = len(right)
    rows = [list(row) + [value] for row, value in zip(matrix, right)]
    for i in range(size):
        pivot = max(range(i, size), key=lambda r: abs(rows[r][i]))
        rows[i], rows[pivot] = rows[pivot], rows[i]
        for r in range(size):
            if r != i:
                factor = rows[r][i] / rows[i][i]
                rows[r] = [a - factor * b for a, b in zip(rows[r], rows[i])]
    return [rows[i][size] / rows[i][i] for i in range(size)]


def least_squares(samples):
    """Coefficients that make the relative errors' squares least; samples: (features, value)."""
    size = len(samples[0][0])
    matrix = [[sum(x[i] * x[j] / y**2 for x, y in samples) for j in range(size)]
              for i in range(size)]
    right = [sum(x[i] / y for x, y in samples) for i in range(size)]
    return solve(matrix, right)


Fit = collections.namedtuple(
    "Fit", "constant_us up_gb weights_gb down_gb calls median p90 cv_median cv_p90")


def fit_overhead(sweeps):
    """What a GPU layer's call takes besides its kernel, by what it copies.

    overhead [us] = constant + bytes up / up + bytes of weights / weights + bytes down / down,
    relative least squares over the GPU calls of every layer, configuration and batch. Errors are of
    the fit, and of each layer by a fit that left this layer out.
    """
    samples = []  # (layer, (features, microseconds a call))
    for network, batches in sweeps.items():
        for batch, layers in batches.items():
            for layer in layers_of(network):
                for configuration in swept(layers[layer.number]):
                    cell = layers[layer.number][configuration]
                    if configuration != "cpu" and layer.out > 0:
                        features = (1, batch * layer.into * 1e-3, layer.weights * 1e-3,
                                    batch * layer.out * 1e-3)
                        samples.append(((network, layer.number), (features, cell.host * batch)))
    fitted = least_squares([s for _, s in samples])
    if min(fitted) <= 0:
        sys.exit(f"the fit of the overhead has a coefficient that is not positive: {fitted}")

    def errors(coefficients, chosen):
        return [abs(sum(c * f for c, f in zip(coefficients, x)) / y - 1) for x, y in chosen]

    inside = errors(fitted, [s for _, s in samples])
    outside = []
    for left_out in sorted({key for key, _ in samples}):
        without = least_squares([s for key, s in samples if key != left_out])
        outside += errors(without, [s for key, s in samples if key == left_out])
    return Fit(fitted[0], 1 / fitted[1], 1 / fitted[2], 1 / fitted[3], len(samples),
               quantile(inside, 0.5), quantile(inside, 0.9), quantile(outside, 0.5),
               quantile(outside, 0.9))


# ---- Writing YAML. -------------------------------------------------------------------------------


def number(value):
    return f"{value:.6f}".rstrip("0").rstrip(".")


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def chain(signatures):
    """The signature of a chain: only its first layer names the tensor that it reads."""
    first, *rest = signatures
    return " | ".join([first] + [" ".join(one.split()[:1] + one.split()[3:]) for one in rest])


class Costs:
    """The rows of a profile's costs, in order."""

    def __init__(self):
        self.rows = []

    def add(self, layers, batch, device, variant, configuration, values=None, assumed=None):
        """`values`: measurements, `assumed`: a time that is none; us an image."""
        if values:
            p05, p50, p95 = (number(quantile(values, share) * batch) for share in (0.05, 0.5, 0.95))
            time = f"samples: {len(values)}, p05_us: {p05}, p50_us: {p50}, p95_us: {p95}"
        else:
            time = f"time_us: {number(assumed * batch)}"
        self.rows.append(f'  - {{layers: "{chain(layers)}", batch: {batch}, device: "{device}", '
                         f'variant: "{variant}", configuration: "{configuration}", {time}}}')


def write(path, name, provenance, warnings, memories, devices, links, costs):
    lines = [
        "hetmap: platform/1", f"name: {quoted(name)}",
        f"counts: {{costs: {len(costs.rows)}, fits: 0}}", "provenance:"
    ]
    lines += [f"  {key}: {quoted(value)}" for key, value in provenance.items()]
    lines += ["warnings:"] + [f"  - {quoted(text)}" for text in warnings]
    lines += ["memories:"] + memories + ["devices:"] + devices
    lines += (["links:"] + links if links else []) + ["costs:"] + costs.rows
    with open(path, "w") as file:
        file.write("\n".join(lines) + "\n")


HOST = '  - {name: "host"}'
CPU = '  - {name: "cpu", kind: "cpu", memory: "host", asynchronous: false}'
ROUND_TRIP_GPU = '  - {name: "gpu", kind: "cuda", memory: "host", asynchronous: false}'


def missing_cells(sweeps, networks):
    missing = [f"{network}: everything" for network in networks if network not in sweeps]
    for network, batches in sweeps.items():
        for configuration in CONFIGURATIONS:
            there = [b for b in sorted(batches) if configuration in batches[b][2]]
            gone = [b for b in sorted(batches) if b not in there]
            if gone:
                which = "every batch" if not there else "batch " + ", ".join(map(str, gone))
                missing.append(f"{network} {configuration}: {which}")
    return "; ".join(missing) or "none"


def common_provenance(platform, sweeps):
    runs = RUNS[platform][1]
    return {
        "source": f"{SOURCE}, {PAPER}",
        "licence": "MIT, LeonardDavid/hep-bnn",
        "commit": COMMIT,
        "machine": MACHINE[platform],
        "runs": "; ".join(f"{network}: {run}" for network, run in runs.items()),
        "command": "python3 platforms/published/hep-bnn/convert.py PROFILES.csv",
        "resolution": "0.01 s for 10,000 images, which is 1 us an image: 0 means less than that",
        "times": TIMES,
        "missing": missing_cells(sweeps, ["vgg3-fashion", "vgg7-cifar10"]),
        "layers": "HEP-BNN's layer n + 1 is layer n of the model; its layer 1, a reshape, is not "
                  "timed",
    }


# What the files say of themselves.
TIMES = ("of a batch: seconds for the 10,000 test images x batch / 10,000. Where the batch does "
         "not divide 10,000, the last batch was computed in full: a batch took up to 1.1 % less")
SINGLE_RUN = "every value is a single run without warm-up: one sample, no spread"
RULE = ("every GPU layer begins and ends in host memory, and its time holds allocating, copying "
        "(weights too), computing and freeing. So the GPU is a device in the host's memory here, "
        "and there are no links")
CHAINS = ("a threshold before a pool is filed together with the pool, as the sum of their two "
          "rows: two thresholds of one shape were measured apart, and only the pool behind one of "
          "them tells them apart")
MIXED_CHAINS = (". 'z + cpu' is the threshold of build z and the pool on the CPU, which no run "
                "measured as a pair: no samples")
LUCKY_THRESHOLDS = ("thresholds are the same CPU code in every build: their rows of device gpu are "
                    "times on the CPU, in the build of that configuration, kept so that HEP-BNN's "
                    "choices can be recomputed. The least of eight measurements of one thing is "
                    "too short: use the profile with the median for predictions")
ALL_THRESHOLDS = ("the same CPU code in every build, so all its measurements are samples of one "
                  "cost: p05, p50 and p95 over the builds")
ASSUMED = ("a what-if, measured by nobody: (1) what a GPU layer makes stays in GPU memory until "
           "the host needs it; (2) weights stay there; (3) binary data are copied packed, 32 times "
           "smaller than HEP-BNN copies them, and the image as bytes; (4) variant 'fused': a GPU "
           "kernel that ends in the threshold, and in the pool, takes its own kernels' time and "
           "nothing for the threshold")
KEPT = ("kernel times as measured; the whole fixed cost of a GPU call (allocating, events, launch, "
        "waiting) for every GPU task, although buffers that stay need no allocating")
THRESHOLDS_BEHIND = ("on the CPU behind a CPU layer: with it, as the CPU build measured them; "
                     "behind a GPU layer: the median of the GPU builds")


def text_of(fit):
    return ("overhead of a GPU call = total - kernel = constant + bytes / bandwidth of input, "
            f"weights and result; relative least squares over {fit.calls} calls: "
            f"{fit.constant_us:.1f} us, {fit.up_gb:.3f}, {fit.weights_gb:.3f} and "
            f"{fit.down_gb:.3f} GB/s; error: median {100 * fit.median:.1f} %, p90 "
            f"{100 * fit.p90:.1f} %; of layers left out: median {100 * fit.cv_median:.1f} %, p90 "
            f"{100 * fit.cv_p90:.1f} %")


# ---- The three profiles. -------------------------------------------------------------------------


def as_measured(sweeps, median):
    """Rows of the profiles that keep HEP-BNN's rule; `median`: of thresholds, not each time."""
    costs = Costs()
    for network, batches in sweeps.items():
        layers = layers_of(network)
        for batch, cells in sorted(batches.items()):
            for layer, after in zip(layers, layers[1:] + [None]):
                if layer.kind == "step":
                    add_threshold(costs, batch, layer, after, cells, median)
                elif layer.kind != "pool":  # a pool is filed with its threshold
                    for c in swept(cells[layer.number]):
                        costs.add([layer.signature], batch, device_of(c), "generated", c,
                                  [cells[layer.number][c].total])
    return costs


def add_threshold(costs, batch, layer, after, cells, median):
    """A threshold, with the pool after it if there is one.

    Two thresholds of one shape have one signature (VGG7 has three such pairs), but HEP-BNN measured
    each. Only one of a pair is followed by a pool: it is filed as the chain of threshold and pool,
    and pools have no row of their own, so that nothing else fits there.
    """
    times = {c: cells[layer.number][c].total for c in swept(cells[layer.number])}
    if after.kind != "pool":
        if median:
            costs.add([layer.signature], batch, "cpu", "median", "cpu", list(times.values()))
            return
        for c in times:
            costs.add([layer.signature], batch, device_of(c), "generated", c, [times[c]])
        return

    # Of pairs that no build has, only those with the pool on the CPU: no pool is faster elsewhere.
    pool = {c: cells[after.number][c].total for c in times}
    if min(pool.values()) < pool["cpu"]:
        sys.exit(f"batch {batch}: pool {after.number} is faster on the GPU; write all pairs")
    pair = [layer.signature, after.signature]
    for c in times:
        if median:
            costs.add(pair, batch, device_of(c), "median", c, [t + pool[c] for t in times.values()])
            continue
        if c != "cpu":
            costs.add(pair, batch, "cpu", "generated", f"{c} + cpu", assumed=times[c] + pool["cpu"])
        costs.add(pair, batch, device_of(c), "generated", c, [times[c] + pool[c]])


def device_of(configuration):
    return "cpu" if configuration == "cpu" else "gpu"


def resident(sweeps):
    """Rows of the what-if: kernels without their copies, and kernels that end in a threshold.

    CPU layers come with the threshold that follows them, as the CPU build measured both. A
    threshold alone follows a GPU layer: the median of the GPU builds, in which that was so.
    """
    costs = Costs()
    for network, batches in sweeps.items():
        layers = layers_of(network)
        for batch in sorted(batches):
            cells = batches[batch]

            def total(layer, configuration):
                return cells[layer.number][configuration].total

            def kernel(layer, configuration):
                return cells[layer.number][configuration].kernel

            i = 0
            while i < len(layers):
                layer = layers[i]
                if layer.kind == "flatten":
                    for device in ("cpu", "gpu"):
                        costs.add([layer.signature], batch, device, "generated", "none",
                                  [total(layer, "cpu")])
                    i += 1
                    continue
                block = [layer]  # a product, its threshold, its pool
                i += 1
                while i < len(layers) and layers[i].kind in ("step", "pool"):
                    block.append(layers[i])
                    i += 1
                names = [one.signature for one in block]
                costs.add(names, batch, "cpu", "generated", "cpu",
                          [sum(total(one, "cpu") for one in block)])
                gpu = [c for c in swept(cells[layer.number]) if c != "cpu"]
                for c in gpu:
                    costs.add(names[:1], batch, "gpu", "generated", c, [kernel(layer, c)])
                if len(block) > 1 and gpu:
                    pool = [total(one, "cpu") for one in block[2:]]
                    costs.add(names[1:], batch, "cpu", "generated", "after gpu",
                              [total(block[1], c) + sum(pool) for c in gpu])
                    for c in gpu:
                        kernels = kernel(layer, c) + sum(kernel(one, c) for one in block[2:])
                        costs.add(names, batch, "gpu", "fused", c, assumed=kernels)
    return costs


def link(name, source, target, gigabytes):
    return (f'  - {{name: "{name}", from: "{source}", to: "{target}", modes: [{{name: "pageable", '
            f'latency_us: 0, bandwidth_gb_per_s: {number(gigabytes)}}}]}}')


def write_profiles(runs, folder):
    for platform, (source_name, networks) in RUNS.items():
        sweeps = {network: runs[source_name, run, network] for network, run in networks.items()}
        common = common_provenance(platform, sweeps)

        def profile(suffix, provenance, warnings, memories, devices, links, costs):
            name = f"hep-bnn-{platform}{suffix}"
            write(os.path.join(folder, name + ".yaml"), name, common | provenance, warnings,
                  memories, devices, links, costs)

        # 1. As published.
        profile("", {"rule": RULE, "chains": CHAINS + MIXED_CHAINS},
                [SINGLE_RUN, LUCKY_THRESHOLDS], [HOST], [CPU, ROUND_TRIP_GPU], [],
                as_measured(sweeps, False))

        # 2. With the median of what was measured eight times.
        profile("-median", {"rule": RULE, "chains": CHAINS, "thresholds": ALL_THRESHOLDS},
                ["all but thresholds: " + SINGLE_RUN], [HOST], [CPU, ROUND_TRIP_GPU], [],
                as_measured(sweeps, True))

        # 3. What if.
        fit = fit_overhead(sweeps)
        constant = number(fit.constant_us)
        own_memory_gpu = ('  - {name: "gpu", kind: "cuda", memory: "gpu", asynchronous: true, '
                          f'submit_us: 0, per_task_us: {constant}, completion_us: 0}}')
        profile("-resident",
                {"assumed": ASSUMED, "kept": KEPT, "fit": text_of(fit),
                 "thresholds": THRESHOLDS_BEHIND},
                ["assumptions, see provenance", "kernel and CPU times: " + SINGLE_RUN],
                [HOST, '  - {name: "gpu"}'], [CPU, own_memory_gpu],
                [link("up", "host", "gpu", fit.up_gb), link("down", "gpu", "host", fit.down_gb)],
                resident(sweeps))


# ---- What was published. -------------------------------------------------------------------------


def seconds(value):
    return f"{value / 100:.2f}"


def write_published(runs, path):
    """HEP-BNN's rule on its rows, layer by layer, and the totals that it measured."""
    with open(path, "w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow([
            "platform", "network", "run", "batch", "chosen", "ties", "predicted_s", "measured_s",
            "cpu_s", "xyz_s", "best_gpu_configuration", "best_gpu_s"
        ])
        for platform, (source_name, networks) in RUNS.items():
            for network, run in networks.items():
                for batch, cells in sorted(runs[source_name, run, network].items()):
                    configurations = swept(cells[2])
                    chosen, ties, predicted = [], [], 0
                    for number_, here in sorted(cells.items()):
                        least = min(here[c].total for c in configurations)
                        equal = [c for c in configurations if here[c].total == least]
                        chosen.append(equal[0])
                        if len(equal) > 1:
                            ties.append(f"{number_}:{'='.join(equal)}")
                        predicted += least
                    sums = {
                        c: sum(here[c].total for here in cells.values())
                        for c in configurations
                    }
                    gpu = [c for c in configurations if c != "cpu"]
                    best = min(gpu, key=lambda c: sums[c]) if gpu else ""
                    measured = "automatic" in cells[2] and sum(h["automatic"].total
                                                               for h in cells.values())
                    out.writerow([
                        platform, network, run, batch, " ".join(chosen), " ".join(ties),
                        seconds(predicted),
                        seconds(measured) if measured else "",
                        seconds(sums["cpu"]),
                        seconds(sums["xyz"]) if "xyz" in sums else "", best,
                        seconds(sums[best]) if gpu else ""
                    ])


def write_measured(runs, text, path):
    """Every run that measured a chosen mapping and has the sweep of that batch."""
    names = {source: platform for platform, (source, _) in RUNS.items()}
    with open(path, "w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow([
            "platform", "network", "run", "batch", "layer", "what", "configuration", "host_s",
            "kernel_s"
        ])
        for (source, run, network), batches in sorted(runs.items()):
            for batch, cells in sorted(batches.items()):
                if "automatic" not in cells[2] or not swept(cells[2]):
                    continue
                for number_, here in sorted(cells.items()):
                    for configuration in ["automatic"] + swept(here):
                        out.writerow([
                            names[source], network, run, batch, number_, text[network, number_],
                            configuration,
                            seconds(here[configuration].host),
                            seconds(here[configuration].kernel)
                        ])


def main():
    parser = argparse.ArgumentParser(description="HEP-BNN's measurements as platform files")
    parser.add_argument("profiles", help="CSV of all measured layers")
    parser.add_argument("--platforms", metavar="FOLDER", help="write the platform files there")
    parser.add_argument("--results",
                        metavar="FOLDER",
                        help="write published.csv and measured.csv there")
    arguments = parser.parse_args()
    runs, text = read(arguments.profiles)
    if arguments.platforms:
        write_profiles(runs, arguments.platforms)
    if arguments.results:
        write_published(runs, os.path.join(arguments.results, "published.csv"))
        write_measured(runs, text, os.path.join(arguments.results, "measured.csv"))


if __name__ == "__main__":
    main()
