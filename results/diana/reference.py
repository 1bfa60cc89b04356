#!/usr/bin/env python3
"""ODiMO's cost model of DIANA in plain Python, in exact fractions, independent of hetmap.

    python3 reference.py            totals of every network and policy

Start at `digital` and `analog`: what one accelerator takes for its share of a layer's output
channels, from the formulas in github.com/eml-eda/odimo at 2d9f139, models/hw_models.py. `front`
finds the best mappings by going through all.
"""
from dataclasses import dataclass
from fractions import Fraction
from itertools import product

CLOCK_MHZ = 260
# Milliwatts: only the digital accelerator works, only the analog one, both.
DIGITAL_MW, ANALOG_MW, BOTH_MW = Fraction("24.96"), Fraction("28.74"), Fraction("42.39")
CYCLES_OF_A_PRODUCT = Fraction(70, 1000) * CLOCK_MHZ  # 70 ns


@dataclass(frozen=True)
class Layer:
    name: str
    c_in: int
    c_out: int
    kernel: int
    size: int  # height and width of the output
    depthwise: bool = False


# ---- The formulas. ------------------------------------------------------------------------------

def digital(layer, channels):
    """Cycles of the digital accelerator for so many output channels."""
    if channels == 0:
        return Fraction(0)
    groups = layer.c_out if layer.depthwise else 1
    rounds = -(-(channels // groups) // 16)
    compute = rounds * layer.c_in * -(-layer.size // 16) * layer.size * layer.kernel ** 2
    return compute + Fraction(layer.size ** 2 * (channels + layer.c_in), 8)


def analog(layer, channels):
    """Cycles of the analog accelerator for so many output channels."""
    if channels == 0:
        return Fraction(0)
    assert not layer.depthwise
    unrolled = 1
    for columns in (2, 4, 8):
        rows = max(64, layer.c_in) * layer.kernel * (columns + layer.kernel - 1)
        if columns * channels <= 512 and rows <= 1152:
            unrolled = columns
    products = Fraction(-(-channels // 512) * -(-layer.c_in // 128) * layer.size ** 2, unrolled)
    return products * CYCLES_OF_A_PRODUCT + 8 * layer.c_in * layer.kernel ** 2


@dataclass(frozen=True)
class Cost:
    cycles: Fraction  # of the layer, or of the network
    digital: Fraction  # of these, the digital accelerator works
    analog: Fraction
    microjoules: Fraction

    @property
    def milliseconds(self):
        return self.cycles / CLOCK_MHZ / 1000


def cost(layer, digital_channels):
    """Of a layer with so many output channels digital and the others analog."""
    d = digital(layer, digital_channels)
    a = analog(layer, layer.c_out - digital_channels)
    both = min(d, a)
    milliwatts_cycles = BOTH_MW * both + DIGITAL_MW * (d - both) + ANALOG_MW * (a - both)
    return Cost(max(d, a), d, a, milliwatts_cycles / CLOCK_MHZ / 1000)


def total(costs):
    costs = list(costs)
    return Cost(*(sum(getattr(c, f) for c in costs)
                  for f in ("cycles", "digital", "analog", "microjoules")))


# ---- The networks, layer by layer, in the order of ODiMO's indices. -----------------------------

def resnet(stem, prefix, stages, blocks, size, classes):
    layers = [stem]
    c_in = stem.c_out
    for stage in range(stages):
        c_out = stem.c_out << stage
        for block in range(blocks):
            name = f"{prefix}{stage + 1}_{block}_"
            layers.append(Layer(name + "conv1", c_in, c_out, 3, size >> stage))
            layers.append(Layer(name + "conv2", c_out, c_out, 3, size >> stage))
            if c_in != c_out:
                layers.append(Layer(name + "ds", c_in, c_out, 1, size >> stage))
            c_in = c_out
    return layers + [Layer("fc", c_in, classes, 1, 1)]


def mobilenet():
    channels = [8, 16, 32, 32, 64, 64, 128, 128, 128, 128, 128, 128, 256, 256]
    halves = {2, 4, 6, 12}
    size = 48
    layers = [Layer("conv0", 3, channels[0], 3, size)]
    for i in range(1, 14):
        size = size // 2 if i in halves else size
        layers.append(Layer(f"dw{i}", channels[i - 1], channels[i - 1], 3, size, depthwise=True))
        layers.append(Layer(f"pw{i}", channels[i - 1], channels[i], 1, size))
    return layers + [Layer("fc", channels[-1], 2, 1, 1)]


NETWORKS = {
    "resnet20-cifar10": resnet(Layer("conv1", 3, 16, 3, 32), "b", 3, 3, 32, 10),
    "resnet18-64": resnet(Layer("conv1", 3, 64, 3, 64), "l", 4, 2, 64, 200),
    "resnet18-32": resnet(Layer("conv1", 3, 64, 3, 32), "l", 4, 2, 32, 100),
    "resnet18-224": resnet(Layer("conv1", 3, 64, 7, 112), "l", 4, 2, 56, 1000),
    "mobilenetv1-0.25-vww": mobilenet(),
}


# ---- The policies: digital channels of each layer. ----------------------------------------------

def cheapest(layer, value):
    """The split with the least value; of equal ones, most digital channels."""
    if layer.depthwise:
        return layer.c_out
    return min(range(layer.c_out, -1, -1), key=lambda d: value(cost(layer, d)))


def all_8bit(layers):
    return [layer.c_out for layer in layers]


def all_ternary(layers):
    return [layer.c_out if layer.depthwise else 0 for layer in layers]


def io_8bit(layers):
    return [layer.c_out if i in (0, len(layers) - 1) else d
            for i, (layer, d) in enumerate(zip(layers, all_ternary(layers)))]


def min_cost(layers):
    return [cheapest(layer, lambda c: c.cycles) for layer in layers]


def min_cost_energy(layers):
    return [cheapest(layer, lambda c: c.microjoules) for layer in layers]


POLICIES = {"All-8bit": all_8bit, "All-Ternary": all_ternary, "IO-8bit": io_8bit,
            "Min-Cost": min_cost}


def network_cost(layers, digital_channels):
    return total(cost(layer, d) for layer, d in zip(layers, digital_channels))


# ---- Fronts of latency and energy, by trying everything. ----------------------------------------

def least_points(points):
    """Those that no other equals or beats in both: pairs, ascending."""
    front = []
    for point in sorted(points):
        if not front or point[1] < front[-1][1]:
            front.append(point)
    return front


def candidates(layer):
    """(devices, cycles, milliwatt cycles beside the base power): every split, without those that
    another on the same devices equals or beats."""
    by_devices = {}
    for d in [layer.c_out] if layer.depthwise else range(layer.c_out + 1):
        c = cost(layer, d)
        devices = "d" * (d > 0) + "a" * (d < layer.c_out)
        work = (BOTH_MW - ANALOG_MW) * c.digital + (BOTH_MW - DIGITAL_MW) * c.analog
        by_devices.setdefault(devices, []).append((c.cycles, work))
    return [(devices, *point) for devices, points in by_devices.items()
            for point in least_points(points)]


def blocks(layers):
    """Layers one after the other; a shortcut's convolution with the two that it is beside."""
    names = {layer.name for layer in layers}
    i = 0
    while i < len(layers):
        name = layers[i].name
        size = 3 if name.endswith("conv1") and name.replace("conv1", "ds") in names else 1
        yield layers[i:i + size]
        i += size


def finish(order, chosen):
    """Cycles of a block whose layers start in this order: `ds` reads what conv1 reads, conv2 reads
    conv1. A layer waits for its devices."""
    free, end = {"d": 0, "a": 0}, [0, 0, 0]
    for i in order:
        devices, cycles, _ = chosen[i]
        start = max([end[0] if i == 1 else 0] + [free[d] for d in devices])
        end[i] = start + cycles
        free.update(dict.fromkeys(devices, end[i]))
    return max(end)


def front(layers, overlap):
    """Pairs (cycles, microjoules). `overlap`: a shortcut may run beside the main path, in the best
    of the three orders that a block's layers can start in."""
    base = DIGITAL_MW + ANALOG_MW - BOTH_MW
    whole = [(Fraction(0), Fraction(0))]
    for block in blocks(layers):
        orders = ((0, 1, 2), (0, 2, 1), (2, 0, 1)) if overlap and len(block) == 3 else (None,)
        points = []
        for chosen in product(*map(candidates, block)):
            cycles = min(finish(order, chosen) if order else sum(c[1] for c in chosen)
                         for order in orders)
            points.append((cycles, base * cycles + sum(c[2] for c in chosen)))
        points = least_points(points)
        whole = least_points((a[0] + b[0], a[1] + b[1]) for a in whole for b in points)
    return [(cycles, work / CLOCK_MHZ / 1000) for cycles, work in whole]


if __name__ == "__main__":
    for network, layers in NETWORKS.items():
        for policy, split in (POLICIES | {"Min-Cost energy": min_cost_energy}).items():
            c = network_cost(layers, split(layers))
            print(f"{network:22}{policy:16}{float(c.cycles):15.3f} cycles "
                  f"{float(c.milliseconds):9.5f} ms {float(c.microjoules):11.5f} uJ "
                  f"{float(100 * c.digital / c.cycles):6.2f} % "
                  f"{float(100 * c.analog / c.cycles):6.2f} %")
