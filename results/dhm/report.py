"""summary.md of results/dhm: tables of what explore.py found. Start at `summary`."""
import re

import assumptions
from cases import BANDS, CALIBRATED, CALIBRATED_BOUNDARY, NETWORKS, STATED, STEPS, is_calibrated


def summary(rows, steps, machine):
    grid = [row for row in rows if row["varied"] == "grid"]
    lines = [f"By results/dhm/run on {machine}. E: energy saved, L: latency saved, in percent of the "
             "GPU alone.", ""]
    lines += ranges(grid) + values_in_band(grid) + sets_in_band(grid)
    lines += one_at_a_time(rows) + mappings(steps) + proofs(rows, steps)
    return "\n".join(lines)


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |",
             "|" + "|".join("---" if i == 0 else "--:" for i in range(len(header))) + "|"]
    return lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows] + [""]


def span(values):
    low, high = min(values), max(values)
    return f"{low:.1f} to {high:.1f}" if high - low >= 0.05 else f"{low:.1f}"


def share(rows, key):
    return f"{sum(bool(row[key]) for row in rows)} of {len(rows)}" if rows else "-"


def ranges(grid):
    lines = ["## Ours beside the paper's", "",
             "Over all sets of assumptions of the grid; of each, the mapping of least latency and that of least energy. In band: some",
             "mapping of the exact front has both its E and its L in the paper's range. As good: or better.", ""]
    cells = []
    for network, title in NETWORKS.items():
        energy, latency = STATED[network]
        cells.append([f"**{title}: the paper**", f"**{latency}**", "", "", f"**{energy}**", "", ""])
        for boundary, meaning in assumptions.BOUNDARIES.items():
            some = [row for row in grid if (row["network"], row["boundary"]) == (network, boundary)]
            cells.append([meaning, *(span([row[key] for row in some]) for key in
                                     ("fastest_latency_percent", "fastest_energy_percent",
                                      "thriftiest_latency_percent", "thriftiest_energy_percent")),
                          share(some, "in_band"), share(some, "at_least_band")])
    return lines + table(["what counts as energy", "least latency: L", "E", "least energy: L", "E",
                          "in band", "as good"], cells)


def values_in_band(grid):
    lines = ["## Which assumptions are in band", "", "Of all sets with that value.", ""]
    cells = []
    for axis, values in {**assumptions.GRID, "boundary": assumptions.BOUNDARIES}.items():
        for value, meaning in values.items():
            cells.append([f"`{axis}` {value}: {meaning}",
                          *(share([row for row in grid if row["network"] == network and
                                   row[axis] == value], "in_band") for network in NETWORKS)])
    return lines + table(["assumption", *NETWORKS.values()], cells)


def sets_in_band(grid):
    """Sets that are in band for most networks at once."""
    axes = [*assumptions.GRID, "boundary"]
    hits = {}
    for row in grid:
        if row["in_band"]:
            hits.setdefault(tuple(row[axis] for axis in axes), set()).add(row["network"])
    # How fast depthwise convolutions are means nothing to SqueezeNet.
    at = axes.index("depthwise")
    for key, networks in hits.items():
        if "squeezenet-1.1" in hits.get(key[:at] + ("1",) + key[at + 1:], ()):
            networks.add("squeezenet-1.1")
    lines = []
    for count in range(len(NETWORKS), 0, -1):
        some = {key: networks for key, networks in hits.items() if len(networks) == count}
        lines.append(f"In band for {count} network{'s' if count > 1 else ''} at once: {len(some)} sets.")
    lines.append("")
    most = max((len(networks) for networks in hits.values()), default=0)
    some = sorted(key for key, networks in hits.items() if len(networks) == most)
    lines += [f"Those for {most} networks" + (", the first 30:" if len(some) > 30 else ":"), ""]
    found = {(row["network"], *(row[axis] for axis in axes)): row for row in grid}
    cells = []
    for key in some[:30]:
        cell = list(key)
        for network in NETWORKS:
            own = key[:at] + ("1",) + key[at + 1:] if network == "squeezenet-1.1" else key
            row = found[(network, *own)]
            cell.append(f'{row["band_energy_percent"]:.1f}, {row["band_latency_percent"]:.1f}'
                        if row["in_band"] else "-")
        cells.append(cell)
    return lines + table([*axes, *(f"{title}: E, L" for title in NETWORKS.values())], cells)


def one_at_a_time(rows):
    named = ", ".join(f"`{axis}` {value}" for axis, value in CALIBRATED.items())
    lines = ["## One assumption at a time", "",
             f"The calibrated set ({named}; energy of {assumptions.BOUNDARIES[CALIBRATED_BOUNDARY]}) with one more assumption",
             "changed: E, L of the mapping of least latency.", ""]

    def cell(some):
        return "; ".join(f'{row["fastest_energy_percent"]:.1f}, {row["fastest_latency_percent"]:.1f}'
                         for row in some)
    cells = [["as it is", *(cell([row for row in rows if row["network"] == network and
                                  is_calibrated(row)]) for network in NETWORKS)]]
    for axis, values in assumptions.OTHERS.items():
        for value, meaning in values.items():
            cells.append([f"`{axis}` {value}: {meaning}",
                          *(cell([row for row in rows if row["network"] == network and
                                  row["varied"] == axis and row[axis] == value])
                            for network in NETWORKS)])
    return lines + table(["changed", *NETWORKS.values()], cells)


def mappings(steps):
    lines = ["## The best mappings", "",
             "The calibrated set, and what the mapper finds when it may do less or more. Layers joined by + stream through the FPGA",
             "as one; a/b: the FPGA does a of b channels, the GPU the others at the same time. All else is on the GPU. mappings.csv",
             "has them in full.", ""]
    for network, title in NETWORKS.items():
        cells = []
        for of, step, objective, best, alone in steps:
            if of == network:
                cells.append([step, objective, f'{best["makespan_us"] / 1000:.2f}',
                              f'{best["energy_mj"]:.1f}',
                              f'{100 * (1 - best["energy_mj"] / alone["energy_mj"]):.1f}',
                              f'{100 * (1 - best["makespan_us"] / alone["makespan_us"]):.1f}',
                              "proven" if best["proven_optimal"] else "not proven",
                              f'{best["evaluated"]:,}', f'{best["seconds"]:.2f}', describe(best)])
                gpu = alone
        lines += [f'**{title}.** The GPU alone: {gpu["makespan_us"] / 1000:.2f} ms, '
                  f'{gpu["energy_mj"]:.1f} mJ.', ""]
        lines += table(["may use", "least", "ms", "mJ", "E", "L", "", "nodes", "s", "on the FPGA"], cells)
    return lines


def on_fpga(answer):
    """(layers, share) of each task on the FPGA: joined layers with +, share "12/64" if divided."""
    tasks = []
    for layer in answer["layers"]:
        shares = layer.get("parts") or []
        if len(shares) > 1:
            n = sum(part["channels"] for part in shares if part["device"] == "fpga")
            tasks.append((layer["name"], f'{n}/{sum(part["channels"] for part in shares)}'))
        elif layer["device"] == "fpga":
            tasks.append((" + ".join(layer["layers"]), ""))
    return tasks


def describe(answer):
    tasks = on_fpga(answer)
    whole = [layers for layers, share in tasks if not share]
    divided = [f"{layers} {share}" for layers, share in tasks if share]
    if len(divided) > 4:
        divided = divided[:3] + [f"{len(divided) - 3} more divided"]
    return ", ".join(shortened(whole) + divided) or "nothing"


def shortened(names):
    """stage3_1_b2_dw3x3, stage3_2_b2_dw3x3, ... of consecutive units as one."""
    out = []
    for name in names:
        unit = re.fullmatch(r"(stage\d|bottleneck)_?(\d+)(_\w+)", name)
        last = out[-1] if out else None
        if (unit and last and last[0] == (unit[1], unit[3]) and int(unit[2]) == last[2] + 1):
            last[2] += 1
        else:
            out.append([(unit[1], unit[3]) if unit else None, int(unit[2]) if unit else 0,
                        int(unit[2]) if unit else 0, name])
    return [name if first == end else f"{name} to {end}" for _, first, end, name in out]


def proofs(rows, steps):
    lines = ["## Proofs", "", "Fronts of all sets, and the single mappings above.", ""]
    cells = []
    for network, title in NETWORKS.items():
        some = [row for row in rows if row["network"] == network]
        single = [answer for of, _, _, answer, _ in steps if of == network]
        cells.append([title, share(some, "proven"), f'{max(row["nodes"] for row in some):,}',
                      f'{max(row["seconds"] for row in some):.2f}',
                      f'{sum(a["proven_optimal"] for a in single)} of {len(single)}',
                      f'{max(a["evaluated"] for a in single):,}',
                      f'{max(a["seconds"] for a in single):.2f}'])
    return lines + table(["network", "fronts proven", "most nodes", "most seconds",
                          "mappings proven", "most nodes", "most seconds"], cells)
