#!/usr/bin/env python3
"""Chains and series-parallel graphs on several devices, drawn at random, as files of hetmap.

    streams_cases.py FOLDER     writes FOLDER/<case>/model.yaml and platform.yaml, prints the cases

Devices are of different speeds and like different shapes of layers; links have latencies and
bandwidths. `tight` cases state capacities: all memories but the host's together hold some more
than the weights, so that no device can have all that it is best at.
"""
import math
import os
import random
import sys

CASES = [(family, layers, devices, tight)
         for family in ("chain", "series-parallel")
         for layers, devices in ((24, 3), (24, 6), (48, 2), (48, 6), (96, 3), (96, 14), (128, 6), (128, 14))
         for tight in (False, True)]
SIDE = 14
BYTES = 4


def name_of(case):
    family, layers, devices, tight = case
    return f"{family}-{layers}-{devices}{'-tight' if tight else ''}"


class Graph:
    """Layers with their inputs; channels make a tensor's bytes and a layer's weights."""

    def __init__(self, rng):
        self.rng = rng
        self.lines, self.work, self.channels = [], [], {"image": 32}

    def conv(self, source):
        name, out = f"l{len(self.lines)}", 32 * self.rng.randint(4, 16)
        kernel = self.rng.choice((1, 3, 3))
        self.lines.append(f"  - {{name: {name}, operation: conv2d, inputs: [{source}], weights: f32, "
                          f"out_channels: {out}, kernel: {kernel}, padding: {kernel // 2}}}")
        weights = self.channels[source] * out * kernel * kernel
        self.work.append((name, SIDE * SIDE * weights, weights * BYTES))
        self.channels[name] = out
        return name

    def concat(self, sources):
        name = f"l{len(self.lines)}"
        self.lines.append(f"  - {{name: {name}, operation: concat, inputs: [{', '.join(sources)}]}}")
        self.channels[name] = sum(self.channels[source] for source in sources)
        self.work.append((name, SIDE * SIDE * self.channels[name], 0))
        return name

    def series_parallel(self, source, layers, depth):
        """So many layers after `source`; the last one's name."""
        if layers < 4 or depth == 0:
            for _ in range(layers):
                source = self.conv(source)
            return source
        if self.rng.random() < 0.4:
            first = self.rng.randint(1, layers - 1)
            return self.series_parallel(self.series_parallel(source, first, depth - 1),
                                        layers - first, depth - 1)
        branches = self.rng.randint(2, min(4, layers - 2))
        left, ends = layers - 2, []
        for branch in range(branches):
            share = left // (branches - branch)
            left -= share
            ends.append(self.series_parallel(source, share, depth - 1))
        return self.conv(self.concat(ends))


def write(case, folder):
    family, layers, devices, tight = case
    rng = random.Random(f"{name_of(case)}")
    graph = Graph(rng)
    if family == "chain":
        last = "image"
        for _ in range(layers):
            last = graph.conv(last)
    else:
        last = graph.conv("image")
        while len(graph.lines) < layers:
            last = graph.series_parallel(last, min(24, layers - len(graph.lines)), 4)
    with open(os.path.join(folder, "model.yaml"), "w") as file:
        file.write("hetmap: model/1\nname: " + family + f"\ninput: {{name: image, height: {SIDE}, "
                   f"width: {SIDE}, channels: 32, type: f32}}\nparameters: {{seed: 1}}\nlayers:\n"
                   + "\n".join(graph.lines) + f"\noutput: {last}\n")

    speeds = [rng.uniform(0.5, 1) if device == 0 else rng.uniform(1, 4) for device in range(devices)]
    weights = sum(one[2] for one in graph.work)
    room = 1.15 * weights / max(1, devices - 1) if tight and devices > 2 else 0.7 * weights
    lines = ["hetmap: platform/1", "name: drawn", "memories:"]
    for device in range(devices):
        capacity = f", capacity_mib: {math.ceil(room / 2**20) + 6}" if tight and device > 0 else ""
        lines.append(f"  - {{name: m{device}{capacity}}}")
    lines.append("devices:")
    for device in range(devices):
        times = "asynchronous: false" if device == 0 else (
            f"asynchronous: true, submit_us: {rng.choice((1, 3))}, per_task_us: 0.2, completion_us: 1")
        lines.append(f"  - {{name: d{device}, kind: any, memory: m{device}, {times}}}")
    lines.append("links:")
    for a in range(devices):
        for b in range(devices):
            # Many devices are linked to the host, and each to the next.
            if a != b and (devices <= 8 or 0 in (a, b) or b == a + 1):
                lines.append(f"  - {{name: c{a}_{b}, from: m{a}, to: m{b}, modes: [{{name: x, latency_us: "
                             f"{rng.choice((2, 5, 8))}, bandwidth_gb_per_s: {rng.choice((4, 8, 16))}}}]}}")
    lines.append("formulas:")
    for device in range(devices):
        # A device likes some shapes and dislikes others: saw teeth over the channels.
        steep, of_out, of_in = rng.uniform(0.5, 2), rng.uniform(3, 30), rng.uniform(3, 30)
        teeth = f"(c_out / {32 * of_out:.2f} + c_in / {32 * of_in:.2f})"
        rate = speeds[device] * 1e3
        lines.append(f"  - {{device: d{device}, operations: [conv2d], variant: v, configuration: \"1\", "
                     f"time_us: \"1 + macs / {rate * 1000:.0f} * (1 + {steep:.3f} * ({teeth} - floor({teeth})))\"}}")
        lines.append(f"  - {{device: d{device}, operations: [concat], variant: v, configuration: \"1\", "
                     f"time_us: \"1 + oh * ow * c_out / {rate * 8:.0f}\"}}")
    with open(os.path.join(folder, "platform.yaml"), "w") as file:
        file.write("\n".join(lines) + "\n")


def main():
    for case in CASES:
        folder = os.path.join(sys.argv[1], name_of(case))
        os.makedirs(folder, exist_ok=True)
        write(case, folder)
        print(name_of(case))


if __name__ == "__main__":
    main()
