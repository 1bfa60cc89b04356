"""The pictures of results/diana: for each network the fronts, and ODiMO's policies. Start at
`fronts_svg` and `accuracy_svg`."""

COLOURS = {"diana": "#1b6ca8", "diana-overlap": "#3a7d44"}
# The fronts often share a point.
DOTS = {"diana": 'r="8" fill="none" stroke="#1b6ca8" stroke-width="2"',
        "diana-overlap": 'r="3.5" fill="#3a7d44"'}
POLICIES = {"IO-8bit": "#c4622d", "Min-Cost": "#8e44ad", "All-Ternary": "#666666"}
WIDTH, HEIGHT, MARGIN_LEFT, MARGIN_TOP, GAP = 300, 220, 64, 56, 92
COLUMNS = 3


def ticks(low, high):
    """Four to eight round numbers between the two."""
    step = 1e-9
    for exponent in range(-6, 6):
        for factor in (1, 2, 5):
            step = factor * 10 ** exponent
            if (high - low) / step <= 5:
                first = -(-low // step)
                return [(first + i) * step for i in range(9) if (first + i) * step <= high]
    return [low, high]


def padded(values):
    low, high = min(values), max(values)
    space = 0.08 * (high - low) or 0.05 * high
    return low - space, high + space


def panel(network, data, x0, y0):
    """`data`: policies and fronts, each point milliseconds and microjoules."""
    near = {p: data["policies"][p] for p in POLICIES}
    shown = [*near.values(), *data["diana"], *data["diana-overlap"]]
    (left, right), (bottom, top) = padded([p[0] for p in shown]), padded([p[1] for p in shown])

    def x(ms):
        return WIDTH * (ms - left) / (right - left)

    def y(uj):
        return HEIGHT * (1 - (uj - bottom) / (top - bottom))

    out = [f'<g transform="translate({x0},{y0})">',
           f'<text x="0" y="-24" font-weight="bold">{network}</text>',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#888"/>']
    for tick in ticks(left, right):
        out.append(f'<path d="M{x(tick):.1f} 0V{HEIGHT}" stroke="#eee"/>'
                   f'<text x="{x(tick):.1f}" y="{HEIGHT + 16}" text-anchor="middle">{tick:g}'
                   "</text>")
    for tick in ticks(bottom, top):
        out.append(f'<path d="M0 {y(tick):.1f}H{WIDTH}" stroke="#eee"/>'
                   f'<text x="-6" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for platform, colour in reversed(COLOURS.items()):
        points = data[platform]
        # Between two points of a front, the faster one is what there is.
        path = f"M{x(points[0][0]):.1f} {y(points[0][1]):.1f}" + "".join(
            f"H{x(ms):.1f}V{y(uj):.1f}" for ms, uj in points[1:])
        out.append(f'<path d="{path}" fill="none" stroke="{colour}"/>')
        out += [f'<circle cx="{x(ms):.1f}" cy="{y(uj):.1f}" {DOTS[platform]}/>'
                for ms, uj in points]
    for policy, colour in POLICIES.items():
        px, py = x(near[policy][0]), y(near[policy][1])
        out.append(f'<path d="M{px - 6:.1f} {py - 6:.1f}L{px + 6:.1f} {py + 6:.1f}'
                   f'M{px - 6:.1f} {py + 6:.1f}L{px + 6:.1f} {py - 6:.1f}" '
                   f'stroke="{colour}" stroke-width="2"/>')
    ms, uj = data["policies"]["All-8bit"]
    out.append(f'<text x="0" y="-8" fill="#666">All-8bit, far outside: {ms:.3g} ms, {uj:.4g} uJ'
               "</text>")
    out.append(f'<text x="{WIDTH / 2}" y="{HEIGHT + 34}" text-anchor="middle">latency [ms]</text>')
    out.append(f'<text x="{-HEIGHT / 2}" y="-46" text-anchor="middle" transform="rotate(-90)">'
               "energy [uJ]</text></g>")
    return out


def legend(x0, y0):
    out = [f'<g transform="translate({x0},{y0})">']
    rows = [(DOTS[p], f"front on {p}") for p in COLOURS]
    rows += [(c, f"{p}, ODiMO") for p, c in POLICIES.items()]
    for i, (colour, label) in enumerate(rows):
        at = 22 * i
        out.append(f'<circle cx="6" cy="{at}" {colour}/>' if i < len(COLOURS) else
                   f'<path d="M0 {at - 6}L12 {at + 6}M0 {at + 6}L12 {at - 6}" stroke="{colour}" '
                   'stroke-width="2"/>')
        out.append(f'<text x="22" y="{at + 4}">{label}</text>')
    return out + ["</g>"]


def fronts_svg(networks):
    rows = -(-(len(networks) + 1) // COLUMNS)
    width = COLUMNS * (WIDTH + GAP) + MARGIN_LEFT - GAP + 24
    height = rows * (HEIGHT + GAP) + MARGIN_TOP - 24
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
           'font-family="sans-serif" font-size="12">',
           '<rect width="100%" height="100%" fill="white"/>']
    places = [(MARGIN_LEFT + (i % COLUMNS) * (WIDTH + GAP),
               MARGIN_TOP + i // COLUMNS * (HEIGHT + GAP))
              for i in range(len(networks) + 1)]
    for (network, data), place in zip(networks.items(), places):
        out += panel(network, data, *place)
    out += legend(places[-1][0] + 20, places[-1][1] + 20)
    return "\n".join(out + ["</svg>\n"])


# ---- Accuracy. ----------------------------------------------------------------------------------

def accuracy_panel(network, data, x0, y0):
    shown = [*data["front"], *data["policies"].values()]
    (left, right), (bottom, top) = padded([p[0] for p in shown]), padded([p[1] for p in shown])

    def x(ms):
        return WIDTH * (ms - left) / (right - left)

    def y(percent):
        return HEIGHT * (1 - (percent - bottom) / (top - bottom))

    out = [f'<g transform="translate({x0},{y0})">',
           f'<text x="0" y="-8" font-weight="bold">{network}</text>',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#888"/>']
    for tick in ticks(left, right):
        out.append(f'<path d="M{x(tick):.1f} 0V{HEIGHT}" stroke="#eee"/>'
                   f'<text x="{x(tick):.1f}" y="{HEIGHT + 16}" text-anchor="middle">{tick:g}'
                   "</text>")
    for tick in ticks(bottom, top):
        out.append(f'<path d="M0 {y(tick):.1f}H{WIDTH}" stroke="#eee"/>'
                   f'<text x="-6" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>')
    points, last = sorted(data["front"]), None
    path = f"M{x(points[0][0]):.1f} {y(points[0][1]):.1f}"
    for ms, percent in points[1:]:
        step = f"H{x(ms):.1f}V{y(percent):.1f}"
        if step != last:
            path, last = path + step, step
    out.append(f'<path d="{path}" fill="none" stroke="{COLOURS["diana"]}"/>')
    for policy, (ms, percent) in data["policies"].items():
        px, py, colour = x(ms), y(percent), POLICIES.get(policy, "#111111")
        right_of = px < WIDTH * 0.75
        out.append(f'<path d="M{px - 6:.1f} {py - 6:.1f}L{px + 6:.1f} {py + 6:.1f}'
                   f'M{px - 6:.1f} {py + 6:.1f}L{px + 6:.1f} {py - 6:.1f}" '
                   f'stroke="{colour}" stroke-width="2"/>'
                   f'<text x="{px + (10 if right_of else -10):.1f}" y="{py + 14:.1f}" '
                   f'text-anchor="{"start" if right_of else "end"}">{policy}</text>')
    out.append(f'<text x="{WIDTH / 2}" y="{HEIGHT + 34}" text-anchor="middle">latency [ms]</text>')
    out.append(f'<text x="{-HEIGHT / 2}" y="-46" text-anchor="middle" transform="rotate(-90)">'
               "accuracy [%]</text></g>")
    return out


def accuracy_svg(networks):
    width = len(networks) * (WIDTH + GAP) + MARGIN_LEFT - GAP + 24
    height = HEIGHT + MARGIN_TOP + 76
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
           'font-family="sans-serif" font-size="12">',
           '<rect width="100%" height="100%" fill="white"/>']
    for i, (network, data) in enumerate(networks.items()):
        out += accuracy_panel(network, data, MARGIN_LEFT + i * (WIDTH + GAP), MARGIN_TOP - 16)
    out.append(f'<text x="{MARGIN_LEFT}" y="{height - 12}">line: the front, its accuracy a proxy; '
               "crosses: ODiMO's policies, measured by its authors</text>")
    return "\n".join(out + ["</svg>\n"])
