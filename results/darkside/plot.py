"""The picture of results/darkside: for each network, cycles against the share of standard channels.
Start at `fronts_svg`."""

COLOURS = {"darkside": "#1b6ca8", "darkside-dws": "#c4622d"}
WIDTH, HEIGHT, LEFT, TOP, GAP = 280, 220, 64, 40, 84


def panel(network, fronts, x0):
    most = max(cycles for points in fronts.values() for _, cycles in points) / 1e6
    out = [f'<g transform="translate({x0},{TOP})">',
           f'<text x="0" y="-10" font-weight="bold">{network}</text>',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#888"/>']
    for share in range(0, 101, 25):
        at = WIDTH * share / 100
        out.append(f'<path d="M{at:.1f} 0V{HEIGHT}" stroke="#eee"/>'
                   f'<text x="{at:.1f}" y="{HEIGHT + 16}" text-anchor="middle">{share}</text>')
    for quarter in range(5):
        at = HEIGHT * (1 - quarter / 4)
        out.append(f'<path d="M0 {at:.1f}H{WIDTH}" stroke="#eee"/>'
                   f'<text x="-6" y="{at + 4:.1f}" text-anchor="end">{most * quarter / 4:.3g}'
                   "</text>")
    for platform, points in fronts.items():
        path = "".join(f"{'L' if i else 'M'}{WIDTH * share / 100:.1f} "
                       f"{HEIGHT * (1 - cycles / 1e6 / most):.1f}"
                       for i, (share, cycles) in enumerate(sorted(points)))
        out.append(f'<path d="{path}" fill="none" stroke="{COLOURS[platform]}" stroke-width="2"/>')
    out.append(f'<text x="{WIDTH / 2}" y="{HEIGHT + 34}" text-anchor="middle">'
               "standard channels [%]</text>")
    out.append(f'<text x="{-HEIGHT / 2}" y="-46" text-anchor="middle" transform="rotate(-90)">'
               "million cycles</text></g>")
    return out


def fronts_svg(networks):
    width = LEFT + len(networks) * (WIDTH + GAP) - GAP + 24
    height = TOP + HEIGHT + 76
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
           'font-family="sans-serif" font-size="12">',
           '<rect width="100%" height="100%" fill="white"/>']
    for i, (network, fronts) in enumerate(networks.items()):
        out += panel(network, fronts, LEFT + i * (WIDTH + GAP))
    for i, (platform, colour) in enumerate(COLOURS.items()):
        x = LEFT + 180 * i
        out.append(f'<path d="M{x} {height - 14}h20" stroke="{colour}" stroke-width="2"/>'
                   f'<text x="{x + 28}" y="{height - 10}">front on {platform}</text>')
    return "\n".join(out + ["</svg>\n"])
