#!/usr/bin/env python3
"""ODiMO's cost model of Darkside in plain Python, independent of hetmap.

    python3 reference.py            the cycles of every network, width 32

Start at `cluster` and `dwe`: what each device takes for its share of a layer's output channels,
from the formulas in github.com/eml-eda/odimo-journal at 9ec2036, spec-hw-units/odimo/method/cost.py
and nn/combiner.py.
"""
from dataclasses import dataclass
from math import exp

CLOCK_MHZ = 260
CLUSTER_MW, DWE_MW, IDLE_MW = 168, 118, 1.32
TEMPERATURE = 1e7  # of the average, in cycles


@dataclass(frozen=True)
class Layer:
    name: str
    c_in: int
    c_out: int
    kernel: int
    size: int  # height and width of the output
    depthwise: bool = False
    searchable: bool = False


# ---- The formulas. ------------------------------------------------------------------------------

def divide_up(a, b):
    return -(-a // b)


def cluster(layer, channels, kernel=None):
    """Cycles for so many output channels, gathering the inputs even for none."""
    fan_in = (kernel or layer.kernel) ** 2 * layer.c_in
    tiles = divide_up(layer.size, 2) * divide_up(layer.size, 8)
    return tiles * (2 * fan_in + divide_up(channels, 4) * (14 * divide_up(fan_in, 4) + 15))


def dwe(layer, channels):
    return divide_up(channels, 16) * (9 + 9 * layer.size + 4 * layer.size ** 2)


@dataclass(frozen=True)
class Cost:
    cycles: float
    cluster: float  # of these it works, and draws its power
    dwe: float

    @property
    def microjoules(self):
        milliwatt_cycles = (CLUSTER_MW * self.cluster + DWE_MW * self.dwe +
                            IDLE_MW * (2 * self.cycles - self.cluster - self.dwe))
        return milliwatt_cycles / CLOCK_MHZ / 1000


def joined(layer, standard):
    """So many channels standard on the cluster, the others depthwise; both at once."""
    c = cluster(layer, standard) if standard else 0
    d = dwe(layer, layer.c_out - standard)
    return Cost(max(c, d), c, d)


def as_coded(layer, standard):
    """The same, averaged; the cluster gathers its inputs even for no channel."""
    c, d = cluster(layer, standard), dwe(layer, layer.c_out - standard)
    weight = 1 / (1 + exp((d - c) / TEMPERATURE))
    return Cost(weight * c + (1 - weight) * d, c, d)


def separable(layer, standard):
    """The others depthwise separable: depthwise of all channels, then 1x1."""
    if standard == layer.c_out:
        return Cost(cluster(layer, standard), cluster(layer, standard), 0)
    c = cluster(layer, standard) if standard else 0
    d = dwe(layer, layer.c_out)
    p = cluster(layer, layer.c_out - standard, kernel=1)
    return Cost(max(c, d) + p, c + p, d)


VARIANTS = {"darkside": joined, "darkside-dws": separable, "darkside-as-coded": as_coded}


def fixed(layer):
    if layer.depthwise:
        return Cost(dwe(layer, layer.c_out), 0, dwe(layer, layer.c_out))
    return Cost(cluster(layer, layer.c_out), cluster(layer, layer.c_out), 0)


def total(costs):
    costs = list(costs)
    return Cost(*(sum(getattr(c, f) for c in costs) for f in ("cycles", "cluster", "dwe")))


# ---- The networks. ------------------------------------------------------------------------------

def network(size, stride, width=32):
    layers = []

    def add(name, c_in, c_out, kernel, **kind):
        layers.append(Layer(name, c_in, c_out, kernel, size, **kind))

    size //= stride
    add("layer0", 3, width, 3)
    c = width
    for i, halves in ((1, False), (2, True), (3, None), (4, True), (5, None), (6, True), (7, None),
                      (8, None), (9, None), (10, None), (11, None), (12, True), (13, None)):
        if halves is None:
            add(f"layer{i}", c, c, 3, searchable=True)
            continue
        size = (size + 1) // 2 if halves else size
        add(f"dw{i}", c, c, 3, depthwise=True)
        add(f"pw{i}", c, 2 * c, 1)
        c *= 2
    return layers


NETWORKS = {"darkside-cifar10": network(32, 2), "darkside-cifar100": network(32, 1),
            "darkside-imagenet": network(224, 2)}
POLICIES = {"conv": lambda layer: layer.c_out, "half": lambda layer: layer.c_out // 2,
            "dw": lambda layer: 0}


def searchable(layers):
    return [layer for layer in layers if layer.searchable]


def searchable_cost(layers, variant, policy):
    return total(VARIANTS[variant](layer, POLICIES[policy](layer)) for layer in searchable(layers))


if __name__ == "__main__":
    for name, layers in NETWORKS.items():
        rest = total(fixed(layer) for layer in layers if not layer.searchable)
        print(f"{name}: fixed layers {rest.cycles}")
        for variant in VARIANTS:
            for policy in POLICIES:
                c = searchable_cost(layers, variant, policy)
                print(f"    {variant:18}{policy:6}{c.cycles:16.1f} cycles {c.microjoules:13.3f} uJ")
