"""A row of the table: row.py NETWORK VALIDATION.json, the latter of `hetmap validate --json`."""

import json
import sys

network, file = sys.argv[1:]
with open(file) as stream:
    found = json.load(stream)
print(f"| {network} | {found['predicted_us']:.1f} | {found['measured_us']['p50']:.1f} | {found['error_percent']:+.1f} % "
      f"| {len(found['sample'])} | {found['median_error_percent']:.1f} % | {found['p90_error_percent']:.1f} % | {found['rank_correlation']:.3f} "
      f"| {'yes' if found['outputs_identical'] else 'no'} |")
