"""The plot of results/dhm: a panel for each network, energy against latency saved."""
from cases import BANDS, NETWORKS, STATED, is_calibrated

COLOURS = {("one", "no"): "#8a8a8a", ("modules", "no"): "#1b6ca8", ("modules", "yes"): "#3a7d44"}
NAMES = {("one", "no"): "one bitstream",
         ("modules", "no"): "a bitstream for each module",
         ("modules", "yes"): "a bitstream for each module, divided layers"}
SIZE, LEFT, TOP, GAP = 300, 60, 70, 40
LOW, HIGH = -30, 50


def at(percent):
    return SIZE * (min(max(percent, LOW), HIGH) - LOW) / (HIGH - LOW)


def draw(rows):
    """Of each set of the grid the front's two ends, joined; energy is that of the GPU's rail."""
    width = LEFT + len(NETWORKS) * (SIZE + GAP)
    height = TOP + SIZE + 60 + 18 * len(NAMES)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
           'font-family="sans-serif" font-size="12">',
           '<rect width="100%" height="100%" fill="white"/>',
           f'<text x="{LEFT}" y="22" font-size="14">FPGA and GPU against the GPU alone, energy of '
           "the GPU's rail: every set of assumptions of the grid</text>"]
    for i, (network, title) in enumerate(NETWORKS.items()):
        out.append(f'<g transform="translate({LEFT + i * (SIZE + GAP)},{TOP})">')
        out += panel(network, title, [row for row in rows if row["network"] == network and
                                      row["varied"] == "grid" and row["boundary"] == "gpu"])
        if i == 0:
            out.append(f'<text x="{-SIZE / 2}" y="-40" text-anchor="middle" '
                       'transform="rotate(-90)">energy saved [%]</text>')
        out.append("</g>")
    y = TOP + SIZE + 58
    for i, (kind, name) in enumerate(NAMES.items()):
        out.append(f'<circle cx="{LEFT + 6}" cy="{y + 18 * i - 4}" r="4" fill="{COLOURS[kind]}"/>')
        out.append(f'<text x="{LEFT + 18}" y="{y + 18 * i}">{name}</text>')
    x = LEFT + SIZE + GAP
    out.append(f'<text x="{x}" y="{y}">full: the mapping of least latency; hollow: of least energy, '
               "of the same set</text>")
    out.append(f'<text x="{x}" y="{y + 18}">rectangle: what the paper states; ring: the calibrated '
               "set</text>")
    out.append("</svg>\n")
    return "\n".join(out)


def panel(network, title, rows):
    energy, latency = STATED[network]
    unit = "" if latency == "the same" else " %"
    out = [f'<text x="0" y="-26" font-size="13">{title}</text>',
           f'<text x="0" y="-10" fill="#a33">paper: energy {energy} %, latency {latency}{unit}</text>']
    for percent in range(LOW, HIGH + 1, 10):
        p = at(percent)
        stroke = "#999" if percent == 0 else "#e4e4e4"
        out.append(f'<path d="M{p:.1f} 0V{SIZE}M0 {SIZE - p:.1f}H{SIZE}" stroke="{stroke}"/>')
        out.append(f'<text x="{p:.1f}" y="{SIZE + 16}" text-anchor="middle">{percent}</text>')
        out.append(f'<text x="-6" y="{SIZE - p + 4:.1f}" text-anchor="end">{percent}</text>')
    (l0, l1), (e0, e1) = BANDS[network]["latency"], BANDS[network]["energy"]
    out.append(f'<rect x="{at(l0):.1f}" y="{SIZE - at(e1):.1f}" width="{at(l1) - at(l0):.1f}" '
               f'height="{at(e1) - at(e0):.1f}" fill="#a33" fill-opacity="0.12" stroke="#a33"/>')
    for row in rows:
        colour = COLOURS[row["bitstream"], row["split"]]
        ends = [(at(row[f"{end}_latency_percent"]), SIZE - at(row[f"{end}_energy_percent"]))
                for end in ("fastest", "thriftiest")]
        (x0, y0), (x1, y1) = ends
        if ends[0] != ends[1]:
            out.append(f'<path d="M{x0:.1f} {y0:.1f}L{x1:.1f} {y1:.1f}" stroke="{colour}" '
                       'stroke-opacity="0.2"/>')
            out.append(f'<circle cx="{x1:.1f}" cy="{y1:.1f}" r="2" fill="none" stroke="{colour}"/>')
        out.append(f'<circle cx="{x0:.1f}" cy="{y0:.1f}" r="2.2" fill="{colour}"/>')
        if is_calibrated(row):
            out.append(f'<circle cx="{x0:.1f}" cy="{y0:.1f}" r="7" fill="none" stroke="black" '
                       'stroke-width="1.5"/>')
    out.append(f'<text x="{SIZE / 2}" y="{SIZE + 34}" text-anchor="middle">latency saved [%]</text>')
    return out
